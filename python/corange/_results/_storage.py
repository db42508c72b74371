"""Results in .npz files that hold no pickles."""

import importlib
import os
import secrets
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np

__all__ = ["File", "is_saved_result", "load", "save_arrays"]

File = str | os.PathLike[str] | IO[bytes]

_FORMAT = "corange result 1"

# What a file may hold, and where the class is: it makes itself of the arrays by `_from_arrays`.
_HOMES = {
    "CURIndex": "corange",
    "CURResult": "corange._results",
    "CoordinatedSample": "corange.sketching",
    "EighResult": "corange._results",
    "FrequentDirections": "corange.sketching",
    "IncrementalSVD": "corange.estimators",
    "IDResult": "corange._results",
    "LstsqResult": "corange._results",
    "NystromResult": "corange._results",
    "NMFResult": "corange._results",
    "QBResult": "corange._results",
    "SVDResult": "corange._results",
    "StreamingSVD": "corange.sketching",
    "TwoSidedIDResult": "corange._results",
    "SeparableNMFResult": "corange._results",
}


def save_arrays(path: File, kind: str, **arrays: Any) -> None:
    """Write arrays as `load` reads them; `kind` names the class that they make.

    A file with a name is replaced in one step: killed at any moment, it is the old one or the new one.
    """
    arrays = {"format": np.array(_FORMAT), "kind": np.array(kind), **arrays}
    if not isinstance(path, (str, os.PathLike)):
        np.savez(path, **arrays)
        return
    name = os.fspath(path)
    target = Path(name if name.endswith(".npz") else name + ".npz").resolve()
    part = target.with_name(f"{target.name}.{secrets.token_hex(4)}.part")
    try:
        with part.open("xb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        part.replace(target)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    _sync_folder(target.parent)


def _sync_folder(folder: Path) -> None:
    """Make a rename last; where folders cannot be opened there is nothing to do."""
    if hasattr(os, "O_DIRECTORY"):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def load(path: File) -> Any:
    """Read a result, a sample or a sketch that ``save(path)`` or the command line wrote.

    Parameters
    ----------
    path : str, path or binary file
        Nothing in the file is executed: pickles are refused.

    Returns
    -------
    a result, an IncrementalSVD, a CURIndex, or a CoordinatedSample, StreamingSVD or \
FrequentDirections of `corange.sketching`

    Raises
    ------
    ValueError
        When the file is not one of corange's.
    OSError
        When it cannot be read.

    Examples
    --------
    >>> import io, numpy as np, corange as cr
    >>> file = io.BytesIO()
    >>> cr.svd(np.diag([3.0, 2.0, 1.0]), 2).save(file)
    >>> _ = file.seek(0)
    >>> cr.load(file).s
    array([3., 2.])
    """
    if isinstance(path, (str, os.PathLike)):
        with Path(path).open("rb") as file:
            return _read(file, path)
    return _read(path, path)


def _read(file: IO[bytes], name: object) -> Any:
    try:
        arrays = dict(np.load(file, allow_pickle=False))
        marker = str(arrays["format"])
    except (ValueError, KeyError, TypeError, IndexError, EOFError, zipfile.BadZipFile) as error:
        raise ValueError(f"{name} is not a result that corange saved.") from error
    if marker != _FORMAT:
        raise ValueError(f"{name} holds {marker!r}; this version of corange reads {_FORMAT!r}.")
    kind = str(arrays["kind"])
    if kind not in _HOMES:
        raise ValueError(f"{name} holds a {kind!r}, which this version of corange does not know.")
    return getattr(importlib.import_module(_HOMES[kind]), kind)._from_arrays(arrays)


def is_saved_result(path: str | os.PathLike[str]) -> bool:
    """Tell a result that was saved from other .npz files."""
    with np.load(path, allow_pickle=False) as archive:
        return "format" in archive and str(archive["format"]).startswith("corange result")
