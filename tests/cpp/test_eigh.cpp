#include "corange/eigh/eigh.hpp"

#include <algorithm>

#include "check.hpp"
#include "compressed.hpp"
#include "corange/operators/dense.hpp"
#include "corange/operators/sparse.hpp"
#include "spectra.hpp"

using namespace corange;
using namespace matrices;

namespace {

template <class D>
struct Pairs {
  std::vector<D> w, v;
  Index rank = 0;
  SvdReport report;

  SmallMatrix V(Index n) const {
    SmallMatrix m(n, rank);
    for (Index i = 0; i < n; ++i)
      for (Index j = 0; j < rank; ++j) m(i, j) = static_cast<double>(v[static_cast<std::size_t>(i * rank + j)]);
    return m;
  }
  SmallVector W() const {
    SmallVector x(rank);
    for (Index i = 0; i < rank; ++i) x(i) = static_cast<double>(w[static_cast<std::size_t>(i)]);
    return x;
  }
};

template <class D>
Pairs<D> run(const LinearOperator& a, Which which, const SvdOptions& options) {
  Pairs<D> p;
  p.report = eigh<D>(a, options, which, [&](Index rank) {
    p.rank = rank;
    p.w.resize(static_cast<std::size_t>(rank));
    p.v.resize(static_cast<std::size_t>(a.rows() * rank));
    return EigenOutputs<D>{p.w.data(), p.v.data()};
  });
  return p;
}

SmallVector best_first(SmallVector w, Which which) {
  std::stable_sort(w.data(), w.data() + w.size(), [&](double x, double y) {
    if (which == Which::largest) return x > y;
    return which == Which::smallest ? x < y : std::abs(x) > std::abs(y);
  });
  return w;
}

template <class D>
void check_eigh(const SmallMatrix& h, const SmallVector& w, Index rank, Which which, double tol) {
  constexpr double kEps = std::numeric_limits<D>::epsilon();
  const UserMatrix<D> user(h);
  const auto p = run<D>(DenseOperator<D>(user.view()), which, options(rank, tol));
  const SmallMatrix a = user.matrix(), v = p.V(h.rows());
  const double norm = std::max(w.cwiseAbs().maxCoeff(), 1e-300), rounding = 20 * kEps * std::sqrt(static_cast<double>(h.rows()));
  CHECK(p.rank == rank && p.report.converged);
  CHECK_CLOSE(orthogonality(v), 0.0, 50 * kEps * std::sqrt(static_cast<double>(rank)));
  const SmallVector residuals = (a * v - v * p.W().asDiagonal()).colwise().norm().transpose();
  CHECK_CLOSE(residuals.maxCoeff() / norm, 0.0, tol + rounding);
  CHECK_CLOSE(largest(residuals - p.report.residuals) / norm, 0.0, rounding);
  // An eigenvalue is within its residual of one of h; the wanted ones come in order.
  CHECK_CLOSE(largest(p.W() - best_first(w, which).head(rank)) / norm, 0.0, tol + rounding);
  for (Index i = 1; i < rank; ++i) CHECK(best_first(p.W(), which)(i) == p.W()(i));
  for (Index j = 0; j < rank; ++j) {
    Index at = 0;
    if (v.col(j).cwiseAbs().maxCoeff(&at) > 0 && std::is_same_v<D, double>) CHECK(v(at, j) > -1e-3);
  }
}

double alternating_powers(double i) { return (static_cast<int>(i) % 2 ? -1 : 1) * std::pow(0.9, i); }
double linear(double i) { return 100 - i; }
double negative(double i) { return -std::pow(0.8, i); }
double minus_three(double) { return -3; }
double four(double i) { return i < 4 ? 4 - i : 0; }

}  // namespace

TEST("eigh: both ends and the largest magnitudes of many spectra") {
  for (double (*spectrum)(double) : {harmonic, alternating_powers, linear, negative, minus_three, zero, four}) {
    const SmallVector w = values(130, spectrum);
    const SmallMatrix h = symmetric_with(w, 1);
    for (const Which which : {Which::largest, Which::smallest, Which::magnitude})
      for (const double tol : {1e-3, 1e-7}) check_eigh<double>(h, w, 5, which, tol);
    check_eigh<float>(h, w, 5, Which::magnitude, 1e-3);
  }
}

TEST("eigh: sizes and ranks up to the whole spectrum") {
  for (const Index n : {1, 2, 30, 100})
    for (const Index rank : {Index{1}, n / 3, n}) {
      if (rank < 1) continue;
      const SmallVector w = values(n, alternating);
      check_eigh<double>(symmetric_with(w, 3), w, rank, Which::largest, 1e-9);
    }
}

TEST("eigh: the wanted end far below the norm") {
  // Eigenvalues near zero of a negative definite matrix: found to tol * norm, through many restarts.
  const SmallVector w = -values(200, harmonic);
  check_eigh<double>(symmetric_with(w, 5), w, 5, Which::largest, 1e-5);
}

TEST("eigh: powers of two factor out, bit for bit") {
  const SmallMatrix h = symmetric_with(values(90, alternating), 7);
  const auto plain = run<double>(DenseOperator<double>(UserMatrix<double>(h).view()), Which::magnitude, options(4, 1e-6));
  for (const int exponent : {-900, -40, 800}) {
    UserMatrix<double> scaled(h);
    for (double& x : scaled.data) x = std::ldexp(x, exponent);
    auto p = run<double>(DenseOperator<double>(scaled.view()), Which::magnitude, options(4, 1e-6));
    for (double& x : p.w) x = std::ldexp(x, -exponent);
    CHECK(p.w == plain.w && p.v == plain.v);
  }
}

TEST("eigh: the same bits on 1, 2, 3 and 7 threads") {
  const UserMatrix<double> user(symmetric_with(values(400, harmonic), 9));
  const DenseOperator<double> a(user.view());
  Pairs<double> first;
  with_threads(1, [&] { first = run<double>(a, Which::largest, options(6)); });
  for (const int threads : {2, 3, 7})
    with_threads(threads, [&] {
      const auto p = run<double>(a, Which::largest, options(6));
      CHECK(p.w == first.w && p.v == first.v);
    });
}

TEST("eigh: limits, and illegal input") {
  UserMatrix<double> user(symmetric_with(values(300, linear), 11));
  const DenseOperator<double> a(user.view());
  for (const double tol : {1e-4, 1e-9}) {
    SvdOptions few_passes = options(5, tol);
    few_passes.max_passes = 4;
    const auto p = run<double>(a, Which::largest, few_passes);
    CHECK(!p.report.converged);
    CHECK(p.report.stopped == "max_passes");
    CHECK(p.report.passes <= 4);
    CHECK(p.rank == 5);
  }
  CHECK_THROWS(run<double>(a, Which::largest, options(0)), InvalidArgument);
  CHECK_THROWS(run<double>(a, Which::largest, options(301)), InvalidArgument);
  CHECK_THROWS(run<double>(DenseOperator<double>({user.data.data(), 10, 300, 300, 1}), Which::largest, options(2)),
               InvalidArgument);
  user.data[77] = std::numeric_limits<double>::infinity();
  CHECK_THROWS(run<double>(a, Which::largest, options(2)), InvalidArgument);
}
