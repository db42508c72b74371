// A dense matrix that is read block of rows by block of rows, in order, and never held whole: files, memory maps, generators.
//
// Every product is one pass; apply_normal is one pass too. Two blocks are in memory at most.
#pragma once

#include <atomic>
#include <functional>

#include "corange/operators/dense.hpp"

namespace corange {

template <class S>
class RowBlockedOperator final : public OperatorOf<RowBlockedOperator<S>> {
 public:
  /// Hands a view of rows [start, stop) to the consumer; the view lives until the consumer returns.
  using Consumer = std::function<void(StridedView<S>)>;
  using Read = std::function<void(Index start, Index stop, const Consumer& consumer)>;

  /// columns: what is read as rows are the columns of the user's matrix; for messages.
  RowBlockedOperator(Read read, Index rows, Index cols, Index block_rows, bool check_finite, Affine affine = {}, double scale = 1,
                     bool columns = false)
      : read_(std::move(read)),
        rows_(rows),
        cols_(cols),
        block_rows_(block_rows),
        check_finite_(check_finite),
        affine_(affine),
        scale_(scale),
        columns_(columns) {
    if (block_rows < 1) throw InvalidArgument("block_rows must be at least 1");
  }

  Index rows() const override { return rows_; }
  Index cols() const override { return cols_; }
  Storage storage() const override { return Storage::disk; }
  double entries() const override { return static_cast<double>(rows_) * static_cast<double>(cols_); }
  bool single_precision() const override { return std::is_same_v<S, float>; }
  bool fused_normal() const override { return true; }

  std::unique_ptr<LinearOperator> view(bool transpose, double scale) const override;

  Scan scan() const override {
    Scan total;
    total.known = true;
    total.exponent = detail::kNoExponent;
    const auto join_block = [&](Index row, const DenseOperator<S>& block) {
      Scan piece = block.scan();
      if (piece.bad > 0) piece.bad_row += row;
      join(total, piece);
    };
    for_blocks(join_block, false);
    return total;
  }

  using LinearOperator::apply_normal;
  void apply_normal(BlockView<const float> x, BlockView<float> z, BlockView<float> y) const override { normal<float>(x, z, y); }
  void apply_normal(BlockView<const double> x, BlockView<double> z, BlockView<double> y) const override {
    normal<double>(x, z, y);
  }

  void apply_gradient(BlockView<const double> x, BlockView<double> z, BlockView<double> r) const override {
    sum_over_blocks<double>(z, [&](Index row, const DenseOperator<S>& block, BlockView<double> part) {
      block.apply_gradient(x, part, r.middle_rows(row, block.rows()));
    });
  }

  bool visit(EntryVisitor& visitor) const override {
    for_blocks([&](Index row, const DenseOperator<S>& block) {
      Below below(visitor, row);
      block.visit(below);
    });
    return true;
  }

  template <class T>
  void product(BlockView<const T> x, BlockView<T> y) const {
    for_blocks([&](Index row, const DenseOperator<S>& block) { block.template product<T>(x, y.middle_rows(row, block.rows())); });
  }

  template <class T>
  void adjoint(BlockView<const T> x, BlockView<T> z) const {
    sum_over_blocks<T>(z, [&](Index row, const DenseOperator<S>& block, BlockView<T> part) {
      block.template adjoint<T>(x.middle_rows(row, block.rows()), part);
    });
  }

  template <class T>
  void normal(BlockView<const T> x, BlockView<T> z, BlockView<T> y) const {
    sum_over_blocks<T>(z, [&](Index row, const DenseOperator<S>& block, BlockView<T> part) {
      block.template normal<T>(x, part, y.middle_rows(row, block.rows()));
    });
  }

 private:
  /// Shows a block where it lies in the whole.
  class Below final : public EntryVisitor {
   public:
    Below(EntryVisitor& visitor, Index start) : visitor_(visitor), start_(start) {}
    void dense(Index row, Index col, StridedView<double> piece) override { visitor_.dense(start_ + row, col, piece); }
    void sparse_rows(Index row, const Compressed& piece) override { visitor_.sparse_rows(start_ + row, piece); }
    void outer(Index row, Index col, StridedView<double> left, StridedView<double> right) override {
      visitor_.outer(start_ + row, col, left, right);
    }
    void sparse_columns(Index, const Compressed&) override {}  // blocks are dense

   private:
    EntryVisitor& visitor_;
    Index start_;
  };

  template <class Fn>
  void for_blocks(const Fn& fn) const {
    for_blocks(fn, check_finite_);
  }

  template <class Fn>
  void for_blocks(const Fn& fn, bool check_finite) const {
    for (Index start = 0; start < rows_; start += block_rows_) {
      check_interrupt();
      const Index stop = std::min(rows_, start + block_rows_);
      read_(start, stop, [&](StridedView<S> rows) {
        if (check_finite) refuse_bad(rows, start);
        fn(start, DenseOperator<S>(rows, affine_.middle_rows(start), scale_));
      });
    }
  }

  void refuse_bad(StridedView<S> rows, Index start) const {
    const Scan scan = DenseOperator<S>(rows).scan();
    if (scan.bad == 0) return;
    Index row = start + scan.bad_row, column = scan.bad_col;
    if (columns_) std::swap(row, column);
    throw InvalidArgument("A contains NaN or infinity, first at row " + std::to_string(row) + ", column " +
                          std::to_string(column) + "; pass check_finite=False to skip this check");
  }

  template <class T, class Step>
  void sum_over_blocks(BlockView<T> z, const Step& step) const {
    SmallMatrix total = SmallMatrix::Zero(z.cols, z.rows);
    Block<T> part(z.rows, z.cols);
    for_blocks([&](Index row, const DenseOperator<S>& block) {
      step(row, block, part.view());
      for (Index i = 0; i < z.rows; ++i)
        for (Index j = 0; j < z.cols; ++j) total(j, i) += static_cast<double>(part(i, j));
    });
    for (Index i = 0; i < z.rows; ++i)
      for (Index j = 0; j < z.cols; ++j) z(i, j) = static_cast<T>(total(j, i));
  }

  Read read_;
  Index rows_, cols_, block_rows_;
  bool check_finite_;
  Affine affine_;
  double scale_;
  bool columns_;
};

/// A' by exchanging the two products; A A' X takes two passes.
class TransposedOperator final : public OperatorOf<TransposedOperator> {
 public:
  explicit TransposedOperator(std::unique_ptr<LinearOperator> a) : a_(std::move(a)) {}

  Index rows() const override { return a_->cols(); }
  Index cols() const override { return a_->rows(); }
  Storage storage() const override { return a_->storage(); }
  double entries() const override { return a_->entries(); }
  bool single_precision() const override { return a_->single_precision(); }
  std::unique_ptr<LinearOperator> view(bool transpose, double scale) const override {
    auto a = a_->view(false, scale);
    return transpose ? std::move(a) : std::make_unique<TransposedOperator>(std::move(a));
  }
  Scan scan() const override {
    Scan s = a_->scan();
    std::swap(s.bad_row, s.bad_col);
    return s;
  }
  bool visit(EntryVisitor& visitor) const override {
    Flipped flipped(visitor);
    return a_->visit(flipped);
  }

  template <class T>
  void product(BlockView<const T> x, BlockView<T> y) const {
    a_->apply_adjoint(x, y);
  }
  template <class T>
  void adjoint(BlockView<const T> x, BlockView<T> y) const {
    a_->apply(x, y);
  }

 private:
  class Flipped final : public EntryVisitor {
   public:
    explicit Flipped(EntryVisitor& visitor) : visitor_(visitor) {}
    void dense(Index row, Index col, StridedView<double> piece) override {
      visitor_.dense(col, row, {piece.data, piece.cols, piece.rows, piece.col_stride, piece.row_stride});
    }
    void sparse_rows(Index row, const Compressed& piece) override { visitor_.sparse_columns(row, piece); }
    void sparse_columns(Index col, const Compressed& piece) override { visitor_.sparse_rows(col, piece); }
    void outer(Index row, Index col, StridedView<double> left, StridedView<double> right) override {
      visitor_.outer(col, row, right, left);
    }

   private:
    EntryVisitor& visitor_;
  };

  std::unique_ptr<LinearOperator> a_;
};

template <class S>
std::unique_ptr<LinearOperator> RowBlockedOperator<S>::view(bool transpose, double scale) const {
  auto a =
      std::make_unique<RowBlockedOperator>(read_, rows_, cols_, block_rows_, check_finite_, affine_, scale_ * scale, columns_);
  if (!transpose) return a;
  return std::make_unique<TransposedOperator>(std::move(a));
}

}  // namespace corange
