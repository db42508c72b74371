"""Check, before anything is built, that this machine can build corange; say what is missing in one line each.

Run with the Python that the environment will be made from. Must itself run on any Python 3, however old.
"""

import os
import platform
import shutil
import subprocess
import sys
import sysconfig
import tempfile

PROGRAM = """
#include <bit>
#include <concepts>
template <std::unsigned_integral T> int width(T x) { return std::bit_width(x); }
int main() { return width(1U) - 1; }
"""


def python_problem():
    if sys.version_info < (3, 11):
        return "Python 3.11 or newer is needed; {} is {}. Choose another one: make PYTHON=python3.12".format(
            sys.executable, platform.python_version()
        )
    header = os.path.join(sysconfig.get_path("include"), "Python.h")
    if not os.path.exists(header):
        return "The headers of {} are missing (no {}). On Debian and Ubuntu: apt install python3-dev".format(
            sys.executable, header
        )
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        return "The module venv of {} is missing. On Debian and Ubuntu: apt install python3-venv".format(
            sys.executable
        )
    return None


def compiler_problem():
    named = os.environ.get("CXX", "").split()
    compiler = named or [name for name in ("c++", "g++", "clang++") if shutil.which(name)][:1]
    if not compiler or not shutil.which(compiler[0]):
        return "A C++20 compiler is needed (GCC 11, Clang 14 or newer); none was found{}.".format(
            " under CXX=" + " ".join(named) if named else ""
        )
    flags = ["-std=c++20"]
    if platform.machine().lower() in ("x86_64", "amd64"):
        flags.append("-march=x86-64-v3")
    with tempfile.TemporaryDirectory() as folder:
        source = os.path.join(folder, "program.cpp")
        with open(source, "w") as file:
            file.write(PROGRAM)
        command = compiler + flags + ["-c", source, "-o", os.devnull]
        result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if result.returncode:
        return (
            "A C++20 compiler is needed (GCC 11, Clang 14 or newer); {} failed on a test program:\n{}".format(
                " ".join(compiler + flags), result.stdout.decode(errors="replace")
            )
        )
    return None


def main():
    problems = [problem for problem in (python_problem(), compiler_problem()) if problem]
    for problem in problems:
        sys.stderr.write("corange: " + problem + "\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
