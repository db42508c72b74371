"""What this installation of corange is made of."""

import platform
from importlib import metadata
from pathlib import Path
from typing import Literal, TypedDict, overload

import corange


class Config(TypedDict):
    """What :func:`show_config` reports."""

    version: str
    isa: str
    isas_installed: tuple[str, ...]
    isas_supported: tuple[str, ...]
    openmp: bool
    threads: int
    eigen: str
    compiler: str
    python: str
    numpy: str
    scipy: str
    scikit_learn: str


@overload
def show_config(mode: Literal["stdout"] = "stdout") -> None: ...
@overload
def show_config(mode: Literal["dicts"]) -> Config: ...
def show_config(mode: str = "stdout") -> Config | None:
    """Tell how corange was built and what it runs on.

    Parameters
    ----------
    mode : {"stdout", "dicts"}, default="stdout"
        Print a table (what to paste into a bug report), or return a dictionary for programs to read.

    Returns
    -------
    dict or None
        None when printing. Else the keys ``version``; ``isa``, the instruction set in use,
        ``isas_installed``, those corange was compiled for, and ``isas_supported``, those the processor has
        (best first); ``openmp`` and ``threads``, how many a kernel may use; ``eigen`` and ``compiler``;
        ``python``, ``numpy``, ``scipy`` and ``scikit_learn``, the versions installed.

    Raises
    ------
    ValueError
        `mode` is neither of the two.

    Notes
    -----
    The best instruction set that is both installed and supported is in use, unless the environment variable
    ``CORANGE_ISA`` names another one of them when corange is imported. ``OMP_NUM_THREADS`` limits the
    threads.

    Examples
    --------
    >>> import corange as cr
    >>> config = cr.show_config(mode="dicts")
    >>> config["isa"] in config["isas_installed"]
    True
    """
    if mode not in ("stdout", "dicts"):
        raise ValueError(f"mode={mode!r} is not one of 'stdout' and 'dicts'.")
    config = _collect()
    if mode == "dicts":
        return config
    print(_as_table(config))
    return None


def cmake_dir() -> str:
    """Folder of the CMake package, for ``cmake -Dcorange_DIR=$(python -m corange --cmake-dir)``.

    Returns
    -------
    str
        Absolute path of the folder that holds ``corangeConfig.cmake``. The C++ headers it leads to are those
        of this installation.

    Raises
    ------
    FileNotFoundError
        This installation carries no CMake package, as when the source tree itself is imported.
    """
    # An editable installation has two folders: the source tree, and what was compiled.
    candidates = [Path(folder, "lib", "cmake", "corange").resolve() for folder in corange.__path__]
    for candidate in candidates:
        if (candidate / "corangeConfig.cmake").is_file():
            return str(candidate)
    places = ", ".join(str(candidate) for candidate in candidates)
    raise FileNotFoundError(f"No corangeConfig.cmake in {places}: install corange (make, or pip install .).")


def _collect() -> Config:
    # Here, not above: `python -m corange --cmake-dir` needs no compiled core and no NumPy.
    from corange import _core
    from corange._core import _loader

    build = _core.build_info()
    return {
        "version": build["version"],
        "isa": build["isa"],
        "isas_installed": _loader.installed_isas(),
        "isas_supported": _loader.supported_isas(),
        "openmp": build["openmp"],
        "threads": build["max_threads"],
        "eigen": build["eigen"],
        "compiler": build["compiler"],
        "python": platform.python_version(),
        "numpy": metadata.version("numpy"),
        "scipy": metadata.version("scipy"),
        "scikit_learn": metadata.version("scikit-learn"),
    }


def _as_table(config: Config) -> str:
    rows = {
        "corange": config["version"],
        "instruction set": config["isa"],
        "  compiled for": ", ".join(config["isas_installed"]),
        "  processor has": ", ".join(config["isas_supported"]),
        "OpenMP": "yes" if config["openmp"] else "no",
        "threads": str(config["threads"]),
        "Eigen": config["eigen"],
        "compiler": config["compiler"],
        "Python": config["python"],
        "NumPy": config["numpy"],
        "SciPy": config["scipy"],
        "scikit-learn": config["scikit_learn"],
    }
    return "\n".join(f"{name:<16} {value}" for name, value in rows.items())
