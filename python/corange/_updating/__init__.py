"""Truncated SVDs that are kept current while their matrix changes; functions and estimators share this."""

from corange._updating._evolving import EvolvingSVD, first_drift
from corange._updating._result import UpdatedSVD

__all__ = ["EvolvingSVD", "UpdatedSVD", "first_drift"]
