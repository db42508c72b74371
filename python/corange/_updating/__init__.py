"""Truncated SVDs that are kept current while their matrix changes; functions and estimators share this."""

from corange._updating._evolving import EvolvingSVD, first_drift

__all__ = ["EvolvingSVD", "first_drift"]
