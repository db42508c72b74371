"""Who takes part in the SVD cases, and which settings of theirs are searched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bench import peers
from bench.tuning import Candidate

OURS = "corange"
SKLEARN = "sklearn randomized_svd"
FBPCA = "fbpca"
# The solvers the high-accuracy bar is set against.
KRYLOV = ("scipy arpack", "scipy propack", "PRIMME")
_ITERATIONS = (1, 2, 3, 4, 5, 7, 10, 14)


def corange(rank: int, **settings: object) -> list[Candidate]:
    """List our own function with the tolerance searched, which is compared, and as it is by default."""
    fixed = {"rank": rank, **settings}
    return [
        Candidate(OURS, peers.corange, fixed),
        Candidate(OURS + ", default tol", peers.corange, fixed, knob=None),
    ]


def krylov(rank: int, race: bool = False) -> list[Candidate]:
    """List the solvers with a tolerance: SciPy's and PRIMME.

    Parameters
    ----------
    race : bool
        Let several sizes of the basis and methods compete, not only the usually best.
    """
    normal = {"method": "primme_svds_normalequations", "ncv": 2 * rank}
    arpack, methods = ({},), (normal,)
    if race:
        arpack = ({}, {"ncv": rank * 3 // 2}, {"ncv": rank * 5 // 2})
        methods = ({}, {"method": normal["method"]}, normal)
    fixed = {"rank": rank}
    return [
        Candidate(KRYLOV[0], peers.scipy_svds, {**fixed, "solver": "arpack"}, variants=arpack),
        Candidate(KRYLOV[1], peers.scipy_svds, {**fixed, "solver": "propack"}),
        Candidate(KRYLOV[2], peers.primme, fixed, variants=methods),
    ]


def lobpcg(rank: int) -> Candidate:
    """SciPy's third solver, which its default of 20 iterations keeps from being accurate."""
    settings = {"rank": rank, "solver": "lobpcg", "maxiter": 60}
    return Candidate("scipy lobpcg", peers.scipy_svds, settings)


def randomized_svd(rank: int) -> Candidate:
    """``randomized_svd`` as it is called by everybody: with its defaults."""
    return Candidate(SKLEARN, peers.randomized_svd, {"rank": rank}, knob=None)


def fbpca(rank: int) -> Candidate:
    """``fbpca.pca`` with its defaults."""
    return Candidate(FBPCA, peers.fbpca, {"rank": rank}, knob=None)


def power_iterations(rank: int, values: Sequence[int] = _ITERATIONS, **settings: object) -> list[Candidate]:
    """List the randomized peers, with as many power iterations as it takes."""
    fixed = {"rank": rank, **settings}
    return [
        Candidate(SKLEARN + " (tuned)", peers.randomized_svd, fixed, "n_iter", values),
        Candidate(FBPCA + " (tuned)", peers.fbpca, fixed, "n_iter", values),
    ]


def truncated_svd(rank: int) -> list[Candidate]:
    """List the estimator of scikit-learn with both of its algorithms."""
    name, fixed = "sklearn TruncatedSVD", {"rank": rank}
    randomized = {**fixed, "algorithm": "randomized"}
    arpack = {**fixed, "algorithm": "arpack", "tol": 0.1}
    return [
        Candidate(name, peers.truncated_svd, randomized, "n_iter", (5, 6, 7, 8, 10, 14)),
        Candidate(name + " arpack", peers.truncated_svd, arpack, knob=None),
    ]


def pca(rank: int, svd_solver: str) -> Candidate:
    """One solver of scikit-learn's PCA."""
    settings = {"rank": rank, "svd_solver": svd_solver}
    return Candidate(f"sklearn PCA {svd_solver}", peers.pca, settings, knob=None)


def dense_only(rank: int) -> list[Candidate]:
    """Peers that take dense arrays alone."""
    entries = [Candidate("numpy Gram + eigh", peers.gram_eigh, {"rank": rank}, knob=None)]
    if peers.available("torch"):
        settings = {"rank": rank, "q": rank + 10}
        name = "torch svd_lowrank (tuned)"
        entries.append(Candidate(name, peers.torch_lowrank, settings, "niter", _ITERATIONS))
    return entries


def given(candidates: Sequence[Candidate], *formats: str) -> list[Candidate]:
    """Offer candidates these input formats; the faster one counts."""
    return [replace(candidate, inputs=formats) for candidate in candidates]
