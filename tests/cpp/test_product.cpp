#include "corange/operators/product.hpp"

#include "check.hpp"
#include "corange/operators/dense.hpp"
#include "operators.hpp"

using namespace corange;
using namespace operators;

namespace {

template <class S>
std::unique_ptr<LinearOperator> dense(const Block<S>& a) {
  return std::make_unique<DenseOperator<S>>(StridedView<S>{a.data(), a.rows(), a.cols(), a.ld(), 1});
}

template <class S>
void check_product() {
  const auto left = random_block<S>(70, 5, 1), right = random_block<S>(5, 33, 2);
  const Exact l = exact(left.view()), r = exact(right.view());
  const ProductOperator op(dense(left), dense(right), {});
  check_operator(op, multiply(l, r), multiply(absolute(l), absolute(r)), 16);
}

}  // namespace

TEST("product operator: that of the product, float") { check_product<float>(); }
TEST("product operator: that of the product, double") { check_product<double>(); }

TEST("product operator: a view scales what is known of the entries; shapes that do not fit are refused") {
  const auto left = random_block<double>(7, 2, 1), right = random_block<double>(2, 3, 2), other = random_block<double>(3, 3, 3);
  Scan known;
  known.known = true, known.max_abs = 3, known.exponent = 1, known.sum_squares = 5;
  const ProductOperator op(dense(left), dense(right), known);
  const Scan scaled = op.view(true, 0.25)->scan();
  CHECK(scaled.known && scaled.max_abs == 0.75 && scaled.exponent == -1 && scaled.sum_squares == 5);
  CHECK_THROWS(ProductOperator(dense(left), dense(other), known), InvalidArgument);
}
