// Blocks of kernel matrices, and steps of their partial Cholesky factorizations.
#include "corange/kernel/cholesky_step.hpp"
#include "corange/kernel/kmeans.hpp"
#include "corange/kernel/pairwise.hpp"
#include "corange/kernel/pivoted_cholesky.hpp"

#include "operator.hpp"

namespace corange::bindings {
namespace {

KernelKind kind_of(const std::string& name) {
  if (name == "linear") return KernelKind::linear;
  if (name == "polynomial") return KernelKind::polynomial;
  if (name == "rbf") return KernelKind::rbf;
  if (name == "laplacian") return KernelKind::laplacian;
  throw py::value_error("kind must be 'linear', 'polynomial', 'rbf' or 'laplacian'");
}

template <class T>
StridedView<T> view_of(const py::array& a, const char* name) {
  const auto matrix = exactly<T>(a, name);
  const auto item = static_cast<Index>(sizeof(T));
  if (matrix.ndim() != 2 || matrix.strides(0) % item != 0 || matrix.strides(1) % item != 0)
    throw py::value_error(std::string(name) + " must be an aligned matrix");
  return {matrix.data(), matrix.shape(0), matrix.shape(1), matrix.strides(0) / item, matrix.strides(1) / item};
}

template <class T>
void block_of(const KernelSpec& spec, const py::array& x, const py::array& y, const py::array& out) {
  const StridedView<T> left = view_of<T>(x, "X"), right = view_of<T>(y, "Y");
  if (left.cols != right.cols) throw py::value_error("X and Y must have as many columns");
  T* target = writable<T>(out, left.rows, right.rows, "out");
  const py::gil_scoped_release release;
  kernel_block<T>(spec, left, right, target, right.rows);
}

void kernel_block_of(const std::string& kind, double gamma, double coef0, double degree, const py::array& x, const py::array& y,
                     const py::array& out) {
  const KernelSpec spec{kind_of(kind), gamma, coef0, degree};
  py::isinstance<py::array_t<float>>(x) ? block_of<float>(spec, x, y, out) : block_of<double>(spec, x, y, out);
}

template <class T>
Block<T> padded_copy(StridedView<T> a) {
  Block<T> copy(a.rows, a.cols);
  for (Index i = 0; i < a.rows; ++i)
    for (Index j = 0; j < a.cols; ++j) copy(i, j) = a(i, j);
  return copy;
}

template <class T>
void features_of(const KernelSpec& spec, const py::array& x, const py::array& y, const py::array& m, const py::array& out) {
  const StridedView<T> left = view_of<T>(x, "X"), right = view_of<T>(y, "Y"), mixing = view_of<T>(m, "M");
  if (left.cols != right.cols || right.rows != mixing.rows) throw py::value_error("X, Y and M do not fit together");
  T* target = writable<T>(out, left.rows, mixing.cols, "out");
  const py::gil_scoped_release release;
  const Block<T> block = padded_copy(mixing);
  kernel_features<T>(spec, left, right, block.view(), target);
}

void kernel_features_of(const std::string& kind, double gamma, double coef0, double degree, const py::array& x,
                        const py::array& y, const py::array& m, const py::array& out) {
  const KernelSpec spec{kind_of(kind), gamma, coef0, degree};
  py::isinstance<py::array_t<float>>(x) ? features_of<float>(spec, x, y, m, out) : features_of<double>(spec, x, y, m, out);
}

template <class T>
void means_of(const py::array& x, const py::array& centers, Index steps) {
  const StridedView<T> points = view_of<T>(x, "X");
  T* moved = writable<T>(centers, centers.shape(0), points.cols, "centers");
  const py::gil_scoped_release release;
  move_to_means<T>(points, moved, centers.shape(0), steps);
}

void move_to_means_of(const py::array& x, const py::array& centers, Index steps) {
  if (centers.ndim() != 2 || centers.shape(0) == 0) throw py::value_error("centers must be a matrix with rows");
  py::isinstance<py::array_t<float>>(x) ? means_of<float>(x, centers, steps) : means_of<double>(x, centers, steps);
}

template <class T>
double step_of(const py::array& columns, const py::array& pivots, const py::array& triangle, const py::array& factor,
               const py::array& diagonal, const py::array& floors) {
  const StridedView<T> g = view_of<T>(columns, "columns"), p = view_of<T>(pivots, "pivots");
  const StridedView<double> l = view_of<double>(triangle, "triangle");
  if (p.cols != g.cols || l.rows != g.cols || l.cols != g.cols || factor.ndim() != 2 || factor.shape(1) < p.rows + g.cols)
    throw py::value_error("columns, pivots, triangle and factor do not fit together");
  CholeskyStep<T> step;
  step.columns = g;
  step.ld = factor.shape(1);
  step.factor = writable<T>(factor, g.rows, step.ld, "factor");
  step.diagonal = writable<double>(diagonal, g.rows, 1, "diagonal");
  step.floors = writable<double>(floors, g.rows, 1, "floors");
  const py::gil_scoped_release release;
  const Block<T> above = padded_copy(p);
  step.pivots = above.view();
  step.triangle = l;
  return cholesky_step<T>(step);
}

double cholesky_step_of(const py::array& columns, const py::array& pivots, const py::array& triangle, const py::array& factor,
                        const py::array& diagonal, const py::array& floors) {
  const auto run = py::isinstance<py::array_t<float>>(factor) ? &step_of<float> : &step_of<double>;
  return run(columns, pivots, triangle, factor, diagonal, floors);
}

StridedView<double> square(const py::array& a, const char* name) {
  const StridedView<double> view = view_of<double>(a, name);
  if (view.rows != view.cols) throw py::value_error(std::string(name) + " must be square");
  return view;
}

/// L with the rows of the pivots first, and the order of all rows.
py::tuple pivoted_cholesky_of(const py::array& block, double tol) {
  const StridedView<double> a = square(block, "block");
  PivotedCholesky found;
  {
    const py::gil_scoped_release release;
    found = pivoted_cholesky(a, tol);
  }
  const auto rank = static_cast<Index>(found.order.size());
  found.order.insert(found.order.end(), found.others.begin(), found.others.end());
  py::array_t<double> l({a.rows, rank});
  if (rank > 0)
    for (Index i = 0; i < a.rows; ++i)
      std::copy_n(found.l.view().row(found.order[static_cast<std::size_t>(i)]), rank, l.mutable_data(i, 0));
  return py::make_tuple(l, py::array_t<Index>(static_cast<py::ssize_t>(a.rows), found.order.data()));
}

py::array_t<double> inverse_triangle_of(const py::array& triangle) {
  const StridedView<double> l = square(triangle, "L");
  py::array_t<double> out({l.rows, l.rows});
  const py::gil_scoped_release release;
  const Block<double> inverse = inverse_triangle(l);
  copy_block(inverse.view(), BlockView<double>{out.mutable_data(), l.rows, l.rows, l.rows});
  return out;
}

/// block -= part part', both float64.
void subtract_outer_of(const py::array& part, const py::array& block) {
  const StridedView<double> left = view_of<double>(part, "part");
  double* target = writable<double>(block, left.rows, left.rows, "block");
  const py::gil_scoped_release release;
  Block<double> work = padded_copy<double>({target, left.rows, left.rows, left.rows, 1});
  subtract_outer(left, work.view());
  copy_block(work.view(), BlockView<double>{target, left.rows, left.rows, left.rows});
}

}  // namespace

void register_kernel(py::module_& m) {
  using namespace py::literals;
  m.def("kernel_block", &kernel_block_of, "kind"_a, "gamma"_a, "coef0"_a, "degree"_a, "X"_a, "Y"_a, "out"_a);
  m.def("kernel_features", &kernel_features_of, "kind"_a, "gamma"_a, "coef0"_a, "degree"_a, "X"_a, "Y"_a, "M"_a, "out"_a);
  m.def("move_to_means", &move_to_means_of, "X"_a, "centers"_a, "steps"_a);
  m.def("pivoted_cholesky", &pivoted_cholesky_of, "block"_a, "tol"_a);
  m.def("inverse_triangle", &inverse_triangle_of, "L"_a);
  m.def("subtract_outer", &subtract_outer_of, "part"_a, "block"_a);
  m.def("cholesky_step", &cholesky_step_of, "columns"_a, "pivots"_a, "triangle"_a, "factor"_a, "diagonal"_a, "floors"_a);
}

}  // namespace corange::bindings
