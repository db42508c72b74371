"""Choose and import the extension compiled for this processor.

corange is compiled once for each instruction set it knows. The best one that is both installed and supported
by the processor is loaded; the environment variable ``CORANGE_ISA`` forces one.
"""

import importlib
import importlib.util
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import ModuleType

KNOWN_ISAS = ("x86_64_v4", "x86_64_v3", "x86_64_v2", "aarch64", "generic")

_NOT_COMPILED = (
    "corange's compiled core was not found. In a source tree, install it first (make build, or "
    "pip install .) and do not import from the folder python/; elsewhere, reinstall corange."
)


def load() -> ModuleType:
    """Import the extension for the best instruction set, or the one that ``CORANGE_ISA`` names.

    Returns
    -------
    module
        The extension ``corange._core._core_<isa>``.

    Raises
    ------
    ImportError
        Nothing is compiled, nothing that is compiled runs on this processor, or ``CORANGE_ISA`` asks for what
        is not there.
    """
    isa = choose_isa(installed_isas(), supported_isas(), os.environ.get("CORANGE_ISA", ""))
    with _idle_threads_sleep():
        return importlib.import_module(f"corange._core._core_{isa}")


@contextmanager
def _idle_threads_sleep() -> Iterator[None]:
    """Have OpenMP threads sleep after about 20 microseconds without work, unless the user chose otherwise.

    GNU's OpenMP library, which reads its settings once, when it is loaded, would let them spin for
    milliseconds after each loop: they take the processors from the threads of BLAS, and from other
    programs. 1000 is its own choice where there are more threads than processors.
    """
    if not os.environ.keys().isdisjoint({"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}):
        yield
        return
    os.environ["GOMP_SPINCOUNT"] = "1000"
    try:
        yield
    finally:
        del os.environ["GOMP_SPINCOUNT"]


def installed_isas() -> tuple[str, ...]:
    """Instruction sets this installation was compiled for, best first."""
    return tuple(isa for isa in KNOWN_ISAS if importlib.util.find_spec(f"corange._core._core_{isa}"))


def supported_isas() -> tuple[str, ...]:
    """Instruction sets this processor has, best first."""
    try:
        cpu = importlib.import_module("corange._core._cpu")
    except ModuleNotFoundError as error:
        raise ImportError(_NOT_COMPILED) from error
    return tuple(cpu.supported_isas())


def choose_isa(installed: Sequence[str], supported: Sequence[str], forced: str = "") -> str:
    """Decide which instruction set to load.

    Parameters
    ----------
    installed, supported : sequence of str
        Instruction sets that were compiled and that the processor has, best first.
    forced : str, default=""
        The value of ``CORANGE_ISA``; empty to take the best. ``x86-64-v3`` and ``x86_64_v3`` mean the same.

    Returns
    -------
    str
        One of `installed`.

    Raises
    ------
    ImportError
        When there is no such choice; the message lists the legal ones.
    """
    if not installed:
        raise ImportError(_NOT_COMPILED)
    usable = [isa for isa in supported if isa in installed]
    wanted = forced.strip().lower().replace("-", "_")
    if not wanted:
        if not usable:
            raise ImportError(
                f"corange was compiled for {', '.join(installed)}, but this processor has only "
                f"{', '.join(supported) or 'older instruction sets'}. Reinstall corange on this machine."
            )
        return usable[0]
    if wanted in usable:
        return wanted
    if wanted not in KNOWN_ISAS:
        reason = "no such instruction set is known"
    elif wanted not in supported:
        reason = "this processor does not have it"
    else:
        reason = "corange was not compiled for it"
    raise ImportError(f"CORANGE_ISA={forced}: {reason}. Legal here: {', '.join(usable) or 'none'}.")
