#include "corange/linalg/hadamard.hpp"

#include <bit>

#include "check.hpp"
#include "matrices.hpp"

using namespace corange;
using namespace matrices;

namespace {

/// Transforms of the rows of a block, as `fwht` sees them.
template <class T>
AxisLayout rows_of(BlockView<T> x) {
  AxisLayout a;
  a.n = x.cols;
  a.inner = x.rows;
  a.from = a.to = {1, x.ld, {}};
  return a;
}

template <class T>
AxisLayout columns_of(BlockView<T> x) {
  AxisLayout a;
  a.n = x.rows;
  a.inner = x.cols;
  a.from = a.to = {x.ld, 1, {}};
  return a;
}

Exact hadamard_matrix(Index n) {
  Exact h(n, n);
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < n; ++j) h(i, j) = std::popcount(static_cast<std::uint64_t>(i & j)) % 2 == 0 ? 1 : -1;
  return h;
}

template <class T>
Block<T> flipped(BlockView<const T> x) {
  Block<T> y(x.cols, x.rows);
  for (Index i = 0; i < x.rows; ++i)
    for (Index j = 0; j < x.cols; ++j) y(j, i) = x(i, j);
  return y;
}

template <class T>
void check_lengths() {
  for (Index n = 1; n <= 2048; n *= 2) {
    const Exact h = hadamard_matrix(n);
    auto x = random_block<T>(3, n, 1);
    const Exact before = exact(x.view());
    auto columns = flipped<T>(x.view());
    fwht<T>(rows_of(x.view()), x.data(), x.data(), T(0.5));
    fwht<T>(columns_of(columns.view()), columns.data(), columns.data(), T(0.5));
    Exact y = multiply(before, h);
    for (long double& v : y.data) v *= 0.5L;
    CHECK(worst_error<T>(x.view(), y, multiply(absolute(before), absolute(h))) < 12);
    CHECK(same_bits(x.view(), flipped<T>(columns.view()).view()));
  }
}

}  // namespace

TEST("hadamard: equals the matrix for every length; along columns the same bits") {
  with_threads(1, [] {
    check_lengths<float>();
    check_lengths<double>();
  });
}

TEST("hadamard: twice is the identity, at lengths in every cache and beyond") {
  for (const Index n : {Index{1} << 10, Index{1} << 13, Index{1} << 14, Index{1} << 16, Index{1} << 19}) {
    auto x = random_block<float>(1, n, 3);
    const auto before = exact(x.view());
    const auto scale = static_cast<float>(1 / std::sqrt(static_cast<double>(n)));
    for (int k = 0; k < 2; ++k) fwht<float>(rows_of(x.view()), x.data(), x.data(), scale);
    long double gap = 0, size = 0;
    for (Index j = 0; j < n; ++j) {
      gap += (x(0, j) - before(0, j)) * (x(0, j) - before(0, j));
      size += before(0, j) * before(0, j);
    }
    CHECK(std::sqrt(static_cast<double>(gap / size)) < 2e-7 * std::sqrt(std::log2(static_cast<double>(n))) * 2);
  }
}

TEST("hadamard: side by side in tiles of any width, the same bits as alone") {
  for (const Index cols : {1, 15, 16, 33, 200}) {
    auto x = random_block<double>(1024, cols, 4);
    auto alone = flipped<double>(x.view());
    fwht<double>(columns_of(x.view()), x.data(), x.data(), 1.0);
    fwht<double>(rows_of(alone.view()), alone.data(), alone.data(), 1.0);
    CHECK(same_bits(flipped<double>(x.view()).view(), alone.view()));
  }
}

TEST("hadamard: out of place between other strides and outer dimensions leaves the source alone") {
  const auto x =
      random_block<double>(6, 5 * 64, 5);  // (2, 3, 5, 64), the last axis transformed into (64, 2, 3, 5) in order 2, 3, 5
  AxisLayout a;
  a.n = 64;
  a.inner = 5;
  a.outer = {2, 3};
  a.from = {1, 64, {3 * x.ld(), x.ld()}};
  a.to = {30, 1, {15, 5}};
  std::vector<double> y(64 * 30), z(64);
  const Exact before = exact(x.view());
  fwht<double>(a, x.data(), y.data(), 1.0);
  AxisLayout one;
  one.n = 64;
  one.from = one.to = {1, 0, {}};
  for (Index o = 0; o < 6; ++o)
    for (Index k = 0; k < 5; ++k) {
      std::copy_n(x.data() + o * x.ld() + k * 64, 64, z.data());
      fwht<double>(one, z.data(), z.data(), 1.0);
      for (Index i = 0; i < 64; ++i) CHECK(z[static_cast<std::size_t>(i)] == y[static_cast<std::size_t>(i * 30 + o * 5 + k)]);
    }
  CHECK(exact(x.view()).data == before.data);
}

TEST("hadamard: the same bits on 1, 2, 3 and 7 threads") {
  CHECK(same_on_all_threads([] {
    auto x = random_block<float>(256, 300, 5);
    fwht<float>(columns_of(x.view()), x.data(), x.data(), 1.0F);
    return x;
  }));
  CHECK(same_on_all_threads([] {
    auto x = random_block<float>(300, 4096, 5);
    fwht<float>(rows_of(x.view()), x.data(), x.data(), 1.0F);
    return x;
  }));
}

TEST("hadamard: lengths that are no power of two are refused") {
  for (const Index n : {0, 3, 12}) {
    AxisLayout a;
    a.n = n;
    double x[16] = {};
    CHECK_THROWS(fwht<double>(a, x, x, 1.0), InvalidArgument);
  }
}
