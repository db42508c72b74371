#include "corange/svd/golub_kahan.hpp"

#include "check.hpp"
#include "corange/operators/dense.hpp"
#include "spectra.hpp"

using namespace corange;
using namespace matrices;

namespace {

double halving(double i) { return std::pow(0.5, i); }

struct Bidiagonalization {
  UserMatrix<double> user;
  DenseOperator<double> a{user.view()};
  GolubKahan<double> engine;

  Bidiagonalization(const SmallMatrix& m, Index block, Index max_basis)
      : user(m), engine(a, random_block<double>(m.cols(), block, 1), max_basis, RandomKey{1, 1}) {}

  /// Right Ritz vectors are orthonormal, ||A v_i|| = s_i, and ||A'A v_i - s_i^2 v_i|| = s_i * residual_i.
  void check(double norm) const {
    const Index k = engine.count();
    const RitzTriplets t = engine.ritz();
    Block<double> v(user.cols, k), av(user.rows, k), aav(user.cols, k);
    engine.right_vectors(t, v.view());
    a.apply_normal(BlockView<const double>(v.view()), aav.view(), av.view());
    CHECK_CLOSE(loss_of_orthogonality<double>(v.view()), 0.0, 1e-13);
    const SmallVector lengths = squared_column_norms<double>(av.view()).cwiseSqrt();
    subtract_scaled<double>(v.view(), t.values.cwiseAbs2(), aav.view());
    const SmallVector gaps = squared_column_norms<double>(aav.view()).cwiseSqrt();
    for (Index i = 0; i < k; ++i) {
      if (i > 0) CHECK(t.values(i) <= t.values(i - 1));
      CHECK_CLOSE(lengths(i), t.values(i), 1e-13 * norm);
      CHECK_CLOSE(gaps(i), t.values(i) * t.residuals(i), 1e-13 * norm * norm);
    }
  }
};

}  // namespace

TEST("golub_kahan: A V = U B, A'U = V B' + Q C") {
  with_threads(1, [] {
    for (double (*spectrum)(double) : {harmonic, halving, constant, few, zero})
      for (const auto& [m, n, block] : std::vector<std::array<Index, 3>>{{90, 50, 1}, {90, 50, 7}, {50, 50, 16}, {70, 40, 40}}) {
        const SmallVector s = values(n, spectrum);
        Bidiagonalization p(with_values(m, n, s, 3), block, n);
        while (!p.engine.exhausted()) {
          p.engine.expand();
          p.check(std::max(s(0), 1e-300));
        }
        CHECK_CLOSE(largest(p.engine.ritz().values - s), 0.0, 1e-13);
      }
  });
}

TEST("golub_kahan: values far below sqrt(eps) come out right") {
  const SmallVector s = values(60, [](double i) { return std::pow(10, -i / 5); });
  Bidiagonalization p(with_values(200, 60, s, 5), 8, 60);
  while (!p.engine.exhausted()) p.engine.expand();
  CHECK_CLOSE(largest(p.engine.ritz().values - s), 0.0, 1e-14);
  CHECK_CLOSE(p.engine.ritz().values(55) / s(55), 1.0, 1e-3);  // 1e-11
}

TEST("golub_kahan: restarts and growth keep the relations, and converge") {
  const SmallVector s = values(150, harmonic);
  Bidiagonalization p(with_values(300, 150, s, 7), 8, 40);
  for (int step = 0; step < 30; ++step) {
    p.engine.expand();
    if (step % 5 == 0) p.check(1);
    if (p.engine.full() && step < 20)
      p.engine.restart(p.engine.ritz(), 20);
    else if (p.engine.full())
      p.engine.grow(p.engine.capacity() + 8);
  }
  p.check(1);
  CHECK_CLOSE(largest(p.engine.ritz().values.head(8) - s.head(8)), 0.0, 1e-14);
  CHECK_CLOSE(largest(p.engine.ritz().residuals.head(8)), 0.0, 1e-12);
}
