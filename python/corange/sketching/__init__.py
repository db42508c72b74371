"""Small stand-ins for matrices that are made once, kept, merged and combined later."""

from corange.sketching._coordinated import CoordinatedSample
from corange.sketching._frequent_directions import Directions, FrequentDirections
from corange.sketching._streaming_svd import StreamingSVD

__all__ = ["CoordinatedSample", "Directions", "FrequentDirections", "StreamingSVD"]
