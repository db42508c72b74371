"""The report on the installation, and the choice of the instruction set."""

import ast
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import corange as cr
from corange import _core
from corange._config import cmake_dir, show_config
from corange._core._loader import KNOWN_ISAS, choose_isa

X86 = ("x86_64_v4", "x86_64_v3", "x86_64_v2")


def run_python(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


class TestShowConfig:
    def test_prints_every_component(self, capsys):
        assert show_config() is None
        printed = capsys.readouterr().out
        for name in ("corange", "instruction set", "OpenMP", "threads", "Eigen", "NumPy", "SciPy"):
            assert name in printed

    def test_agrees_with_the_extension(self):
        config, build = show_config(mode="dicts"), _core.build_info()
        assert config["version"] == build["version"] == cr.__version__
        assert config["isa"] == build["isa"]
        assert config["threads"] >= 1
        assert config["openmp"] or config["threads"] == 1

    def test_is_public(self):
        assert cr.show_config is show_config

    def test_refuses_other_modes(self):
        with pytest.raises(ValueError, match=r"mode='json'.*'stdout' and 'dicts'"):
            show_config(mode="json")

    def test_threads_follow_the_environment(self):
        result = run_python(
            "-c", "from corange import _core; print(_core.build_info()['max_threads'])", OMP_NUM_THREADS="1"
        )
        assert result.stdout.strip() == "1", result.stderr


@pytest.mark.skipif(
    not (_core.build_info()["openmp"] and _core.build_info()["compiler"].startswith("GCC")),
    reason="a setting of GNU's OpenMP library",
)
class TestIdleThreads:
    SHOW = "import os; from corange import _core; print(os.environ.get('GOMP_SPINCOUNT', 'unset'))"

    def loaded(self, **environment):
        kept = {
            name: text
            for name, text in os.environ.items()
            if name not in {"OMP_WAIT_POLICY", "GOMP_SPINCOUNT"}
        }
        result = subprocess.run(
            [sys.executable, "-c", self.SHOW],
            env=kept | {"OMP_DISPLAY_ENV": "verbose"} | environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return result.stdout.strip(), result.stderr

    def test_sleep_soon_and_the_environment_is_as_before(self):
        after, shown = self.loaded()
        assert after == "unset"
        assert "GOMP_SPINCOUNT = '1000'" in shown

    @pytest.mark.parametrize(("name", "text"), [("GOMP_SPINCOUNT", "77"), ("OMP_WAIT_POLICY", "ACTIVE")])
    def test_the_choice_of_the_user_stays(self, name, text):
        after, shown = self.loaded(**{name: text})
        assert after == ("77" if name == "GOMP_SPINCOUNT" else "unset")
        assert f"{name} = '{text}'" in shown
        assert "GOMP_SPINCOUNT = '1000'" not in shown


class TestChoiceOfInstructionSet:
    @pytest.mark.parametrize(
        ("installed", "supported", "forced", "chosen"),
        [
            (X86, X86, "", "x86_64_v4"),
            (X86, X86[1:], "", "x86_64_v3"),
            (("x86_64_v2",), X86, "", "x86_64_v2"),
            (X86, X86, "x86_64_v2", "x86_64_v2"),
            (X86, X86, " X86-64-v3 ", "x86_64_v3"),
            (("aarch64",), ("aarch64",), "", "aarch64"),
        ],
    )
    def test_best_or_forced(self, installed, supported, forced, chosen):
        assert choose_isa(installed, supported, forced) == chosen

    @pytest.mark.parametrize(
        ("installed", "supported", "forced", "message"),
        [
            ((), X86, "", "was not found"),
            (
                X86[:1],
                X86[1:],
                "",
                "compiled for x86_64_v4, but this processor has only x86_64_v3, x86_64_v2",
            ),
            (X86[:1], (), "", "older instruction sets"),
            (X86, X86[1:], "x86_64_v4", "does not have it. Legal here: x86_64_v3, x86_64_v2"),
            (X86[1:], X86, "x86_64_v4", "not compiled for it. Legal here: x86_64_v3, x86_64_v2"),
            (X86, X86, "avx2", "no such instruction set is known. Legal here: x86_64_v4"),
            (X86[:1], X86[1:], "x86_64_v3", "not compiled for it. Legal here: none"),
        ],
    )
    def test_refusals_say_what_is_legal(self, installed, supported, forced, message):
        with pytest.raises(ImportError, match=message):
            choose_isa(installed, supported, forced)

    def test_lists_are_best_first_and_agree(self):
        config = show_config(mode="dicts")
        for isas in (config["isas_installed"], config["isas_supported"]):
            assert list(isas) == sorted(isas, key=KNOWN_ISAS.index)
        assert config["isa"] in set(config["isas_installed"]) & set(config["isas_supported"])

    @pytest.mark.skipif(not Path("/proc/cpuinfo").exists(), reason="asks Linux for a second opinion")
    def test_the_processor_is_recognised_as_by_linux(self):
        flags = Path("/proc/cpuinfo").read_text().split()
        supported = show_config(mode="dicts")["isas_supported"]
        assert ("x86_64_v3" in supported) == {"avx2", "fma", "bmi1", "bmi2", "f16c", "movbe", "abm"}.issubset(
            flags
        )
        assert ("x86_64_v4" in supported) == {
            "avx512f",
            "avx512bw",
            "avx512cd",
            "avx512dq",
            "avx512vl",
        }.issubset(flags)

    @pytest.mark.skipif("CORANGE_ISA_LEVELS" in os.environ, reason="other levels were asked for")
    def test_a_build_has_the_best_level_of_the_machine(self):
        config = show_config(mode="dicts")
        assert config["isas_installed"][0] == config["isas_supported"][0]

    def test_every_installed_build_loads_when_forced(self):
        config = show_config(mode="dicts")
        for isa in set(config["isas_installed"]) & set(config["isas_supported"]):
            code = "from corange import _core; print(_core.build_info()['isa'])"
            result = run_python("-c", code, CORANGE_ISA=isa)
            assert result.stdout.strip() == isa, result.stderr

    def test_a_wrong_environment_is_refused_at_import(self):
        result = run_python("-c", "from corange import _core", CORANGE_ISA="x86_64_v9")
        assert result.returncode == 1
        assert (
            "ImportError: CORANGE_ISA=x86_64_v9: no such instruction set is known. Legal here: "
            in result.stderr
        )

    def test_an_uncompiled_source_tree_says_so(self):
        source = Path(__file__).parents[1] / "python"
        code = f"import sys; sys.path.insert(0, {str(source)!r}); from corange import _core"
        # -S: without site-packages, and so without what is installed
        result = run_python("-S", "-c", code)
        assert "ImportError: corange's compiled core was not found" in result.stderr


def test_cmake_package_is_where_it_is_said_to_be():
    folder = Path(cmake_dir())
    assert folder.is_absolute()
    assert (folder / "corangeConfig.cmake").is_file()
    assert (folder.parents[2] / "include" / "corange").is_dir()


def test_stub_names_what_the_extension_holds():
    stub = Path(_core.__file__).with_suffix(".pyi")
    declared = {
        node.name
        for node in ast.parse(stub.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not is_type_only(node)
    }
    actual = {name for name in vars(_core._extension) if not name.startswith("_")}
    assert declared == actual


def is_type_only(node: ast.stmt) -> bool:
    """TypedDicts and protocols exist for the type checker alone."""
    bases = {ast.unparse(base) for base in getattr(node, "bases", [])}
    return bool(bases & {"TypedDict", "Protocol"})


@pytest.mark.skipif(sys.platform != "linux" or not shutil.which("nm"), reason="ELF files alone, by nm")
def test_extension_modules_show_nothing_but_their_entry():
    loaded = Path(sys.modules[_core.svd.__module__].__file__)
    modules = sorted(loaded.parent.glob("*.so"))
    assert len(modules) >= 2  # the core and what chooses it
    for module in modules:
        listed = subprocess.check_output(["nm", "-D", "--defined-only", module], text=True)
        names = [line.split()[-1] for line in listed.splitlines()]
        assert names == [f"PyInit_{module.name.partition('.')[0]}"]
