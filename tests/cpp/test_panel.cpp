#include "corange/linalg/panel.hpp"

#include "check.hpp"
#include "matrices.hpp"

using namespace corange;
using namespace matrices;

namespace {

/// Entries of an m x k matrix laid out in one of several ways; the view reads from `memory`.
template <class T>
struct Layout {
  std::vector<T> memory;
  StridedView<T> view;
};

/// 0 row-major, 1 column-major, 2 padded rows, 3 reversed rows and columns, 4 every second entry, 5 one row repeated (stride 0).
template <class T>
Layout<T> laid_out(Index m, Index k, int kind, std::uint64_t seed) {
  const Index ld = 2 * k + 3, size = (m + 1) * (ld + 1) + k * m + 1;
  Layout<T> l{std::vector<T>(static_cast<std::size_t>(size)), {}};
  fill_normal<T>(RandomKey{seed, 1}, 0, 0, 1, size, l.memory.data(), size);
  const T* p = l.memory.data();
  switch (kind) {
    case 0:
      l.view = {p, m, k, k, 1};
      break;
    case 1:
      l.view = {p, m, k, 1, m};
      break;
    case 2:
      l.view = {p + 1, m, k, ld, 1};
      break;
    case 3:
      l.view = {p + (m > 0 ? (m - 1) * k : 0) + (k > 0 ? k - 1 : 0), m, k, -k, -1};
      break;
    case 4:
      l.view = {p, m, k, ld, 2};
      break;
    default:
      l.view = {p, m, k, 0, 1};
      break;
  }
  return l;
}

template <class T>
void check_product(Index m, Index k, Index b, int kind) {
  const auto a = laid_out<T>(m, k, kind, 5);
  const auto x = random_block<T>(k, b, 6);
  const auto before = random_block<T>(m, b, 7);
  const Exact ax = multiply(exact(a.view), exact(x.view()));
  const Exact size = multiply(absolute(exact(a.view)), absolute(exact(x.view())));
  for (const Store op : {Store::set, Store::add, Store::subtract}) {
    Block<T> c(m, b);
    copy_block(before.view(), c.view());
    panel_product<T>(a.view, x.view(), c.view(), op);
    Exact expected = ax, magnitude = size;
    for (Index i = 0; i < m; ++i)
      for (Index j = 0; j < b; ++j) {
        if (op == Store::subtract) expected(i, j) = -expected(i, j);
        if (op != Store::set) expected(i, j) += static_cast<long double>(before(i, j));
        magnitude(i, j) += std::abs(static_cast<long double>(before(i, j)));
      }
    CHECK(worst_error<T>(c.view(), expected, magnitude) <= 0.5 * static_cast<double>(k) + 2);
    CHECK(padding_is_zero(c));
  }
}

}  // namespace

TEST("panel: equals the slow product for every shape and layout") {
  for (const Index m : {0, 1, 2, 3, 11, 12, 13, 29})
    for (const Index k : {0, 1, 2, 7, 64})
      for (const Index b : {1, 3, 8, 16, 17, 33, 50, 70, 131})
        for (int kind = 0; kind < 6; ++kind) {
          check_product<float>(m, k, b, kind);
          check_product<double>(m, k, b, kind);
        }
}

TEST("panel: no columns is no work") {
  for (const Index m : {0, 5}) check_product<double>(m, 4, 0, 0);
}

TEST("panel: long sums are cut in pieces and still right") {
  for (const Index b : {1, 16, 40}) {
    check_product<double>(7, 30000, b, 0);
    check_product<float>(7, 30000, b, 1);
    check_product<double>(31, 4000, b, 1);
  }
}

TEST("panel: bits do not depend on how rows are grouped, nor on the layout") {
  const Index m = 40, k = 3000, b = 24;
  const auto a = laid_out<double>(m, k, 0, 8);
  const auto x = random_block<double>(k, b, 9);
  Block<double> whole(m, b);
  panel_product<double>(a.view, x.view(), whole.view(), Store::set);
  for (const Index step : {1, 2, 3, 5, 12, 39}) {
    Block<double> parts(m, b);
    for (Index i = 0; i < m; i += step) {
      const Index rows = std::min(step, m - i);
      panel_product<double>(a.view.middle_rows(i, rows), x.view(), parts.view().middle_rows(i, rows), Store::set);
    }
    CHECK(same_bits(whole.view(), parts.view()));
  }
  std::vector<double> columns(static_cast<std::size_t>(m * k));
  for (Index i = 0; i < m; ++i)
    for (Index p = 0; p < k; ++p) columns[static_cast<std::size_t>(p * m + i)] = a.view(i, p);
  Block<double> other(m, b);
  panel_product<double>({columns.data(), m, k, 1, m}, x.view(), other.view(), Store::set);
  CHECK(same_bits(whole.view(), other.view()));
}

TEST("panel: asking for other memory meanwhile changes nothing, wherever it ends") {
  const Index m = 29, k = 300, b = 40;
  const auto a = laid_out<double>(m, k, 0, 8);
  const auto x = random_block<double>(k, b, 9);
  Block<double> plain(m, b);
  panel_product<double>(a.view, x.view(), plain.view(), Store::set);
  const std::vector<char> memory(1000);
  for (const Upcoming& next : {Upcoming{}, Upcoming{memory.data(), 0, 10, 10}, Upcoming{memory.data(), 4, 100, 250},
                               Upcoming{memory.data() + 900, 5, 1, -200}, Upcoming{memory.data(), 1, 1000, 0}}) {
    Block<double> c(m, b);
    panel_product<double, Next::elsewhere>(a.view, x.view(), c.view(), Store::set, next);
    CHECK(same_bits(plain.view(), c.view()));
  }
}
