"""Truncated SVDs that are kept current while their matrix changes; functions and estimators share this."""

from corange._updating._evolving import EvolvingSVD

__all__ = ["EvolvingSVD"]
