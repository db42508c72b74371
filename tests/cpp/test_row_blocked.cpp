#include "corange/operators/row_blocked.hpp"

#include "check.hpp"
#include "operators.hpp"

using namespace corange;
using namespace operators;

namespace {

/// Reads rows of a block as a file would be read: into a fresh array that is gone afterwards; notes the order.
template <class S>
struct Source {
  const Block<S>& a;
  std::vector<Index> starts;

  typename RowBlockedOperator<S>::Read reader() {
    return [this](Index start, Index stop, const typename RowBlockedOperator<S>::Consumer& consume) {
      starts.push_back(start);
      const Index n = a.cols();
      std::vector<S> rows(static_cast<std::size_t>((stop - start) * n));
      for (Index i = start; i < stop; ++i)
        for (Index j = 0; j < n; ++j) rows[static_cast<std::size_t>((i - start) * n + j)] = a(i, j);
      consume({rows.data(), stop - start, n, n, 1});
    };
  }
};

}  // namespace

TEST("row_blocked: equals the matrix for every block length") {
  with_threads(1, [] {
    for (const auto& [m, n] : std::vector<std::pair<Index, Index>>{{1, 1}, {50, 13}, {13, 50}})
      for (const Index block_rows : {1, 7, 50, 1000}) {
        const auto a = random_block<double>(m, n, 1);
        Source<double> source{a, {}};
        const RowBlockedOperator<double> op(source.reader(), m, n, block_rows, true);
        check_operator(op, exact(a.view()));
        check_scan(op, exact(a.view()));
        const auto f = random_block<float>(m, n, 2);
        Source<float> single{f, {}};
        check_operator(RowBlockedOperator<float>(single.reader(), m, n, block_rows, false), exact(f.view()));
      }
  });
}

TEST("row_blocked: shifted and scaled") {
  with_threads(1, [] {
    const auto a = random_block<double>(40, 9, 3);
    const Shifts shifts(40, 9);
    Source<double> source{a, {}};
    for (int which = 1; which < 16; ++which)
      check_operator(RowBlockedOperator<double>(source.reader(), 40, 9, 11, false, shifts.affine(which)),
                     shifts.apply(which, exact(a.view()), false), shifts.apply(which, exact(a.view()), true), 12);
  });
}

TEST("row_blocked: every product is one pass, in order") {
  const auto a = random_block<double>(100, 6, 4);
  Source<double> source{a, {}};
  const RowBlockedOperator<double> op(source.reader(), 100, 6, 30, true);
  const std::vector<Index> one_pass{0, 30, 60, 90};
  Block<double> x(6, 2), y(100, 2), z(6, 2);
  CHECK(op.fused_normal());
  op.apply_normal(BlockView<const double>(x.view()), z.view(), y.view());
  CHECK(source.starts == one_pass);
  source.starts.clear();
  op.apply(BlockView<const double>(x.view()), y.view());
  CHECK(source.starts == one_pass);
  source.starts.clear();
  op.apply_adjoint(BlockView<const double>(y.view()), z.view());
  CHECK(source.starts == one_pass);
}

TEST("row_blocked: NaN is refused with its place, and errors of the reader arrive") {
  auto a = random_block<double>(50, 5, 5);
  a(37, 2) = std::numeric_limits<double>::quiet_NaN();
  Source<double> source{a, {}};
  Block<double> x(5, 1), y(50, 1);
  const auto message = [&](bool check) -> std::string {
    const RowBlockedOperator<double> op(source.reader(), 50, 5, 20, check);
    try {
      op.apply(BlockView<const double>(x.view()), y.view());
    } catch (const InvalidArgument& e) {
      return e.what();
    }
    return "";
  };
  CHECK(message(true).find("row 37, column 2") != std::string::npos);
  CHECK(message(false).empty());
  const Scan s = RowBlockedOperator<double>(source.reader(), 50, 5, 20, true).scan();
  CHECK(s.bad == 1 && s.bad_row == 37 && s.bad_col == 2);
  const RowBlockedOperator<double> broken([](Index, Index, const auto&) { throw Interrupted(); }, 50, 5, 20, true);
  CHECK_THROWS(broken.apply(BlockView<const double>(x.view()), y.view()), Interrupted);
  CHECK_THROWS(RowBlockedOperator<double>(source.reader(), 50, 5, 0, true), InvalidArgument);
}

TEST("row_blocked: a matrix read by columns names the place of NaN as its user sees it") {
  auto columns = random_block<double>(5, 50, 5);  // the columns of a 50 x 5 matrix, one a row
  columns(2, 37) = std::numeric_limits<double>::quiet_NaN();
  Source<double> source{columns, {}};
  const auto op = RowBlockedOperator<double>(source.reader(), 5, 50, 2, true, {}, 1, true).view(true, 1);
  CHECK(op->rows() == 50 && op->cols() == 5);
  const Scan s = op->scan();
  CHECK(s.bad == 1 && s.bad_row == 37 && s.bad_col == 2);
  std::string message;
  try {
    Block<double> x(5, 1), y(50, 1);
    op->apply(BlockView<const double>(x.view()), y.view());
  } catch (const InvalidArgument& e) {
    message = e.what();
  }
  CHECK(message.find("row 37, column 2") != std::string::npos);
}

TEST("row_blocked: the same bits on 1, 2, 3 and 7 threads") {
  const auto a = random_block<float>(4000, 20, 6);
  Source<float> source{a, {}};
  check_threads(RowBlockedOperator<float>(source.reader(), 4000, 20, 1500, true));
}
