// A dense matrix of any strides, optionally shifted and scaled (Affine), in the user's memory.
//
// Products run over tiles of rows and strips of columns that stay in L2. The kernel reads any strides, so a tile is copied, into a
// buffer of its size, only for another precision, a shift or a scale; a scale near one is given to X where A X is asked for.
// apply_normal reads each tile of whole rows once from memory: T = A_t X, then Z += A_t' T.
// Cost: 2 m n b flops a product; working memory: one tile a thread where tiles are copied and, for A' products, up to 32 partial
// results n x b, which are summed in a fixed order. Matrices of fewer than 2048 rows are shared by columns instead: rows of A'
// have no sums in common.
#pragma once

#include "corange/operators/dense_piece.hpp"

namespace corange {

template <class S>
class DenseOperator final : public OperatorOf<DenseOperator<S>> {
 public:
  explicit DenseOperator(StridedView<S> a, Affine affine = {}, double scale = 1) : whole_{a, affine, scale} {}

  Index rows() const override { return whole_.a.rows; }
  Index cols() const override { return whole_.a.cols; }
  Storage storage() const override { return Storage::dense; }
  double entries() const override { return static_cast<double>(whole_.a.rows) * static_cast<double>(whole_.a.cols); }
  bool single_precision() const override { return std::is_same_v<S, float>; }
  bool fused_normal() const override { return true; }

  std::unique_ptr<LinearOperator> view(bool transpose, double scale) const override {
    const StridedView<S> a =
        transpose ? StridedView<S>{whole_.a.data, whole_.a.cols, whole_.a.rows, whole_.a.col_stride, whole_.a.row_stride}
                  : whole_.a;
    return std::make_unique<DenseOperator>(a, transpose ? whole_.affine.transposed() : whole_.affine, whole_.scale * scale);
  }

  Scan scan() const override {
    if (!by_columns()) return scan_lines<false>();
    const Scan total = scan_lines<true>();
    return total.bad == 0 ? total : scan_lines<false>();  // the first bad entry is that of rows, for every layout
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
      if (whole_.plain()) return visitor.dense(0, 0, whole_.a), true;
    constexpr Index kEntries = 1 << 21;
    const Tiling tiles{whole_.a.rows, std::max<Index>(kEntries / std::max<Index>(whole_.a.cols, 1), 1)};
    Block<double> buffer(uninitialized, std::min(tiles.tile, whole_.a.rows), whole_.a.cols);
    for (Index t = 0; t < tiles.count(); ++t) {
      const Tiling parts = tiling(tiles.size(t), 64, 16);
      parallel_for(parts.count(), [&](Index p) {
        const Index start = tiles.begin(t) + parts.begin(p);
        whole_.part(start, parts.size(p), 0, whole_.a.cols).copy_to(rows_of(buffer.view(), parts, p));
      });
      visitor.dense(tiles.begin(t), 0, {buffer.data(), tiles.size(t), whole_.a.cols, buffer.ld(), 1});
    }
    return true;
  }

  template <class T>
  void product(BlockView<const T> x, BlockView<T> y) const {
    if (whole_.a.cols == 0) return set_zero(y);
    if (std::is_same_v<S, T> && whole_.scale_moves()) {
      const Block<T> moved = scaled(x);
      return DenseOperator(whole_.a).template product<T>(moved.view(), y);
    }
    const Index shared = std::max<Index>((whole_.a.rows + 95) / 96 * 12, 24);  // eight tiles at least, if rows are few
    const Tiling strips{whole_.a.cols, strip<T>()},
        tiles{whole_.a.rows, std::min(tile_rows<T>(std::min(whole_.a.cols, strip<T>())), shared)};
    parallel_for(tiles.count(), whole_.a.rows * whole_.a.cols * x.cols, [&](Index t) {
      Block<T> buffer;
      const BlockView<T> yt = rows_of(y, tiles, t);
      for (Index s = 0; s < strips.count(); ++s) {
        check_interrupt();
        const StridedView<T> a = tile<T>(tiles.begin(t), tiles.size(t), strips.begin(s), strips.size(s), buffer);
        const Store op = s == 0 ? Store::set : Store::add;
        tile_product<T>(a, rows_of(x, strips, s), yt, op,
                        s + 1 < strips.count() ? upcoming(tiles.begin(t), tiles.size(t), strips, s + 1)
                                               : upcoming(tiles.begin(t) + tiles.size(t), tiles.size(t), strips, 0));
      }
    });
  }

  /// Tasks are groups of rows times strips of columns; few rows are one group.
  template <class T>
  void adjoint(BlockView<const T> x, BlockView<T> z) const {
    if (whole_.a.rows == 0) return set_zero(z);
    const Tiling groups = row_groups(),
                 strips{whole_.a.cols, few_rows() ? std::clamp<Index>(whole_.a.cols / 8, 96, strip<T>()) : strip<T>()};
    std::vector<Block<T>> sums(static_cast<std::size_t>(groups.count() > 1 ? groups.count() : 0));
    for (Block<T>& sum : sums) sum = Block<T>(uninitialized, z.rows, z.cols);
    parallel_for(groups.count() * strips.count(), whole_.a.rows * whole_.a.cols * x.cols, [&](Index task) {
      const Index g = task / strips.count(), s = task % strips.count();
      const BlockView<T> sum = rows_of(sums.empty() ? z : sums[static_cast<std::size_t>(g)].view(), strips, s);
      const Tiling tiles{groups.size(g), tile_rows<T>(std::min(whole_.a.cols, strips.tile))};
      Block<T> buffer;
      for (Index t = 0; t < tiles.count(); ++t) {
        check_interrupt();
        const Index row = groups.begin(g) + tiles.begin(t), count = tiles.size(t);
        const StridedView<T> at = adjoint_of(tile<T>(row, count, strips.begin(s), strips.size(s), buffer));
        const Store op = t == 0 ? Store::set : Store::add;
        tile_product<T>(at, x.middle_rows(row, count), sum, op, upcoming(row + count, count, strips, s));
      }
    });
    if (!sums.empty()) combine(sums, z);
  }

  template <class T>
  void normal(BlockView<const T> x, BlockView<T> z, BlockView<T> y) const {
    if (few_rows()) return product<T>(x, y), adjoint<T>(y, z);
    const Tiling all{whole_.a.cols, std::max<Index>(whole_.a.cols, 1)};
    sum_over_tiles<T>(z, [&](StridedView<T> tile, Index row, BlockView<T> sum) {
      const BlockView<T> yt = y.middle_rows(row, tile.rows);
      const Upcoming next = upcoming(row + tile.rows, tile.rows, all, 0);
      tile_product<T>(tile, x, yt, Store::set, next.middle_rows(0, next.rows / 2));
      tile_product<T>(adjoint_of(tile), BlockView<const T>(yt), sum, Store::add,
                      next.middle_rows(next.rows / 2, next.rows - next.rows / 2));
    });
  }

 private:
  static constexpr Index kGroupRows = 1024;

  /// Columns of a tile that need not be whole rows. Rows that are copied are read in long pieces.
  template <class T>
  Index strip() const {
    return copies_rows<T>() ? 2048 : 480;
  }

  /// Rows of a tile that many columns wide: about 1 MB, half of a large L2 cache, and less of what is copied, for that shares the
  /// cache with what is read next; a multiple of the micro-kernel's 12 rows, and no more than products with A' can have a line of
  /// each, and of their factor's, in 32 KB.
  template <class T>
  Index tile_rows(Index cols) const {
    const Index bytes = copies<T>() ? 400 * 1024 : 1024 * 1024, least = copies<T>() ? 24 : 96;
    return std::clamp<Index>(bytes / (static_cast<Index>(sizeof(T)) * std::max<Index>(cols, 1)) / 12 * 12, least, 120);
  }

  /// Rows of a strip of columns in memory, as many as there are.
  Upcoming upcoming(Index row, Index rows, const Tiling& strips, Index s) const {
    constexpr Index kSize = static_cast<Index>(sizeof(S));
    const Index first = std::min(row, whole_.a.rows - 1);
    return {reinterpret_cast<const char*>(&whole_.a(first, strips.begin(s))), std::clamp<Index>(whole_.a.rows - row, 0, rows),
            strips.size(s) * kSize, whole_.a.row_stride * kSize};
  }

  /// A tile, or its adjoint, times b. Rows that are copied next are asked for meanwhile.
  template <class T>
  void tile_product(StridedView<T> a, BlockView<const T> b, BlockView<T> c, Store op, const Upcoming& next) const {
    if (copies_rows<T>())
      panel_product<T, Next::elsewhere>(a, b, c, op, next);
    else
      panel_product<T>(a, b, c, op);
  }

  /// Whether the rows make no more than one group for one thread.
  bool few_rows() const { return whole_.a.rows < 2 * kGroupRows; }

  /// Rows whose products with A' are summed apart. Fours, as three would not suit two threads.
  Tiling row_groups() const {
    const Index most = few_rows() ? 1 : std::min<Index>((whole_.a.rows / kGroupRows + 3) / 4 * 4, 32);
    return tiling(whole_.a.rows, most, 1);
  }

  template <class T>
  bool copies() const {
    return !std::is_same_v<S, T> || !whole_.plain();
  }

  /// Whether copies read along rows.
  template <class T>
  bool copies_rows() const {
    return copies<T>() && !by_columns();
  }

  /// Whether entries of a column are nearer to each other in memory; one row or column is one, whatever its strides.
  bool by_columns() const {
    return whole_.a.cols == 1 || (whole_.a.rows > 1 && std::abs(whole_.a.row_stride) < std::abs(whole_.a.col_stride));
  }

  template <bool Columns>
  Scan scan_lines() const {
    const Tiling tiles = tiling(Columns ? whole_.a.cols : whole_.a.rows, 256, 8);
    std::vector<Scan> pieces(static_cast<std::size_t>(tiles.count()));
    parallel_for(tiles.count(), whole_.a.rows * whole_.a.cols, [&](Index t) {
      Scan piece;
      piece.exponent = detail::kNoExponent;
      for (Index k = tiles.begin(t); k < tiles.begin(t) + tiles.size(t); ++k) join(piece, scan_line<Columns>(k));
      pieces[static_cast<std::size_t>(t)] = piece;
    });
    Scan total;
    total.known = true;
    total.exponent = detail::kNoExponent;
    for (const Scan& piece : pieces) join(total, piece);
    return total;
  }

  /// Entries are looked at after they are shifted, as products see them.
  template <bool Column>
  Scan scan_line(Index k) const {
    const auto where = [k](Index p) { return Column ? std::pair(p, k) : std::pair(k, p); };
    const Index count = Column ? whole_.a.rows : whole_.a.cols, stride = Column ? whole_.a.row_stride : whole_.a.col_stride;
    const S* line = whole_.a.data + k * (Column ? whole_.a.col_stride : whole_.a.row_stride);
    if (whole_.affine.identity()) return detail::scan_entries(count, [&](Index p) { return line[p * stride]; }, where);
    return detail::scan_entries(
        count,
        [&](Index p) {
          const auto [i, j] = where(p);
          return whole_.shifted(line[p * stride], i, j) / whole_.scale;
        },
        where);
  }

  template <class T>
  Block<T> scaled(BlockView<const T> x) const {
    Block<T> result(x.rows, x.cols);
    for (Index i = 0; i < x.rows; ++i)
      for (Index j = 0; j < x.cols; ++j) result(i, j) = static_cast<T>(whole_.scale) * x(i, j);
    return result;
  }

  template <class T>
  static BlockView<T> rows_of(BlockView<T> x, const Tiling& tiles, Index t) {
    return x.middle_rows(tiles.begin(t), tiles.size(t));
  }

  template <class T>
  static void set_zero(BlockView<T> y) {
    for (Index i = 0; i < y.rows; ++i) std::fill_n(y.row(i), y.width(), T(0));
  }

  template <class T>
  static StridedView<T> adjoint_of(StridedView<T> a) {
    return {a.data, a.cols, a.rows, a.col_stride, a.row_stride};
  }

  /// Rows row, ..., row + rows - 1 of columns col, ..., col + cols - 1.
  template <class T>
  StridedView<T> tile(Index row, Index rows, Index col, Index cols, Block<T>& buffer) const {
    const DensePiece<S> piece = whole_.part(row, rows, col, cols);
    if constexpr (std::is_same_v<S, T>)
      if (!copies<T>()) return piece.a;
    if (buffer.rows() < rows || buffer.cols() < cols) buffer = Block<T>(uninitialized, rows, cols);
    piece.copy_to(buffer.view());
    return {buffer.data(), rows, cols, buffer.ld(), 1};
  }

  /// z = sum over tiles of whole rows of what step adds for them: groups of rows in parallel, their sums combined in order.
  template <class T, class Step>
  void sum_over_tiles(BlockView<T> z, const Step& step) const {
    const Tiling groups = row_groups();
    std::vector<Block<T>> sums(static_cast<std::size_t>(groups.count()));
    parallel_for(groups.count(), whole_.a.rows * whole_.a.cols * z.cols, [&](Index g) {
      Block<T> sum(z.rows, z.cols), buffer;
      const Tiling tiles{groups.size(g), tile_rows<T>(whole_.a.cols)};
      for (Index t = 0; t < tiles.count(); ++t) {
        check_interrupt();
        const Index row = groups.begin(g) + tiles.begin(t);
        step(tile<T>(row, tiles.size(t), 0, whole_.a.cols, buffer), row, sum.view());
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

  DensePiece<S> whole_;
};

}  // namespace corange
