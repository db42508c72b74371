#include "corange/linalg/small.hpp"

#include <algorithm>

#include "check.hpp"
#include "corange/core/errors.hpp"
#include "spectra.hpp"

using namespace corange;
using namespace matrices;

namespace {

/// Spectra that small solvers find hard, all with largest value 1.
std::vector<SmallVector> spectra(Index n) {
  std::vector<SmallVector> all(6, SmallVector(n));
  for (Index i = 0; i < n; ++i) {
    const double t = static_cast<double>(i) / static_cast<double>(std::max<Index>(n - 1, 1));
    all[0](i) = 1 / (1 + static_cast<double>(i));
    all[1](i) = std::pow(1e-15, t);
    all[2](i) = 1;
    all[3](i) = i < n / 2 ? 1 : 1e-8;
    all[4](i) = i == 0 ? 1 : 0;
    all[5](i) = 1 - 1e-14 * static_cast<double>(i);
  }
  return all;
}

void check_svd(const SmallMatrix& r, const SmallVector& s, double scale) {
  const SmallSvd svd = small_svd(r);
  const double tol = 1e-14 * scale * std::sqrt(static_cast<double>(r.cols())) * 4;
  CHECK_CLOSE(orthogonality(svd.U), 0.0, 2e-14);
  CHECK_CLOSE(orthogonality(svd.V), 0.0, 2e-14);
  CHECK_CLOSE(largest(svd.U * svd.s.asDiagonal() * svd.V.transpose() - r), 0.0, tol);
  if (s.size() > 0) CHECK_CLOSE(largest(svd.s - s), 0.0, tol);
  for (Index i = 1; i < svd.s.size(); ++i) CHECK(svd.s(i) <= svd.s(i - 1));
  CHECK(svd.s.minCoeff() >= 0);
}

}  // namespace

TEST("small: svd of graded, clustered, repeated and vanishing values") {
  for (const Index n : {1, 2, 3, 16, 17, 40, 130})
    for (const SmallVector& s : spectra(n))
      check_svd(random_orthonormal(n, n, 1) * s.asDiagonal() * random_orthonormal(n, n, 2).transpose(), s, 1);
}

TEST("small: svd of triangular, diagonal, zero and tall matrices") {
  for (const Index n : {1, 5, 60}) {
    check_svd(random_small(n, n, 3).triangularView<Eigen::Upper>(), {}, 100);
    check_svd(SmallMatrix::Identity(n, n), SmallVector::Ones(n), 1);
    check_svd(SmallMatrix::Zero(n, n), SmallVector::Zero(n), 1);
    check_svd(random_small(2 * n, n, 4), {}, 100);
  }
}

TEST("small: svd at the ends of the range") {
  const SmallVector s = spectra(20)[0];
  const SmallMatrix r = random_orthonormal(20, 20, 5) * s.asDiagonal() * random_orthonormal(20, 20, 6).transpose();
  for (const double scale : {1e-300, 1e-200, 1e200, 1e300}) {
    const SmallSvd svd = small_svd(r * scale);
    CHECK_CLOSE(largest(svd.s / scale - s), 0.0, 1e-13);
    CHECK_CLOSE(orthogonality(svd.U), 0.0, 2e-14);
  }
}

TEST("small: symmetric eigenvalues, ascending") {
  for (const Index n : {1, 2, 17, 100})
    for (SmallVector w : spectra(n)) {
      for (Index i = 0; i < n; i += 3) w(i) = -w(i);
      const SmallMatrix q = random_orthonormal(n, n, 7);
      SmallMatrix t = q * w.asDiagonal() * q.transpose();
      t = ((t + t.transpose()) / 2).eval();
      const SmallEigen e = symmetric_eigen(t);
      std::sort(w.data(), w.data() + n);
      CHECK_CLOSE(largest(e.values - w), 0.0, 1e-13);
      CHECK_CLOSE(orthogonality(e.vectors), 0.0, 2e-14);
      CHECK_CLOSE(largest(e.vectors * e.values.asDiagonal() * e.vectors.transpose() - t), 0.0, 1e-13);
    }
}

/// Tridiagonal matrices that divide and conquer finds hard: many equal values, none, and nearly equal ones.
std::vector<SmallMatrix> tridiagonals(Index n) {
  const SmallMatrix random = random_small(n, 2, 9);
  std::vector<SmallMatrix> all(9, SmallMatrix::Zero(n, n));
  for (Index i = 0; i < n; ++i) {
    const double t = static_cast<double>(i), middle = std::abs(10.0 - static_cast<double>(i % 21)) / 10,
                 grade = std::pow(10, -0.1 * t);
    const double diagonal[] = {random(i, 0),
                               std::abs(0.5 - t / static_cast<double>(n)),
                               0.5,
                               0,
                               grade,
                               middle,
                               middle,
                               1,
                               i == 0 ? 1.0 : 1e-150 * random(i, 0)};
    const bool glue = i % 21 == 20;
    const double beside[] = {random(i, 1),      1 / static_cast<double>(n), 0.25,        1, 0.3 * grade, glue ? 1e-14 : 0.1,
                             glue ? 1e-8 : 0.1, 1e-9 * random(i, 1),        random(i, 1)};
    for (std::size_t c = 0; c < all.size(); ++c) {
      all[c](i, i) = diagonal[c];
      if (i + 1 < n) all[c](i, i + 1) = all[c](i + 1, i) = beside[c];
    }
  }
  return all;
}

TEST("small: eigenpairs of tridiagonal matrices with many equal values, none, and nearly equal ones") {
  for (const Index n : {33, 49, 64, 65, 130, 300})
    for (const SmallMatrix& t : tridiagonals(n)) {
      const SmallEigen e = symmetric_eigen(t);
      CHECK(std::is_sorted(e.values.data(), e.values.data() + n));
      CHECK_CLOSE(orthogonality(e.vectors), 0.0, 2e-14);
      CHECK_CLOSE(largest(t * e.vectors - e.vectors * e.values.asDiagonal()), 0.0, 2e-14 * largest(t));
    }
}

TEST("small: svd of bidiagonal matrices with many equal values, none, and nearly equal ones") {
  for (const Index n : {2, 3, 7, 33, 64, 65, 130, 300})
    for (const SmallMatrix& t : tridiagonals(n)) {
      SmallMatrix b = t.triangularView<Eigen::Upper>();
      check_svd(b, {}, largest(b));
      for (Index i = 0; i < n; i += 5) b(i, i) = 0;
      check_svd(b, {}, largest(b));
    }
}

TEST("small: eigenvalues of a zero, a scalar and an extreme matrix") {
  CHECK_CLOSE(largest(symmetric_eigen(SmallMatrix::Zero(70, 70)).values), 0.0, 0);
  CHECK_CLOSE(largest(symmetric_eigen(2 * SmallMatrix::Identity(70, 70)).values - SmallVector::Constant(70, 2)), 0.0, 0);
  const SmallMatrix t = tridiagonals(70)[0];
  const SmallEigen e = symmetric_eigen(t);
  for (const double scale : {0x1p-1000, 0x1p1000}) {
    const SmallEigen scaled = symmetric_eigen(t * scale);
    CHECK_CLOSE(largest(scaled.values / scale - e.values), 0.0, 1e-14);
    CHECK_CLOSE(orthogonality(scaled.vectors), 0.0, 2e-14);
  }
}

TEST("small: eigenpairs have the same bits on any number of threads") {
  const SmallMatrix a = random_small(400, 400, 3), t = a + a.transpose();
  CHECK(same_on_all_threads([&] {
    const SmallEigen e = symmetric_eigen(t);
    Block<double> both(400, 401);
    for (Index i = 0; i < 400; ++i) {
      both(i, 400) = e.values(i);
      for (Index j = 0; j < 400; ++j) both(i, j) = e.vectors(i, j);
    }
    return both;
  }));
}

TEST("small: triplets have the same bits on any number of threads") {
  const SmallMatrix a = random_small(420, 400, 4);
  CHECK(same_on_all_threads([&] {
    const SmallSvd svd = small_svd(a);
    Block<double> all(420, 801);
    for (Index j = 0; j < 400; ++j) {
      all(j, 800) = svd.s(j);
      for (Index i = 0; i < 420; ++i) all(i, j) = svd.U(i, j);
      for (Index i = 0; i < 400; ++i) all(i, 400 + j) = svd.V(i, j);
    }
    return all;
  }));
}

TEST("small: NaN is an error") {
  SmallMatrix bad = SmallMatrix::Identity(4, 4);
  bad(2, 2) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS(small_svd(bad), NumericalError);
  CHECK_THROWS(symmetric_eigen(bad), NumericalError);
  SmallMatrix larger = SmallMatrix::Identity(80, 80);
  larger(70, 70) = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS(symmetric_eigen(larger), NumericalError);
  CHECK_THROWS(small_svd(larger), NumericalError);
  larger(70, 70) = std::numeric_limits<double>::infinity();
  CHECK_THROWS(symmetric_eigen(larger), NumericalError);
  CHECK_THROWS(small_svd(larger), NumericalError);
}

TEST("small: inverses, and matrices that have none") {
  for (const Index n : {1, 2, 40, 130}) {
    const SmallMatrix a = random_orthonormal(n, n, 1) * spectra(n)[0].asDiagonal() * random_orthonormal(n, n, 2).transpose();
    for (const double scale : {1e-300, 1.0, 1e300})
      CHECK_CLOSE(largest(small_inverse(a * scale) * scale * a - SmallMatrix::Identity(n, n)), 0.0, 1e-12);
  }
  CHECK_THROWS(small_inverse(SmallMatrix::Zero(3, 3)), NumericalError);
  CHECK_THROWS(small_inverse(SmallMatrix::Ones(3, 3)), NumericalError);
}

TEST("small: Gram factors") {
  const SmallMatrix z = random_small(50, 8, 8), g = z.transpose() * z;
  const GramFactor f = factor_gram(g);
  CHECK(f.pivot > 0.1 && f.pivot <= 1);
  CHECK_CLOSE(largest(f.r.transpose() * f.r - g), 0.0, 1e-12);
  CHECK_CLOSE(largest(f.r * f.inverse - SmallMatrix::Identity(8, 8)), 0.0, 1e-13);
  SmallMatrix singular = g, bad = g;
  singular.row(3).setZero();
  singular.col(3).setZero();
  bad(2, 2) = std::numeric_limits<double>::quiet_NaN();
  CHECK(factor_gram(singular).pivot == 0);
  CHECK(factor_gram(bad).pivot == 0);
  CHECK(factor_gram(SmallMatrix(0, 0)).pivot == 0);
}

TEST("small: independent columns") {
  SmallMatrix z = random_small(40, 6, 9);
  z.col(2) = z.col(0) - z.col(1);
  z.col(4).setZero();
  z.col(5) *= 1e-100;  // small is not dependent
  const auto chosen = independent_columns(z.transpose() * z, 1e-6);
  CHECK(chosen.size() == 4);
  CHECK(std::find(chosen.begin(), chosen.end(), 5) != chosen.end());
  CHECK(std::find(chosen.begin(), chosen.end(), 4) == chosen.end());
  CHECK(independent_columns(SmallMatrix::Zero(3, 3), 1e-6).empty());
}

TEST("small: products") {
  const SmallMatrix a = random_small(7, 5, 10), b = random_small(5, 3, 11);
  SmallVector d(5);
  d << 1, -2, 3, 0, 5;
  CHECK((multiply(a, b) - a * b).norm() < 1e-14);
  CHECK((multiply_adjoint(a, random_small(7, 2, 12)) - a.transpose() * random_small(7, 2, 12)).norm() < 1e-14);
  CHECK((scale_columns(a, d).col(1) == -2 * a.col(1)));
  CHECK((select_columns(a, {4, 0}).col(0) == a.col(4)));
  CHECK_CLOSE(column_norms(a)(3), a.col(3).norm(), 1e-15);
}
