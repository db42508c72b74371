#include <cmath>
#include <limits>

#include "corange/core/philox.hpp"
#include "corange/kernel/cholesky_step.hpp"
#include "corange/kernel/kmeans.hpp"

#include "check.hpp"
#include "matrices.hpp"

using namespace corange;
using namespace matrices;

namespace {

template <class T>
void check_exponential() {
  constexpr int kLanes = simd::kLanes<T>;
  const double lowest = std::is_same_v<T, float> ? -87.0 : -708.0;
  for (int step = 0; step <= 20000; step += kLanes) {
    T x[kLanes], y[kLanes];
    for (int k = 0; k < kLanes; ++k) x[k] = static_cast<T>(lowest * (step + k) / (20000 + kLanes));
    simd::store<T>(y, simd::exp_negative<T>(simd::load(x)));
    for (int k = 0; k < kLanes; ++k) {
      const long double expected = std::exp(static_cast<long double>(x[k]));
      CHECK_CLOSE(y[k], expected, 2 * expected * static_cast<long double>(std::numeric_limits<T>::epsilon()));
    }
  }
  const T ends[] = {0, static_cast<T>(lowest - 2), -std::numeric_limits<T>::infinity(), std::numeric_limits<T>::quiet_NaN()};
  for (const T end : ends) {
    const auto y = simd::exp_negative<T>(simd::Vector<T>{} + end);
    if (end == 0)
      CHECK(y[0] == 1);
    else if (std::isnan(end))
      CHECK(std::isnan(y[0]));
    else
      CHECK(y[0] == 0);
  }
}

/// Factor of a Gaussian kernel in steps of uneven width: F F' = K in the rows of the pivots, and the diagonal of what is left.
template <class T>
void check_steps() {
  const Index n = 900, d = 3, rank = 23;
  const auto points = random_block<T>(n, d, 1);
  const KernelSpec spec{KernelKind::rbf, 0.4, 0, 0};
  std::vector<T> kernel(static_cast<std::size_t>(n * n)), factor(static_cast<std::size_t>(n * rank));
  kernel_block<T>(spec, strided(points.view()), strided(points.view()), kernel.data(), n);
  std::vector<double> left(static_cast<std::size_t>(n), 1.0),
      floors(static_cast<std::size_t>(n), 10.0 * std::numeric_limits<T>::epsilon());
  Index k = 0;
  for (const Index b : {Index{1}, Index{8}, Index{14}}) {
    Block<double> residual(b, b);
    Block<T> pivots(k, b);
    for (Index i = 0; i < b; ++i) {
      for (Index j = 0; j < b; ++j) residual(i, j) = static_cast<double>(kernel[static_cast<std::size_t>((k + i) * n + k + j)]);
      for (Index p = 0; p < k; ++p) pivots(p, i) = factor[static_cast<std::size_t>((k + i) * rank + p)];
    }
    Block<double> part(b, k);
    for (Index i = 0; i < b; ++i)
      for (Index p = 0; p < k; ++p) part(i, p) = static_cast<double>(pivots(p, i));
    subtract_outer(strided(part.view()), residual.view());
    Block<double> l(b, b);
    for (Index j = 0; j < b; ++j)
      for (Index i = j; i < b; ++i) {
        double sum = residual(i, j);
        for (Index p = 0; p < j; ++p) sum -= l(i, p) * l(j, p);
        l(i, j) = i == j ? std::sqrt(sum) : sum / l(j, j);
      }
    CholeskyStep<T> step;
    step.columns = {kernel.data() + k, n, b, n, 1};
    step.pivots = pivots.view();
    step.triangle = strided(l.view());
    step.factor = factor.data();
    step.ld = rank;
    step.diagonal = left.data();
    step.floors = floors.data();
    CHECK(cholesky_step<T>(step) > -10);
    k += b;
  }
  const double tolerance = 200 * static_cast<double>(std::numeric_limits<T>::epsilon());
  for (Index i = 0; i < n; ++i) {
    double kept = 0;
    for (Index p = 0; p < rank; ++p) kept += std::pow(static_cast<double>(factor[static_cast<std::size_t>(i * rank + p)]), 2);
    CHECK_CLOSE(left[static_cast<std::size_t>(i)], 1.0 - kept, tolerance);
    for (Index s = 0; s < rank; ++s) {
      double entry = 0;
      for (Index p = 0; p < rank; ++p)
        entry += static_cast<double>(factor[static_cast<std::size_t>(i * rank + p)]) *
                 static_cast<double>(factor[static_cast<std::size_t>(s * rank + p)]);
      CHECK_CLOSE(entry, kernel[static_cast<std::size_t>(i * n + s)], tolerance);
    }
  }
}

template <class T>
void check_features(bool triangular) {
  const Index m = 301, n = 83, d = 5, w = triangular ? n : 19;
  const auto x = random_block<T>(m, d, 1), y = random_block<T>(n, d, 2);
  auto mixing = random_block<T>(n, w, 3);
  if (triangular)
    for (Index p = 0; p < n; ++p)
      for (Index j = 0; j < p; ++j) mixing(p, j) = 0;
  for (const KernelKind kind : {KernelKind::linear, KernelKind::polynomial, KernelKind::rbf, KernelKind::laplacian}) {
    const KernelSpec spec{kind, 0.3, 0.5, 2};
    std::vector<T> values(static_cast<std::size_t>(m * n)), features(static_cast<std::size_t>(m * w));
    kernel_block<T>(spec, strided(x.view()), strided(y.view()), values.data(), n);
    kernel_features<T>(spec, strided(x.view()), strided(y.view()), mixing.view(), features.data());
    for (Index i = 0; i < m; ++i)
      for (Index j = 0; j < w; ++j) {
        long double sum = 0, size = 0;
        for (Index p = 0; p < n; ++p) {
          const long double term =
              static_cast<long double>(values[static_cast<std::size_t>(i * n + p)]) * static_cast<long double>(mixing(p, j));
          sum += term;
          size += std::abs(term);
        }
        CHECK_CLOSE(features[static_cast<std::size_t>(i * w + j)], sum,
                    n * size * static_cast<long double>(std::numeric_limits<T>::epsilon()));
      }
  }
}

/// K = L L' at the pivots and to the tolerance beside them, for a kernel of rank 7; L L^-1 = I.
void check_pivoted_cholesky() {
  const Index n = 45, rank = 7;
  const auto points = random_block<double>(n, rank, 1);
  const Block<double> columns = points_as_columns(strided(points.view()));
  Block<double> kernel(n, n);
  panel_product<double>(strided(points.view()), columns.view(), kernel.view(), Store::set);
  const PivotedCholesky found = pivoted_cholesky(strided(kernel.view()), 1e-10);
  CHECK(static_cast<Index>(found.order.size()) == rank);
  CHECK(static_cast<Index>(found.others.size()) == n - rank);
  for (Index i = 0; i < n; ++i)
    for (Index j = 0; j < n; ++j) {
      double entry = 0;
      for (Index p = 0; p < rank; ++p) entry += found.l(i, p) * found.l(j, p);
      CHECK_CLOSE(entry, kernel(i, j), 1e-11);
    }
  Block<double> triangle(rank, rank);
  for (Index i = 0; i < rank; ++i)
    for (Index p = 0; p < rank; ++p) {
      triangle(i, p) = found.l(found.order[static_cast<std::size_t>(i)], p);
      if (p > i) CHECK(triangle(i, p) == 0);
      if (p > 0 && p == i) CHECK(triangle(i, i) <= triangle(i - 1, i - 1));
    }
  const Block<double> inverse = inverse_triangle(strided(triangle.view()));
  for (Index i = 0; i < rank; ++i)
    for (Index j = 0; j < rank; ++j) {
      double entry = 0;
      for (Index p = 0; p < rank; ++p) entry += triangle(i, p) * inverse(p, j);
      CHECK_CLOSE(entry, i == j ? 1.0 : 0.0, 1e-13);
    }
}

/// Centers are the means of the points that are nearest to what they were before the step; one without any stays.
template <class T>
void check_means() {
  const Index m = 500, d = 3, count = 9;
  const auto x = random_block<T>(m, d, 1);
  std::vector<T> centers(static_cast<std::size_t>(count * d), T(1000));
  for (Index c = 0; c + 1 < count; ++c) std::copy_n(x.view().row(c), d, centers.data() + c * d);
  const std::vector<T> before = centers;
  move_to_means<T>(strided(x.view()), centers.data(), count, 1);
  std::vector<long double> sums(static_cast<std::size_t>(count * (d + 1)), 0);
  for (Index i = 0; i < m; ++i) {
    Index best = 0;
    long double least = std::numeric_limits<long double>::infinity();
    for (Index c = 0; c < count; ++c) {
      long double distance = 0;
      for (Index p = 0; p < d; ++p)
        distance += std::pow(static_cast<long double>(x(i, p)) - before[static_cast<std::size_t>(c * d + p)], 2);
      if (distance < least) least = distance, best = c;
    }
    for (Index p = 0; p < d; ++p) sums[static_cast<std::size_t>(best * (d + 1) + p)] += x(i, p);
    sums[static_cast<std::size_t>(best * (d + 1) + d)] += 1;
  }
  for (Index c = 0; c < count; ++c) {
    const long double size = sums[static_cast<std::size_t>(c * (d + 1) + d)];
    CHECK((size == 0) == (c + 1 == count));
    for (Index p = 0; p < d; ++p) {
      const long double expected = size == 0 ? 1000 : sums[static_cast<std::size_t>(c * (d + 1) + p)] / size;
      CHECK_CLOSE(centers[static_cast<std::size_t>(c * d + p)], expected, 4 * std::numeric_limits<T>::epsilon() * 1000);
    }
  }
}

}  // namespace

TEST("exp_negative: 2 ulp, and its ends") {
  check_exponential<float>();
  check_exponential<double>();
}

TEST("cholesky_step: reproduces the columns of the pivots") {
  check_steps<float>();
  check_steps<double>();
}

TEST("cholesky_step: a negative diagonal is told of") {
  const double columns[] = {1, 2}, triangle[] = {1}, floors[] = {1e-12, 1e-12};
  double factor[2], left[] = {1, 1};
  CholeskyStep<double> step;
  step.columns = {columns, 2, 1, 1, 1};
  step.pivots = {nullptr, 0, 1, 8};
  step.triangle = {triangle, 1, 1, 1, 1};
  step.factor = factor;
  step.ld = 1;
  step.diagonal = left;
  step.floors = floors;
  CHECK_CLOSE(cholesky_step<double>(step), -3e12, 1e3);
  CHECK(left[1] == 0);
}

TEST("kernel_features: the kernel times a matrix") {
  check_features<float>(false);
  check_features<float>(true);
  check_features<double>(false);
  check_features<double>(true);
}

TEST("pivoted_cholesky: factors at the rank, and the inverse of the triangle") { check_pivoted_cholesky(); }

TEST("move_to_means: the definition of a step of Lloyd's algorithm") {
  check_means<float>();
  check_means<double>();
}
