// Blocks of a kernel matrix between two sets of points.
//
//   out(i, j) = k(x_i, y_j),    x_i a row of X (m x d, any strides), y_j a row of Y (n x d)
//
//   linear        x'y
//   polynomial    (gamma x'y + coef0)^degree
//   rbf           exp(-gamma ||x - y||_2^2)
//   laplacian     exp(-gamma ||x - y||_1)
//
//   1. Y is transposed once into a padded block, so that points of Y lie side by side in a vector.
//   2. For tiles of rows of X: sums over the coordinates in registers, then the function of the sum in place.
//
// Distances are sums of the differences themselves, not ||x||^2 + ||y||^2 - 2 x'y: that costs one more addition for each
// multiplication, which most processors do beside it, and close points far from the origin keep all their digits; k(x, x) = 1
// exactly and k(x, y) = k(y, x) bit for bit. Each entry is one chain of operations in the order of the coordinates, so it does
// not depend on the block it is computed in. Cost: 3 m n d flops and m n exponentials.
#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "corange/core/parallel.hpp"
#include "corange/linalg/exponential.hpp"
#include "corange/linalg/panel.hpp"

namespace corange {

enum class KernelKind { linear, polynomial, rbf, laplacian };

struct KernelSpec {
  KernelKind kind = KernelKind::rbf;
  double gamma = 1;
  double coef0 = 1;   // polynomial
  double degree = 3;  // polynomial
};

namespace detail {

template <class T, KernelKind Kind, int MR, int NV>
struct DistanceKernel {
  using V = simd::Vector<T>;

  /// Sums of squared or absolute differences of MR rows of X to NV vectors of points.
  static void run(Index d, const T* x, Index x_row, Index x_col, const T* y, Index ldy, T* out, Index ldo) {
    V sum[MR][NV] = {};
    for (Index p = 0; p < d; ++p) {
      V yp[NV];
      for (int v = 0; v < NV; ++v) yp[v] = simd::load(y + p * ldy + v * simd::kLanes<T>);
      for (int i = 0; i < MR; ++i) {
        const T xi = x[i * x_row + p * x_col];
        for (int v = 0; v < NV; ++v) {
          const V gap = xi - yp[v];
          if constexpr (Kind == KernelKind::rbf)
            sum[i][v] += gap * gap;
          else
            sum[i][v] += gap < 0 ? -gap : gap;
        }
      }
    }
    for (int i = 0; i < MR; ++i)
      for (int v = 0; v < NV; ++v) simd::store<T>(out + i * ldo + v * simd::kLanes<T>, sum[i][v]);
  }
};

/// out = distances of the rows of x to the columns of y, a padded block.
template <class T, KernelKind Kind>
void distances(StridedView<T> x, BlockView<const T> y, BlockView<T> out) {
  constexpr Index kVectors = kMicroVectors, kGroup = kVectors * simd::kLanes<T>;
  constexpr int kRows = 4;
  const auto columns = [&]<int NV>(Index j) {
    Index i = 0;
    const auto step = [&]<int MR>() {
      for (; i + MR <= x.rows; i += MR)
        DistanceKernel<T, Kind, MR, NV>::run(x.cols, x.data + i * x.row_stride, x.row_stride, x.col_stride, y.data + j, y.ld,
                                             out.row(i) + j, out.ld);
    };
    step.template operator()<kRows>();
    step.template operator()<1>();
  };
  Index j = 0;
  for (; j + kGroup <= y.width(); j += kGroup) columns.template operator()<kVectors>(j);
  for (; j < y.width(); j += simd::kLanes<T>) columns.template operator()<1>(j);
}

template <class T>
T whole_power(T x, int degree) {
  T result = 1;
  for (; degree > 0; degree >>= 1, x *= x)
    if (degree & 1) result *= x;
  return result;
}

/// The kernel as a function of inner products or distances, in place.
template <class T>
void apply_profile(const KernelSpec& spec, T* values, Index count) {
  const T gamma = static_cast<T>(spec.gamma), coef0 = static_cast<T>(spec.coef0);
  if (spec.kind == KernelKind::rbf || spec.kind == KernelKind::laplacian) {
    for (Index j = 0; j < count; j += simd::kLanes<T>)
      simd::store<T>(values + j, simd::exp_negative<T>(simd::load(values + j) * -gamma));
  } else if (spec.kind == KernelKind::polynomial) {
    const int degree = static_cast<int>(spec.degree);
    if (degree == spec.degree && degree <= 64)
      for (Index j = 0; j < count; ++j) values[j] = whole_power(gamma * values[j] + coef0, degree);
    else
      for (Index j = 0; j < count; ++j) values[j] = std::pow(gamma * values[j] + coef0, static_cast<T>(spec.degree));
  }
}

template <class T>
void kernel_tile(const KernelSpec& spec, StridedView<T> x, BlockView<const T> y, BlockView<T> out) {
  if (spec.kind == KernelKind::rbf)
    distances<T, KernelKind::rbf>(x, y, out);
  else if (spec.kind == KernelKind::laplacian)
    distances<T, KernelKind::laplacian>(x, y, out);
  else
    panel_product<T>(x, y, out, Store::set);
  for (Index i = 0; i < x.rows; ++i) apply_profile(spec, out.row(i), out.width());
}

}  // namespace detail

namespace detail {

/// Tiles of rows that are worth a thread's while: at least 2^18 operations each.
inline Tiling worthwhile_tiles(Index rows, Index operations_a_row) {
  return tiling(rows, 256, std::max<Index>(32, (Index{1} << 18) / std::max<Index>(operations_a_row, 1)));
}

}  // namespace detail

/// Rows of points as a block of columns of points.
template <class T>
Block<T> points_as_columns(StridedView<T> y) {
  Block<T> columns(y.cols, y.rows);
  for (Index j = 0; j < y.rows; ++j)
    for (Index p = 0; p < y.cols; ++p) columns(p, j) = y(j, p);
  return columns;
}

/// out(i, j) = k(x_i, y_j); out has rows `ld` apart and no padding.
template <class T>
void kernel_block(const KernelSpec& spec, StridedView<T> x, StridedView<T> y, T* out, Index ld) {
  constexpr Index kStrip = 256;  // points of Y at a time, so that a tile stays in L2
  const Block<T> points = points_as_columns(y);
  const Tiling tiles = detail::worthwhile_tiles(x.rows, y.rows * (x.cols + 10));
  parallel_for(tiles.count(), [&](Index t) {
    constexpr Index kRows = 64;
    Block<T> tile(uninitialized, kRows, std::min(kStrip, y.rows));
    for (Index i = tiles.begin(t); i < tiles.begin(t) + tiles.size(t); i += kRows) {
      check_interrupt();
      const Index rows = std::min(kRows, tiles.begin(t) + tiles.size(t) - i);
      for (Index j = 0; j < y.rows; j += kStrip) {
        const Index width = std::min(kStrip, y.rows - j);
        const BlockView<T> part{tile.data(), rows, width, tile.ld()};
        detail::kernel_tile<T>(spec, x.middle_rows(i, rows), {points.data() + j, y.cols, width, points.ld()}, part);
        for (Index r = 0; r < rows; ++r) std::copy_n(part.row(r), width, out + (i + r) * ld + j);
      }
    }
  });
}

/// Rows of m before the last that is not zero, for each group of columns that a product takes at once.
template <class T>
std::vector<Index> filled_rows(BlockView<const T> m, Index group) {
  std::vector<Index> filled;
  for (Index j = 0; j < m.cols; j += group) {
    const Index width = std::min(group, m.cols - j);
    Index rows = m.rows;
    while (rows > 0 && std::all_of(m.row(rows - 1) + j, m.row(rows - 1) + j + width, [](T x) { return x == 0; })) --rows;
    filled.push_back(rows);
  }
  return filled;
}

/// out = k(X, Y) M for M (n x w, padded block): features of the rows of X, without storing the kernel. What is zero at the end
/// of M's columns is skipped: an upper triangular M costs half.
template <class T>
void kernel_features(const KernelSpec& spec, StridedView<T> x, StridedView<T> y, BlockView<const T> m, T* out) {
  constexpr Index kGroup = detail::kMicroVectors * simd::kLanes<T>;
  const Block<T> points = points_as_columns(y);
  const std::vector<Index> filled = filled_rows(m, kGroup);
  const Tiling tiles = detail::worthwhile_tiles(x.rows, y.rows * (x.cols + m.cols + 10));
  parallel_for(tiles.count(), [&](Index t) {
    constexpr Index kRows = 64;
    Block<T> values(uninitialized, kRows, y.rows), features(kRows, m.cols);
    for (Index i = tiles.begin(t); i < tiles.begin(t) + tiles.size(t); i += kRows) {
      check_interrupt();
      const Index rows = std::min(kRows, tiles.begin(t) + tiles.size(t) - i);
      const BlockView<T> v = values.view().middle_rows(0, rows), f = features.view().middle_rows(0, rows);
      detail::kernel_tile<T>(spec, x.middle_rows(i, rows), points.view(), v);
      for (Index j = 0; j < m.cols; j += kGroup) {
        const Index width = std::min(kGroup, m.cols - j), depth = filled[static_cast<std::size_t>(j / kGroup)];
        panel_product<T>({v.data, rows, depth, v.ld, 1}, {m.data + j, depth, width, m.ld}, {f.data + j, rows, width, f.ld},
                         Store::set);
      }
      for (Index r = 0; r < rows; ++r) std::copy_n(f.row(r), m.cols, out + (i + r) * m.cols);
    }
  });
}

}  // namespace corange
