// Sparse sign embeddings:  out += S[:, offset : offset + rows] A,   S of size x n, E[S' S] = I.
//
// Each column of S holds `nnz` entries +-1/sqrt(nnz) in distinct rows, uniformly chosen; nnz = 1 is CountSketch. Column j is a
// function of (seed, stream, j) alone, so that sketches of row blocks of A can be made anywhere and added up.
//
//   1. For a panel of rows of A draw the columns of S that meet them.
//   2. Add each row of A, times the sign, to the nnz rows of out: tasks own rows and columns of out (dense A), rows of it
//      (CSR) or lines of columns (CSC), and all add the rows of A in storage order. So every sum has one order, for
//      any number of threads, any strides and any cut into row blocks: applying blocks one after another to the same `out`
//      gives the bits of applying all at once, and dense and sorted sparse A give the same bits.
//   3. Where a tile of a dense A has several rows for each row of out, these are added up in registers.
//
// Cost: nnz * nonzeros(A) multiply-adds and one pass over A; 4 nnz bytes a row of the panel.
// Cohen, "Nearly tight oblivious subspace embeddings by trace inequalities", SODA 2016, doi:10.1137/1.9781611974331.ch21;
// Martinsson and Tropp, "Randomized numerical linear algebra", Acta Numerica 29 (2020), section 9.2, doi:10.1017/S0962492920000021.
#pragma once

#include "corange/linalg/spmm.hpp"
#include "corange/linalg/strided.hpp"
#include "corange/sketch/sparse_sign_gather.hpp"

namespace corange {

namespace detail {

inline constexpr Index kSignPanel = 1 << 14;  // rows of A whose columns of S are held at once
inline constexpr Index kSignTile = 64;  // rows of A that are packed at once

/// sign * scale * a[i, :] is added to the rows of out, which are rows row, row + 1, ... of the sketch, for the signs of columns
/// j0, j0 + 1, ... of S; `line` holds a row of `a` times the scale.
template <class T>
void add_signed_rows(const SparseSignColumns& columns, Index j0, const SparseSign& s, BlockView<const T> a, Index row,
                     BlockView<T> out, T* __restrict line) {
  constexpr Index kRowsAhead = 6, kLine = static_cast<Index>(kAlignment / sizeof(T));
  const T scale = static_cast<T>(s.scale());
  for (Index i = 0; i < a.rows; ++i) {
    const T* __restrict from = a.row(i);
    if (i + kRowsAhead < a.rows)  // rows of others too: leaving them out is what a processor does not foresee
      for (Index p = 0; p < a.cols; p += kLine) __builtin_prefetch(from + kRowsAhead * a.ld + p);
    const SparseSignColumns::Code* codes = columns[j0 + i];
    for (Index t = 0; t < s.nnz; ++t) {
      const Index target = SparseSignColumns::row(codes[t]) - row;
      if (target < 0 || target >= out.rows) continue;
      if (from != line && s.nnz > 1) {
        for (Index j = 0; j < a.cols; ++j) line[j] = from[j] * scale;
        from = line;
      }
      T* __restrict to = out.row(target);
      const T sign = SparseSignColumns::sign<T>(codes[t]);
      for (Index j = 0; j < a.cols; ++j) to[j] += sign * from[j];
    }
  }
}

/// buffer = a, converted, times scale.
template <class T, class S>
void pack_rows(StridedView<S> a, BlockView<T> buffer, T scale = 1) {
  copy_converted(a, buffer, [scale](S x) { return static_cast<T>(x) * scale; });
}

/// One task of the dense product where rows are gathered; `a` has the columns of the task.
template <class T, class S>
void gather_sketch_part(const std::vector<SortedSigns>& signs, const SparseSign& s, StridedView<S> a, BlockView<T> out,
                        Index row) {
  Block<T> buffer(std::min(kGatherRows, a.rows), a.cols);
  for (std::size_t t = 0; t < signs.size(); ++t) {
    check_interrupt();
    const Index first = static_cast<Index>(t) * kGatherRows, rows = std::min(kGatherRows, a.rows - first);
    pack_rows(a.middle_rows(first, rows), buffer.view().middle_rows(0, rows), static_cast<T>(s.scale()));
    gather<T>(signs[t], buffer.view(), row, out);
  }
}

/// One task of the dense product where rows are added one by one.
template <class T, class S>
void add_sketch_part(const SparseSignColumns& columns, const SparseSign& s, StridedView<S> a, BlockView<T> out, Index row) {
  Block<T> line(1, a.cols);
  const auto add = [&](BlockView<const T> rows, Index j0) { add_signed_rows<T>(columns, j0, s, rows, row, out, line.data()); };
  if constexpr (std::is_same_v<S, T>) {
    constexpr Index kRows = 1024;  // between two looks for Ctrl-C
    if (a.col_stride == 1) {
      for (Index i = 0; i < a.rows; i += kRows) {
        check_interrupt();
        add({a.data + i * a.row_stride, std::min(kRows, a.rows - i), a.cols, a.row_stride}, i);
      }
      return;
    }
  }
  Block<T> buffer(kSignTile, a.cols);
  for (Index i = 0; i < a.rows; i += kSignTile) {
    check_interrupt();
    const Index rows = std::min(kSignTile, a.rows - i);
    pack_rows(a.middle_rows(i, rows), buffer.view().middle_rows(0, rows));
    add(buffer.view().middle_rows(0, rows), i);
  }
}

/// Columns, and then rows of out, that are tasks. A row-major A is read in pieces of a page: of shorter ones, memory delivers what
/// lies between as well. Any other A is packed, a piece of it once only.
template <class T>
std::pair<Tiling, Tiling> sign_tasks(const SparseSign& s, Index cols, bool row_major) {
  constexpr Index kLine = static_cast<Index>(kAlignment / sizeof(T));
  Index pieces = std::max<Index>(Tiling{cols, (row_major ? 64 : 16) * kLine}.count(), 1);
  if (pieces > 2) pieces += pieces % 2;  // 3 would not suit 2 threads
  const Tiling strips{cols, std::max(kLine, padded<T>((cols + pieces - 1) / pieces))};
  const Index threads = std::clamp<Index>(max_threads(), 1, 16), ranges = row_major ? (threads + pieces - 1) / pieces : 1;
  return {strips, {s.size, (s.size + ranges - 1) / ranges}};  // which rows does not change any sum
}

/// Calls fn(columns, first row, rows) for panels of `rows` rows of A.
template <class Fn>
void for_sign_panels(const SparseSign& s, Index rows, Index offset, Fn&& fn) {
  SparseSignColumns columns(s);
  for (Index row = 0; row < rows; row += kSignPanel) {
    const Index count = std::min(kSignPanel, rows - row);
    columns.draw(offset + row, count);
    fn(columns, row, count);
  }
}

inline void check_sign_shapes(const SparseSign& s, Index out_rows, Index out_cols, Index cols, Index offset) {
  s.check();
  if (offset < 0) throw InvalidArgument("offset = " + std::to_string(offset) + " must be at least 0");
  if (out_rows != s.size || out_cols != cols)
    throw InvalidArgument("out must be " + std::to_string(s.size) + " x " + std::to_string(cols) + ", not " +
                          std::to_string(out_rows) + " x " + std::to_string(out_cols));
}

}  // namespace detail

/// out += S[:, offset : offset + a.rows] a, for a dense matrix of any strides.
template <class T, class S>
void sparse_sign_apply(const SparseSign& s, StridedView<S> a, BlockView<T> out, Index offset = 0) {
  detail::check_sign_shapes(s, out.rows, out.cols, a.cols, offset);
  const auto tasks = detail::sign_tasks<T>(s, a.cols, a.col_stride == 1);
  const Tiling strips = tasks.first, ranges = tasks.second;
  detail::for_sign_panels(s, a.rows, offset, [&](const SparseSignColumns& columns, Index row, Index count) {
    const std::vector<detail::SortedSigns> sorted = detail::sorted_signs(columns, s, count, a.cols);
    parallel_for(strips.count() * ranges.count(), [&](Index t) {
      const Index strip = t / ranges.count(), range = t % ranges.count();
      const Index col = strips.begin(strip), cols = strips.size(strip), first = ranges.begin(range);
      const StridedView<S> part{a.data + row * a.row_stride + col * a.col_stride, count, cols, a.row_stride, a.col_stride};
      const BlockView<T> target{out.row(first) + col, ranges.size(range), cols, out.ld};
      sorted.empty() ? detail::add_sketch_part<T>(columns, s, part, target, first)
                     : detail::gather_sketch_part<T>(sorted, s, part, target, first);
    });
  });
}

/// The same for CSR: outer slices of `a` are rows of A.
template <class T, class S, class I>
void sparse_sign_apply_rows(const SparseSign& s, const CompressedView<S, I>& a, BlockView<T> out, Index offset = 0) {
  detail::check_sign_shapes(s, out.rows, out.cols, a.inner, offset);
  const T scale = static_cast<T>(s.scale());
  const S entry_scale = static_cast<S>(a.scale);
  const Index most = std::clamp<Index>(max_threads(), 1, 16);
  const Tiling ranges{s.size, (s.size + most - 1) / most};  // of rows of out: how many does not change any sum
  detail::for_sign_panels(s, a.outer, offset, [&](const SparseSignColumns& columns, Index row, Index count) {
    parallel_for(ranges.count(), [&](Index r) {
      const Index begin = ranges.begin(r), end = begin + ranges.size(r);
      for (Index i = 0; i < count; ++i) {
        if (i % 1024 == 0) check_interrupt();
        const Index start = a.indptr[row + i], stop = a.indptr[row + i + 1];
        for (Index t = 0; t < s.nnz; ++t) {
          const SparseSignColumns::Code code = columns[i][t];
          const Index target = SparseSignColumns::row(code);
          if (target < begin || target >= end) continue;
          T* to = out.row(target);
          const T sign = SparseSignColumns::sign<T>(code);
          for (Index p = start; p < stop; ++p) {
            const T x = static_cast<T>(a.data[p] * entry_scale) * scale;
            to[a.indices[p]] += sign * x;
          }
        }
      }
    });
  });
}

/// The same for CSC: outer slices of `a` are columns of A. All columns of S are held at once.
template <class T, class S, class I>
void sparse_sign_apply_columns(const SparseSign& s, const CompressedView<S, I>& a, BlockView<T> out, Index offset = 0) {
  detail::check_sign_shapes(s, out.rows, out.cols, a.outer, offset);
  const T scale = static_cast<T>(s.scale());
  const S entry_scale = static_cast<S>(a.scale);
  SparseSignColumns columns(s);
  columns.draw(offset, a.inner);
  const Tiling groups{a.outer, static_cast<Index>(kAlignment / sizeof(T))};  // columns of out that share lines
  parallel_for(groups.count(), [&](Index g) {
    for (Index c = groups.begin(g); c < groups.begin(g) + groups.size(g); ++c)
      for (Index p = a.indptr[c], stop = a.indptr[c + 1]; p < stop; ++p) {
        const T x = static_cast<T>(a.data[p] * entry_scale) * scale;
        const SparseSignColumns::Code* codes = columns[static_cast<Index>(a.indices[p])];
        for (Index t = 0; t < s.nnz; ++t) out(SparseSignColumns::row(codes[t]), c) += SparseSignColumns::sign<T>(codes[t]) * x;
      }
  });
}

/// x = S[:, offset : offset + x.rows]' y.
template <class T>
void sparse_sign_adjoint(const SparseSign& s, BlockView<const T> y, BlockView<T> x, Index offset = 0) {
  detail::check_sign_shapes(s, y.rows, y.cols, x.cols, offset);
  const T scale = static_cast<T>(s.scale());
  detail::for_sign_panels(s, x.rows, offset, [&](const SparseSignColumns& columns, Index row, Index count) {
    const Tiling tiles = tiling(count, 64, 64);
    parallel_for(tiles.count(), [&](Index t) {
      for (Index i = tiles.begin(t); i < tiles.begin(t) + tiles.size(t); ++i) {
        T* to = x.row(row + i);
        std::fill_n(to, x.width(), T(0));
        for (Index k = 0; k < s.nnz; ++k) {
          const T* from = y.row(SparseSignColumns::row(columns[i][k]));
          const T sign = SparseSignColumns::sign<T>(columns[i][k]);
          for (Index j = 0; j < x.width(); ++j) to[j] += sign * from[j];
        }
        for (Index j = 0; j < x.width(); ++j) to[j] *= scale;
      }
    });
  });
}

}  // namespace corange
