#include "corange/svd/svd.hpp"

#include "check.hpp"
#include "compressed.hpp"
#include "corange/operators/affine.hpp"
#include "corange/operators/callback.hpp"
#include "corange/operators/dense.hpp"
#include "corange/operators/row_blocked.hpp"
#include "corange/operators/sparse.hpp"
#include "spectra.hpp"

using namespace corange;
using namespace matrices;

namespace {

template <class D>
struct Factors {
  std::vector<D> u, s, v;
  Index rank = 0;
  SvdReport report;

  SmallMatrix U(Index m) const { return matrix(u, m); }
  SmallMatrix V(Index n) const { return matrix(v, n); }
  SmallVector S() const {
    SmallVector x(rank);
    for (Index i = 0; i < rank; ++i) x(i) = static_cast<double>(s[static_cast<std::size_t>(i)]);
    return x;
  }
  bool operator==(const Factors& o) const { return u == o.u && s == o.s && v == o.v; }

 private:
  SmallMatrix matrix(const std::vector<D>& x, Index n) const {
    SmallMatrix c(n, rank);
    for (Index i = 0; i < n; ++i)
      for (Index j = 0; j < rank; ++j) c(i, j) = static_cast<double>(x[static_cast<std::size_t>(i * rank + j)]);
    return c;
  }
};

template <class D>
Factors<D> run(const LinearOperator& a, const SvdOptions& options) {
  Factors<D> f;
  f.report = svd<D>(a, options, [&](Index rank) {
    f.rank = rank;
    f.u.resize(static_cast<std::size_t>(a.rows() * rank));
    f.s.resize(static_cast<std::size_t>(rank));
    f.v.resize(static_cast<std::size_t>(a.cols() * rank));
    return SvdOutputs<D>{f.u.data(), f.s.data(), f.v.data()};
  });
  return f;
}

/// Jacobi's method, which is meant for small singular values, loses 1e-14 of the largest one of 120. Of a square factor, for Eigen's
/// bidiagonalization of others forms a reference to an entry of an empty row.
SmallVector exact_values(const SmallMatrix& a) {
  const SmallMatrix tall = a.rows() >= a.cols() ? a : SmallMatrix(a.transpose());
  return Eigen::BDCSVD<SmallMatrix>(triangular_factor(tall)).singularValues();
}

/// How far values with these residuals may be off for sure, by Kato and Temple's r^2 / gap; 0 where there is no gap.
SmallVector certain_errors(const SmallVector& s, const SmallVector& residuals, const SmallVector& exact) {
  SmallVector errors = SmallVector::Zero(s.size());
  for (Index i = 0; i < s.size(); ++i) {
    double gap = std::numeric_limits<double>::infinity();
    for (Index j = 0; j < exact.size(); ++j)
      if (j != i) gap = std::min(gap, std::abs(exact(j) - s(i)));
    if (gap > 0) errors(i) = std::min(residuals(i), residuals(i) * residuals(i) / gap);
  }
  return errors;
}

/// Everything that is promised of a converged answer, against the matrix itself.
template <class D>
void check_answer(const Factors<D>& f, const SmallMatrix& a, Index rank, double tol) {
  constexpr double kEps = std::numeric_limits<D>::epsilon();
  const SmallMatrix u = f.U(a.rows()), v = f.V(a.cols());
  const SmallVector s = f.S(), all = exact_values(a), exact = all.head(std::min(rank, std::min(a.rows(), a.cols())));
  const double top = std::max(exact(0), 1e-300), k = static_cast<double>(rank),
               size = static_cast<double>(std::max(a.rows(), a.cols()));
  CHECK(f.rank == rank && f.report.converged);
  CHECK_CLOSE(orthogonality(u), 0.0, 50 * kEps * std::sqrt(k));
  CHECK_CLOSE(orthogonality(v), 0.0, 50 * kEps * std::sqrt(k));
  for (Index i = 1; i < rank; ++i) CHECK(s(i) <= s(i - 1));
  CHECK(s.minCoeff() >= 0);
  const SmallMatrix left = a * v - u * s.asDiagonal(), right = a.transpose() * u - v * s.asDiagonal();
  const double rounding = 10 * kEps * std::sqrt(size);
  CHECK_CLOSE(left.colwise().norm().maxCoeff() / top, 0.0, tol + rounding);
  CHECK_CLOSE(right.colwise().norm().maxCoeff() / top, 0.0, tol + rounding);
  CHECK(f.report.residuals.size() == rank);
  const SmallVector residuals = left.colwise().norm().cwiseMax(right.colwise().norm()).transpose();
  const SmallVector allowed = certain_errors(s, residuals, all).cwiseMax(4 * tol * tol * top);
  CHECK(((s - exact).cwiseAbs().array() <= allowed.array() + rounding * top).all());
  // Where that is far below tol, residuals are measured with single-precision products.
  const double measuring = tol > 256 * 1.2e-7 ? 1e-6 : 2 * rounding;
  CHECK_CLOSE(largest(residuals - f.report.residuals) / top, 0.0, measuring);
  if (a.norm() > 0 && std::isfinite(f.report.error)) {
    const double error = (a - u * s.asDiagonal() * v.transpose()).norm() / a.norm();
    if (f.report.error_kind == "exact") CHECK_CLOSE(f.report.error * f.report.error, error * error, 2 * tol * tol + 1e3 * kEps);
    CHECK(error <= f.report.error_bound + 30 * std::sqrt(kEps));
    CHECK_CLOSE(f.report.norm_fro / a.norm(), 1.0, 1e-6);
  }
}

template <class D>
void check_dense(const SmallMatrix& a, Index rank, double tol) {
  const UserMatrix<D> user(a);
  check_answer(run<D>(DenseOperator<D>(user.view()), options(rank, tol)), user.matrix(), rank, tol);
}

double geometric(double i) { return std::pow(0.8, i); }
double steep(double i) { return std::pow(10, -i); }
double flat(double i) { return 1 - 1e-3 * i; }
double steps(double i) { return std::pow(0.5, std::floor(i / 5)); }
double ones(double) { return 1; }

}  // namespace

TEST("svd: shapes, ranks and tolerances") {
  for (const auto& [m, n] : std::vector<std::pair<Index, Index>>{{1, 1}, {1, 30}, {30, 1}, {200, 90}, {90, 200}, {120, 120}}) {
    const Index least = std::min(m, n);
    const SmallMatrix a = with_values(m, n, values(least, harmonic), 1);
    for (const Index rank : {Index{1}, least / 8, least / 2, least - 1, least}) {
      if (rank < 1) continue;
      check_dense<double>(a, rank, 1e-3);
      check_dense<double>(a, rank, 1e-6);
      check_dense<double>(a, rank, 1e-11);
      check_dense<float>(a, rank, 1e-3);
    }
  }
}

TEST("svd: spectra") {
  for (double (*spectrum)(double) : {geometric, steep, flat, steps, ones}) {
    const SmallMatrix a = with_values(300, 100, values(100, spectrum), 3);
    for (const double tol : {1e-3, 1e-9}) check_dense<double>(a, 12, tol);
    check_dense<float>(a, 12, 1e-3);
  }
}

TEST("svd: rank-deficient matrices, ranks beyond the rank") {
  for (const Index exact_rank : {1, 3, 10}) {
    const SmallMatrix a = with_values(250, 80, values(exact_rank, harmonic), 5);
    for (const Index rank : {1, 3, 10, 25})
      for (const double tol : {1e-3, 1e-9}) check_dense<double>(a, rank, tol);
    check_dense<float>(a, 10, 1e-3);
  }
}

TEST("svd: zero, identity, single entries, zero rows and columns") {
  check_dense<double>(SmallMatrix::Zero(100, 70), 5, 1e-3);
  check_dense<float>(SmallMatrix::Zero(1, 1), 1, 1e-3);
  check_dense<double>(SmallMatrix::Identity(150, 100), 7, 1e-6);
  SmallMatrix one = SmallMatrix::Zero(200, 120);
  one(17, 3) = -2;
  check_dense<double>(one, 4, 1e-6);
  SmallMatrix holes = with_values(200, 120, values(120, harmonic), 7);
  for (Index i = 0; i < 200; i += 2) holes.row(i).setZero();
  for (Index j = 0; j < 120; j += 3) holes.col(j).setZero();
  check_dense<double>(holes, 10, 1e-8);
  SmallMatrix a = SmallMatrix::Random(200, 40);
  for (const Index j : {0, 7, 39}) a.col(j).setZero();
  for (const Index rank : {1, 36, 37, 38, 40}) {  // fewer and more triplets than there are columns that are not zero
    check_dense<double>(a, rank, 1e-10);
    check_dense<double>(a.transpose(), rank, 1e-10);
    check_dense<float>(a, rank, 1e-4);
  }
}

TEST("svd: powers of two factor out, bit for bit, over the whole range") {
  const SmallMatrix a = with_values(150, 80, values(80, harmonic), 9);
  const auto plain = run<double>(DenseOperator<double>(UserMatrix<double>(a).view()), options(6, 1e-6));
  for (const int exponent : {-990, -300, 7, 300, 1000}) {
    UserMatrix<double> scaled(a);
    for (double& x : scaled.data) x = std::ldexp(x, exponent);
    auto f = run<double>(DenseOperator<double>(scaled.view()), options(6, 1e-6));
    for (double& x : f.s) x = std::ldexp(x, -exponent);
    CHECK(f == plain);
    CHECK(f.report.passes == plain.report.passes);
    CHECK_CLOSE(f.report.error, plain.report.error, 1e-12);
  }
  const UserMatrix<float> single(a);
  const auto plain_single = run<float>(DenseOperator<float>(single.view()), options(6));
  for (const int exponent : {-100, 100}) {
    UserMatrix<float> scaled = single;
    for (float& x : scaled.data) x = std::ldexp(x, exponent);
    auto f = run<float>(DenseOperator<float>(scaled.view()), options(6));
    for (float& x : f.s) x = std::ldexp(x, -exponent);
    CHECK(f == plain_single);
  }
}

TEST("svd: the same bits on 1, 2, 3 and 7 threads, and from the same seed only") {
  const auto sparse = random_compressed<double, std::int32_t, std::int32_t>(1500, 600, 0.02, Order::unsorted, 2);
  const UserMatrix<float> dense(with_values(900, 300, values(300, harmonic), 11));
  const auto check = [](auto make) {
    decltype(make(1)) first;
    with_threads(1, [&] { first = make(1); });
    for (const int threads : {2, 3, 7}) with_threads(threads, [&] { CHECK(make(1) == first); });
    CHECK(!(make(2) == first));
  };
  check([&](std::uint64_t seed) {
    return run<double>(SparseOperator<double, std::int32_t>(sparse.view(), sparse.stored(), true), options(8, 1e-5, seed));
  });
  check([&](std::uint64_t seed) { return run<float>(DenseOperator<float>(dense.view()), options(8, 1e-3, seed)); });
}

TEST("svd: sparse, by rows and by columns, centered or not") {
  const auto a = random_compressed<double, std::int32_t, std::int32_t>(400, 150, 0.05, Order::duplicates, 3);
  const Exact e = a.dense();
  SmallMatrix dense(e.rows, e.cols);
  for (Index i = 0; i < e.rows; ++i)
    for (Index j = 0; j < e.cols; ++j) dense(i, j) = static_cast<double>(e(i, j));
  using Sparse = SparseOperator<double, std::int32_t>;
  for (const double tol : {1e-3, 1e-9}) {
    check_answer(run<double>(Sparse(a.view(), a.stored(), true), options(7, tol)), dense, 7, tol);
    check_answer(run<double>(Sparse(a.view(), a.stored(), false), options(7, tol)), dense.transpose(), 7, tol);
  }
  const SmallVector mean = dense.colwise().mean();
  const SmallMatrix centered = dense.rowwise() - mean.transpose();
  const Affine centering{nullptr, mean.data(), nullptr, nullptr};
  check_answer(run<double>(AffineOperator(std::make_shared<Sparse>(a.view(), a.stored(), true), centering), options(7, 1e-6)),
               centered, 7, 1e-6);
}

TEST("svd: centered dense matrices far from the origin") {
  SmallMatrix a = with_values(300, 60, values(60, geometric), 13);
  a.array() += 100;
  const UserMatrix<double> user(a);
  const SmallVector mean = a.colwise().mean();
  const SmallMatrix centered = a.rowwise() - mean.transpose();
  check_answer(run<double>(DenseOperator<double>(user.view(), {nullptr, mean.data(), nullptr, nullptr}), options(5, 1e-6)),
               centered, 5, 1e-6);
}

TEST("svd: row-blocked and callback operators") {
  const UserMatrix<double> user(with_values(400, 90, values(90, harmonic), 15));
  const auto read = [&](Index start, Index stop, const RowBlockedOperator<double>::Consumer& consume) {
    consume(user.view().middle_rows(start, stop - start));
  };
  const auto disk = run<double>(RowBlockedOperator<double>(read, 400, 90, 64, true), options(6));
  check_answer(disk, user.matrix(), 6, 1e-3);
  CHECK(disk.report.passes <= 5);
  const SmallMatrix a = user.matrix();
  using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const CallbackOperator<double> callback(
      400, 90,
      [&](const double* x, double* y, Index b) { Eigen::Map<RowMajor>(y, 400, b) = a * Eigen::Map<const RowMajor>(x, 90, b); },
      [&](const double* x, double* y, Index b) {
        Eigen::Map<RowMajor>(y, 90, b) = a.transpose() * Eigen::Map<const RowMajor>(x, 400, b);
      });
  const auto f = run<double>(callback, options(6, 1e-5));
  CHECK(f.report.converged);
  CHECK_CLOSE(largest(f.S() - values(6, harmonic)), 0.0, 1e-9);
  CHECK(f.report.error_kind == "estimated");
}

TEST("svd: an estimated error is unbiased, and its bound holds as often as stated") {
  // What is left has rank one, the worst case: the estimate is a chi-square of 32 degrees of freedom.
  SmallVector s = SmallVector::Zero(6);
  s << 6, 5, 4, 3, 2, 0.5;
  const SmallMatrix a = with_values(60, 40, s, 31);
  using RowMajor = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  const CallbackOperator<double> op(
      60, 40,
      [&](const double* x, double* y, Index b) { Eigen::Map<RowMajor>(y, 60, b) = a * Eigen::Map<const RowMajor>(x, 40, b); },
      [&](const double* x, double* y, Index b) {
        Eigen::Map<RowMajor>(y, 40, b) = a.transpose() * Eigen::Map<const RowMajor>(x, 60, b);
      });
  const double truth = 0.5 / a.norm();
  double mean = 0, confidence = 1;
  int broken = 0;
  constexpr int kSeeds = 1000;
  with_threads(1, [&] {
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      const SvdReport r = run<double>(op, options(5, 1e-3, seed)).report;
      mean += r.error * r.error / (truth * truth) / kSeeds;
      broken += r.error_bound < truth;
      confidence = r.error_confidence;
    }
  });
  CHECK_CLOSE(mean, 1.0, 0.04);  // 5 standard deviations of the mean
  CHECK(confidence < 1);
  CHECK(broken <=
        6 * kSeeds * (1 - confidence));  // expected once: a Poisson variable with mean 1 exceeds 6 with probability 1e-4
}

TEST("svd: signs do not depend on layout, and transposition exchanges the factors") {
  const UserMatrix<double> user(with_values(200, 80, values(80, geometric), 17));
  std::vector<double> columns(user.data.size());
  for (Index i = 0; i < 200; ++i)
    for (Index j = 0; j < 80; ++j) columns[static_cast<std::size_t>(j * 200 + i)] = user.view()(i, j);
  const auto f = run<double>(DenseOperator<double>(user.view()), options(9, 1e-9));
  const auto g = run<double>(DenseOperator<double>({columns.data(), 200, 80, 1, 200}), options(9, 1e-9));
  const auto t = run<double>(DenseOperator<double>(user.transposed()), options(9, 1e-9));
  CHECK_CLOSE(largest(f.U(200) - g.U(200)), 0.0, 1e-8);
  CHECK_CLOSE(largest(f.V(80) - t.U(80)), 0.0, 1e-8);
  CHECK_CLOSE(largest(f.U(200) - t.V(200)), 0.0, 1e-8);
}

TEST("svd: signs of symmetric indefinite matrices are not left to rounding") {
  // u = -v where the eigenvalue is negative: the largest entries of u and v tie.
  SmallVector w(60);
  for (Index i = 0; i < 60; ++i) w(i) = (i % 2 ? -1 : 1) * std::pow(0.8, static_cast<double>(i));
  const SmallMatrix a = symmetric_with(w, 19);
  const SmallMatrix reference = run<double>(DenseOperator<double>(UserMatrix<double>(a).view()), options(8, 1e-10)).U(60);
  for (Index j = 0; j < 8; ++j) {
    Index at = 0;
    reference.col(j).cwiseAbs().maxCoeff(&at);
    CHECK(reference(at, j) > 0);
  }
  for (std::uint64_t seed = 2; seed < 8; ++seed) {
    const SmallMatrix u = run<double>(DenseOperator<double>(UserMatrix<double>(a).view()), options(8, 1e-10, seed)).U(60);
    CHECK_CLOSE(largest(u - reference), 0.0, 1e-6);
  }
}

TEST("svd: smallest rank for an error") {
  const SmallVector s = values(120, geometric);
  const UserMatrix<double> user(with_values(300, 120, s, 21));
  for (const double error : {0.5, 1e-1, 1e-2, 1e-4, 1e-7, 1e-9}) {
    SvdOptions o = options(120, 1e-3);
    o.error = error;
    const auto f = run<double>(DenseOperator<double>(user.view()), o);
    Index best = 0;
    while (best < 120 && s.tail(120 - best).norm() > error * s.norm()) ++best;
    const double reached = (user.matrix() - f.U(300) * f.S().asDiagonal() * f.V(120).transpose()).norm() / s.norm();
    CHECK(f.report.converged);
    CHECK(reached <= error * (1 + 1e-9));
    CHECK(f.rank >= best && f.rank <= best + 1);
  }
}

TEST("svd: an error that the most allowed rank does not reach") {
  const UserMatrix<double> user(with_values(200, 100, values(100, flat), 23));
  SvdOptions o = options(10, 1e-3);
  o.error = 1e-2;
  const auto f = run<double>(DenseOperator<double>(user.view()), o);
  CHECK(f.rank == 10 && !f.report.converged);
}

TEST("svd: limits and callbacks stop it with the best answer so far") {
  const UserMatrix<double> user(with_values(400, 300, values(300, flat), 25));
  const DenseOperator<double> a(user.view());
  for (const double tol : {1e-3, 1e-6, 1e-9})
    for (const Index limit : {5, 6, 7, 12}) {
      SvdOptions few = options(10, tol);
      few.max_passes = limit;
      const auto f = run<double>(a, few);
      CHECK(f.report.stopped == "max_passes" && !f.report.converged);
      CHECK(f.rank == 10);
      CHECK(f.report.passes <= limit);
      CHECK_CLOSE(orthogonality(f.U(400)), 0.0, 1e-13);
    }
  SvdOptions stopped = options(10, 1e-9);
  int calls = 0;
  stopped.callback = [&](const Progress& p) {
    CHECK(p.iteration == ++calls);
    return calls == 3;
  };
  const auto g = run<double>(a, stopped);
  CHECK(g.report.stopped == "callback" && calls == 3 && g.rank == 10);
  CHECK(g.report.iterations == 3 && g.report.history.size() == 3);
}

TEST("svd: illegal input is refused") {
  UserMatrix<double> user(with_values(20, 10, values(10, harmonic), 27));
  const DenseOperator<double> a(user.view());
  CHECK_THROWS(run<double>(a, options(0)), InvalidArgument);
  CHECK_THROWS(run<double>(a, options(11)), InvalidArgument);
  CHECK_THROWS(run<double>(DenseOperator<double>({user.data.data(), 0, 10, 10, 1}), options(1)), InvalidArgument);
  user.data[57] = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS(run<double>(a, options(3)), InvalidArgument);
  SvdOptions unchecked = options(3);
  unchecked.check_finite = false;
  CHECK_THROWS(run<double>(a, unchecked), NumericalError);
}

TEST("svd: block sizes, oversampling and restarts") {
  const SmallMatrix a = with_values(500, 250, values(250, harmonic), 29);
  const UserMatrix<double> user(a);
  for (const Index block : {1, 3, 16, 100})
    for (const Index oversample : {2, 10, 40}) {
      SvdOptions o = options(8, 1e-6);
      o.block_size = block;
      o.oversample = oversample;
      const auto f = run<double>(DenseOperator<double>(user.view()), o);
      check_answer(f, a, 8, 1e-6);
      CHECK(f.report.block_size == block);
    }
}
