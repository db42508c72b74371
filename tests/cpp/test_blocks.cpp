#include "corange/linalg/blocks.hpp"

#include "check.hpp"
#include "spectra.hpp"

using namespace corange;
using namespace matrices;

namespace {

/// A view of an Eigen matrix that the comparisons of matrices.hpp understand.
struct Small {
  const SmallMatrix& m;
  Index rows = m.rows(), cols = m.cols();
  const double& operator()(Index i, Index j) const { return m(i, j); }
};

const Index kHeights[] = {0, 1, 5, 257, 513, 1100};
const Index kWidths[] = {1, 8, 17, 40};

template <class T>
void check_adjoint_product() {
  for (const Index n : kHeights)
    for (const Index k : kWidths)
      for (const Index b : kWidths) {
        const auto v = random_block<T>(n, k, 1), z = random_block<T>(n, b, 2);
        const SmallMatrix c = adjoint_product<T>(v.view(), z.view());
        const Exact vt = transpose(exact(v.view())), ze = exact(z.view());
        CHECK(worst_error<T>(Small{c}, multiply(vt, ze), multiply(absolute(vt), absolute(ze))) < 130);
      }
}

template <class T>
void check_updates() {
  for (const Index n : kHeights)
    for (const Index k : kWidths)
      for (const Index b : kWidths) {
        const auto v = random_block<T>(n, k, 3);
        const SmallMatrix c = random_small(k, b, 4);
        const Block<T> rounded = to_block<T>(c);
        const Exact ve = exact(v.view()), ce = exact(rounded.view());
        Exact expected = multiply(ve, ce), magnitude = multiply(absolute(ve), absolute(ce));
        Block<T> y(n, b);
        product<T>(v.view(), c, y.view());
        const auto bound = static_cast<double>(k);
        CHECK(worst_error<T>(y.view(), expected, magnitude) <= bound + 2);
        Block<T> z = random_block<T>(n, b, 5);
        for (Index i = 0; i < n; ++i)
          for (Index j = 0; j < b; ++j) {
            expected(i, j) = static_cast<long double>(z(i, j)) - expected(i, j);
            magnitude(i, j) += std::abs(static_cast<long double>(z(i, j)));
          }
        subtract_product<T>(v.view(), c, z.view());
        CHECK(worst_error<T>(z.view(), expected, magnitude) <= bound + 2);
        CHECK(padding_is_zero(y) && padding_is_zero(z));
      }
}

}  // namespace

TEST("blocks: adjoint_product equals the slow one") {
  check_adjoint_product<float>();
  check_adjoint_product<double>();
}

TEST("blocks: adjoint_product in panels of columns equals that of each column alone") {
  const auto v = random_block<double>(1100, 2100, 1), z = random_block<double>(1100, 150, 2);
  const SmallMatrix c = adjoint_product<double>(v.view(), z.view());
  for (const Index j : {0, 63, 64, 127, 128, 149}) {
    Block<double> column(1100, 1);
    for (Index i = 0; i < 1100; ++i) column(i, 0) = z(i, j);
    const SmallMatrix alone = adjoint_product<double>(v.view(), column.view());
    CHECK((c.col(j) - alone.col(0)).norm() <= 1e-13 * alone.norm());
  }
}

TEST("blocks: adjoint_product of long float blocks loses no digits to length") {
  // One chain of float sums over 10^6 entries of size 1 would be wrong in the third digit.
  const Index n = 1 << 20;
  Block<float> z(n, 1);
  for (Index i = 0; i < n; ++i) z(i, 0) = 1.1f;
  CHECK_CLOSE(gram<float>(z.view())(0, 0) / (static_cast<double>(n) * 1.1f * 1.1f), 1.0, 2e-6);
}

TEST("blocks: half of a Gram matrix is computed, with the bits of the whole") {
  for (const Index k : {1, 63, 64, 65, 150}) {
    const auto z = random_block<double>(900, k, 11);
    Block<double> other(900, k);
    convert(z.view(), other.view());
    CHECK((gram<double>(z.view()) == adjoint_product<double>(z.view(), other.view())));
  }
}

TEST("blocks: product and subtract_product equal the slow ones") {
  check_updates<float>();
  check_updates<double>();
}

TEST("blocks: product into the leading columns of its own operand") {
  for (const Index n : kHeights)
    for (const Index keep : {1, 3, 16, 20}) {
      auto v = random_block<double>(n, 20, 6);
      const SmallMatrix c = random_small(20, keep, 7);
      Block<double> apart(n, keep);
      product<double>(v.view(), c, apart.view());
      const auto rest = random_block<double>(n, 20, 6);
      product<double>(v.view(), c, v.cols(keep));
      CHECK(same_bits(v.cols(keep), apart.view()));
      bool untouched = true;
      for (Index i = 0; i < n; ++i)
        for (Index j = keep; j < 20; ++j) untouched = untouched && v(i, j) == rest(i, j);
      CHECK(untouched);
    }
}

TEST("blocks: operands that are columns of wider blocks") {
  const Index n = 700;
  const auto wide = random_block<double>(n, 40, 8);
  for (const Index k : {1, 5, 16, 39}) {
    const BlockView<const double> v = wide.cols(k);
    Block<double> apart(n, k);
    convert(v, apart.view());
    CHECK((adjoint_product<double>(v, v) == gram<double>(apart.view())));
    // Columns of the basis past the first, at an address that is not aligned.
    const BlockView<const double> late{wide.data() + 3, n, k < 37 ? k : 37, wide.ld()};
    Block<double> late_apart(n, late.cols);
    convert(late, late_apart.view());
    // As left operand only: the right one is read by whole vectors, so its rows must be padded.
    CHECK((adjoint_product<double>(late, late_apart.view()) == gram<double>(late_apart.view())));
    Block<double> z = random_block<double>(n, 4, 9), y = random_block<double>(n, 4, 9);
    const SmallMatrix c = random_small(late.cols, 4, 10);
    subtract_product<double>(late, c, z.view());
    subtract_product<double>(late_apart.view(), c, y.view());
    CHECK(same_bits(z.view(), y.view()));
  }
}

TEST("blocks: convert and norms") {
  for (const Index n : kHeights)
    for (const Index b : kWidths) {
      const auto x = random_block<double>(n, b, 11);
      Block<float> y(n, b);
      convert(x.view(), y.view());
      const SmallVector norms = squared_column_norms<double>(x.view());
      for (Index j = 0; j < b; ++j) {
        long double sum = 0;
        for (Index i = 0; i < n; ++i) {
          CHECK(y(i, j) == static_cast<float>(x(i, j)));
          sum += static_cast<long double>(x(i, j)) * x(i, j);
        }
        CHECK_CLOSE(norms(j), sum, 1e-13 * (static_cast<double>(n) + 1));
      }
    }
}

TEST("blocks: the same bits on 1, 2, 3 and 7 threads") {
  const auto v = random_block<float>(20011, 33, 12);
  const auto z = random_block<float>(20011, 7, 13);
  const SmallMatrix c = random_small(33, 7, 14);
  CHECK(same_on_all_threads([&] { return to_block<double>(adjoint_product<float>(v.view(), z.view())); }));
  CHECK(same_on_all_threads([&] { return to_block<double>(squared_column_norms<float>(v.view())); }));
  CHECK(same_on_all_threads([&] {
    Block<float> y(v.rows(), 7);
    product<float>(v.view(), c, y.view());
    subtract_product<float>(v.view(), c, y.view());
    return y;
  }));
}
