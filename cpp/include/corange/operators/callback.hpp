// A matrix that only the user can multiply with: two functions on plain row-major arrays.
#pragma once

#include <functional>

#include "corange/operators/linear_operator.hpp"

namespace corange {

/// S is the precision the user computes in. The functions get X (rows x b, contiguous) and fill Y; they may throw.
template <class S>
class CallbackOperator final : public OperatorOf<CallbackOperator<S>> {
 public:
  using Multiply = std::function<void(const S* x, S* y, Index b)>;

  CallbackOperator(Index rows, Index cols, Multiply forward, Multiply adjoint, double scale = 1)
      : rows_(rows), cols_(cols), forward_(std::move(forward)), adjoint_(std::move(adjoint)), scale_(scale) {}

  Index rows() const override { return rows_; }
  Index cols() const override { return cols_; }
  Storage storage() const override { return Storage::callback; }
  double entries() const override { return static_cast<double>(rows_) * static_cast<double>(cols_); }
  bool single_precision() const override { return std::is_same_v<S, float>; }

  std::unique_ptr<LinearOperator> view(bool transpose, double scale) const override {
    return transpose ? std::make_unique<CallbackOperator>(cols_, rows_, adjoint_, forward_, scale_ * scale)
                     : std::make_unique<CallbackOperator>(rows_, cols_, forward_, adjoint_, scale_ * scale);
  }

  template <class T>
  void product(BlockView<const T> x, BlockView<T> y) const {
    call<T>(forward_, x, y);
  }
  template <class T>
  void adjoint(BlockView<const T> x, BlockView<T> y) const {
    call<T>(adjoint_, x, y);
  }

 private:
  template <class T>
  void call(const Multiply& multiply, BlockView<const T> x, BlockView<T> y) const {
    std::vector<S> in(static_cast<std::size_t>(x.rows * x.cols)), out(static_cast<std::size_t>(y.rows * y.cols));
    convert(x, BlockView<S>{in.data(), x.rows, x.cols, x.cols});
    check_interrupt();
    multiply(in.data(), out.data(), x.cols);
    check_interrupt();
    for (S& value : out) {
      value = static_cast<S>(value * scale_);
      if (!std::isfinite(value)) throw NumericalError("the operator returned NaN or infinity");
    }
    convert(BlockView<const S>{out.data(), y.rows, y.cols, y.cols}, y);
  }

  Index rows_, cols_;
  Multiply forward_, adjoint_;
  double scale_;
};

}  // namespace corange
