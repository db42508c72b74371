#include "corange/core/types.hpp"

#include "check.hpp"
#include "matrices.hpp"

using namespace corange;

TEST("types: rows of a block are aligned, padded and zero") {
  for (const Index cols : {0, 1, 7, 8, 9, 15, 16, 17, 60}) {
    const Block<double> x(5, cols);
    const Block<float> y(5, cols);
    CHECK(x.ld() % 8 == 0 && x.ld() >= cols && x.ld() < cols + 8);
    CHECK(y.ld() % 16 == 0 && y.ld() >= cols && y.ld() < cols + 16);
    for (Index i = 0; i < 5; ++i) {
      CHECK(reinterpret_cast<std::uintptr_t>(x.view().row(i)) % 64 == 0);
      CHECK(reinterpret_cast<std::uintptr_t>(y.view().row(i)) % 64 == 0);
      for (Index j = 0; j < x.ld(); ++j) CHECK(x.data()[i * x.ld() + j] == 0);
    }
  }
}

TEST("types: an empty block has no rows and may be moved") {
  Block<double> x, y(0, 3);
  CHECK(x.rows() == 0 && x.cols() == 0);
  CHECK(y.rows() == 0 && y.cols() == 3);
  x = std::move(y);
  CHECK(x.cols() == 3);
}

TEST("types: views address the entries they say") {
  const auto x = matrices::random_block<float>(9, 5, 1);
  const auto t = transposed(x.view());
  const auto middle = x.view().middle_rows(2, 4);
  const StridedView<float> backwards{x.data() + 8 * x.ld() + 4, 9, 5, -x.ld(), -1};
  const auto backwards_middle = backwards.middle_rows(3, 2);
  for (Index i = 0; i < 9; ++i)
    for (Index j = 0; j < 5; ++j) {
      CHECK(t(j, i) == x(i, j));
      CHECK(strided(x.view())(i, j) == x(i, j));
      CHECK(backwards(i, j) == x(8 - i, 4 - j));
      if (i < 4) CHECK(middle(i, j) == x(i + 2, j));
      if (i < 2) CHECK(backwards_middle(i, j) == x(5 - i, 4 - j));
    }
}

TEST("types: copy_block converts and leaves the padding alone") {
  const auto x = matrices::random_block<double>(4, 3, 2);
  Block<float> y(4, 3);
  y.data()[3] = 5;
  copy_block(x.view(), y.view());
  for (Index i = 0; i < 4; ++i)
    for (Index j = 0; j < 3; ++j) CHECK(y(i, j) == static_cast<float>(x(i, j)));
  CHECK(y.data()[3] == 5);
}
