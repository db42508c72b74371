// What a matrix can do. Algorithms see a matrix through this and nothing else.
//
//   apply          Y = A X
//   apply_adjoint  Y = A' X
//   apply_normal   Z = A'(A X), and Y = A X on the way; where A is read from memory or disk, once
//   apply_gradient Z = A'(R - A X), and R -= A X on the way; reads A as apply_normal does; in double only
//   multiply       Y = A X or A' X, X and Y the user's arrays of any strides
//   visit          shows the entries themselves, in order and in doubles, to an EntryVisitor
//
// in float and in double, whatever the matrix itself is stored in. Outputs are overwritten. X, Y, Z are padded blocks, but for multiply.
// Operators are immutable views of the user's memory: two threads may use one at once.
#pragma once

#include <cmath>
#include <limits>
#include <memory>
#include <tuple>

#include "corange/linalg/blocks.hpp"
#include "corange/linalg/spmm.hpp"
#include "corange/linalg/strided.hpp"

namespace corange {

/// Where the entries are; the cost model asks.
enum class Storage { dense, sparse, disk, callback };

/// What one look at all entries tells. Sums are of (scale * entry)^2 and would overflow only beyond 1e308.
struct Scan {
  bool known = false;  // false: the entries cannot be seen (callback)
  Index bad = 0;  // NaN or infinite entries
  Index bad_row = -1, bad_col = -1;
  double max_abs = 0;
  double sum_squares = 0;  // of entries / 2^exponent, exponent = that of max_abs: never over- or underflows; no less than that of
  // the least normal number of the entries' type, so that 2^-exponent exists in it
  int exponent = 0;
};

/// Sees a matrix piece by piece; the pieces add up to the matrix and live until the call returns.
class EntryVisitor {
 public:
  using Compressed = CompressedView<double, Index>;

  virtual ~EntryVisitor() = default;
  /// Entry (i, j) of the piece is entry (row + i, col + j) of the matrix.
  virtual void dense(Index row, Index col, StridedView<double> piece) = 0;
  /// Outer slices are rows row, row + 1, ... of the matrix.
  virtual void sparse_rows(Index row, const Compressed& piece) = 0;
  /// Outer slices are columns col, col + 1, ... of the matrix.
  virtual void sparse_columns(Index col, const Compressed& piece) = 0;
  /// The piece is left right', of a column each, in the place of a dense one: what shifting a sparse matrix adds to it.
  virtual void outer(Index row, Index col, StridedView<double> left, StridedView<double> right) = 0;
};

class LinearOperator {
 public:
  virtual ~LinearOperator() = default;

  virtual Index rows() const = 0;
  virtual Index cols() const = 0;
  virtual Storage storage() const = 0;
  /// Entries that a product has to touch: rows * cols, or the stored ones.
  virtual double entries() const = 0;
  /// The matrix is stored in (or computed by the user in) single precision.
  virtual bool single_precision() const = 0;
  /// apply_normal reads A once.
  virtual bool fused_normal() const { return false; }

  virtual void apply(BlockView<const float> x, BlockView<float> y) const = 0;
  virtual void apply(BlockView<const double> x, BlockView<double> y) const = 0;
  virtual void apply_adjoint(BlockView<const float> x, BlockView<float> y) const = 0;
  virtual void apply_adjoint(BlockView<const double> x, BlockView<double> y) const = 0;
  virtual void apply_normal(BlockView<const float> x, BlockView<float> z, BlockView<float> y) const { two_products(x, z, y); }
  virtual void apply_normal(BlockView<const double> x, BlockView<double> z, BlockView<double> y) const { two_products(x, z, y); }

  /// r -= A x, then z = A' r.
  virtual void apply_gradient(BlockView<const double> x, BlockView<double> z, BlockView<double> r) const {
    Block<double> y(r.rows, r.cols);
    apply(x, y.view());
    subtract_scaled(BlockView<const double>(y.view()), SmallVector::Ones(r.cols), r);
    apply_adjoint(BlockView<const double>(r), z);
  }
  /// Copies of X and Y are made as blocks, where the operator does not know better.
  virtual void multiply(StridedView<float> x, StridedOutput<float> y, bool adjoint) const { by_blocks(x, y, adjoint); }
  virtual void multiply(StridedView<double> x, StridedOutput<double> y, bool adjoint) const { by_blocks(x, y, adjoint); }
  /// False if the entries cannot be seen; then the visitor was not called.
  virtual bool visit(EntryVisitor&) const { return false; }

  /// scale * A or scale * A', sharing A's memory; scale is a power of two.
  virtual std::unique_ptr<LinearOperator> view(bool transpose, double scale) const = 0;
  virtual Scan scan() const { return {}; }

 private:
  template <class T>
  void by_blocks(StridedView<T> x, StridedOutput<T> y, bool adjoint) const {
    const Block<T> in = packed(x);
    Block<T> out(overwritten, y.rows, y.cols);
    adjoint ? apply_adjoint(in.view(), out.view()) : apply(in.view(), out.view());
    unpack<T>(out.view(), y);
  }

  template <class T>
  void two_products(BlockView<const T> x, BlockView<T> z, BlockView<T> y) const {
    apply(x, y);
    apply_adjoint(BlockView<const T>(y), z);
  }
};

/// Writes the virtual functions for both precisions from Derived's templates product<T>, adjoint<T> and normal<T>.
template <class Derived>
class OperatorOf : public LinearOperator {
 public:
  void apply(BlockView<const float> x, BlockView<float> y) const override { self().template product<float>(x, y); }
  void apply(BlockView<const double> x, BlockView<double> y) const override { self().template product<double>(x, y); }
  void apply_adjoint(BlockView<const float> x, BlockView<float> y) const override { self().template adjoint<float>(x, y); }
  void apply_adjoint(BlockView<const double> x, BlockView<double> y) const override { self().template adjoint<double>(x, y); }

 private:
  const Derived& self() const { return static_cast<const Derived&>(*this); }
};

/// A shifted and scaled matrix that is never formed:
///   entry (i, j) = (a(i, j) - row_shift[i] - col_shift[j]) * row_scale[i] * col_scale[j] * scale;   null pointers mean none.
struct Affine {
  const double* row_shift = nullptr;
  const double* col_shift = nullptr;
  const double* row_scale = nullptr;
  const double* col_scale = nullptr;

  bool identity() const { return !row_shift && !col_shift && !row_scale && !col_scale; }
  Affine transposed() const { return {col_shift, row_shift, col_scale, row_scale}; }
  Affine middle_rows(Index start) const {
    return {row_shift ? row_shift + start : nullptr, col_shift, row_scale ? row_scale + start : nullptr, col_scale};
  }
};

/// Joins the scans of pieces of a matrix, in order; the first bad entry wins.
inline void join(Scan& total, const Scan& piece) {
  if (piece.bad > 0 && total.bad == 0) total.bad_row = piece.bad_row, total.bad_col = piece.bad_col;
  total.bad += piece.bad;
  total.max_abs = std::max(total.max_abs, piece.max_abs);
  const int exponent = std::max(total.exponent, piece.exponent);
  total.sum_squares = std::ldexp(total.sum_squares, 2 * (total.exponent - exponent)) +
                      std::ldexp(piece.sum_squares, 2 * (piece.exponent - exponent));
  total.exponent = exponent;
  total.known = true;
}

namespace detail {

inline constexpr int kNoExponent = -1100;

/// Scan of count entries, read by entry(p); where(p) gives row and column.
template <class Entry, class Where>
Scan scan_entries(Index count, const Entry& entry, const Where& where) {
  Scan s;
  s.known = true;
  s.exponent = kNoExponent;
  using Value = std::remove_cvref_t<decltype(entry(Index{0}))>;
  const auto exponent = [](double max_abs) {
    return std::max(std::ilogb(max_abs), std::numeric_limits<Value>::min_exponent - 1);
  };
  constexpr Index kLanes = 16;  // independent sums, so that the loop is vector instructions and not one chain of additions
  double sums[kLanes] = {}, most[kLanes] = {};
  const auto for_all = [&](const auto& look) {
    Index first = 0;
    for (; first + kLanes <= count; first += kLanes)
      for (Index lane = 0; lane < kLanes; ++lane) look(first + lane, lane);
    for (; first < count; ++first) look(first, Index{0});
  };
  for_all([&](Index p, Index lane) {
    const double x = std::abs(static_cast<double>(entry(p)));
    most[lane] = x > most[lane] ? x : most[lane];
    sums[lane] += x * x;
  });
  double plain = 0;
  for (Index lane = 0; lane < kLanes; ++lane) plain += sums[lane], s.max_abs = std::max(s.max_abs, most[lane]);
  // One fast loop serves all but extreme data: plain is finite and normal exactly when no entry is bad or extreme.
  if (std::isfinite(plain) && (plain > 1e-250 || s.max_abs == 0)) {
    if (s.max_abs > 0) s.exponent = exponent(s.max_abs), s.sum_squares = std::ldexp(plain, -2 * s.exponent);
    return s;
  }
  s.max_abs = 0;
  for (Index p = 0; p < count; ++p) {
    const double x = std::abs(static_cast<double>(entry(p)));
    if (std::isfinite(x))
      s.max_abs = std::max(s.max_abs, x);
    else if (s.bad++ == 0)
      std::tie(s.bad_row, s.bad_col) = where(p);
  }
  if (s.max_abs == 0) return s;
  s.exponent = exponent(s.max_abs);
  std::fill_n(sums, kLanes, 0.0);
  for_all([&](Index p, Index lane) {  // the same sums, so that extreme scales change no bit
    const double x = std::ldexp(static_cast<double>(entry(p)), -s.exponent);
    if (std::isfinite(x)) sums[lane] += x * x;
  });
  for (const double sum : sums) s.sum_squares += sum;
  return s;
}

}  // namespace detail

}  // namespace corange
