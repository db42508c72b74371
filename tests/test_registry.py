"""The registry leaves out nothing that is public without an excuse."""

import importlib

import pytest

import corange as cr
from registry import ENTRIES, EXCUSED

MODULES = [name for name in cr.__all__ if getattr(cr, name).__class__.__name__ == "module"]


def public():
    """Everything that can be called, by its name as seen from `corange`; what modules share once."""
    found = {name: getattr(cr, name) for name in cr.__all__ if name not in MODULES}
    for module in MODULES:
        for name in importlib.import_module(f"corange.{module}").__all__:
            value = getattr(getattr(cr, module), name)
            if value not in found.values():
                found[f"{module}.{name}"] = value
    return found


@pytest.mark.parametrize("name", public())
def test_everything_public_has_an_entry_or_an_excuse(name):
    assert callable(public()[name])
    entries = [entry for entry in ENTRIES if entry.function == name]
    assert bool(entries) != (name in EXCUSED)


def test_entries_and_excuses_are_about_what_is_there():
    assert {entry.function for entry in ENTRIES} | set(EXCUSED) == set(public())
    names = [entry.name for entry in ENTRIES]
    assert len(set(names)) == len(names)
