"""Factor and compress any matrix you can multiply with.

`svd` computes the leading singular triplets of a dense, sparse, memory-mapped or merely multipliable
matrix; `eigh`, `qb` and `range_finder` are its relatives. Results unpack like tuples and carry a report of
what was done and how accurate it is. `TruncatedSVD` and `PCA` are drop-in replacements for scikit-learn's.

>>> import numpy as np
>>> import corange as cr
>>> U, s, Vt = cr.svd(np.diag([3.0, 2.0, 1.0]), 2)
>>> s
array([3., 2.])

Names are imported when they are first used: importing corange costs next to nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from corange import datasets as datasets
    from corange import plotting as plotting
    from corange import sketching as sketching
    from corange import testing as testing
    from corange._config import show_config as show_config
    from corange._cur import cur as cur
    from corange._cur_index import CURIndex as CURIndex
    from corange._eigh import eigh as eigh
    from corange._estimate import Estimate as Estimate
    from corange._estimate import estimate_error as estimate_error
    from corange._estimate import estimate_norm as estimate_norm
    from corange._exceptions import ConvergenceWarning as ConvergenceWarning
    from corange._fwht import fwht as fwht
    from corange._generalized_nystrom import generalized_nystrom as generalized_nystrom
    from corange._interpolative import interpolative as interpolative
    from corange._kernel import KernelMatrix as KernelMatrix
    from corange._lstsq import lstsq as lstsq
    from corange._lstsq import ridge as ridge
    from corange._nmf import nmf as nmf
    from corange._nystrom import nystrom as nystrom
    from corange._products import matmul_sketch as matmul_sketch
    from corange._qb import qb as qb
    from corange._qb import range_finder as range_finder
    from corange._report import Drift as Drift
    from corange._report import Iteration as Iteration
    from corange._report import LstsqIteration as LstsqIteration
    from corange._report import LstsqReport as LstsqReport
    from corange._report import NMFIteration as NMFIteration
    from corange._report import NMFReport as NMFReport
    from corange._report import Report as Report
    from corange._report import UpdateReport as UpdateReport
    from corange._results import CURResult as CURResult
    from corange._results import EighResult as EighResult
    from corange._results import IDResult as IDResult
    from corange._results import LstsqResult as LstsqResult
    from corange._results import NMFResult as NMFResult
    from corange._results import NystromResult as NystromResult
    from corange._results import ProductResult as ProductResult
    from corange._results import QBResult as QBResult
    from corange._results import SeparableNMFResult as SeparableNMFResult
    from corange._results import SVDResult as SVDResult
    from corange._results import TwoSidedIDResult as TwoSidedIDResult
    from corange._results import load as load
    from corange._select import select_columns as select_columns
    from corange._select import select_rows as select_rows
    from corange._separable import separable_nmf as separable_nmf
    from corange._svd import svd as svd
    from corange._update import downdate_svd as downdate_svd
    from corange._update import update_svd as update_svd
    from corange._updating import UpdatedSVD as UpdatedSVD
    from corange.estimators import CUR as CUR
    from corange.estimators import NMF as NMF
    from corange.estimators import PCA as PCA
    from corange.estimators import ColumnSelector as ColumnSelector
    from corange.estimators import FastJL as FastJL
    from corange.estimators import FastRP as FastRP
    from corange.estimators import GaussianRandomProjection as GaussianRandomProjection
    from corange.estimators import IncrementalSVD as IncrementalSVD
    from corange.estimators import MaskedNMF as MaskedNMF
    from corange.estimators import MiniBatchNMF as MiniBatchNMF
    from corange.estimators import Nystroem as Nystroem
    from corange.estimators import SeparableNMF as SeparableNMF
    from corange.estimators import SketchedLinearRegression as SketchedLinearRegression
    from corange.estimators import SketchedRidge as SketchedRidge
    from corange.estimators import SparseRandomProjection as SparseRandomProjection
    from corange.estimators import TruncatedSVD as TruncatedSVD
    from corange.sketching import johnson_lindenstrauss_min_dim as johnson_lindenstrauss_min_dim
    from corange.sketching import sketch as sketch

    __version__: str

_MODULES = ("datasets", "plotting", "sketching", "testing")

_HOME = {
    "CUR": "estimators",
    "CURIndex": "_cur_index",
    "CURResult": "_results",
    "ColumnSelector": "estimators",
    "ConvergenceWarning": "_exceptions",
    "Drift": "_report",
    "EighResult": "_results",
    "Estimate": "_estimate",
    "FastRP": "estimators",
    "FastJL": "estimators",
    "GaussianRandomProjection": "estimators",
    "IDResult": "_results",
    "Iteration": "_report",
    "KernelMatrix": "_kernel",
    "LstsqIteration": "_report",
    "LstsqReport": "_report",
    "LstsqResult": "_results",
    "Nystroem": "estimators",
    "NystromResult": "_results",
    "NMF": "estimators",
    "NMFIteration": "_report",
    "NMFReport": "_report",
    "IncrementalSVD": "estimators",
    "MaskedNMF": "estimators",
    "MiniBatchNMF": "estimators",
    "NMFResult": "_results",
    "PCA": "estimators",
    "ProductResult": "_results",
    "QBResult": "_results",
    "Report": "_report",
    "SVDResult": "_results",
    "SeparableNMF": "estimators",
    "SeparableNMFResult": "_results",
    "SparseRandomProjection": "estimators",
    "SketchedLinearRegression": "estimators",
    "SketchedRidge": "estimators",
    "TruncatedSVD": "estimators",
    "TwoSidedIDResult": "_results",
    "cur": "_cur",
    "UpdateReport": "_report",
    "UpdatedSVD": "_updating",
    "downdate_svd": "_update",
    "eigh": "_eigh",
    "estimate_error": "_estimate",
    "estimate_norm": "_estimate",
    "generalized_nystrom": "_generalized_nystrom",
    "fwht": "_fwht",
    "interpolative": "_interpolative",
    "johnson_lindenstrauss_min_dim": "sketching",
    "load": "_results",
    "matmul_sketch": "_products",
    "nmf": "_nmf",
    "nystrom": "_nystrom",
    "lstsq": "_lstsq",
    "qb": "_qb",
    "range_finder": "_qb",
    "ridge": "_lstsq",
    "select_columns": "_select",
    "select_rows": "_select",
    "separable_nmf": "_separable",
    "show_config": "_config",
    "sketch": "sketching",
    "svd": "_svd",
    "update_svd": "_update",
}

__all__ = sorted([*_HOME, *_MODULES])  # noqa: PLE0605


def __getattr__(name: str) -> Any:
    """Import what is asked for, once (PEP 562)."""
    value: Any
    if name in _HOME:
        value = getattr(importlib.import_module(f"corange.{_HOME[name]}"), name)
    elif name in _MODULES:
        value = importlib.import_module(f"corange.{name}")
    elif name == "__version__":
        value = importlib.import_module("importlib.metadata").version("corange")
    else:
        raise AttributeError(f"module 'corange' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__, "__version__"})
