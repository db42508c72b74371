// Options and report of the least-squares solvers.
#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <string>

#include "corange/core/types.hpp"
#include "corange/linalg/small.hpp"

namespace corange {

enum class LstsqMethod { automatic, gram, sketch, sketch_and_solve };

/// The dense embedding of sketch_and_solve; automatic: whichever costs less.
enum class DenseSketch { automatic, gaussian, srht };

/// What a callback is told after each pass of refinement.
struct LstsqProgress {
  Index iteration = 0;
  double error = 0;  // the estimated backward error, relative; of the worst right-hand side
  double elapsed = 0;
};

struct LstsqOptions {
  LstsqMethod method = LstsqMethod::automatic;
  double alpha = 0;               // ridge: || A x - b ||^2 + alpha || x ||^2
  double tol = 0;                 // backward error to reach, relative to ||A||; 0: as small as rounding allows
  std::optional<double> rcond;    // singular values below rcond times the largest count as zero
  DenseSketch sketch = DenseSketch::automatic;
  std::optional<Index> size;      // rows of the sketch of sketch_and_solve
  std::uint64_t seed = 0;
  bool check_finite = true;
  std::function<bool(const LstsqProgress&)> callback;  // true stops
};

struct LstsqReport {
  bool converged = false;
  std::string stopped;      // "converged", "stalled", "callback", "max_iterations" or "completed"
  std::string method;
  double tol = 0;
  Index passes = 0, products = 0;
  Index iterations = 0;     // of the inner solver and of refinement, one pass or two each
  Index refinements = 0;    // times the residual was computed anew
  Index sketch_size = 0;    // rows of the sketch; 0: none
  Index rank = 0;           // numerical, of A
  double condition = std::numeric_limits<double>::quiet_NaN();  // of A (with ridge: of A on top of sqrt(alpha) I), estimated
  SmallVector residual_norms;    // || b - A x ||
  SmallVector backward_errors;   // estimated, relative to ||A||_F
  double norm_fro = 0;
  double seconds = 0;
};

/// Where x is written, cols x targets, row-major without padding, in double.
struct LstsqProblem {
  StridedView<double> b;
  double* x = nullptr;
};

}  // namespace corange
