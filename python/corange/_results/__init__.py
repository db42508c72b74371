"""Result objects, one file a family."""

from corange._results._base import LowRankResult, check_length, projected
from corange._results._cur import CURResult, IDResult, TwoSidedIDResult
from corange._results._low_rank import EighResult, QBResult, SVDResult
from corange._results._lstsq import LstsqResult
from corange._results._nmf import NMFResult, SeparableNMFResult
from corange._results._nystrom import NystromResult
from corange._results._product import ProductResult
from corange._results._storage import is_saved_result, load, save_arrays

__all__ = [
    "CURResult",
    "EighResult",
    "IDResult",
    "LowRankResult",
    "LstsqResult",
    "NMFResult",
    "NystromResult",
    "ProductResult",
    "QBResult",
    "SVDResult",
    "SeparableNMFResult",
    "TwoSidedIDResult",
    "check_length",
    "is_saved_result",
    "load",
    "projected",
    "save_arrays",
]
