#include "corange/linalg/gram.hpp"

#include "spectra.hpp"

using namespace corange;
using namespace matrices;

namespace {

Block<double> normal(Index rows, Index cols, std::uint64_t seed) {
  Block<double> a(rows, cols);
  fill_normal(RandomKey{seed, 1}, Index{0}, Index{0}, rows, cols, a.data(), a.ld());
  return a;
}

}  // namespace

TEST("gram: the products of columns, for shapes around tiles and strips and for any strides") {
  for (const Index rows : {1, 5, 127, 128, 129, 1000})
    for (const Index cols : {1, 7, 64, 65, 130}) {
      const Block<double> a = normal(rows, cols, 3);
      const SmallMatrix expected = gram<double>(a.view());
      SmallMatrix by_rows = SmallMatrix::Zero(cols, cols), by_columns = by_rows;
      add_gram(strided(a.view()), {}, by_rows);
      std::vector<double> flipped(static_cast<std::size_t>(rows * cols));
      for (Index i = 0; i < rows; ++i)
        for (Index j = 0; j < cols; ++j) flipped[static_cast<std::size_t>(j * rows + i)] = a(i, j);
      add_gram({flipped.data(), rows, cols, 1, rows}, {}, by_columns);
      CHECK(by_rows == by_columns);
      CHECK(by_rows == by_rows.transpose());
      CHECK(largest(by_rows - expected) <= 1e-14 * largest(expected));
      add_gram(strided(a.view()), {}, by_rows);
      CHECK(largest(by_rows - 2 * expected) <= 1e-14 * largest(expected));
    }
}

TEST("gram: with an upper triangular factor it is the Gram matrix of the product") {
  for (const Index cols : {1, 9, 64, 150}) {
    const Block<double> a = normal(300, cols, 5);
    SmallMatrix right = SmallMatrix::Zero(cols, cols);
    for (Index j = 0; j < cols; ++j)
      for (Index i = 0; i <= j; ++i) right(i, j) = std::sin(static_cast<double>(i + 3 * j + 1));
    Block<double> product_of(300, cols);
    product<double>(a.view(), right, product_of.view());
    SmallMatrix g = SmallMatrix::Zero(cols, cols);
    add_gram(strided(a.view()), to_block<double>(right).view(), g);
    CHECK(largest(g - gram<double>(product_of.view())) <= 1e-13 * largest(g));
  }
}
