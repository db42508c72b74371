// corange._core.lstsq
#include "corange/lstsq/lstsq.hpp"

#include <pybind11/stl.h>

#include "operator.hpp"

namespace corange::bindings {
namespace {

LstsqMethod method_of(const std::string& name) {
  if (name == "auto") return LstsqMethod::automatic;
  if (name == "gram") return LstsqMethod::gram;
  if (name == "sketch") return LstsqMethod::sketch;
  if (name == "sketch-and-solve") return LstsqMethod::sketch_and_solve;
  throw py::value_error("method must be 'auto', 'gram', 'sketch' or 'sketch-and-solve'");
}

DenseSketch sketch_of(const std::string& name) {
  if (name == "auto") return DenseSketch::automatic;
  if (name == "gaussian") return DenseSketch::gaussian;
  if (name == "srht") return DenseSketch::srht;
  throw py::value_error("sketch must be 'auto', 'srht' or 'gaussian'");
}

std::function<bool(const LstsqProgress&)> callback_of(const py::object& callback) {
  if (callback.is_none()) return nullptr;
  return [callable = shared_callable(callback)](const LstsqProgress& p) {
    using namespace py::literals;
    const py::gil_scoped_acquire gil;
    return py::bool_((*callable)(py::dict("iteration"_a = p.iteration, "error"_a = p.error, "elapsed"_a = p.elapsed)))
        .cast<bool>();
  };
}

py::array_t<double> vector(const SmallVector& v) { return py::array_t<double>(v.size(), v.data()); }

py::dict to_dict(const LstsqReport& r) {
  using namespace py::literals;
  return py::dict("converged"_a = r.converged, "stopped"_a = r.stopped, "method"_a = r.method, "tol"_a = r.tol,
                  "passes"_a = r.passes, "products"_a = r.products, "iterations"_a = r.iterations,
                  "refinements"_a = r.refinements, "sketch_size"_a = r.sketch_size, "rank"_a = r.rank,
                  "condition"_a = r.condition, "residual_norms"_a = vector(r.residual_norms),
                  "backward_errors"_a = vector(r.backward_errors), "norm_fro"_a = r.norm_fro, "seconds"_a = r.seconds);
}

py::dict lstsq_of(const Operator& a, const py::array& b, const py::array& x, const std::string& method, double alpha, double tol,
                  std::optional<double> rcond, const std::string& sketch, std::optional<Index> size, std::uint64_t seed,
                  bool check_finite, const py::object& callback) {
  const auto targets = exactly<double>(b, "b");
  if (targets.ndim() != 2 || targets.shape(0) != a.core->rows()) throw py::value_error("b must have a row for each row of A");
  const auto item = static_cast<Index>(sizeof(double));
  LstsqProblem problem;
  problem.b = {targets.data(), targets.shape(0), targets.shape(1), targets.strides(0) / item, targets.strides(1) / item};
  problem.x = writable<double>(x, a.core->cols(), targets.shape(1), "x");
  LstsqOptions options;
  options.method = method_of(method);
  options.alpha = alpha;
  options.tol = tol;
  options.rcond = rcond;
  options.sketch = sketch_of(sketch);
  options.size = size;
  options.seed = seed;
  options.check_finite = check_finite;
  options.callback = callback_of(callback);
  LstsqReport report;
  {
    const py::gil_scoped_release release;
    report = lstsq(*a.core, problem, options);
  }
  return to_dict(report);
}

}  // namespace

void register_lstsq(py::module_& m) {
  using namespace py::literals;
  m.def("lstsq", &lstsq_of, "op"_a, "b"_a, "x"_a, "method"_a, "alpha"_a, "tol"_a, "rcond"_a, "sketch"_a, "size"_a, "seed"_a,
        "check_finite"_a, "callback"_a);
}

}  // namespace corange::bindings
