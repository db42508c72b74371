// The three largest singular values of a matrix whose columns are orthogonal and of length 1, 2, 3, ..., 30.
#include <corange/corange.hpp>
#include <cstdio>
#include <vector>

int main() {
  constexpr corange::Index m = 50, n = 30;
  std::vector<double> a(m * n);
  for (corange::Index j = 0; j < n; ++j) a[static_cast<std::size_t>(j * n + j)] = static_cast<double>(j + 1);
  const corange::DenseOperator<double> op(corange::StridedView<double>{a.data(), m, n, n, 1});

  corange::SvdOptions options;
  options.rank = 3;
  options.tol = 1e-8;
  std::vector<double> U, s, V;
  const corange::SvdReport report = corange::svd<double>(op, options, [&](corange::Index rank) {
    U.resize(static_cast<std::size_t>(m * rank));
    s.resize(static_cast<std::size_t>(rank));
    V.resize(static_cast<std::size_t>(n * rank));
    return corange::SvdOutputs<double>{U.data(), s.data(), V.data()};
  });
  std::printf("%s: %.6f %.6f %.6f\n", report.converged ? "converged" : "stopped", s.at(0), s.at(1), s.at(2));
}
