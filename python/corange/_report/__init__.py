"""The report that every result carries, one file a family."""

from corange._report._low_rank import Iteration, Report, iterations, report_from_core
from corange._report._lstsq import LstsqIteration, LstsqReport
from corange._report._nmf import NMFIteration, NMFReport
from corange._report._text import counted, readable_bytes

__all__ = [
    "Iteration",
    "LstsqIteration",
    "LstsqReport",
    "NMFIteration",
    "NMFReport",
    "Report",
    "counted",
    "iterations",
    "readable_bytes",
    "report_from_core",
]
