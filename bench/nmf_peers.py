"""What peers reach as time goes on, by their own iterations; the clock stops while errors are measured."""

from __future__ import annotations

import importlib.util
import time
from typing import Any

import numpy as np
import scipy.sparse as sp

# Peers are timed once, for half a minute at most; ours as often as the session says.
LIMIT = 30.0

Trace = list[tuple[float, float]]


def squared(X: Any) -> float:
    """Sum of squares of all entries."""
    entries = X.data if sp.issparse(X) else X
    return float(np.vdot(entries, entries))


def relative_error(X: Any, W: np.ndarray, H: np.ndarray, squares: float) -> float:
    """``||X - W H|| / ||X||`` in doubles, without forming the product."""
    W, H = W.astype(np.float64), H.astype(np.float64)
    cross = float(np.vdot(W, X @ H.T))
    return float(np.sqrt(max(squares - 2 * cross + float(((W.T @ W) * (H @ H.T)).sum()), 0.0) / squares))


def trace_sklearn(X: Any, seed: int, rank: int, stop: float) -> Trace:
    """Seconds and error after each iteration of scikit-learn's coordinate descent.

    Parameters
    ----------
    X : matrix
    seed, rank : int
    stop : float
        Error at which to stop, if it comes before half a minute is over.
    """
    from sklearn.decomposition._nmf import _initialize_nmf, _update_coordinate_descent

    squares, trace, spent = squared(X), [], 0.0
    begin = time.perf_counter()
    W, H = _initialize_nmf(X, rank, init="nndsvda", random_state=seed)
    Ht = np.array(H.T, copy=True, order="C")
    spent += time.perf_counter() - begin
    while spent < LIMIT and (not trace or trace[-1][1] > stop):
        begin = time.perf_counter()
        _update_coordinate_descent(X, W, Ht, 0.0, 0.0, False, None)
        _update_coordinate_descent(X.T, Ht, W, 0.0, 0.0, False, None)
        spent += time.perf_counter() - begin
        trace.append((spent, relative_error(X, W, Ht.T, squares)))
    return trace


def trace_torchnmf(X: Any, seed: int, rank: int, stop: float) -> Trace:
    """Do the same with torchnmf's multiplicative updates, ten at a time, from NNDSVDa."""
    import torch
    from sklearn.decomposition._nmf import _initialize_nmf
    from torchnmf.nmf import NMF

    squares, trace = squared(X), []
    begin = time.perf_counter()
    V = torch.from_numpy(X) if isinstance(X, np.ndarray) else _as_torch(X)
    W, H = _initialize_nmf(X, rank, init="nndsvda", random_state=seed)
    spent = time.perf_counter() - begin
    start = {"W": torch.from_numpy(np.array(H.T)), "H": torch.from_numpy(W)}  # its W is our H
    NMF(**start).to(V.dtype).fit(V, beta=2, max_iter=2)  # compiles its functions
    model = NMF(**start).to(V.dtype)
    while spent < LIMIT and (not trace or trace[-1][1] > stop):
        begin = time.perf_counter()
        model.fit(V, beta=2, tol=-np.inf, max_iter=10)
        spent += time.perf_counter() - begin
        W, H = model.H.detach().numpy(), model.W.detach().numpy().T
        trace.append((spent, relative_error(X, W, H, squares)))
    return trace


def _as_torch(X: sp.csr_matrix) -> Any:
    import torch

    places = X.tocoo()
    return torch.sparse_coo_tensor(np.vstack([places.row, places.col]), places.data, X.shape).coalesce()


def peers() -> dict[str, Any]:
    """Return tracers by name: those of peers that are installed."""
    found = {"sklearn cd": trace_sklearn}
    if importlib.util.find_spec("torchnmf") is not None:
        found["torchnmf mu"] = trace_torchnmf
    return found
