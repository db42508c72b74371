"""Every public docstring has arguments with defaults, results, errors, cost, a source, an example."""

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import corange as cr


def public() -> dict[str, Any]:
    """Functions and classes by the name users call them, those of the public modules included."""
    found = {name: getattr(cr, name) for name in cr.__all__}
    modules = {name: thing for name, thing in found.items() if inspect.ismodule(thing)}
    inner = {
        f"{name}.{own}": getattr(module, own) for name, module in modules.items() for own in module.__all__
    }
    return {name: thing for name, thing in (found | inner).items() if name not in modules}


def sections(thing: Any) -> dict[str, str]:
    """The numpydoc sections of a docstring, by their headings."""
    parts = re.split(r"^([A-Z][\w ]*)\n-{3,}\n", inspect.getdoc(thing) or "", flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def documented(section: str) -> dict[str, str]:
    """What a section lists: ``name : type`` lines as a dictionary."""
    lines = [line.partition(" : ") for line in section.splitlines() if line and not line.startswith(" ")]
    return {name.strip("* "): kind for names, _, kind in lines for name in names.split(",")}


PUBLIC = public()
FUNCTIONS = {name: thing for name, thing in PUBLIC.items() if inspect.isfunction(thing)}
BUILT = {name: thing for name, thing in PUBLIC.items() if "Parameters" in sections(thing)}
METHODS = {
    f"{name}.{own}": method
    for name, thing in PUBLIC.items()
    if inspect.isclass(thing)
    for own, method in inspect.getmembers(thing, inspect.isfunction)
    if not own.startswith("_") and method.__module__.startswith("corange.")
}
# Nobody's method, or described where the work is done: by the operators of `sketch`, by `select_columns`.
PLAIN = ("load", "show_config", "sketch", "select_rows", "python_sources", "testing.", "min_dim")


def default_in(kind: str) -> Any:
    """The default that a type line tells."""
    told = re.search(r"default=(.+)$", kind)
    names = {"all": slice(None), "float64": np.float64}
    return eval(told[1], {}, names) if told else inspect.Parameter.empty


def cases(things: dict[str, Any], keep: Callable[[str], bool] = bool) -> pytest.MarkDecorator:
    chosen = [pytest.param(thing, id=name) for name, thing in things.items() if keep(name)]
    return pytest.mark.parametrize("thing", chosen)


def arguments(thing: Any) -> list[inspect.Parameter]:
    return [p for p in inspect.signature(thing).parameters.values() if p.name != "self"]


@cases(FUNCTIONS | BUILT | METHODS)
def test_all_arguments_are_described_with_their_defaults(thing):
    names = [p.name for p in arguments(thing)]
    told = documented(sections(thing).get("Parameters", ""))
    if not told and thing in METHODS.values():  # one sentence says it
        return
    assert [name for name in told if name in names] == names
    for p in arguments(thing):
        kind = told[p.name]
        # Without a kind it is one of several that another docstring describes.
        if p.default is not p.empty and kind and kind.lower() != "ignored":
            assert (p.default is None and "optional" in kind) or default_in(kind) == p.default, p.name


@cases(FUNCTIONS)
def test_functions_tell_result_errors_and_show_an_example(thing):
    found = sections(thing)
    assert "Returns" in found or inspect.signature(thing).return_annotation is None
    assert "Raises" in found
    assert ">>> " in found["Examples"]


@cases(FUNCTIONS, keep=lambda name: not any(plain in name for plain in PLAIN))
def test_algorithms_tell_their_cost_and_where_they_come_from(thing):
    found = sections(thing)
    assert "Notes" in found
    assert re.search(r"doi:|arXiv:|https?://", found.get("References", ""))


@cases(BUILT, keep=lambda name: name[0].isupper() or name.startswith(("sketching.", "plotting.")))
def test_classes_describe_themselves_and_show_an_example(thing):
    if inspect.isfunction(thing):
        return
    found = sections(thing)
    assert ">>> " in found["Examples"]
    fitted = [name for name in documented(found.get("Attributes", "")) if name.endswith("_")]
    assert fitted or not hasattr(thing, "get_params")


@cases(FUNCTIONS | BUILT)
def test_matrices_have_shapes(thing):
    told = documented(sections(thing)["Parameters"])
    for name, kind in told.items():
        if re.search(r"\b(matrix|ndarray)\b", kind) and "operator" not in kind.lower():
            assert "shape" in kind or "square" in kind, f"{name} : {kind}"


def test_type_checkers_see_every_name():
    """The lazy names of the package, and the imports that only type checkers make."""
    source = inspect.getsource(cr)
    imported = set(re.findall(r"^    from corange\S* import (\w+) as \1$", source, flags=re.MULTILINE))
    assert imported == set(cr.__all__)
