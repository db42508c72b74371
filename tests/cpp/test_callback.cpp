#include "corange/operators/callback.hpp"

#include "check.hpp"
#include "corange/operators/counting.hpp"
#include "operators.hpp"

using namespace corange;
using namespace operators;

namespace {

/// A matrix that multiplies in S, as a user's function would.
template <class S>
CallbackOperator<S> callback_for(const Block<S>& a) {
  const Index m = a.rows(), n = a.cols();
  return CallbackOperator<S>(
      m, n,
      [&a, m, n](const S* x, S* y, Index b) {
        for (Index i = 0; i < m; ++i)
          for (Index c = 0; c < b; ++c) {
            double sum = 0;
            for (Index j = 0; j < n; ++j) sum += static_cast<double>(a(i, j)) * x[j * b + c];
            y[i * b + c] = static_cast<S>(sum);
          }
      },
      [&a, m, n](const S* x, S* y, Index b) {
        for (Index j = 0; j < n; ++j)
          for (Index c = 0; c < b; ++c) {
            double sum = 0;
            for (Index i = 0; i < m; ++i) sum += static_cast<double>(a(i, j)) * x[i * b + c];
            y[j * b + c] = static_cast<S>(sum);
          }
      });
}

}  // namespace

TEST("callback: equals the matrix, transposed and scaled too") {
  const auto a = random_block<double>(23, 14, 1);
  check_operator(callback_for(a), exact(a.view()));
  CHECK(!callback_for(a).scan().known);
}

TEST("callback: single precision users") {
  const auto a = random_block<float>(23, 14, 2);
  const auto op = callback_for(a);
  CHECK(op.single_precision());
  check_products<float>(op, exact(a.view()), absolute(exact(a.view())), 5, 8);
}

TEST("callback: NaN and infinity of the user's function are refused, its exceptions arrive") {
  const auto answer = [](double value) { return [value](const double*, double* y, Index) { y[1] = value; }; };
  Block<double> x(3, 2), y(4, 2);
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    const CallbackOperator<double> op(4, 3, answer(bad), answer(0));
    CHECK_THROWS(op.apply(BlockView<const double>(x.view()), y.view()), NumericalError);
  }
  const CallbackOperator<double> throwing(
      4, 3, [](const double*, double*, Index) { throw std::out_of_range("user"); }, answer(0));
  CHECK_THROWS(throwing.apply(BlockView<const double>(x.view()), y.view()), std::out_of_range);
}

TEST("counting: passes and columns") {
  const auto a = random_block<double>(23, 14, 3);
  const CountingOperator op(callback_for(a).view(false, 1.0));
  Block<double> x(14, 5), y(23, 5), z(14, 5);
  op.apply(BlockView<const double>(x.view()), y.view());
  CHECK(op.passes() == 1 && op.products() == 5);
  op.apply_adjoint(BlockView<const double>(y.view()), z.view());
  CHECK(op.passes() == 2 && op.products() == 10);
  op.apply_normal(BlockView<const double>(x.view()), z.view(), y.view());
  CHECK(op.passes() == 4 && op.products() == 20);
  check_operator(op, exact(a.view()));
}
