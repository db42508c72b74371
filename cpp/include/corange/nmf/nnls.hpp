// Nonnegative least squares with many right-hand sides, exactly: block principal pivoting.
//
//   min over y >= 0 of   1/2 y'G y - f'y        for each row f of F;  z = G y - f
//
//   1. Scale G to unit diagonal. Every row guesses which of its variables are positive: those that are where it starts.
//   2. Rows that guess alike share a Cholesky factor: y = G_PP^-1 f_P on the guessed set P, z on the others.
//   3. V = variables with y < 0 in P, or z < 0 outside. V empty: done. V smaller than ever before, or one of three more chances
//      left: all of V change sides; else the last of V alone, which cannot cycle.
//   4. Variables that depend on others of their set stay at zero; a row that is still not done after 5 k + 50 rounds (rounding)
//      is finished by coordinate descent.
//
// All in double. Cost a round: p^3 / 3 flops a group of equal sets of p variables, and 2 k p a row. Memory: k bits a row.
// Reference: Kim, Park 2011 (DOI 10.1137/110821172).
#pragma once

#include <algorithm>
#include <array>
#include <limits>
#include <numeric>

#include "corange/nmf/half_step.hpp"

namespace corange {

namespace detail {

inline constexpr double kInfeasible = 1e-12;  // of the largest |f| of a row, in the scaled problem
inline constexpr double kDependent = 1e-13;   // squared distance of a unit column from the span of others
inline constexpr Index kNnlsRows = 64;        // rows solved together

/// Sets of variables, one a row, as bits.
class VariableSets {
 public:
  VariableSets(Index rows, Index k)
      : words_((k + 63) / 64),
        bits_(static_cast<std::size_t>(rows * words_), 0),
        best_(static_cast<std::size_t>(rows), k + 1),
        chances_(static_cast<std::size_t>(rows), 3) {}

  bool has(Index row, Index j) const { return (word(row, j) >> (j % 64)) & 1; }
  void flip(Index row, Index j) { bits_[place(row, j)] ^= std::uint64_t{1} << (j % 64); }
  int compare(Index a, Index b) const {
    for (Index w = 0; w < words_; ++w) {
      const std::uint64_t x = bits_[place(a, 64 * w)], y = bits_[place(b, 64 * w)];
      if (x != y) return x < y ? -1 : 1;
    }
    return 0;
  }
  /// Changes sides of the infeasible variables, by the rules of step 3.
  void exchange(Index row, const std::vector<Index>& infeasible) {
    auto& best = best_[static_cast<std::size_t>(row)];
    auto& chances = chances_[static_cast<std::size_t>(row)];
    const Index count = static_cast<Index>(infeasible.size());
    bool all = true;
    if (count < best)
      best = count, chances = 3;
    else if (chances > 0)
      --chances;
    else
      all = false;
    if (!all) return flip(row, infeasible.back());
    for (const Index j : infeasible) flip(row, j);
  }

 private:
  std::size_t place(Index row, Index j) const { return static_cast<std::size_t>(row * words_ + j / 64); }
  std::uint64_t word(Index row, Index j) const { return bits_[place(row, j)]; }

  Index words_;
  std::vector<std::uint64_t> bits_;
  std::vector<Index> best_;
  std::vector<signed char> chances_;
};

/// Solves rows that share a set of variables; scratch that is used again and again.
class SharedSetSolver {
 public:
  SharedSetSolver(const Block<double>& g, Index k) : g_(g), k_(k), r_(k, k), f_(k, kNnlsRows), y_(k, kNnlsRows) {}

  double& f(Index j, Index c) { return f_(j, c); }
  double y(Index j, Index c) const { return y_(j, c); }

  /// R'R = G_PP, with zero rows for variables that depend on those before.
  void factor(const VariableSets& sets, Index row) {
    in_.clear(), out_.clear();
    for (Index j = 0; j < k_; ++j) (sets.has(row, j) ? in_ : out_).push_back(j);
    const Index p = static_cast<Index>(in_.size());
    inverse_.assign(static_cast<std::size_t>(p), 0.0);
    for (Index j = 0; j < p; ++j) {
      double* rj = r_.view().row(j);
      const double* gj = g_.view().row(in_[static_cast<std::size_t>(j)]);
      for (Index i = j; i < p; ++i) rj[i] = gj[in_[static_cast<std::size_t>(i)]];
      for (Index l = 0; l < j; ++l) {
        const double* rl = r_.view().row(l);
        const double x = rl[j];
        for (Index i = j; i < p; ++i) rj[i] -= x * rl[i];
      }
      const double inverse = rj[j] > kDependent ? 1 / std::sqrt(rj[j]) : 0.0;
      inverse_[static_cast<std::size_t>(j)] = inverse;
      for (Index i = j; i < p; ++i) rj[i] *= inverse;
    }
  }

  /// y on the set, z outside, of `count` right-hand sides; both in y().
  void solve(Index count) {
    const Index p = static_cast<Index>(in_.size());
    for (Index j = 0; j < p; ++j) {
      double* yj = row(j);
      const double* fj = f_.view().row(in_[static_cast<std::size_t>(j)]);
      for (Index c = 0; c < count; ++c) yj[c] = fj[c];
      for (Index l = 0; l < j; ++l) subtract(yj, r_(l, j), row(l), count);
      scale(yj, inverse_[static_cast<std::size_t>(j)], count);
    }
    for (Index j = p - 1; j >= 0; --j) {
      double* yj = row(j);
      for (Index l = j + 1; l < p; ++l) subtract(yj, r_(j, l), row(l), count);
      scale(yj, inverse_[static_cast<std::size_t>(j)], count);
    }
    for (std::size_t i = 0; i < out_.size(); ++i) {
      double* zi = row(p + static_cast<Index>(i));
      const double *gi = g_.view().row(out_[i]), *fi = f_.view().row(out_[i]);
      for (Index c = 0; c < count; ++c) zi[c] = -fi[c];
      for (Index l = 0; l < p; ++l) subtract(zi, -gi[in_[static_cast<std::size_t>(l)]], row(l), count);
    }
  }

  /// Variables of right-hand side c that are on the wrong side, ascending.
  void infeasible(Index c, std::vector<Index>& list) const {
    double largest = 0;
    for (Index j = 0; j < k_; ++j) largest = std::max(largest, std::abs(f_(j, c)));
    const double bound = -kInfeasible * largest;
    list.clear();
    for (Index i = 0; i < k_; ++i)
      if (y_(i, c) < bound) list.push_back(variable(i));
    std::sort(list.begin(), list.end());
  }

  Index set_size() const { return static_cast<Index>(in_.size()); }
  Index variable(Index i) const {
    const Index p = set_size();
    return i < p ? in_[static_cast<std::size_t>(i)] : out_[static_cast<std::size_t>(i - p)];
  }

 private:
  double* row(Index i) { return y_.view().row(i); }
  static void subtract(double* y, double x, const double* other, Index count) {
    for (Index c = 0; c < count; ++c) y[c] -= x * other[c];
  }
  static void scale(double* y, double x, Index count) {
    for (Index c = 0; c < count; ++c) y[c] *= x;
  }

  const Block<double>& g_;
  Index k_;
  Block<double> r_, f_, y_;
  std::vector<Index> in_, out_;
  std::vector<double> inverse_;
};

/// One row by coordinate descent, from y: for what rounding keeps from ending.
inline void finish_by_descent(const Block<double>& g, const std::vector<double>& f, std::vector<double>& y) {
  const std::size_t k = f.size();
  for (int sweep = 0; sweep < 1000; ++sweep) {
    double change = 0, size = 0;
    for (std::size_t j = 0; j < k; ++j) {
      double rest = f[j];
      for (std::size_t l = 0; l < k; ++l) rest -= g(static_cast<Index>(j), static_cast<Index>(l)) * y[l];
      const double after = g(static_cast<Index>(j), static_cast<Index>(j)) > 0 ? std::max(0.0, y[j] + rest) : 0.0;
      change = std::max(change, std::abs(after - y[j])), size = std::max(size, after);
      y[j] = after;
    }
    if (change <= 1e-14 * size) return;
  }
}

/// One call of nnls_half_step().
template <class T>
class BlockPivoting {
 public:
  BlockPivoting(const SmallMatrix& gram, BlockView<const T> f, BlockView<T> y, const NmfPenalty& penalty)
      : k_(y.cols), f_(f), y_(y), penalty_(penalty), g_(k_, k_), scale_(static_cast<std::size_t>(k_), 0.0), sets_(y.rows, k_) {
    for (Index j = 0; j < k_; ++j) {
      const double diagonal = gram(j, j) + penalty.l2;
      if (diagonal > kNoComponent<T>) scale_[static_cast<std::size_t>(j)] = 1 / std::sqrt(diagonal);
    }
    for (Index i = 0; i < k_; ++i)
      for (Index j = 0; j < k_; ++j) g_(i, j) = i == j ? (scale(i) > 0 ? 1.0 : 0.0) : gram(i, j) * scale(i) * scale(j);
  }

  HalfStep run() {
    const HalfStep before = look();
    order_.resize(static_cast<std::size_t>(y_.rows));
    std::iota(order_.begin(), order_.end(), Index{0});
    done_.assign(static_cast<std::size_t>(y_.rows), 0);
    for (Index round = 0; !order_.empty(); ++round) {
      std::sort(order_.begin(), order_.end(), [&](Index a, Index b) {
        const int c = sets_.compare(a, b);
        return c == 0 ? a < b : c < 0;
      });
      solve_round(round >= 5 * k_ + 50);
      std::erase_if(order_, [&](Index row) { return done_[static_cast<std::size_t>(row)] != 0; });
    }
    HalfStep after = look();
    after.gradient = before.gradient;
    return after;
  }

 private:
  double scale(Index j) const { return scale_[static_cast<std::size_t>(j)]; }
  double target(Index row, Index j) const { return (static_cast<double>(f_(row, j)) - penalty_.l1_of(row)) * scale(j); }
  bool usable(Index j) const { return scale(j) > 0; }

  /// Gradient and sums at Y; every row's set is where Y is positive.
  HalfStep look() {
    return sum_over_rows<HalfStep>(tiling(y_.rows), [&](Index first, Index rows) {
      HalfStep s;
      std::vector<double> y(static_cast<std::size_t>(k_));
      for (Index row = first; row < first + rows; ++row) {
        for (Index j = 0; j < k_; ++j) y[static_cast<std::size_t>(j)] = usable(j) ? y_(row, j) / scale(j) : 0.0;
        for (Index j = 0; j < k_; ++j) {
          const double value = static_cast<double>(y_(row, j));
          s.cross += value * static_cast<double>(f_(row, j));
          s.linear += value * penalty_.l1_of(row);
          if (!usable(j)) continue;
          if (sets_.has(row, j) != (value > 0)) sets_.flip(row, j);
          double rest = target(row, j);
          const double* g = g_.view().row(j);
          for (Index l = 0; l < k_; ++l) rest -= g[l] * y[static_cast<std::size_t>(l)];
          rest /= scale(j);
          if (value > 0 || rest > 0) s.gradient += rest * rest;
        }
      }
      return s;
    });
  }

  /// Every row that is not done, in groups of equal sets.
  void solve_round(bool last) {
    std::vector<std::pair<Index, Index>> groups;
    const Index count = static_cast<Index>(order_.size());
    for (Index first = 0; first < count;) {
      Index next = first + 1;
      while (next < count && next - first < 16 * kNnlsRows && sets_.compare(at(first), at(next)) == 0) ++next;
      groups.emplace_back(first, next);
      first = next;
    }
    // Small groups are handed out together: a task is about as many groups as fill a thread for a while.
    const Tiling tiles = tiling(static_cast<Index>(groups.size()), 64, 1);
    parallel_for(tiles.count(), [&](Index t) {
      SharedSetSolver solver(g_, k_);
      for (Index g = tiles.begin(t); g < tiles.begin(t) + tiles.size(t); ++g) {
        const auto [first, next] = groups[static_cast<std::size_t>(g)];
        check_interrupt();
        solver.factor(sets_, at(first));
        for (Index start = first; start < next; start += kNnlsRows)
          solve_rows(solver, start, std::min(next, start + kNnlsRows), last);
      }
    });
  }

  void solve_rows(SharedSetSolver& solver, Index first, Index next, bool last) {
    std::vector<Index> infeasible;
    for (Index c = 0; c < next - first; ++c)
      for (Index j = 0; j < k_; ++j) solver.f(j, c) = target(at(first + c), j);
    solver.solve(next - first);
    for (Index c = 0; c < next - first; ++c) {
      const Index row = at(first + c);
      solver.infeasible(c, infeasible);
      std::erase_if(infeasible, [&](Index j) { return !usable(j); });
      if (!infeasible.empty() && !last) {
        sets_.exchange(row, infeasible);
        continue;
      }
      done_[static_cast<std::size_t>(row)] = 1;
      finish(solver, c, row, !infeasible.empty());
    }
  }

  void finish(const SharedSetSolver& solver, Index c, Index row, bool descend) {
    std::vector<double> y(static_cast<std::size_t>(k_), 0.0);
    for (Index i = 0; i < solver.set_size(); ++i) y[static_cast<std::size_t>(solver.variable(i))] = std::max(0.0, solver.y(i, c));
    if (descend) {
      std::vector<double> f(static_cast<std::size_t>(k_));
      for (Index j = 0; j < k_; ++j) f[static_cast<std::size_t>(j)] = target(row, j);
      finish_by_descent(g_, f, y);
    }
    for (Index j = 0; j < k_; ++j) y_(row, j) = static_cast<T>(y[static_cast<std::size_t>(j)] * scale(j));
  }

  Index at(Index place) const { return order_[static_cast<std::size_t>(place)]; }

  Index k_;
  BlockView<const T> f_;
  BlockView<T> y_;
  NmfPenalty penalty_;
  Block<double> g_;
  std::vector<double> scale_;
  VariableSets sets_;
  std::vector<Index> order_;
  std::vector<char> done_;
};

}  // namespace detail

/// The best Y for fixed G and F, starting from where Y is positive.
template <class T>
HalfStep nnls_half_step(const SmallMatrix& g, BlockView<const T> f, BlockView<T> y, const NmfPenalty& penalty) {
  return detail::BlockPivoting<T>(g, f, y, penalty).run();
}

}  // namespace corange
