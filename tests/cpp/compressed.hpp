// Random sparse matrices in compressed storage, with everything SciPy allows: empty slices, duplicates, no order.
#pragma once

#include "corange/linalg/spmm.hpp"
#include "matrices.hpp"

namespace matrices {

enum class Order { sorted, unsorted, duplicates };

template <class S, class P, class I>
struct Compressed {
  Index outer = 0, inner = 0;
  std::vector<P> indptr{0};
  std::vector<I> indices;
  std::vector<S> data;

  CompressedView<S, I> view(double scale = 1) const { return {outer, inner, indptr.data(), indices.data(), data.data(), scale}; }
  Index stored() const { return static_cast<Index>(indices.size()); }

  /// The matrix itself, outer x inner.
  Exact dense() const {
    Exact e(outer, inner);
    for (Index o = 0; o < outer; ++o)
      for (Index p = static_cast<Index>(indptr[static_cast<std::size_t>(o)]);
           p < static_cast<Index>(indptr[static_cast<std::size_t>(o) + 1]); ++p)
        e(o, static_cast<Index>(indices[static_cast<std::size_t>(p)])) +=
            static_cast<long double>(data[static_cast<std::size_t>(p)]);
    return e;
  }

  /// Sum of |entries|, which is what rounding errors of duplicates are relative to.
  Exact dense_absolute() const {
    Compressed c = *this;
    for (S& x : c.data) x = std::abs(x);
    return c.dense();
  }
};

/// About `density * inner` entries a slice; a tenth of the slices is empty and one is full.
template <class S, class P, class I>
Compressed<S, P, I> random_compressed(Index outer, Index inner, double density, Order order, std::uint64_t seed) {
  Compressed<S, P, I> a;
  a.outer = outer;
  a.inner = inner;
  std::vector<double> u(static_cast<std::size_t>(std::max<Index>(inner, 1)));
  for (Index o = 0; o < outer; ++o) {
    fill_uniform<double>(RandomKey{seed, 1}, o, 0, 1, std::max<Index>(inner, 1), u.data(), std::max<Index>(inner, 1));
    const auto start = a.indices.size();
    for (Index i = 0; i < inner; ++i) {
      const double x = u[static_cast<std::size_t>(i)];
      const bool full = o == outer / 2, empty = o % 10 == 3;
      if (!full && (empty || x >= density)) continue;
      for (int copies = order == Order::duplicates && i % 3 == 0 ? 3 : 1; copies > 0; --copies)
        a.indices.push_back(static_cast<I>(i));
    }
    if (order != Order::sorted)  // any fixed shuffle
      for (auto p = start + 1; p < a.indices.size(); ++p)
        std::swap(a.indices[p], a.indices[start + (p * 7919) % (p - start + 1)]);
    a.indptr.push_back(static_cast<P>(a.indices.size()));
  }
  a.data.resize(a.indices.size());
  if (!a.data.empty()) fill_normal<S>(RandomKey{seed, 2}, 0, 0, 1, a.stored(), a.data.data(), a.stored());
  return a;
}

}  // namespace matrices
