// Walsh-Hadamard transforms and sketches.
#include "corange/linalg/hadamard.hpp"
#include "corange/sketch/sparse_rows.hpp"
#include "corange/sketch/sparse_sign.hpp"
#include "corange/sketch/variate_sketch.hpp"

#include <pybind11/stl.h>

#include "operator.hpp"

namespace corange::bindings {
namespace {

template <class T>
std::vector<Index> strides_of(const py::array& a) {
  const auto size = static_cast<Index>(sizeof(T));
  std::vector<Index> strides;
  for (py::ssize_t d = 0; d < a.ndim(); ++d) {
    if (a.strides(d) % size != 0) throw py::value_error("arrays must be aligned");
    strides.push_back(a.strides(d) / size);
  }
  return strides;
}

template <class T>
StridedView<T> matrix_of(const py::array& a, const char* name) {
  if (!py::isinstance<py::array_t<T>>(a) || a.ndim() != 2)
    throw py::value_error(std::string(name) + " must be a matrix of the expected dtype");
  const auto strides = strides_of<T>(a);
  return {static_cast<const T*>(a.data()), a.shape(0), a.shape(1), strides[0], strides[1]};
}

/// Transforms of a line of adjacent entries go together; else those of the longest other dimension.
template <class T>
AxisLayout layout_of(const py::array& x, const py::array& out, py::ssize_t axis) {
  const auto from = strides_of<T>(x), to = strides_of<T>(out);
  py::ssize_t inner = -1;
  for (py::ssize_t d = 0; d < x.ndim(); ++d) {
    if (d == axis) continue;
    const auto beside = [&](py::ssize_t e) {
      return from[static_cast<std::size_t>(e)] == 1 && to[static_cast<std::size_t>(e)] == 1;
    };
    if (inner < 0 || beside(d) || (!beside(inner) && x.shape(d) > x.shape(inner))) inner = d;
  }
  AxisLayout a;
  a.n = x.shape(axis);
  a.from.stride = from[static_cast<std::size_t>(axis)];
  a.to.stride = to[static_cast<std::size_t>(axis)];
  for (py::ssize_t d = 0; d < x.ndim(); ++d) {
    const auto e = static_cast<std::size_t>(d);
    if (d == axis) continue;
    if (d == inner) {
      a.inner = x.shape(d);
      a.from.inner_stride = from[e];
      a.to.inner_stride = to[e];
      continue;
    }
    a.outer.push_back(x.shape(d));
    a.from.outer_strides.push_back(from[e]);
    a.to.outer_strides.push_back(to[e]);
  }
  return a;
}

template <class T>
void transform(const py::array& x, const py::array& out, py::ssize_t axis, double scale) {
  const AxisLayout layout = layout_of<T>(x, out, axis);
  const T* from = static_cast<const T*>(x.data());
  T* to = static_cast<T*>(const_cast<void*>(out.data()));
  const py::gil_scoped_release release;
  fwht<T>(layout, from, to, static_cast<T>(scale));
}

void fwht_array(const py::array& x, const py::array& out, py::ssize_t axis, double scale) {
  if (axis < 0 || axis >= x.ndim() || x.ndim() != out.ndim() || !out.writeable() || !x.dtype().is(out.dtype()))
    throw py::value_error("out must be writable and match X");
  for (py::ssize_t d = 0; d < x.ndim(); ++d)
    if (x.shape(d) != out.shape(d)) throw py::value_error("out must have the shape of X");
  if (py::isinstance<py::array_t<float>>(x)) return transform<float>(x, out, axis, scale);
  exactly<double>(x, "X");
  transform<double>(x, out, axis, scale);
}

SparseSign sparse_sign(Index size, Index nnz, std::uint64_t seed, std::uint64_t stream) {
  const SparseSign s{size, nnz, {seed, stream}};
  s.check();
  return s;
}

/// Runs fill(block) on a block of zeros without the GIL and copies it to `out`.
template <class T, class Fill>
void into(const py::array& out, Index rows, Index cols, const Fill& fill) {
  const BlockView<T> target{writable<T>(out, rows, cols, "out"), rows, cols, cols};
  const py::gil_scoped_release release;
  Block<T> block(rows, cols);
  fill(block.view());
  convert(block.view(), target);
}

/// In the precision of `out`: that of A, or single.
void sign_dense(const SparseSign& s, const py::array& a, Index offset, const py::array& out) {
  const auto run = [&]<class S, class T>(S, T) {
    const StridedView<S> view = matrix_of<S>(a, "A");
    into<T>(out, s.size, view.cols, [&](BlockView<T> block) { sparse_sign_apply<T>(s, view, block, offset); });
  };
  if (py::isinstance<py::array_t<float>>(a)) return run(float{}, float{});
  py::isinstance<py::array_t<float>>(out) ? run(double{}, float{}) : run(double{}, double{});
}

/// Entries of S are variates of `kind` in the precision of A.
void dense_sketch(const std::string& kind, std::uint64_t seed, std::uint64_t stream, double scale, const py::array& a,
                  Index offset, const py::array& out) {
  if (kind != "normal" && kind != "sign") throw py::value_error("kind must be 'normal' or 'sign'");
  if (out.ndim() != 2) throw py::value_error("out must have two dimensions");
  const auto run = [&]<class T>(T) {
    const StridedView<T> view = matrix_of<T>(a, "A");
    const VariateSketch<T> s{
        kind == "sign" ? &fill_sign<T> : &fill_normal<T>, {seed, stream}, out.shape(1), static_cast<T>(scale)};
    into<T>(out, view.cols, s.size, [&](BlockView<T> block) { variate_sketch_apply<T>(s, view, offset, block); });
  };
  py::isinstance<py::array_t<float>>(a) ? run(float{}) : run(double{});
}

/// fn(CompressedView) with the types of the arrays, whose structure has been checked.
template <class T, class Fn>
void with_compressed(const py::array& indptr, const py::array& indices, const py::array& data, Index inner, const Fn& fn) {
  const auto run = [&]<class I>(I) {
    fn(CompressedView<T, I>{indptr.size() - 1, inner, starts_of(indptr), static_cast<const I*>(indices.data()),
                            static_cast<const T*>(data.data()), 1});
  };
  py::isinstance<py::array_t<std::int64_t>>(indices) ? run(std::int64_t{}) : run(std::int32_t{});
}

void sign_sparse(const SparseSign& s, const py::array& indptr, const py::array& indices, const py::array& data, Index inner,
                 bool by_rows, Index offset, const py::array& out) {
  const auto run = [&]<class T>(T) {
    with_compressed<T>(indptr, indices, data, inner, [&](const auto& a) {
      into<T>(out, s.size, by_rows ? a.inner : a.outer, [&](BlockView<T> block) {
        by_rows ? sparse_sign_apply_rows<T>(s, a, block, offset) : sparse_sign_apply_columns<T>(s, a, block, offset);
      });
    });
  };
  py::isinstance<py::array_t<float>>(data) ? run(float{}) : run(double{});
}

void sign_adjoint(const SparseSign& s, const py::array& y, Index offset, const py::array& out) {
  const auto run = [&]<class T>(T) {
    const StridedView<T> view = matrix_of<T>(y, "Y");
    into<T>(out, out.ndim() == 2 ? out.shape(0) : 0, view.cols, [&](BlockView<T> block) {
      Block<T> copy(view.rows, view.cols);
      detail::pack_rows(view, copy.view());
      sparse_sign_adjoint<T>(s, BlockView<const T>(copy.view()), block, offset);
    });
  };
  py::isinstance<py::array_t<float>>(y) ? run(float{}) : run(double{});
}

void rows_apply(const py::array& indptr, const py::array& indices, const py::array& data, Index length, const py::object& signs,
                const py::array& x, Index offset, const py::array& out) {
  const auto run = [&]<class T>(T) {
    const StridedView<T> samples = matrix_of<T>(x, "X"), target = matrix_of<T>(out, "out");
    if (!out.writeable() || target.rows != samples.rows || target.cols != indptr.size() - 1)
      throw py::value_error("out must be writable, with a row for each sample and a column for each row of the sketch");
    const T* sign = nullptr;
    if (!signs.is_none()) {
      const auto array = exactly<T>(py::cast<py::array>(signs), "signs");
      if (array.size() != length) throw py::value_error("signs must have an entry for each column");
      sign = array.data();
    }
    exactly<T>(data, "data");
    with_compressed<T>(indptr, indices, data, length, [&](const auto& p) {
      const py::gil_scoped_release release;
      sparse_rows_apply(SparseRows{p, sign}, samples, offset, const_cast<T*>(target.data), target.row_stride, target.col_stride);
    });
  };
  py::isinstance<py::array_t<float>>(x) ? run(float{}) : run(double{});
}

}  // namespace

void register_sketch(py::module_& m) {
  using namespace py::literals;
  m.def("fwht", &fwht_array, "X"_a, "out"_a, "axis"_a, "scale"_a);
  m.def("dense_sketch", &dense_sketch, "kind"_a, "seed"_a, "stream"_a, "scale"_a, "A"_a, "offset"_a, "out"_a);
  py::class_<SparseSign>(m, "SparseSign")
      .def(py::init(&sparse_sign), "size"_a, "nnz"_a, "seed"_a, "stream"_a)
      .def("apply_dense", &sign_dense, "A"_a, "offset"_a, "out"_a)
      .def("apply_sparse", &sign_sparse, "indptr"_a, "indices"_a, "data"_a, "inner"_a, "by_rows"_a, "offset"_a, "out"_a)
      .def("apply_adjoint", &sign_adjoint, "Y"_a, "offset"_a, "out"_a);
  m.def("sparse_rows_apply", &rows_apply, "indptr"_a, "indices"_a, "data"_a, "length"_a, "signs"_a, "X"_a, "offset"_a, "out"_a);
}

}  // namespace corange::bindings
