// The product of two thin matrices in place of a large one, which is never formed.
//
//   A = L R,  L rows x l, R l x cols
//
// Cost a product with b columns: 2 (rows + cols) l b flops. Memory: l b numbers.
#pragma once

#include "corange/operators/linear_operator.hpp"

namespace corange {

class ProductOperator final : public OperatorOf<ProductOperator> {
 public:
  /// `scan` is what the caller knows of the entries of the product.
  ProductOperator(std::unique_ptr<LinearOperator> left, std::unique_ptr<LinearOperator> right, const Scan& scan)
      : left_(std::move(left)), right_(std::move(right)), scan_(scan) {
    if (left_->cols() != right_->rows()) throw InvalidArgument("the columns of L must be as many as the rows of R");
  }

  Index rows() const override { return left_->rows(); }
  Index cols() const override { return right_->cols(); }
  Storage storage() const override { return Storage::dense; }
  double entries() const override { return left_->entries() + right_->entries(); }
  bool single_precision() const override { return left_->single_precision(); }
  Scan scan() const override { return scan_; }

  std::unique_ptr<LinearOperator> view(bool transpose, double scale) const override {
    Scan scan = scan_;
    scan.max_abs *= scale;
    scan.exponent += std::ilogb(scale);
    return transpose ? std::make_unique<ProductOperator>(right_->view(true, scale), left_->view(true, 1), scan)
                     : std::make_unique<ProductOperator>(left_->view(false, scale), right_->view(false, 1), scan);
  }

  template <class T>
  void product(BlockView<const T> x, BlockView<T> y) const {
    Block<T> middle(left_->cols(), x.cols);
    right_->apply(x, middle.view());
    left_->apply(BlockView<const T>(middle.view()), y);
  }
  template <class T>
  void adjoint(BlockView<const T> x, BlockView<T> y) const {
    Block<T> middle(left_->cols(), x.cols);
    left_->apply_adjoint(x, middle.view());
    right_->apply_adjoint(BlockView<const T>(middle.view()), y);
  }

 private:
  std::unique_ptr<LinearOperator> left_, right_;
  Scan scan_;
};

}  // namespace corange
