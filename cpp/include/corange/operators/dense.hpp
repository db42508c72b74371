// A dense matrix of any strides, optionally shifted and scaled (Affine), in the user's memory.
//
// Products run over tiles of rows that stay in L2. A tile that is not already what the kernel wants (same precision, unit column
// stride, no shift) is copied into a buffer of that size: conversion, centering and transposition cost one pass in cache.
// apply_normal reads each tile once from memory: T = A_t X, then Z += A_t' T.
// Cost: 2 m n b flops a product; working memory: one tile a thread and, for A' products, up to 32 partial results n x b,
// which are summed in a fixed order. Matrices of fewer than 2048 rows are shared by columns instead: rows of A' have no sums in
// common.
#pragma once

#include "corange/operators/linear_operator.hpp"

namespace corange {

template <class S>
class DenseOperator final : public OperatorOf<DenseOperator<S>> {
 public:
  explicit DenseOperator(StridedView<S> a, Affine affine = {}, double scale = 1) : a_(a), affine_(affine), scale_(scale) {}

  Index rows() const override { return a_.rows; }
  Index cols() const override { return a_.cols; }
  Storage storage() const override { return Storage::dense; }
  double entries() const override { return static_cast<double>(a_.rows) * static_cast<double>(a_.cols); }
  bool single_precision() const override { return std::is_same_v<S, float>; }
  bool fused_normal() const override { return true; }

  std::unique_ptr<LinearOperator> view(bool transpose, double scale) const override {
    const StridedView<S> a = transpose ? StridedView<S>{a_.data, a_.cols, a_.rows, a_.col_stride, a_.row_stride} : a_;
    return std::make_unique<DenseOperator>(a, transpose ? affine_.transposed() : affine_, scale_ * scale);
  }

  Scan scan() const override {
    const Tiling tiles = tiling(a_.rows, 256, 8);
    std::vector<Scan> pieces(static_cast<std::size_t>(tiles.count()));
    parallel_for(tiles.count(), a_.rows * a_.cols, [&](Index t) {
      Scan piece;
      piece.exponent = detail::kNoExponent;
      for (Index i = tiles.begin(t); i < tiles.begin(t) + tiles.size(t); ++i) join(piece, scan_row(i));
      pieces[static_cast<std::size_t>(t)] = piece;
    });
    Scan total;
    total.known = true;
    total.exponent = detail::kNoExponent;
    for (const Scan& piece : pieces) join(total, piece);
    return total;
  }

  using LinearOperator::apply_normal;
  void apply_normal(BlockView<const float> x, BlockView<float> z, BlockView<float> y) const override { normal<float>(x, z, y); }
  void apply_normal(BlockView<const double> x, BlockView<double> z, BlockView<double> y) const override {
    normal<double>(x, z, y);
  }

  void apply_gradient(BlockView<const double> x, BlockView<double> z, BlockView<double> r) const override {
    sum_over_tiles<double>(z, [&](StridedView<double> tile, Index row, BlockView<double> sum) {
      const BlockView<double> rt = r.middle_rows(row, tile.rows);
      panel_product<double>(tile, x, rt, Store::subtract);
      panel_product<double>(adjoint_of(tile), BlockView<const double>(rt), sum, Store::add);
    });
  }

  bool visit(EntryVisitor& visitor) const override {
    if constexpr (std::is_same_v<S, double>)
      if (affine_.identity() && scale_ == 1) return visitor.dense(0, 0, a_), true;
    constexpr Index kEntries = 1 << 21;
    const Tiling tiles{a_.rows, std::max<Index>(kEntries / std::max<Index>(a_.cols, 1), 1)};
    Block<double> buffer(uninitialized, std::min(tiles.tile, a_.rows), a_.cols);
    for (Index t = 0; t < tiles.count(); ++t) {
      const Tiling parts = tiling(tiles.size(t), 64, 16);
      parallel_for(parts.count(), [&](Index p) {
        const Index start = tiles.begin(t) + parts.begin(p);
        fill(a_.middle_rows(start, parts.size(p)), affine_.middle_rows(start),
             buffer.view().middle_rows(parts.begin(p), parts.size(p)));
      });
      visitor.dense(tiles.begin(t), 0, {buffer.data(), tiles.size(t), a_.cols, buffer.ld(), 1});
    }
    return true;
  }

  template <class T>
  void product(BlockView<const T> x, BlockView<T> y) const {
    const Tiling tiles = row_tiles<T>();
    parallel_for(tiles.count(), a_.rows * a_.cols * x.cols, [&](Index t) {
      Block<T> buffer;
      const Index row = tiles.begin(t), count = tiles.size(t);
      panel_product<T>(tile<T>(row, count, buffer), x, y.middle_rows(row, count), Store::set);
    });
  }

  template <class T>
  void adjoint(BlockView<const T> x, BlockView<T> z) const {
    if (few_rows()) return adjoint_by_columns(x, z);
    sum_over_tiles<T>(z, [&](StridedView<T> tile, Index row, BlockView<T> sum) {
      panel_product<T>(adjoint_of(tile), x.middle_rows(row, tile.rows), sum, Store::add);
    });
  }

  template <class T>
  void normal(BlockView<const T> x, BlockView<T> z, BlockView<T> y) const {
    if (few_rows()) return product<T>(x, y), adjoint_by_columns<T>(y, z);
    sum_over_tiles<T>(z, [&](StridedView<T> tile, Index row, BlockView<T> sum) {
      const BlockView<T> yt = y.middle_rows(row, tile.rows);
      panel_product<T>(tile, x, yt, Store::set);
      panel_product<T>(adjoint_of(tile), BlockView<const T>(yt), sum, Store::add);
    });
  }

 private:
  /// Tiles of about 1 MB, half of a large L2 cache, and a multiple of the micro-kernel's 12 rows.
  template <class T>
  Tiling row_tiles() const {
    const Index rows = (1 << 20) / (static_cast<Index>(sizeof(T)) * std::max<Index>(a_.cols, 1));
    return {a_.rows, std::clamp<Index>(rows / 12 * 12, 24, 240)};
  }

  /// Whether the rows make no more than one group for one thread.
  bool few_rows() const { return a_.rows > 0 && a_.rows < 2 * kGroupRows; }

  template <class T>
  void adjoint_by_columns(BlockView<const T> x, BlockView<T> z) const {
    const Tiling strips = tiling(a_.cols, 32, 96);
    parallel_for(strips.count(), a_.rows * a_.cols * x.cols, [&](Index s) {
      const DenseOperator strip = columns(strips.begin(s), strips.size(s));
      const BlockView<T> zs = z.middle_rows(strips.begin(s), strips.size(s));
      const Tiling tiles = strip.template row_tiles<T>();
      Block<T> buffer;
      for (Index t = 0; t < tiles.count(); ++t) {
        const Index row = tiles.begin(t), count = tiles.size(t);
        panel_product<T>(adjoint_of(strip.template tile<T>(row, count, buffer)), x.middle_rows(row, count), zs,
                         t == 0 ? Store::set : Store::add);
      }
    });
  }

  DenseOperator columns(Index start, Index count) const {
    const StridedView<S> part{a_.data + start * a_.col_stride, a_.rows, count, a_.row_stride, a_.col_stride};
    return DenseOperator(part, affine_.transposed().middle_rows(start).transposed(), scale_);
  }

  /// Entries are looked at after they are shifted, as products see them.
  Scan scan_row(Index i) const {
    const auto where = [i](Index j) { return std::pair(i, j); };
    if (affine_.identity()) return detail::scan_entries(a_.cols, [&](Index j) { return a_(i, j); }, where);
    return detail::scan_entries(a_.cols, [&](Index j) { return shifted(a_(i, j), i, j, affine_) / scale_; }, where);
  }

  template <class T>
  static StridedView<T> adjoint_of(StridedView<T> a) {
    return {a.data, a.cols, a.rows, a.col_stride, a.row_stride};
  }

  template <class T>
  StridedView<T> tile(Index row, Index count, Block<T>& buffer) const {
    const StridedView<S> source = a_.middle_rows(row, count);
    if constexpr (std::is_same_v<S, T>)
      if (affine_.identity() && scale_ == 1 && source.col_stride == 1) return source;
    if (buffer.rows() < count) buffer = Block<T>(uninitialized, count, a_.cols);
    fill(source, affine_.middle_rows(row), buffer.view());
    return {buffer.data(), count, a_.cols, buffer.ld(), 1};
  }

  /// Never inlined: the loop over shifted entries becomes sixteen, by which shifts and scales there are.
  template <class T>
  [[gnu::noinline]] void fill(StridedView<S> source, Affine affine, BlockView<T> out) const {
    // Strips of columns where the source is transposed, so that it is read along its own rows; whole rows otherwise.
    const Index strip = source.col_stride == 1 ? source.cols : 64;
    for (Index start = 0; start < source.cols; start += strip)
      for (Index i = 0; i < source.rows; ++i)
        fill_row(source, affine, i, start, std::min(source.cols, start + strip), out.row(i));
  }

  template <class T>
  void fill_row(StridedView<S> source, const Affine& affine, Index i, Index start, Index stop, T* out) const {
    const S* row = source.data + i * source.row_stride;
    const S scale = static_cast<S>(scale_);
    if (!affine.identity()) {
      for (Index j = start; j < stop; ++j) out[j] = static_cast<T>(shifted(row[j * source.col_stride], i, j, affine));
    } else if (source.col_stride == 1) {
      for (Index j = start; j < stop; ++j) out[j] = static_cast<T>(row[j] * scale);
    } else {
      for (Index j = start; j < stop; ++j) out[j] = static_cast<T>(row[j * source.col_stride] * scale);
    }
  }

  double shifted(S value, Index i, Index j, const Affine& affine) const {
    double x = static_cast<double>(value) * scale_;
    if (affine.row_shift) x -= affine.row_shift[i] * scale_;
    if (affine.col_shift) x -= affine.col_shift[j] * scale_;
    if (affine.row_scale) x *= affine.row_scale[i];
    if (affine.col_scale) x *= affine.col_scale[j];
    return x;
  }

  /// z = sum over row tiles of what step adds for them: groups of tiles in parallel, their sums combined in order.
  template <class T, class Step>
  void sum_over_tiles(BlockView<T> z, const Step& step) const {
    const Tiling tiles = row_tiles<T>();
    const Index most = few_rows() ? 1 : std::min<Index>((a_.rows / kGroupRows + 3) / 4 * 4, 32);  // 3 would not suit 2 threads
    const Tiling groups = tiling(tiles.count(), most, 1);
    std::vector<Block<T>> sums(static_cast<std::size_t>(groups.count()));
    parallel_for(groups.count(), a_.rows * a_.cols * z.cols, [&](Index g) {
      Block<T> sum(z.rows, z.cols), buffer;
      for (Index t = groups.begin(g); t < groups.begin(g) + groups.size(g); ++t) {
        check_interrupt();
        step(tile<T>(tiles.begin(t), tiles.size(t), buffer), tiles.begin(t), sum.view());
      }
      sums[static_cast<std::size_t>(g)] = std::move(sum);
    });
    combine(sums, z);
  }

  template <class T>
  static void combine(const std::vector<Block<T>>& sums, BlockView<T> z) {
    const Tiling rows = tiling(z.rows, 64, 64);
    parallel_for(rows.count(), z.rows * z.width() * static_cast<Index>(sums.size()), [&](Index t) {
      for (Index i = rows.begin(t); i < rows.begin(t) + rows.size(t); ++i)
        for (Index j = 0; j < z.width(); ++j) {
          T total = 0;
          for (const Block<T>& sum : sums) total += sum(i, j);
          z(i, j) = total;
        }
    });
  }

  static constexpr Index kGroupRows = 1024;

  StridedView<S> a_;
  Affine affine_;
  double scale_;
};

}  // namespace corange
