// Counts passes and products on their way to the operator.
#pragma once

#include <atomic>

#include "corange/operators/linear_operator.hpp"

namespace corange {

class CountingOperator final : public LinearOperator {
 public:
  /// Counts on from what was done before: data on disk are read once to look at them.
  explicit CountingOperator(std::unique_ptr<LinearOperator> a, Index passes = 0, Index products = 0)
      : a_(std::move(a)), passes_(passes), products_(products) {}

  Index rows() const override { return a_->rows(); }
  Index cols() const override { return a_->cols(); }
  Storage storage() const override { return a_->storage(); }
  double entries() const override { return a_->entries(); }
  bool single_precision() const override { return a_->single_precision(); }
  bool fused_normal() const override { return a_->fused_normal(); }
  std::unique_ptr<LinearOperator> view(bool transpose, double scale) const override { return a_->view(transpose, scale); }
  Scan scan() const override { return a_->scan(); }

  void apply(BlockView<const float> x, BlockView<float> y) const override { count(1, x.cols), a_->apply(x, y); }
  void apply(BlockView<const double> x, BlockView<double> y) const override { count(1, x.cols), a_->apply(x, y); }
  void apply_adjoint(BlockView<const float> x, BlockView<float> y) const override { count(1, x.cols), a_->apply_adjoint(x, y); }
  void apply_adjoint(BlockView<const double> x, BlockView<double> y) const override { count(1, x.cols), a_->apply_adjoint(x, y); }
  void apply_normal(BlockView<const float> x, BlockView<float> z, BlockView<float> y) const override {
    count(normal_passes(), 2 * x.cols), a_->apply_normal(x, z, y);
  }
  void apply_normal(BlockView<const double> x, BlockView<double> z, BlockView<double> y) const override {
    count(normal_passes(), 2 * x.cols), a_->apply_normal(x, z, y);
  }

  void apply_gradient(BlockView<const double> x, BlockView<double> z, BlockView<double> r) const override {
    count(normal_passes(), 2 * x.cols), a_->apply_gradient(x, z, r);
  }
  bool visit(EntryVisitor& visitor) const override {
    const bool seen = a_->visit(visitor);
    if (seen) count(1, 0);
    return seen;
  }

  Index passes() const { return passes_; }
  Index products() const { return products_; }
  Index normal_passes() const { return fused_normal() ? 1 : 2; }

 private:
  void count(Index passes, Index products) const {
    passes_ += passes;
    products_ += products;
  }

  std::unique_ptr<LinearOperator> a_;
  mutable std::atomic<Index> passes_, products_;
};

}  // namespace corange
