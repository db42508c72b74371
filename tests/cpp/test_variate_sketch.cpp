#include "corange/sketch/variate_sketch.hpp"

#include "check.hpp"
#include "matrices.hpp"

using namespace corange;
using namespace matrices;

namespace {

/// Against sums of products, entry by entry; A is cut from a larger matrix, stored by rows or by columns.
template <class T>
double worst_error(Index m, Index n, Index size, bool by_rows, typename VariateSketch<T>::Fill fill) {
  const Index offset = 1000;
  const Block<T> whole = by_rows ? random_block<T>(m, n, 3) : random_block<T>(n, m, 3);
  const StridedView<T> a = by_rows ? strided(whole.view()) : transposed(whole.view());
  Block<T> s(m, size), c(n, size);
  fill({7, 8}, offset, 0, m, size, s.data(), s.ld());
  variate_sketch_apply<T>({fill, {7, 8}, size, T(0.5)}, a, offset, c.view());
  double worst = 0;
  for (Index i = 0; i < n; i += 1 + n / 7)
    for (Index j = 0; j < size; j += 1 + size / 9) {
      double sum = 0;
      for (Index p = 0; p < m; ++p) sum += static_cast<double>(a(p, i)) * static_cast<double>(s(p, j));
      worst = std::max(worst, std::abs(sum / 2 - static_cast<double>(c(i, j))));
    }
  return worst / std::sqrt(static_cast<double>(m));
}

}  // namespace

TEST("variate sketch: sums of products, in any layout, for one panel and for many") {
  for (const auto& [m, n, size] : {std::array<Index, 3>{1, 1, 1}, {5, 3, 130}, {3000, 20, 7}, {700, 600, 200}, {400, 5, 1100}})
    for (const bool by_rows : {false, true}) {
      CHECK_CLOSE(worst_error<double>(m, n, size, by_rows, &fill_normal<double>), 0.0, 1e-13);
      CHECK_CLOSE(worst_error<float>(m, n, size, by_rows, &fill_normal<float>), 0.0, 1e-4);
      CHECK_CLOSE(worst_error<double>(m, n, size, by_rows, &fill_sign<double>), 0.0, 1e-13);
    }
}

TEST("variate sketch: the same bits on any number of threads") {
  const Block<float> a = random_block<float>(6000, 40, 5);
  CHECK(same_on_all_threads([&] {
    Block<float> c(40, 30);
    variate_sketch_apply<float>({&fill_normal<float>, {1, 2}, 30, 1}, strided(a.view()), 0, c.view());
    return c;
  }));
}
