"""What all tests share, documentation included: a header that names the build, and a folder to write in."""

import os

import pytest

os.environ.setdefault("MPLBACKEND", "agg")


def pytest_report_header() -> list[str]:
    from corange._config import show_config

    config = show_config(mode="dicts")
    return [
        "corange {version}, {isa}, OpenMP {openmp}, {threads} threads, Eigen {eigen}, {compiler}".format(
            **config
        ),
        "NumPy {numpy}, SciPy {scipy}, scikit-learn {scikit_learn}".format(**config),
    ]


@pytest.fixture(autouse=True)
def examples_write_in_an_empty_folder(request: pytest.FixtureRequest) -> None:
    """Run doctests where the files they write do no harm."""
    if isinstance(request.node, pytest.DoctestItem):
        request.getfixturevalue("monkeypatch").chdir(request.getfixturevalue("tmp_path"))
