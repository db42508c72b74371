"""Numbers as words."""

__all__ = ["counted", "readable_bytes"]


def counted(count: int, one: str, many: str = "") -> str:
    """Write ``1 pass``, ``2 passes``."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def readable_bytes(size: float) -> str:
    """Write a number of bytes with a unit: ``12.3 MB``."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "bytes" else f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} TB"
