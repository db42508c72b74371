// Sparse times block, in place on the user's CSR or CSC arrays.
//
//   gather:   Y[o, :] = sum over entries p of outer o of data[p] X[indices[p], :]     (CSR: A X, CSC: A' X)
//   scatter:  Y[indices[p], :] += data[p] X[o, :]                                     (CSR: A' X, CSC: A X)
//   normal:   Y as gather gives it, and Z what scatter makes of Y, slice by slice     (CSR: A X and A'(A X))
//
// "Outer" is the row of a CSR and the column of a CSC matrix. Duplicate entries add up and their order is free, as in SciPy.
// Gather runs over outer slices in parallel. Scatter sums the two halves of the outer slices apart, where entries are many enough
// to pay for a second Y; beyond two threads, each task owns a range of inner indices besides. All walk their outers in order, so
// that the sums are the same whatever the number of tasks is. Normal does what gather and scatter do, number for number, while a
// slice is in L1: A is read once.
// The operand met row by row, Y of gather and X of scatter, may be an array of any strides: it goes through buffers that stay in
// cache. The other one is met at random and must be a block.
// Cost: 2 nnz width flops; bound by loading rows of X (gather) or updating rows of Y (scatter) from L2. Memory: one more Y.
#pragma once

#include "corange/linalg/sparse_slices.hpp"
#include "corange/linalg/strided.hpp"

namespace corange {

namespace detail {

/// The outer slice where half of the entries have passed.
template <class S, class I>
Index middle_outer(const CompressedView<S, I>& a) {
  return a.indptr.first_from(a.nonzeros() / 2, a.outer);
}

/// y = x1 + x2, padding too; y may be x1.
template <class T>
void add_blocks(BlockView<const T> x1, BlockView<const T> x2, BlockView<T> y) {
  const Tiling tiles = tiling(y.rows, 64, 64);
  parallel_for(tiles.count(), y.rows * y.width(), [&](Index t) {
    for (Index i = tiles.begin(t); i < tiles.begin(t) + tiles.size(t); ++i)
      for (Index j = 0; j < y.width(); ++j) y(i, j) = x1(i, j) + x2(i, j);
  });
}

/// Calls f.template operator()<NV>(first column) over groups of NV vectors.
template <class T, class F>
void for_vector_groups(Index width, F&& f) {
  constexpr Index kLanes = simd::kLanes<T>;
  constexpr Index kMost = 8;
  for (Index j = 0; j < width;) {
    const Index left = (width - j) / kLanes;
    if (left >= kMost)
      f.template operator()<kMost>(j), j += kMost * kLanes;
    else if (left >= 4)
      f.template operator()<4>(j), j += 4 * kLanes;
    else if (left >= 2)
      f.template operator()<2>(j), j += 2 * kLanes;
    else
      f.template operator()<1>(j), j += kLanes;
  }
}

}  // namespace detail

/// Y = A X for CSR, A' X for CSC.
template <class T, class S, class I>
void spmm_gather(const CompressedView<S, I>& a, BlockView<const T> x, BlockView<T> y) {
  const Tiling tiles = tiling(a.outer, 256, 64);
  parallel_for(tiles.count(), (a.nonzeros() + a.outer) * y.cols, [&](Index t) {
    const Index begin = tiles.begin(t);
    detail::for_vector_groups<T>(y.width(), [&]<int NV>(Index j) {
      detail::gather_rows<T, NV>(a, {begin, begin + tiles.size(t)}, x.data + j, x.ld, y.row(begin) + j, y.ld);
    });
  });
}

/// The same into an array of any strides.
template <class T, class S, class I>
void spmm_gather(const CompressedView<S, I>& a, BlockView<const T> x, StridedOutput<T> y) {
  constexpr Index kRows = 64;
  const Tiling tiles = tiling(a.outer, 256, kRows);
  parallel_for(tiles.count(), (a.nonzeros() + a.outer) * y.cols, [&](Index t) {
    Block<T> buffer(uninitialized, kRows, y.cols);
    for (Index begin = tiles.begin(t), end = begin + tiles.size(t); begin < end; begin += kRows) {
      const Index rows = std::min(kRows, end - begin);
      detail::for_vector_groups<T>(x.width(), [&]<int NV>(Index j) {
        detail::gather_rows<T, NV>(a, {begin, begin + rows}, x.data + j, x.ld, buffer.data() + j, buffer.ld());
      });
      detail::copy_out<T>(buffer.view(), y.middle_rows(begin, rows));
    }
  });
}

namespace detail {

/// Beyond this, columns are summed in narrow blocks of their own: two cache lines of each row of a wide one use few of a cache's sets.
inline constexpr Index kWideBytes = 16 << 20;
inline constexpr Index kNarrowBytes = 128;

template <class T>
Index columns_at_once(Index rows, Index cols) {
  const bool wide = rows * padded<T>(cols) * static_cast<Index>(sizeof(T)) > kWideBytes;
  return wide ? kNarrowBytes / static_cast<Index>(sizeof(T)) : cols;
}

/// Rows of a block, where they are.
template <class T>
struct BlockRows {
  BlockView<const T> x;

  Index at_once() const { return x.rows; }
  BlockView<const T> get(Outers outers, Index column, Index width, Block<T>&) const {
    return {x.row(outers.begin) + column, outers.end - outers.begin, width, x.ld};
  }
};

/// Rows of any array, some at a time in a buffer.
template <class T>
struct ArrayRows {
  StridedView<T> x;

  Index at_once() const { return 128; }
  BlockView<const T> get(Outers outers, Index column, Index width, Block<T>& buffer) const {
    if (buffer.cols() != width) buffer = Block<T>(at_once(), width);
    const Index rows = outers.end - outers.begin, columns = std::min(width, x.cols - column);
    copy_in<T>({&x(outers.begin, column), rows, columns, x.row_stride, x.col_stride}, buffer.view());
    return buffer.view();
  }
};

template <class S, class I>
Outers part_of(const CompressedView<S, I>& a, Index part, Index parts) {
  const Index middle = parts == 2 ? middle_outer(a) : a.outer;
  return part == 0 ? Outers{0, middle} : Outers{middle, a.outer};
}

/// sums[0] (+ sums[1]) = Y; one part of the outer slices each.
template <class T, class S, class I, class Rows>
void scatter_parts(const CompressedView<S, I>& a, const ScatterPlan& plan, const Rows& x, const std::vector<BlockView<T>>& sums) {
  const Index parts = static_cast<Index>(sums.size());
  parallel_for(parts * plan.ranges(), (a.nonzeros() + a.inner) * sums[0].cols, [&](Index task) {
    const Index range = task / parts;
    const BlockView<T> sum = sums[static_cast<std::size_t>(task % parts)];
    const Outers outers = part_of(a, task % parts, parts);
    Block<T> buffer;
    for (Index i = plan.bound(range); i < plan.bound(range + 1); ++i) std::fill_n(sum.row(i), sum.width(), T(0));
    for_vector_groups<T>(sum.width(), [&]<int NV>(Index j) {
      for (Index begin = outers.begin; begin < outers.end; begin += x.at_once()) {
        const Outers some{begin, std::min(outers.end, begin + x.at_once())};
        const BlockView<const T> rows = x.get(some, j, NV * simd::kLanes<T>, buffer);
        scatter_range<T, NV>(a, some, plan, range, rows.data, rows.ld, sum.data + j, sum.ld);
      }
    });
  });
}

}  // namespace detail

/// Y = A' X for CSR, A X for CSC; Y is overwritten. `plan` must have been built for `a`.
template <class T, class S, class I>
void spmm_scatter(const CompressedView<S, I>& a, const ScatterPlan& plan, BlockView<const T> x, BlockView<T> y) {
  if (a.scatter_parts() == 1) return detail::scatter_parts<T>(a, plan, detail::BlockRows<T>{x}, {y});
  const Index most = detail::columns_at_once<T>(y.rows, y.cols);
  const bool apart = most < y.cols;
  Block<T> first(uninitialized, apart ? y.rows : 0, most), second(uninitialized, y.rows, most);
  for (Index j = 0; j < y.cols; j += most) {
    const Index width = std::min(most, y.cols - j);
    const BlockView<T> group{y.data + j, y.rows, width, y.ld}, sum = apart ? first.cols(width) : group;
    const detail::BlockRows<T> rows{{x.data + j, x.rows, width, x.ld}};
    detail::scatter_parts<T>(a, plan, rows, {sum, second.cols(width)});
    detail::add_blocks<T>(sum, second.cols(width), group);
  }
}

/// The same for arrays of any strides.
template <class T, class S, class I>
void spmm_scatter(const CompressedView<S, I>& a, const ScatterPlan& plan, StridedView<T> x, StridedOutput<T> y) {
  const bool two = a.scatter_parts() == 2;
  const Index most = detail::columns_at_once<T>(y.rows, y.cols);
  Block<T> first(uninitialized, y.rows, most), second(uninitialized, two ? y.rows : 0, most);
  for (Index j = 0; j < y.cols; j += most) {
    const Index width = std::min(most, y.cols - j);
    std::vector<BlockView<T>> sums{first.cols(width)};
    if (two) sums.push_back(second.cols(width));
    const detail::ArrayRows<T> rows{{&x.data[j * x.col_stride], x.rows, width, x.row_stride, x.col_stride}};
    detail::scatter_parts<T>(a, plan, rows, sums);
    two ? unpack_sum<T>(sums[0], sums[1], y.middle_cols(j, width)) : unpack<T>(sums[0], y.middle_cols(j, width));
  }
}

/// Whether spmm_normal serves: as many threads as parts, and reading A weighs more than what X and the sums of Z take from each
/// other: blocks must be narrow for L2, and all three stay in L3.
template <class T>
bool spmm_fuses(const ScatterPlan& plan, BlockView<T> z) {
  constexpr Index kSharedBytes = 8 << 20;
  const Index row = z.width() * static_cast<Index>(sizeof(T));
  return plan.ranges() == 1 && row <= detail::kNarrowBytes && 3 * z.rows * row <= kSharedBytes;
}

/// Y = A X and Z = A' Y for CSR, with the bits of spmm_gather and spmm_scatter; where spmm_fuses says so.
template <class T, class S, class I>
void spmm_normal(const CompressedView<S, I>& a, BlockView<const T> x, BlockView<T> z, BlockView<T> y) {
  const Index parts = a.scatter_parts();
  Block<T> second(uninitialized, parts == 2 ? z.rows : 0, z.cols);
  parallel_for(parts, (2 * a.nonzeros() + a.outer + a.inner) * x.cols, [&](Index part) {
    const detail::Outers outers = detail::part_of(a, part, parts);
    const BlockView<T> sum = part == 0 ? z : second.view();
    std::fill_n(sum.data, sum.rows * sum.ld, T(0));
    detail::for_vector_groups<T>(z.width(), [&]<int NV>(Index j) {
      detail::normal_rows<T, NV>(a, outers, x.data + j, x.ld, y.data + j, y.ld, sum.data + j, sum.ld);
    });
  });
  if (parts == 2) detail::add_blocks<T>(z, second.view(), z);
}

}  // namespace corange
