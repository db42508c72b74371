#include "corange/eigh/block_lanczos.hpp"

#include "check.hpp"
#include "corange/operators/dense.hpp"
#include "spectra.hpp"

using namespace corange;
using namespace matrices;

namespace {

/// The engine on a symmetric matrix, with what it promises checked against the matrix.
template <class T>
struct Probe {
  UserMatrix<double> user;
  DenseOperator<double> a{user.view()};
  BlockLanczos<T> lanczos;
  double norm;

  Probe(const SmallMatrix& h, Index block, Index max_basis, Which which)
      : user(h),
        lanczos([this](BlockView<const T> x, BlockView<T> z) { a.apply(x, z); }, random_block<T>(h.rows(), block, 1), max_basis,
                which, RandomKey{1, 1}),
        norm(std::max(largest(h.selfadjointView<Eigen::Lower>().eigenvalues()), 1e-300)) {}

  double orthogonality() const {
    const SmallMatrix g = gram<T>(lanczos.basis());
    const double inside = largest(g - SmallMatrix::Identity(g.rows(), g.cols()));
    if (lanczos.next_width() == 0) return inside;
    return std::max(
        {inside, largest(adjoint_product<T>(lanczos.basis(), lanczos.next())), loss_of_orthogonality<T>(lanczos.next())});
  }

  /// Largest difference between the residuals that ritz() gives and those measured, relative to the norm.
  double residual_error(const RitzPairs& r) const {
    const Index n = user.rows, k = lanczos.count();
    Block<T> y(n, k), hy(n, k);
    lanczos.vectors(r.vectors, y.view());
    a.apply(BlockView<const T>(y.view()), hy.view());
    subtract_scaled<T>(y.view(), r.values, hy.view());
    return largest(squared_column_norms<T>(hy.view()).cwiseSqrt() - r.residuals) / norm;
  }
};

double alternating(double i) { return (static_cast<int>(i) % 2 ? -1 : 1) / (1 + i); }

template <class T>
void check_relations(double (*spectrum)(double), Index n, Index block, Index max_basis) {
  constexpr double kEps = std::numeric_limits<T>::epsilon();
  Probe<T> p(symmetric_with(values(n, spectrum), 3), block, max_basis, Which::magnitude);
  while (!p.lanczos.exhausted() && !p.lanczos.full()) {
    p.lanczos.expand();
    CHECK_CLOSE(p.orthogonality(), 0.0, std::sqrt(kEps));
    // The estimates are as good as the basis is orthogonal; results rest on residuals measured afterwards.
    CHECK_CLOSE(p.residual_error(p.lanczos.ritz()), 0.0, std::sqrt(kEps));
  }
}

}  // namespace

TEST("block_lanczos: H V = V T + Q B, and V, Q are orthonormal") {
  with_threads(1, [] {
    for (double (*spectrum)(double) : {harmonic, alternating, constant, zero, few})
      for (const auto& [n, block] :
           std::vector<std::pair<Index, Index>>{{60, 1}, {60, 7}, {60, 16}, {61, 16}, {100, 64}, {40, 40}})
        for (const Index max_basis : {n, n / 2 + block}) {
          check_relations<double>(spectrum, n, block, max_basis);
          check_relations<float>(spectrum, n, block, max_basis);
        }
  });
}

TEST("block_lanczos: a basis of the whole space gives all eigenvalues") {
  for (double (*spectrum)(double) : {harmonic, constant, zero, few})
    for (const Index block : {1, 7, 16, 50}) {
      Probe<double> p(symmetric_with(values(50, spectrum), 3), block, 50, Which::largest);
      while (!p.lanczos.exhausted()) p.lanczos.expand();
      CHECK_CLOSE(largest(p.lanczos.ritz().values - values(50, spectrum)), 0.0, 1e-13);
      CHECK(largest(p.lanczos.ritz().residuals) == 0);
    }
}

TEST("block_lanczos: orthogonality does not decay over many restarts") {
  // The wanted end is clustered and the other end is dropped and found again in every cycle: the worst case.
  for (const Which which : {Which::largest, Which::smallest}) {
    const SmallVector w = -values(200, harmonic);
    Probe<double> p(symmetric_with(which == Which::largest ? w : SmallVector(-w), 5), 16, 101, which);
    double worst = 0, error = 0;
    for (int step = 0; step < 100; ++step) {
      p.lanczos.expand();
      worst = std::max(worst, p.orthogonality());
      const RitzPairs r = p.lanczos.ritz();
      error = std::max(error, p.residual_error(r));
      if (p.lanczos.full()) p.lanczos.restart(r, 45);
    }
    CHECK_CLOSE(worst, 0.0, 1e-8);
    CHECK_CLOSE(error, 0.0, 1e-12);
  }
}

TEST("block_lanczos: restarts keep what converged") {
  Probe<double> p(symmetric_with(values(150, alternating), 7), 8, 48, Which::magnitude);
  for (int step = 0; step < 40; ++step) {
    p.lanczos.expand();
    if (p.lanczos.full()) p.lanczos.restart(p.lanczos.ritz(), 20);
  }
  CHECK_CLOSE(largest(p.lanczos.ritz().values.head(6) - values(6, alternating)), 0.0, 1e-13);
  CHECK_CLOSE(largest(p.lanczos.ritz().residuals.head(6)), 0.0, 1e-10);
}

TEST("block_lanczos: grow keeps the basis") {
  Probe<double> p(symmetric_with(values(90, harmonic), 9), 10, 30, Which::largest),
      q(symmetric_with(values(90, harmonic), 9), 10, 60, Which::largest);
  while (!p.lanczos.full()) p.lanczos.expand();
  p.lanczos.grow(60);
  while (!p.lanczos.full()) p.lanczos.expand();
  while (!q.lanczos.full()) q.lanczos.expand();
  CHECK(p.lanczos.count() == 60);
  CHECK(same_bits(p.lanczos.basis(), q.lanczos.basis()));
}
