"""What every check shares: its error, bit comparison, and the checks that hold in any slot."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib.util
import json
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from btcframe import schema
from btcframe.api import Column
from btcframe.errors import BtcframeError, did_you_mean
from btcframe.types import ROW

FORBIDDEN_AT_IMPORT = (
    "PyEMD", "ccxt", "hydra", "lightgbm", "matplotlib", "omegaconf", "pandas", "plotly", "polars", "pytest", "ray",
    "sklearn", "torch", "xgboost",
)  # fmt: skip
"""Modules that cost a second or tie a plugin to the command line: imported where they are used, not on top."""


class ContractError(AssertionError):
    """A component breaks the contract of its slot.

    Parameters
    ----------
    what : str    the component, what was seen and what it means
    cure : str    what to change
    """

    def __init__(self, what: str, cure: str) -> None:
        super().__init__(f"{what}\nCure: {cure}")
        self.what, self.cure = what, cure


class NotApplicable(Exception):
    """The check cannot be made on this component; the text says why."""


def name_of(component: Any) -> str:
    """How messages call a component."""
    return type(component).__name__


def differing(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where two arrays differ in their bits; any NaN equals any NaN. Records are compared field by field."""
    if one.dtype.names:
        parts = [differing(one[name], other[name]) for name in one.dtype.names]
        return np.asarray(np.logical_or.reduce([p.reshape(*one.shape, -1).any(axis=-1) for p in parts]))
    if one.dtype.kind != "f":
        return np.asarray(one != other)
    bits = np.dtype(f"u{one.dtype.itemsize}")
    same = np.ascontiguousarray(one).view(bits) == np.ascontiguousarray(other).view(bits)
    return np.asarray(~same & ~(np.isnan(one) & np.isnan(other)))


def first_difference(one: npt.NDArray[Any], other: npt.NDArray[Any]) -> tuple[int, int] | None:
    """Row and column of the first difference of two [n, k] arrays, None if their bits are equal."""
    found = np.argwhere(differing(one, other))
    return (int(found[0, 0]), int(found[0, 1])) if len(found) else None


def changed_field(before: npt.NDArray[Any], after: npt.NDArray[Any]) -> str:
    """'row 3, field mid: 1.0 became 2.0' for record arrays, '' if nothing changed."""
    for name in before.dtype.names or ():
        rows = np.flatnonzero(differing(before[name], after[name]).reshape(len(before), -1).any(axis=1))
        if len(rows):
            t = int(rows[0])
            return f"row {t}, field {name}: {before[name][t]} became {after[name][t]}"
    return ""


@contextlib.contextmanager
def global_generators(seed: int) -> Iterator[Callable[[], bool]]:
    """Seed the generators of `random` and `np.random`, and put them back afterwards.

    Yields a function that says whether anyone has drawn from them.
    """
    # the legacy generator is what a careless component draws from
    kept = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        random.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        before = _generators()
        yield lambda: before != _generators()
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])  # noqa: NPY002


def _generators() -> tuple[Any, ...]:
    """State of both global generators, comparable."""
    numpy: Any = np.random.get_state()  # noqa: NPY002
    return random.getstate(), numpy[1].tobytes(), numpy[2:]


# ------------------------------------------------------------------------------------------------ for every slot


def check_light_import(component: Any) -> None:
    """Importing the plugin loads none of FORBIDDEN_AT_IMPORT."""
    module = type(component).__module__
    root = module.partition(".")[0]
    if importlib.util.find_spec(root) is None:
        raise NotApplicable(f"{root} is not an importable package")
    loaded, error = _loaded_by(module, tuple(sys.path))
    if error:
        raise ContractError(
            f"{module} cannot be imported in a fresh process: {error}",
            "A plugin is imported by its entry point, with nothing set up before.",
        )
    heavy = sorted(set(FORBIDDEN_AT_IMPORT) & set(loaded))
    if heavy:
        raise ContractError(
            f"{name_of(component)}: importing {module} also imports {', '.join(heavy)}",
            "Import it inside the function that needs it: every btcframe command pays for it otherwise.",
        )


@lru_cache(maxsize=64)
def _loaded_by(module: str, path: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """Top-level modules that importing `module` loads in a fresh process, and the error if there was one."""
    code = (
        "import importlib, json, sys\n"
        f"sys.path[:] = {list(path)!r}\n"
        f"importlib.import_module({module!r})\n"
        "print(json.dumps(sorted({m.partition('.')[0] for m in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if done.returncode:
        return (), (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
    return tuple(json.loads(done.stdout.splitlines()[-1])), ""


def check_docstring(component: Any) -> None:
    """The class says what it is and what each field means; every column has unit, formula and inputs."""
    cls = type(component)
    if not (cls.__doc__ or "").strip() or cls.__doc__.startswith(f"{cls.__name__}("):  # type: ignore[union-attr]
        raise ContractError(
            f"{name_of(component)} has no docstring",
            "One line what it is, the formula, numpydoc Parameters: `btcframe plugins` and the docs show them.",
        )
    documented = schema.parameter_docs(cls)
    for field in schema.fields_of(cls):
        if not documented.get(field.name):
            raise ContractError(
                f"{name_of(component)}: the docstring says nothing about {field.name}",
                f"Under Parameters, write `{field.name} : {field.type_name}    what it means, its unit`.",
            )
    if hasattr(component, "columns"):
        for column in component.columns():
            _check_column(name_of(component), column)


def _check_column(owner: str, column: Column) -> None:
    for what in ("unit", "formula"):
        if not getattr(column, what):
            raise ContractError(
                f"{owner}: column {column.name} has no {what}",
                f"Set Column({column.name!r}, {what}=…); a ratio's unit is '1'.",
            )
    for name in column.inputs:
        if name not in (ROW.names or ()):
            raise ContractError(
                f"{owner}: column {column.name} says it reads {name!r}, which is no field of ROW",
                did_you_mean(name, ROW.names or ()),
            )


def check_config_roundtrip(component: Any) -> None:
    """Written to a config node and read back, through JSON, the component is equal to itself.

    A component that it holds is left out: which one that is is told by a node of its own.
    """
    cls = type(component)
    cure = (
        "A frozen dataclass with plain fields does; keep __post_init__ to checks and __eq__ to the default."
    )
    held = [f.name for f in schema.fields_of(cls) if f.slot and f.optional]
    component = dataclasses.replace(component, **dict.fromkeys(held)) if held else component
    try:
        node = json.loads(json.dumps(schema.to_node("it", component)))
        values = {
            f.name: schema.convert(f, node[f.name], f.name, lambda *_: None) for f in schema.fields_of(cls)
        }
        again = cls(**values)
    except (BtcframeError, TypeError, ValueError) as error:
        raise ContractError(f"{name_of(component)} does not survive its own config: {error}", cure) from error
    if again != component:
        raise ContractError(
            f"{name_of(component)} is {component} before and {again} after its own config", cure
        )
