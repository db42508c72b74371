// Small nonnegative least-squares problems, one a row, given by Gram matrices.
//
//   minimize over u >= 0   u'G u / 2 - b'u + l1 sum(u) + l2 u'u / 2
//
// Cyclic coordinate descent from the u that is there: u_a <- max(0, u_a + (b_a - l1 - (G u)_a - l2 u_a) / (G_aa + l2)), until a
// sweep moves u by less than tol of its length, or the sweeps run out. A step never increases the objective. What only factor
// updates want, a few sweeps are enough for; many give the exact solution, as far as G's condition allows.
// Cost: 2 k^2 flops a sweep and row. Memory: none.
#pragma once

#include <cmath>

#include "corange/linalg/blocks.hpp"
#include "corange/nmf/rows.hpp"

namespace corange {

struct SmallNnls {
  double l1 = 0, l2 = 0, tol = 0;
  Index sweeps = 1;
};

/// One row; `g` is symmetric with padded rows.
template <class T>
void nnls_row(BlockView<const T> g, const T* b, T* u, const SmallNnls& options) {
  const auto l1 = static_cast<T>(options.l1), l2 = static_cast<T>(options.l2);
  for (Index sweep = 0; sweep < options.sweeps; ++sweep) {
    double moved = 0, length = 0;
    for (Index a = 0; a < g.rows; ++a) {
      const T curvature = g(a, a) + l2;
      if (!(curvature > T(0))) continue;  // nothing depends on it but the penalty
      const T gradient = detail::dot(g.row(a), static_cast<const T*>(u), g.width()) + l2 * u[a] + l1 - b[a];
      const T next = std::max(T(0), u[a] - gradient / curvature), change = next - u[a];
      u[a] = next;
      moved += static_cast<double>(change) * static_cast<double>(change);
      length += static_cast<double>(next) * static_cast<double>(next);
    }
    if (moved <= options.tol * options.tol * length) return;
  }
}

/// Least squares over the entries that are known: for each row its own Gram matrix of the rows of Y that its entries meet.
///
///   minimize over u >= 0   sum_p w_p (x_p - y_p'u)^2 / 2 + l1 sum(u) + l2 u'u / 2;   rows without entries become zero
///
/// Rows of Y are gathered some at a time and go through the panel kernel. Cost: 2 k^2 flops an entry, near the speed of a dense
/// product. Returns sum_p w_p (x_p - y_p'u)^2 / 2 afterwards. With `by_count`, l2 counts once for each entry.
template <class T>
class MaskedLeastSquares {
 public:
  MaskedLeastSquares(const NmfRows<T>& x, BlockView<const T> y, const SmallNnls& options, bool by_count)
      : x_(x), y_(y), options_(options), by_count_(by_count) {}

  double run(BlockView<T> u) const {
    const Tiling tiles = x_.tiles();
    return detail::sum_over(tiles, [&](Index t) {
      Work work(y_.cols);
      double sum = 0;
      for (Index i = tiles.begin(t); i < tiles.begin(t) + tiles.size(t); ++i) {
        check_interrupt();
        sum += row(x_.row(i, work.scratch), u.row(i), work);
      }
      return sum;
    });
  }

 private:
  static constexpr Index kRun = 128;

  struct Work {
    explicit Work(Index k) : rows(kRun, k), weighted(kRun, k), gram(k, k), right(1, k) {}
    NmfScratch<T> scratch;
    Block<T> rows, weighted, gram, right;
  };

  double row(const NmfRow<T>& row, T* u, Work& work) const {
    if (row.count == 0) {
      std::fill_n(u, y_.cols, T(0));
      return 0;
    }
    normal_equations(row, work);
    SmallNnls options = options_;
    if (by_count_) options.l2 *= static_cast<double>(row.count);
    nnls_row<T>(work.gram.view(), work.right.data(), u, options);
    double sum = 0;
    for (Index p = 0; p < row.count; ++p) {
      const auto off = static_cast<double>(row.x[p] - detail::dot<T>(u, y_row(row, p), y_.width()));
      sum += 0.5 * off * off * (row.weights ? static_cast<double>(row.weights[p]) : 1.0);
    }
    return sum;
  }

  const T* y_row(const NmfRow<T>& row, Index p) const { return y_.row(row.indices ? row.indices[p] : p); }

  void normal_equations(const NmfRow<T>& row, Work& work) const {
    work.right.set_zero();
    for (Index start = 0; start < row.count; start += kRun) {
      const Index count = std::min(kRun, row.count - start);
      for (Index p = 0; p < count; ++p) {
        const T* source = y_row(row, start + p);
        const T weight = row.weights ? row.weights[start + p] : T(1);
        std::copy_n(source, y_.width(), work.rows.view().row(p));
        if (row.weights)
          for (Index a = 0; a < y_.width(); ++a) work.weighted.view().row(p)[a] = weight * source[a];
        detail::axpy(weight * row.x[start + p], source, work.right.data(), y_.width());
      }
      const BlockView<T> left = row.weights ? work.weighted.view() : work.rows.view();
      panel_product<T>(transposed(left.middle_rows(0, count)), BlockView<const T>(work.rows.view().middle_rows(0, count)),
                       work.gram.view(), start == 0 ? Store::set : Store::add);
    }
  }

  const NmfRows<T>& x_;
  BlockView<const T> y_;
  SmallNnls options_;
  bool by_count_;
};

}  // namespace corange
