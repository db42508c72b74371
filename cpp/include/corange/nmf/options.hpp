// What a nonnegative factorization is asked for, and what it reports.
#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "corange/nmf/half_step.hpp"

namespace corange {

/// admm goes on to bpp when it becomes slow.
enum class NmfSolver { hals, bpp, admm };

/// State after an iteration; the objective and the gradient are relative to those at the start of the data: see NmfReport.
struct NmfProgress {
  Index iteration = 0;
  double objective = 0, gradient = 0, elapsed = 0;
};

struct NmfOptions {
  NmfSolver solver = NmfSolver::hals;
  NmfPenalty w, h;
  bool hold_w = false, hold_h = false;
  bool extrapolate = true;
  double tol = 1e-4;
  Index max_iterations = 200;
  std::optional<double> sum_squares;  // of X, where its operator does not know
  std::function<bool(const NmfProgress&)> callback;
};

struct NmfReport {
  bool converged = false;
  std::string stopped, method;
  Index iterations = 0, passes = 0, products = 0, reseeded = 0;
  double objective = 0;  // 1/2 || X - W H' ||^2 and penalties
  double error = 0;      // || X - W H' || / || X ||
  double norm_fro = 0;
  double gradient = 0;   // projected, relative to the first one
  double seconds = 0;
  std::vector<NmfProgress> history;
  std::vector<double> starts;  // objective that each of many starts came to
};

}  // namespace corange
