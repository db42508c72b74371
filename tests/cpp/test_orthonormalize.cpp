#include "corange/linalg/orthonormalize.hpp"

#include <Eigen/QR>

#include "check.hpp"
#include "matrices.hpp"

using namespace corange;
using namespace matrices;

namespace {

constexpr RandomKey kKey{77, 3};

/// n x b with singular values from 1 down to 1 / condition, evenly in the logarithm: Q1 diag(s) Q2', both from Householder QR.
template <class T>
Block<T> with_condition(Index n, Index b, double condition, std::uint64_t seed) {
  const auto factor = [&](Index rows, std::uint64_t s) -> SmallMatrix {
    const auto x = random_block<double>(rows, b, s);
    SmallMatrix m(rows, b);
    for (Index i = 0; i < rows; ++i)
      for (Index j = 0; j < b; ++j) m(i, j) = x(i, j);
    return Eigen::HouseholderQR<SmallMatrix>(m).householderQ() * SmallMatrix::Identity(rows, b);
  };
  SmallVector s(b);
  for (Index j = 0; j < b; ++j)
    s(j) = std::pow(condition, -static_cast<double>(j) / static_cast<double>(std::max<Index>(b - 1, 1)));
  const SmallMatrix m = factor(n, seed) * s.asDiagonal() * factor(b, seed + 1).transpose();
  Block<T> z(n, b);
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < b; ++j) z(i, j) = static_cast<T>(m(i, j));
  return z;
}

/// Largest ||(Q R - Z) e_j|| / ||Z e_j||.
template <class T>
double worst_column_error(BlockView<const T> q, const SmallMatrix& r, BlockView<const T> z) {
  double worst = 0;
  for (Index j = 0; j < z.cols; ++j) {
    long double gap = 0, norm = 0;
    for (Index i = 0; i < z.rows; ++i) {
      long double qr = 0;
      for (Index p = 0; p < q.cols; ++p) qr += static_cast<long double>(q(i, p)) * r(p, j);
      gap += (qr - z(i, j)) * (qr - z(i, j));
      norm += static_cast<long double>(z(i, j)) * z(i, j);
    }
    if (norm > 0)
      worst = std::max(worst, static_cast<double>(std::sqrt(gap / norm)));
    else if (gap > 0)
      return std::numeric_limits<double>::infinity();
  }
  return worst;
}

/// Checks everything that orthonormalize promises; returns what it found.
template <class T>
OrthonormalFactor check_orthonormal(const Block<T>& z, Index dependent) {
  constexpr double kEps = std::numeric_limits<T>::epsilon();
  Block<T> q(z.rows(), z.cols());
  convert(z.view(), q.view());
  const OrthonormalFactor factor = orthonormalize<T>(q.view(), kKey);
  const double k = static_cast<double>(z.cols());
  CHECK_CLOSE(loss_of_orthogonality<T>(q.view()), 0.0, 50 * kEps * std::sqrt(k));
  CHECK_CLOSE((worst_column_error<T>(q.view(), factor.R, z.view())), 0.0, 50 * kEps * std::sqrt(k));
  CHECK(static_cast<Index>(factor.dependent.size()) == dependent);
  for (const Index d : factor.dependent) CHECK(factor.R.row(d).norm() == 0);
  CHECK(padding_is_zero(q));
  return factor;
}

template <class T>
Block<T> repeat_columns(const Block<T>& z, std::initializer_list<Index> columns) {
  return detail::take_columns<T>(z.view(), std::vector<Index>(columns));
}

}  // namespace

TEST("orthonormalize: condition 1 to 1e15, tall, square and of one column") {
  for (const double condition : {1.0, 1e2, 1e4, 1e6, 1e8, 1e10, 1e12, 1e15})
    for (const auto& [n, b] : std::vector<std::pair<Index, Index>>{{600, 20}, {3000, 7}, {20, 20}, {33, 1}, {1, 1}, {2, 2}}) {
      check_orthonormal(with_condition<double>(n, b, condition, 1), 0);
      if (condition <= 1e6) check_orthonormal(with_condition<float>(n, b, condition, 2), 0);
    }
}

TEST("orthonormalize: float far beyond its precision") {
  // Columns that are combinations of others to within rounding may count as dependent or not; Q must be orthonormal either way.
  for (const double condition : {1e8, 1e10, 1e15}) {
    Block<float> z = with_condition<float>(800, 24, condition, 3);
    const Block<float> copy =
        repeat_columns(z, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23});
    const auto factor = orthonormalize<float>(z.view(), kKey);
    CHECK_CLOSE(loss_of_orthogonality<float>(z.view()), 0.0, 50 * 1.2e-7 * 5);
    CHECK_CLOSE((worst_column_error<float>(z.view(), factor.R, copy.view())), 0.0, 50 * 1.2e-7 * 5);
  }
}

template <class T>
void check_graded() {
  // Columns of norms 1, 1e-3, 1e-6, ...: badly scaled but perfectly independent.
  const auto z = random_block<T>(500, 12, 4);
  const double smallest = std::is_same_v<T, float> ? 1e-12 : 1e-30;
  Block<T> graded(500, 12);
  for (Index j = 0; j < 12; ++j)
    for (Index i = 0; i < 500; ++i) graded(i, j) = static_cast<T>(z(i, j) * std::pow(smallest, static_cast<double>(j) / 11));
  const auto factor = check_orthonormal(graded, 0);
  for (Index j = 0; j < 12; ++j)
    for (Index i = j + 1; i < 12; ++i) CHECK(factor.R(i, j) == 0);
}

TEST("orthonormalize: columns of any size, upper triangular where it is well conditioned") {
  check_graded<float>();
  check_graded<double>();
}

TEST("orthonormalize: exact rank deficiency") {
  const auto z = random_block<double>(400, 6, 5);
  check_orthonormal(repeat_columns(z, {0, 1, 2, 0, 1, 2}), 3);
  check_orthonormal(repeat_columns(z, {3, 3}), 1);
  check_orthonormal(repeat_columns(z, {3, 3, 3, 3, 3, 3, 3, 3, 3}), 8);
  const auto f = random_block<float>(400, 6, 6);
  check_orthonormal(repeat_columns(f, {0, 1, 2, 0, 1, 2}), 3);
  Block<double> sums = repeat_columns(z, {0, 1, 2, 3});
  for (Index i = 0; i < 400; ++i) sums(i, 3) = sums(i, 0) - 2 * sums(i, 1) + sums(i, 2);
  check_orthonormal(sums, 1);
}

TEST("orthonormalize: zero columns") {
  auto z = random_block<double>(300, 5, 7);
  for (Index i = 0; i < 300; ++i) z(i, 0) = z(i, 3) = 0;
  check_orthonormal(z, 2);
  check_orthonormal(Block<double>(300, 4), 4);
  check_orthonormal(Block<float>(17, 17), 17);
  check_orthonormal(Block<float>(1, 1), 1);
  Block<double> one(50, 3);  // single entries
  one(7, 0) = 3;
  one(7, 1) = -2;
  check_orthonormal(one, 2);
}

TEST("orthonormalize: rank deficiency of a square block leaves no spare directions") {
  auto z = random_block<double>(12, 12, 8);
  for (Index i = 0; i < 12; ++i) z(i, 11) = z(i, 4), z(i, 10) = 0;
  check_orthonormal(z, 2);
}

TEST("orthonormalize: no columns, and more columns than rows") {
  Block<double> none(5, 0), wide(3, 4);
  CHECK(orthonormalize<double>(none.view(), kKey).R.size() == 0);
  CHECK_THROWS(orthonormalize<double>(wide.view(), kKey), InvalidArgument);
}

TEST("orthonormalize: powers of two factor out, bit for bit") {
  for (const double condition : {1.0, 1e12}) {
    const auto z = with_condition<double>(200, 10, condition, 9);
    Block<double> q(200, 10);
    convert(z.view(), q.view());
    const auto plain = orthonormalize<double>(q.view(), kKey);
    for (const int exponent : {-300, -40, 40, 300}) {
      Block<double> scaled(200, 10);
      for (Index i = 0; i < 200; ++i)
        for (Index j = 0; j < 10; ++j) scaled(i, j) = std::ldexp(z(i, j), exponent);
      const auto factor = orthonormalize<double>(scaled.view(), kKey);
      CHECK(same_bits(scaled.view(), q.view()));
      CHECK((factor.R * std::ldexp(1.0, -exponent) == plain.R));
    }
  }
}

TEST("orthonormalize: columns whose squares leave the range of the type") {
  auto z = random_block<double>(100, 4, 10);
  auto f = random_block<float>(100, 4, 11);
  for (Index i = 0; i < 100; ++i) {
    z(i, 1) *= 1e-200;
    z(i, 2) *= 1e200;
    f(i, 1) *= 1e-30f;
    f(i, 2) *= 1e30f;
  }
  check_orthonormal(z, 0);
  check_orthonormal(f, 0);
}

TEST("orthonormalize: against a basis") {
  const Index n = 500, k = 30, b = 9;
  auto basis = random_block<double>(n, k, 12);
  orthonormalize<double>(basis.view(), kKey);
  for (const bool deficient : {false, true}) {
    auto z = random_block<double>(n, b, 13);
    if (deficient)
      for (Index i = 0; i < n; ++i) z(i, 4) = z(i, 2), z(i, 6) = 0;
    for (int pass = 0; pass < 2; ++pass) detail::project_out<double>(basis.view(), z.view());
    const auto factor = orthonormalize<double>(z.view(), kKey, basis.view());
    CHECK(factor.dependent.size() == (deficient ? 2u : 0u));
    CHECK_CLOSE(loss_of_orthogonality<double>(z.view()), 0.0, 1e-14);
    CHECK_CLOSE(adjoint_product<double>(basis.view(), z.view()).cwiseAbs().maxCoeff(), 0.0, 1e-14);
  }
}

TEST("orthonormalize: a basis and a block that fill the space") {
  const Index n = 24;
  auto basis = random_block<double>(n, 16, 14);
  orthonormalize<double>(basis.view(), kKey);
  Block<double> z(n, 8);  // nothing but rounding left: all eight directions are random
  const auto factor = orthonormalize<double>(z.view(), kKey, basis.view());
  CHECK(factor.dependent.size() == 8);
  CHECK_CLOSE(loss_of_orthogonality<double>(z.view()), 0.0, 1e-14);
  CHECK_CLOSE(adjoint_product<double>(basis.view(), z.view()).cwiseAbs().maxCoeff(), 0.0, 1e-14);
  Block<double> more(n, 9);
  CHECK_THROWS(orthonormalize<double>(more.view(), kKey, basis.view()), InvalidArgument);
}

TEST("orthonormalize: the last directions of a space, where projected random columns are nearly dependent") {
  const Index n = 90, left = 26;
  for (std::uint64_t seed = 0; seed < 20; ++seed) {
    auto basis = random_block<float>(n, n - left, seed);
    orthonormalize<float>(basis.view(), kKey);
    Block<float> z(n, left);
    const auto factor = orthonormalize<float>(z.view(), {seed, 1}, basis.view());
    CHECK(factor.dependent.size() == 26);
    CHECK_CLOSE(loss_of_orthogonality<float>(z.view()), 0.0, 1e-6);
    CHECK_CLOSE(adjoint_product<float>(basis.view(), z.view()).cwiseAbs().maxCoeff(), 0.0, 1e-6);
  }
}

TEST("orthonormalize: columns below the floor are dependent") {
  auto z = random_block<double>(200, 4, 15);
  for (Index i = 0; i < 200; ++i) z(i, 2) *= 1e-9;
  const auto factor = orthonormalize<double>(z.view(), kKey, {}, 1e-6);
  CHECK(factor.dependent.size() == 1);
  CHECK_CLOSE(loss_of_orthogonality<double>(z.view()), 0.0, 1e-14);
}

TEST("orthonormalize: NaN and infinity are not answered with a basis") {
  for (const double bad : {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    auto z = random_block<double>(100, 5, 16);
    z(50, 2) = bad;
    CHECK_THROWS(orthonormalize<double>(z.view(), kKey), NumericalError);
  }
}

TEST("orthonormalize: the same bits on 1, 2, 3 and 7 threads") {
  for (const double condition : {1.0, 1e5, 1e14})
    CHECK(same_on_all_threads([&] {
      auto z = with_condition<double>(5000, 20, condition, 17);
      orthonormalize<double>(z.view(), kKey);
      return z;
    }));
  CHECK(same_on_all_threads([&] {
    Block<float> z(5000, 3);
    orthonormalize<float>(z.view(), kKey);
    return z;
  }));
}
