// Module corange._core._cpu: what this processor can run. Compiled for the oldest processor there is, so that it
// can be imported, and answer, on all of them.
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "cpu_isa.hpp"

namespace {

PyObject* isas(PyObject*, PyObject*) {
  const auto names = corange::bindings::supported_isas();
  PyObject* result = PyTuple_New(static_cast<Py_ssize_t>(names.size()));
  if (!result) return nullptr;
  for (std::size_t i = 0; i < names.size(); ++i) {
    PyObject* name = PyUnicode_FromString(names[i]);
    if (!name) {
      Py_DECREF(result);
      return nullptr;
    }
    PyTuple_SET_ITEM(result, static_cast<Py_ssize_t>(i), name);
  }
  return result;
}

PyMethodDef methods[] = {{"supported_isas", isas, METH_NOARGS, "Names of the instruction sets this processor has, best first."},
                         {nullptr, nullptr, 0, nullptr}};

PyModuleDef module = {PyModuleDef_HEAD_INIT, "_cpu", nullptr, 0, methods, nullptr, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__cpu() { return PyModule_Create(&module); }
