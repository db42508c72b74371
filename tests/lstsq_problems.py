"""Least-squares problems of known condition, and rows that are read when asked for."""

import numpy as np


def problem(m, n, condition, residual, seed=0, targets=None):
    """Singular values from 1 to 1 / condition, a solution along all of them, a residual of this norm."""
    rng = np.random.default_rng(seed)
    U = np.linalg.qr(rng.standard_normal((m, n)))[0]
    V = np.linalg.qr(rng.standard_normal((n, n)))[0]
    A = (U * np.geomspace(1, 1 / condition, n)) @ V.T
    shape = () if targets is None else (targets,)
    x, r = rng.standard_normal((n, *shape)), rng.standard_normal((m, *shape))
    r -= U @ (U.T @ r)
    return A, A @ x + residual * r / np.linalg.norm(r, axis=0)


class Rows:
    """Rows that are read when asked for, and nothing else."""

    def __init__(self, A):
        self._A, self.shape, self.dtype = A, A.shape, A.dtype

    def __getitem__(self, key):
        return self._A[key]
