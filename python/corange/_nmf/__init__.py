"""Nonnegative factorization: one frame, and a table of solvers by loss."""

from corange._nmf._nmf import (
    INITS,
    NMF_SOLVERS,
    check_loss,
    find_solver,
    nmf,
    project,
    shortfall,
    solve_nmf,
)

__all__ = [
    "INITS",
    "NMF_SOLVERS",
    "check_loss",
    "find_solver",
    "nmf",
    "project",
    "shortfall",
    "solve_nmf",
]
