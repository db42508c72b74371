"""Small stand-ins for matrices that are made once, kept, merged and combined later."""

from corange.sketching._coordinated import CoordinatedSample

__all__ = ["CoordinatedSample"]
