"""The command line: ``corange svd``, ``update``, ``cur``, ``nmf`` and others; also ``python -m corange``."""

import argparse
import importlib
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        What follows the program's name; that of the process by default.

    Returns
    -------
    int
        Exit status: 0, or 1 after an error that was explained on stderr, or 130 after Ctrl-C. Wrong usage
        exits with 2.
    """
    parser = make_parser()
    options = parser.parse_args(arguments)
    if options.command is None:
        parser.print_help()
        return 0
    # A command's module is imported when it runs: --cmake-dir needs no compiled core and no NumPy.
    run = importlib.import_module(f"corange._cli.{options.command}").run
    return _explained(lambda: run(options))


def _explained(run: Callable[[], None]) -> int:
    """Run a command; say on one line what went wrong, without a traceback."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.showwarning = _show_warning
            run()
    except KeyboardInterrupt:
        print("corange: interrupted", file=sys.stderr)
        return 130
    except (ValueError, TypeError, OSError, ArithmeticError, MemoryError, ImportError) as error:
        print(f"corange: error: {str(error) or type(error).__name__}", file=sys.stderr)
        return 1
    return 0


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    print(f"corange: warning: {message}", file=sys.stderr)


def make_parser() -> argparse.ArgumentParser:
    """Describe all commands and their options."""
    parser = argparse.ArgumentParser(
        prog="corange", description="Factor and compress any matrix you can multiply with."
    )
    parser.add_argument("--version", action=_Print, call=_print_version, help="print the version and exit")
    parser.add_argument(
        "--show-config", action=_Print, call=_print_config, help="print how corange was built, and exit"
    )
    parser.add_argument(
        "--cmake-dir",
        action=_Print,
        call=_print_cmake_dir,
        help="print the folder of the CMake package, and exit",
    )
    commands = parser.add_subparsers(dest="command", title="commands", metavar="COMMAND")
    _add_svd(commands)
    _add_update(commands)
    _add_cur(commands)
    _add_nmf(commands)
    _add_sketch(commands)
    _add_info(commands)
    _add_demo(commands)
    return parser


class _Print(argparse.Action):
    """Print a fact about the installation and exit."""

    def __init__(
        self, option_strings: Sequence[str], dest: str, call: Callable[[], None], **options: Any
    ) -> None:
        super().__init__(option_strings, dest, nargs=0, default=argparse.SUPPRESS, **options)
        self._call = call

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        parser.exit(_explained(self._call))


def _print_version() -> None:
    import corange

    print(f"corange {corange.__version__}")


def _print_config() -> None:
    from corange._config import show_config

    show_config()


def _print_cmake_dir() -> None:
    from corange._config import cmake_dir

    print(cmake_dir())


def _add_svd(commands: Any) -> None:
    command = commands.add_parser(
        "svd",
        help="truncated singular value decomposition of a matrix in a file",
        description="Compute the leading singular triplets of a matrix in a file and print a report. "
        "An .npy file may be larger than memory.",
    )
    _add_input(command)
    _add_size(command, "number of triplets")
    _add_out(command, "write U, s, Vt and the report to this .npz file")
    command.add_argument("--tol", type=float, default=1e-3, help="relative residual (default: %(default)s)")
    command.add_argument("--center", action="store_true", help="subtract the mean of each column first")
    command.add_argument(
        "--max-passes", type=int, metavar="N", help="stop after this many passes over the matrix"
    )
    _add_seed(command)
    _add_progress(command)


def _add_update(commands: Any) -> None:
    command = commands.add_parser(
        "update",
        help="a saved SVD brought up to date with rows or columns in a file",
        description="Append the rows (or columns) in a file to a truncated SVD that corange svd or update "
        "saved, print how far it can be from the true one, and save it.",
    )
    command.add_argument("result", type=Path, metavar="RESULT", help=".npz file of an SVD")
    command.add_argument(
        "input", type=Path, metavar="INPUT", help="what to append: a matrix file, or the SVD of other rows"
    )
    command.add_argument(
        "--axis", type=int, choices=(0, 1), default=0, help="0 appends rows, 1 columns (default: 0)"
    )
    command.add_argument(
        "--rank", type=int, metavar="K", help="triplets to keep (default: as many as before)"
    )
    command.add_argument("--method", default="auto", metavar="NAME", help="default: %(default)s")
    _add_seed(command)
    _add_out(command, "write U, s, Vt and the report here; RESULT itself is fine")


def _add_cur(commands: Any) -> None:
    command = commands.add_parser(
        "cur",
        help="columns and rows that represent a matrix in a file",
        description="Choose columns and rows of a matrix in a file that represent all of it, and print which "
        "they are, with a report. An .npy file may be larger than memory.",
    )
    _add_input(command)
    _add_size(command, "number of columns, and of rows")
    command.add_argument("--rows", type=int, metavar="K", help="number of rows, if it is another")
    command.add_argument(
        "--method",
        default="qr",
        metavar="NAME",
        help="qr, lu, deim, qdeim, leverage, leverage-largest, squared-length or farthest "
        "(default: %(default)s)",
    )
    command.add_argument(
        "--core", default="projection", metavar="NAME", help="projection or cross (default: %(default)s)"
    )
    _add_out(command, "write C, U, R and the report to this .npz file")
    _add_seed(command)


def _add_nmf(commands: Any) -> None:
    command = commands.add_parser(
        "nmf",
        help="nonnegative factors of a matrix in a file",
        description="Factor a nonnegative matrix in a file into nonnegative factors and print a report. "
        "An .npy file may be larger than memory.",
    )
    _add_input(command)
    command.add_argument("--rank", type=int, required=True, metavar="K", help="number of components")
    command.add_argument("--loss", default="frobenius", metavar="LOSS", help="default: %(default)s")
    command.add_argument("--solver", default="auto", metavar="NAME", help="default: %(default)s")
    command.add_argument(
        "--init",
        default="auto",
        metavar="NAME",
        help="auto, nndsvd, nndsvda, nndsvdar or random (default: %(default)s)",
    )
    command.add_argument(
        "--starts", type=int, default=1, metavar="N", help="starts, of which the best end is kept (1)"
    )
    command.add_argument("--tol", type=float, default=1e-4, help="default: %(default)s")
    command.add_argument(
        "--max-iter", type=int, default=200, metavar="N", help="stop after this many iterations (200)"
    )
    _add_seed(command)
    _add_out(command, "write W, H and the report to this .npz file")
    _add_progress(command)


def _add_sketch(commands: Any) -> None:
    command = commands.add_parser(
        "sketch",
        help="compress the rows or columns of a matrix in a file by a random embedding",
        description="Multiply a matrix in a file by a random matrix that keeps norms on average; write the "
        "small dense result. An .npy file may be larger than memory.",
    )
    _add_input(command)
    command.add_argument("--size", type=int, required=True, metavar="K", help="rows (or columns) to keep")
    command.add_argument(
        "--kind",
        default="sparse-sign",
        metavar="KIND",
        help="gaussian, rademacher, sparse-sign, countsketch, very-sparse, srht, srft, fastjl, uniform, "
        "squared-length or leverage (default: %(default)s)",
    )
    command.add_argument(
        "--axis", type=int, choices=(0, 1), default=0, help="0 compresses rows, 1 columns (default: 0)"
    )
    _add_seed(command)
    command.add_argument(
        "--out", type=Path, required=True, metavar="FILE", help="write the sketch to this .npy file"
    )


def _add_info(commands: Any) -> None:
    command = commands.add_parser(
        "info",
        help="what is in a matrix file, or in a result that corange saved",
        description="Print shape, kind, precision, norm and non-finite entries of a matrix, in one pass; "
        "or the report of a result that corange saved.",
    )
    _add_input(command)


def _add_demo(commands: Any) -> None:
    command = commands.add_parser(
        "demo",
        help="find the topics of Python's standard library, timed beside SciPy and scikit-learn",
        description="Factor the TF-IDF matrix of the Python standard library's own sources, print its "
        "leading topics, and time the same job by SciPy and scikit-learn.",
    )
    command.add_argument(
        "--rank", type=int, default=50, metavar="K", help="number of topics (default: %(default)s)"
    )
    command.add_argument(
        "--repeats", type=int, default=5, metavar="N", help="runs of each method (default: %(default)s)"
    )
    command.add_argument(
        "--out", type=Path, default=Path("corange-demo.png"), help="the scree plot (default: %(default)s)"
    )


def _add_input(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "input", type=Path, metavar="INPUT", help=".npy, .npz (SciPy sparse) or Matrix Market .mtx, .mtx.gz"
    )


def _add_size(command: argparse.ArgumentParser, rank: str) -> None:
    size = command.add_mutually_exclusive_group(required=True)
    size.add_argument("--rank", type=int, metavar="K", help=rank)
    size.add_argument(
        "--error", type=float, metavar="E", help="largest relative Frobenius error, instead of a rank"
    )


def _add_out(command: argparse.ArgumentParser, what: str) -> None:
    command.add_argument("--out", type=Path, metavar="FILE", help=what)


def _add_seed(command: argparse.ArgumentParser) -> None:
    command.add_argument("--seed", type=int, default=0, help="of the random numbers (default: %(default)s)")


def _add_progress(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="show progress on stderr (default: when it is a terminal)",
    )


if __name__ == "__main__":
    sys.exit(main())
