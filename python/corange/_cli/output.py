"""Results in files."""

from pathlib import Path
from typing import Any

from corange._report import readable_bytes

__all__ = ["checked_path", "save_result", "written"]


def checked_path(out: Path, source: Path, ending: str = ".npz") -> Path:
    """Complete the name of an output, and find out before a long computation whether it can be written."""
    if out.suffix != ending:
        out = out.with_name(out.name + ending)
    if not out.parent.is_dir():
        raise ValueError(f"--out: there is no folder {str(out.parent)!r}.")
    if out.exists() and source.exists() and out.samefile(source):
        raise ValueError(f"--out: {out} is the input.")
    return out


def save_result(result: Any, out: Path | None) -> None:
    """Save a result, if that was asked for, and say how to read it."""
    if out is not None:
        result.save(out)
        print(f"\n{written(out)}; read it with corange.load({str(out)!r})")


def written(out: Path) -> str:
    """Tell name and size of a file that was written."""
    return f"wrote {out} ({readable_bytes(out.stat().st_size)})"
