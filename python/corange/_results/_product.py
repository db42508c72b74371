"""What estimates of products return."""

import dataclasses
from collections.abc import Iterator
from typing import Any

__all__ = ["ProductResult"]


@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class ProductResult:
    """An estimate of ``A.T @ B`` and of its error, ``product, error = result``.

    Attributes
    ----------
    product : ndarray or csr_array of shape (n, p)
        The estimate.
    error : float
        Estimate of the root mean square of ``||product - A.T @ B||_F``.
    error_bound : float
        What this root mean square is at most, by theory: from the norms of A and B alone.
    method : str
        How the product was estimated.
    kept : (int, int)
        Rows in the sample (or sketch) of A and of B.
    shared : int
        Rows that contributed to the product.
    """

    product: Any
    error: float
    error_bound: float
    method: str
    kept: tuple[int, int]
    shared: int

    def __iter__(self) -> Iterator[Any]:
        return iter((self.product, self.error))

    def __len__(self) -> int:
        return 2

    def __repr__(self) -> str:
        n, p = self.product.shape
        return (
            f"ProductResult({n} x {p}, error about {self.error:.3g}, bound {self.error_bound:.3g}, "
            f"{self.method}, {self.shared} rows)"
        )
