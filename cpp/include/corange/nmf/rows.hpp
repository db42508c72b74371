// Rows of a nonnegative matrix as factor updates see them: entries, their columns and weights, whatever the user's arrays are.
//
// Every update of X ~ U Y' for fixed Y treats the rows of U one by one, so one interface serves both factors: the rows of X for
// one, those of X' for the other. A row is handed out in the precision of the computation; what is stored that way already is
// used in place, the rest is converted in a scratch of the row's length.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "corange/core/parallel.hpp"
#include "corange/core/types.hpp"
#include "corange/linalg/simd.hpp"

namespace corange {

template <class T>
struct NmfRow {
  Index count = 0;
  const T* x = nullptr;
  const Index* indices = nullptr;  // null: entry p is in column p
  const T* weights = nullptr;      // null: all are one
};

template <class T>
struct NmfScratch {
  std::vector<T> x, weights;
  std::vector<Index> indices;
};

template <class T>
class NmfRows {
 public:
  virtual ~NmfRows() = default;
  virtual Index rows() const = 0;
  virtual Index cols() const = 0;
  virtual bool dense() const = 0;
  /// Entries that are not handed out are unknown, and not zero.
  virtual bool missing() const { return false; }
  /// Lives until the next call with this scratch.
  virtual NmfRow<T> row(Index i, NmfScratch<T>& scratch) const = 0;
  /// Rows cut so that tasks are many, worth a thread, and depend on the shape alone.
  Tiling tiles() const { return tiling(rows(), 256, 32); }
};

template <class T>
class DenseNmfRows final : public NmfRows<T> {
 public:
  DenseNmfRows(StridedView<T> x, double scale) : x_(x), scale_(static_cast<T>(scale)) {}

  Index rows() const override { return x_.rows; }
  Index cols() const override { return x_.cols; }
  bool dense() const override { return true; }

  NmfRow<T> row(Index i, NmfScratch<T>& scratch) const override {
    const T* source = x_.data + i * x_.row_stride;
    if (x_.col_stride == 1 && scale_ == T(1)) return {x_.cols, source};
    scratch.x.resize(static_cast<std::size_t>(x_.cols));
    for (Index j = 0; j < x_.cols; ++j) scratch.x[static_cast<std::size_t>(j)] = source[j * x_.col_stride] * scale_;
    return {x_.cols, scratch.x.data()};
  }

 private:
  StridedView<T> x_;
  T scale_;
};

/// Outer slices of CSR (rows of X) or CSC (rows of X') with int64 pointers, whose structure has been checked.
template <class T, class I>
class CompressedNmfRows final : public NmfRows<T> {
 public:
  CompressedNmfRows(Index outer, Index inner, const Index* indptr, const I* indices, const T* data, const T* weights,
                    double scale, bool missing)
      : outer_(outer),
        inner_(inner),
        indptr_(indptr),
        indices_(indices),
        data_(data),
        weights_(weights),
        scale_(static_cast<T>(scale)),
        missing_(missing) {}

  Index rows() const override { return outer_; }
  Index cols() const override { return inner_; }
  bool dense() const override { return false; }
  bool missing() const override { return missing_; }

  NmfRow<T> row(Index i, NmfScratch<T>& scratch) const override {
    const Index start = indptr_[i], count = indptr_[i + 1] - start;
    NmfRow<T> row{count, data_ + start, nullptr, weights_ ? weights_ + start : nullptr};
    if (scale_ != T(1)) {
      scratch.x.resize(static_cast<std::size_t>(count));
      for (Index p = 0; p < count; ++p) scratch.x[static_cast<std::size_t>(p)] = data_[start + p] * scale_;
      row.x = scratch.x.data();
    }
    if constexpr (std::is_same_v<I, Index>) {
      row.indices = indices_ + start;
    } else {
      scratch.indices.assign(indices_ + start, indices_ + start + count);
      row.indices = scratch.indices.data();
    }
    return row;
  }

 private:
  Index outer_, inner_;
  const Index* indptr_;
  const I* indices_;
  const T* data_;
  const T* weights_;
  T scale_;
  bool missing_;
};

namespace detail {

/// fn(tile) for each tile of rows, and the sum of what it returns, in order.
template <class Fn>
double sum_over(const Tiling& tiles, const Fn& fn) {
  std::vector<double> parts(static_cast<std::size_t>(tiles.count()));
  parallel_for(tiles.count(), [&](Index t) { parts[static_cast<std::size_t>(t)] = fn(t); });
  double sum = 0;
  for (const double part : parts) sum += part;
  return sum;
}

/// Sum of the rows of Y, in tiles of fixed size.
template <class T>
std::vector<T> column_sums(BlockView<const T> y) {
  const Tiling tiles = tiling(y.rows, 64, 1024);
  const auto width = static_cast<std::size_t>(y.width());
  std::vector<std::vector<double>> parts(static_cast<std::size_t>(tiles.count()));
  parallel_for(tiles.count(), [&](Index t) {
    std::vector<double> sum(width, 0.0);
    for (Index i = tiles.begin(t); i < tiles.begin(t) + tiles.size(t); ++i)
      for (std::size_t a = 0; a < width; ++a) sum[a] += static_cast<double>(y.row(i)[a]);
    parts[static_cast<std::size_t>(t)] = std::move(sum);
  });
  std::vector<T> total(width);
  for (std::size_t a = 0; a < width; ++a) {
    double sum = 0;
    for (const auto& part : parts) sum += part[a];
    total[a] = static_cast<T>(sum);
  }
  return total;
}

template <class T>
T horizontal_sum(simd::Vector<T> v) {
  T sum = 0;
  for (int l = 0; l < simd::kLanes<T>; ++l) sum += v[l];
  return sum;
}

/// Sum of a[i] b[i] over a padded width.
template <class T>
T dot(const T* a, const T* b, Index width) {
  simd::Vector<T> sum{};
  for (Index i = 0; i < width; i += simd::kLanes<T>) sum += simd::load(a + i) * simd::load(b + i);
  return horizontal_sum<T>(sum);
}

/// y += a x over a padded width.
template <class T>
void axpy(T a, const T* x, T* y, Index width) {
  for (Index i = 0; i < width; i += simd::kLanes<T>) simd::store<T>(y + i, simd::load(y + i) + a * simd::load(x + i));
}

}  // namespace detail
}  // namespace corange
