// corange._core.nmf and the nonnegative least squares inside it.
#include "corange/core/memory.hpp"
#include "corange/nmf/starts.hpp"

#include <pybind11/stl.h>

#include "operator.hpp"

namespace corange::bindings {
namespace {

NmfSolver solver_of(const std::string& name) {
  if (name == "hals") return NmfSolver::hals;
  if (name == "bpp") return NmfSolver::bpp;
  if (name == "admm") return NmfSolver::admm;
  throw py::value_error("solver must be 'hals', 'bpp' or 'admm'");
}

std::function<bool(const NmfProgress&)> callback_of(const py::object& callback) {
  if (callback.is_none()) return nullptr;
  return [callable = shared_callable(callback)](const NmfProgress& p) {
    using namespace py::literals;
    const py::gil_scoped_acquire gil;
    const py::dict info("iteration"_a = p.iteration, "objective"_a = p.objective, "gradient"_a = p.gradient,
                        "elapsed"_a = p.elapsed);
    return py::bool_((*callable)(info)).cast<bool>();
  };
}

py::dict to_dict(const NmfReport& r) {
  using namespace py::literals;
  py::list history;
  for (const NmfProgress& p : r.history) history.append(py::make_tuple(p.iteration, p.objective, p.gradient, p.elapsed));
  return py::dict("converged"_a = r.converged, "stopped"_a = r.stopped, "method"_a = r.method, "iterations"_a = r.iterations,
                  "passes"_a = r.passes, "products"_a = r.products, "reseeded"_a = r.reseeded, "objective"_a = r.objective,
                  "error"_a = r.error, "norm_fro"_a = r.norm_fro, "gradient"_a = r.gradient, "seconds"_a = r.seconds,
                  "history"_a = history, "starts"_a = r.starts);
}

using FactorList = std::vector<std::pair<py::array, py::array>>;

/// The factors of several starts, in place; which of them is the result, and how it was found.
template <class T>
std::pair<Index, NmfReport> run(const Operator& x, const FactorList& given, const NmfOptions& options) {
  std::vector<typename NmfStarts<T>::Factors> factors;
  for (const auto& [w, h] : given) {
    const Index k = w.ndim() == 2 ? w.shape(1) : 0;
    factors.push_back({{writable<T>(w, x.core->rows(), k, "W"), x.core->rows(), k},
                       {writable<T>(h, x.core->cols(), k, "Ht"), x.core->cols(), k}});
  }
  const py::gil_scoped_release release;
  // What the start needed lies between the factors, and the C library would keep it.
  constexpr Index kLarge = 1 << 20;
  if (!factors.empty() && (x.core->rows() + x.core->cols()) * factors[0].first.cols > kLarge) return_freed_memory();
  if (factors.size() == 1) return {0, nmf<T>(*x.core, factors[0].first, factors[0].second, options)};
  return nmf_starts<T>(*x.core, std::move(factors), options);
}

py::tuple nmf_of(const Operator& x, const FactorList& starts, const std::string& solver, std::pair<double, double> l1,
                 std::pair<double, double> l2, const py::object& row_l1, std::pair<bool, bool> hold, bool extrapolate, double tol,
                 Index max_iter, std::optional<double> sum_squares, const py::object& callback) {
  NmfOptions options;
  options.solver = solver_of(solver);
  options.w = {l1.first, l2.first, nullptr};
  options.h = {l1.second, l2.second, nullptr};
  std::vector<py::object> keep;
  options.w.row_l1 = affine_of(py::none(), row_l1, x.core->rows(), x.core->cols(), keep).row_scale;
  std::tie(options.hold_w, options.hold_h) = hold;
  options.extrapolate = extrapolate;
  options.tol = tol;
  options.max_iterations = max_iter;
  options.sum_squares = sum_squares;
  options.callback = callback_of(callback);
  const auto [best, report] = x.core->single_precision() ? run<float>(x, starts, options) : run<double>(x, starts, options);
  return py::make_tuple(best, to_dict(report));
}

/// Y = argmin 1/2 y'G y - f'y over y >= 0 for each row of F, starting from where Y is positive.
void nnls(const py::array_t<double>& g, const py::array& f, const py::array& y) {
  const Index k = g.ndim() == 2 ? g.shape(0) : 0, rows = f.ndim() == 2 ? f.shape(0) : 0;
  if (k < 1 || g.shape(1) != k || f.shape(1) != k) throw py::value_error("G must be k x k and F rows x k");
  const auto given = exactly<double>(f, "F");
  double* out = writable<double>(y, rows, k, "Y");
  SmallMatrix gram(k, k);
  Block<double> target(rows, k), block(rows, k);
  for (Index i = 0; i < k; ++i)
    for (Index j = 0; j < k; ++j) gram(i, j) = g.at(i, j);
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < k; ++j) target(i, j) = given.at(i, j), block(i, j) = out[i * k + j];
  const py::gil_scoped_release release;
  nnls_half_step<double>(gram, target.view(), block.view(), {});
  for (Index i = 0; i < rows; ++i)
    for (Index j = 0; j < k; ++j) out[i * k + j] = block(i, j);
}

/// Sweeps over Y in place, stopping early as a factorization does; none is a copy there and back.
template <class T>
void sweep_of(const py::array_t<double>& g, const py::array& f, const py::array& y, Index sweeps) {
  const Index k = g.ndim() == 2 ? g.shape(0) : 0, rows = f.ndim() == 2 ? f.shape(0) : 0;
  if (k < 1 || g.shape(1) != k) throw py::value_error("G must be k x k");
  const BlockView<T> given{writable<T>(f, rows, k, "F"), rows, k, k}, out{writable<T>(y, rows, k, "Y"), rows, k, k};
  SmallMatrix gram(k, k);
  for (Index i = 0; i < k; ++i)
    for (Index j = 0; j < k; ++j) gram(i, j) = g.at(i, j);
  const py::gil_scoped_release release;
  Block<T> target(rows, k), block(rows, k);
  convert(given, target.view());
  convert(out, block.view());
  if (sweeps > 0) hals_half_step<T>(gram, target.view(), block.view(), {}, sweeps);
  convert(block.view(), out);
}

void hals(const py::array_t<double>& g, const py::array& f, const py::array& y, Index sweeps) {
  py::isinstance<py::array_t<float>>(y) ? sweep_of<float>(g, f, y, sweeps) : sweep_of<double>(g, f, y, sweeps);
}

}  // namespace

void register_nmf(py::module_& m) {
  using namespace py::literals;
  m.def("nmf", &nmf_of, "op"_a, "starts"_a, "solver"_a, "l1"_a, "l2"_a, "row_l1"_a, "hold"_a, "extrapolate"_a, "tol"_a,
        "max_iter"_a, "sum_squares"_a, "callback"_a);
  m.def("hals", &hals, "G"_a, "F"_a, "Y"_a, "sweeps"_a);
  m.def("nnls", &nnls, "G"_a, "F"_a, "Y"_a);
}

}  // namespace corange::bindings
