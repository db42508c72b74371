// Sparse sign embeddings:  out += S[:, offset : offset + rows] A,   S of size x n, E[S' S] = I.
//
// Each column of S holds `nnz` entries +-1/sqrt(nnz) in distinct rows, uniformly chosen; nnz = 1 is CountSketch. Column j is a
// function of (seed, stream, j) alone, so that sketches of row blocks of A can be made anywhere and added up.
//
//   1. For a panel of rows of A draw the columns of S that meet them: signs from the bits of the first Philox words of row j,
//      rows from the next words, by Floyd's sampling without replacement and Lemire's multiplication without modulo bias.
//   2. Add each row of A, times the sign, to the nnz rows of out: tasks own rows and columns of out (dense A), rows of it
//      (CSR) or lines of columns (CSC), and all walk the rows of A in storage order. So every sum has one order, for
//      any number of threads, any strides and any cut into row blocks: applying blocks one after another to the same `out`
//      gives the bits of applying all at once, and dense and sorted sparse A give the same bits.
//
// Cost: nnz * nonzeros(A) multiply-adds and one pass over A; 4 nnz bytes a row of the panel.
// Cohen, "Nearly tight oblivious subspace embeddings by trace inequalities", SODA 2016, doi:10.1137/1.9781611974331.ch21;
// Martinsson and Tropp, "Randomized numerical linear algebra", Acta Numerica 29 (2020), section 9.2, doi:10.1017/S0962492920000021.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "corange/core/philox.hpp"
#include "corange/linalg/spmm.hpp"

namespace corange {

struct SparseSign {
  Index size = 0, nnz = 8;
  RandomKey key;

  double scale() const { return 1 / std::sqrt(static_cast<double>(nnz)); }
  void check() const {
    constexpr Index kMost = (Index{1} << 31) - 1;
    if (size < 1 || size > kMost) throw InvalidArgument("size = " + std::to_string(size) + " must lie in 1 .. 2**31 - 1");
    if (nnz < 1 || nnz > size) throw InvalidArgument("nnz = " + std::to_string(nnz) + " must lie in 1 .. size");
  }
};

namespace detail {

/// Random words of columns of S, in batches: word k of column j is word k % 4 of the counter of row j and group k / 4.
class ColumnWords {
 public:
  ColumnWords(RandomKey key, Index words)
      : stream_(key), groups_((words + 3) / 4), counters_{from(0), from(kLanes), from(2 * kLanes), from(3 * kLanes)} {}

  /// Draws those of columns [first, first + count).
  void draw(Index first, Index count) {
    constexpr Index kStep = 4 * kLanes;
    first_ = first;
    const Index counters = count * groups_;
    words_.resize(static_cast<std::size_t>(4 * (counters + kStep)));
    for (Index t = 0; t < counters; t += kStep) {
      PhiloxLanes random[4];
      for (int n = 0; n < 4; ++n) random[n] = counters_[n].at(static_cast<std::uint64_t>(first + t / groups_), 0, t % groups_);
      run_rounds(random, stream_, 0);
      std::uint32_t* out = words_.data() + 4 * t;
      for (const PhiloxLanes& each : random)
        for (int lane = 0; lane < kLanes; ++lane)
          for (const lanes::U64& word : each.c) *out++ = static_cast<std::uint32_t>(word[lane]);
    }
  }

  /// Word k of a column that was drawn; those after the batch's, which rejections ask for, are made one by one.
  std::uint32_t operator()(Index column, Index k) const {
    if (k < 4 * groups_) return words_[static_cast<std::size_t>(4 * groups_ * (column - first_) + k)];
    const auto group = static_cast<std::uint64_t>(k / 4), masked = group ^ stream_.group_mask;
    const auto row = static_cast<std::uint64_t>(column), masked_row = row ^ stream_.row_mask;
    return philox4x32({static_cast<std::uint32_t>(group), static_cast<std::uint32_t>(masked >> 32),
                       static_cast<std::uint32_t>(row), static_cast<std::uint32_t>(masked_row >> 32)},
                      stream_.key)[static_cast<std::size_t>(k % 4)];
  }

 private:
  static constexpr int kLanes = lanes::kCount<lanes::U64>;

  CounterBlock from(int first) const {
    return {stream_, groups_, [=](int lane) { return first + lane; }};
  }

  PhiloxStream stream_;
  Index groups_, first_ = 0;
  CounterBlock counters_[4];
  std::vector<std::uint32_t> words_;
};

}  // namespace detail

/// Columns of S: for each its nnz rows and signs.
class SparseSignColumns {
 public:
  using Code = std::uint32_t;  // twice the row, plus 1 if the sign is negative

  explicit SparseSignColumns(const SparseSign& s) : s_(s) { s.check(); }

  /// Draws columns [first, first + count) on all threads, in place of those held before.
  void draw(Index first, Index count) {
    codes_.resize(static_cast<std::size_t>(count * s_.nnz));
    const Tiling tiles = tiling(count, 256, 512);
    parallel_for(tiles.count(), [&](Index t) { fill(first, tiles.begin(t), tiles.size(t)); });
  }

  /// Codes of column j of those held.
  const Code* operator[](Index j) const { return codes_.data() + j * s_.nnz; }
  static Index row(Code code) { return static_cast<Index>(code >> 1); }
  template <class T>
  static T sign(Code code) {
    return static_cast<T>(1 - 2 * static_cast<int>(code & 1));
  }

 private:
  static constexpr Index kBatch = 64;

  void fill(Index first, Index start, Index count) {
    detail::ColumnWords words(s_.key, sign_words() + s_.nnz);
    for (Index b = start; b < start + count; b += kBatch) {
      const Index columns = std::min(kBatch, start + count - b);
      words.draw(first + b, columns);
      for (Index j = b; j < b + columns; ++j) fill_column(words, first + j, codes_.data() + j * s_.nnz);
    }
  }

  Index sign_words() const { return (s_.nnz + 31) / 32; }

  void fill_column(const detail::ColumnWords& words, Index column, Code* codes) const {
    Index next = sign_words();
    for (Index t = 0; t < s_.nnz; ++t) {
      const auto bound = static_cast<std::uint32_t>(s_.size - s_.nnz + t + 1);
      Code row = below(bound, words, column, next);
      for (Index u = 0; u < t; ++u)
        if (codes[u] >> 1 == row) {
          row = bound - 1;
          break;
        }
      codes[t] = row << 1 | (words(column, t / 32) >> (t % 32) & 1);
    }
  }

  /// Uniform in [0, bound), from as many words as that takes.
  static Code below(std::uint32_t bound, const detail::ColumnWords& words, Index column, Index& next) {
    std::uint64_t product = std::uint64_t{bound} * words(column, next++);
    if (static_cast<std::uint32_t>(product) < bound) {
      const std::uint32_t rejected = (0u - bound) % bound;
      while (static_cast<std::uint32_t>(product) < rejected) product = std::uint64_t{bound} * words(column, next++);
    }
    return static_cast<Code>(product >> 32);
  }

  SparseSign s_;
  std::vector<Code> codes_;
};

namespace detail {

inline constexpr Index kSignPanel = 1 << 14;  // rows of A whose columns of S are held at once
inline constexpr Index kSignTile = 64;  // rows of A that are packed at once

/// Rows of out and columns of it and of `a` that belong to one task.
struct SignTask {
  Index row, rows, col, cols;
};

/// out[row, :] += sign * scale * a[i, :] for those of the signs of columns j0, j0 + 1, ... of S that fall into the rows of a task;
/// `line` holds a row of `a` times the scale.
template <class T>
void add_signed_rows(const SparseSignColumns& columns, Index j0, const SparseSign& s, BlockView<const T> a, Index row, Index rows,
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
      if (target < 0 || target >= rows) continue;
      if (from != line && s.nnz > 1) {
        for (Index j = 0; j < a.cols; ++j) line[j] = from[j] * scale;
        from = line;
      }
      T* __restrict to = out.row(row + target);
      const T sign = SparseSignColumns::sign<T>(codes[t]);
      for (Index j = 0; j < a.cols; ++j) to[j] += sign * from[j];
    }
  }
}

/// buffer = a, converted.
template <class T, class S>
void pack_rows(StridedView<S> a, BlockView<T> buffer) {
  if (a.col_stride == 1) {
    for (Index i = 0; i < a.rows; ++i)
      for (Index j = 0; j < a.cols; ++j) buffer(i, j) = static_cast<T>(a.data[i * a.row_stride + j]);
  } else {
    for (Index j = 0; j < a.cols; ++j)
      for (Index i = 0; i < a.rows; ++i) buffer(i, j) = static_cast<T>(a(i, j));
  }
}

/// One task of the dense product, for the rows of A in a panel.
template <class T, class S>
void add_sketch_part(const SparseSignColumns& columns, const SparseSign& s, StridedView<S> panel, BlockView<T> out,
                     SignTask task) {
  const StridedView<S> a{panel.data + task.col * panel.col_stride, panel.rows, task.cols, panel.row_stride, panel.col_stride};
  const BlockView<T> target{out.data + task.col, out.rows, task.cols, out.ld};
  Block<T> line(1, a.cols);
  const auto add = [&](BlockView<const T> rows, Index j0) {
    add_signed_rows<T>(columns, j0, s, rows, task.row, task.rows, target, line.data());
  };
  if constexpr (std::is_same_v<S, T>)
    if (a.col_stride == 1) return add({a.data, a.rows, a.cols, a.row_stride}, 0);
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
  const Index pieces = std::max<Index>(Tiling{cols, (row_major ? 64 : 16) * kLine}.count(), 1);
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
  const auto [strips, ranges] = detail::sign_tasks<T>(s, a.cols, a.col_stride == 1);
  detail::for_sign_panels(
      s, a.rows, offset, [&, strips = strips, ranges = ranges](const SparseSignColumns& columns, Index row, Index count) {
        parallel_for(strips.count() * ranges.count(), [&](Index t) {
          const Index strip = t / ranges.count(), range = t % ranges.count();
          detail::add_sketch_part<T>(columns, s, a.middle_rows(row, count), out,
                                     {ranges.begin(range), ranges.size(range), strips.begin(strip), strips.size(strip)});
        });
      });
}

/// The same for CSR: outer slices of `a` are rows of A.
template <class T, class S, class P, class I>
void sparse_sign_apply_rows(const SparseSign& s, const CompressedView<S, P, I>& a, BlockView<T> out, Index offset = 0) {
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
template <class T, class S, class P, class I>
void sparse_sign_apply_columns(const SparseSign& s, const CompressedView<S, P, I>& a, BlockView<T> out, Index offset = 0) {
  detail::check_sign_shapes(s, out.rows, out.cols, a.outer, offset);
  const T scale = static_cast<T>(s.scale());
  const S entry_scale = static_cast<S>(a.scale);
  SparseSignColumns columns(s);
  columns.draw(offset, a.inner);
  const Tiling groups{a.outer, static_cast<Index>(kAlignment / sizeof(T))};  // columns of out that share lines
  parallel_for(groups.count(), [&](Index g) {
    for (Index c = groups.begin(g); c < groups.begin(g) + groups.size(g); ++c)
      for (Index p = a.indptr[c]; p < static_cast<Index>(a.indptr[c + 1]); ++p) {
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
