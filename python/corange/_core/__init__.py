"""The compiled core, in the build made for this processor's instruction set."""

from corange._core._loader import load

_extension = load()
globals().update({name: value for name, value in vars(_extension).items() if not name.startswith("_")})
