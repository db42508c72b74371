"""The report that every result carries, one file a family."""

from corange._report._low_rank import Iteration, Report, iterations, report_from_core
from corange._report._lstsq import LstsqIteration, LstsqReport
from corange._report._nmf import NMFIteration, NMFReport
from corange._report._text import counted, readable_bytes
from corange._report._update import Drift, UpdateReport

__all__ = [
    "Drift",
    "Iteration",
    "LstsqIteration",
    "LstsqReport",
    "NMFIteration",
    "NMFReport",
    "Report",
    "UpdateReport",
    "counted",
    "iterations",
    "readable_bytes",
    "report_from_core",
]
