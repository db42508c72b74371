"""Real data that tests of estimators share, and one matrix in every container that estimators accept."""

import email
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.sparse.linalg import aslinearoperator
from sklearn.datasets import load_breast_cancer, load_digits

import corange as cr


@pytest.fixture(scope="session")
def digits():
    return load_digits().data


@pytest.fixture(scope="session")
def breast_cancer():
    return load_breast_cancer().data


@pytest.fixture(scope="session")
def words():
    """TF-IDF weights of the sources of one package, sparse."""
    return cr.datasets.python_sources(folder=Path(email.__file__).parent, chunk_lines=20).data


@pytest.fixture(params=["digits", "breast_cancer", "words"])
def data(request):
    return request.getfixturevalue(request.param)


class Rows:
    """Data that can only be read by slices of rows, such as a data set in a file."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.chunks = array, array.shape, array.dtype, (7, array.shape[1])

    def __getitem__(self, rows):
        assert isinstance(rows, slice)
        return self.array[rows]


def containers(array, folder):
    """Yield names and objects that all stand for the array."""
    mapped = np.lib.format.open_memmap(folder / "array.npy", mode="w+", dtype=array.dtype, shape=array.shape)
    mapped[:] = array
    mapped.flush()
    yield "list", array.tolist()
    yield "Fortran order", np.asfortranarray(array)
    yield "negative strides", np.ascontiguousarray(array[::-1, ::-1])[::-1, ::-1]
    yield "memory map", np.load(folder / "array.npy", mmap_mode="r")
    yield "rows", Rows(array)
    yield "LinearOperator", aslinearoperator(array)
    for make in (sp.csr_array, sp.csc_array, sp.coo_array, sp.lil_array, sp.csr_matrix, sp.csc_matrix):
        yield make.__name__, make(array)


@pytest.fixture
def in_every_container(tmp_path):
    return lambda array: list(containers(array, tmp_path))
