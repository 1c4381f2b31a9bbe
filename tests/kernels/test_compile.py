"""The kernel cache: used when nothing changed, never stale when something did."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

INNER = "from btcframe.kernels import kernel\nSCALE = {scale}\n@kernel\ndef inner(x):\n    return x + {add}\n"
OUTER = """
from btcframe.kernels import kernel
import inner_module
from inner_module import SCALE, inner

@kernel
def early(x):
    return below(x)

@kernel
def outer(x):
    return SCALE * inner(x)

@kernel
def through_module(x):
    return inner_module.inner(x)

@kernel
def alone(x):
    return -x

@kernel
def below(x):
    return inner(x) if x > 0 else below(x + 1)
"""
MAIN = """
import outer_module as o
from inner_module import inner
print(o.outer(1), o.through_module(1), o.alone(1), o.early(1))
for k in (inner, o.outer, o.through_module, o.alone, o.early):
    print(k.py_func.__name__, sum(k.stats.cache_hits.values()), sum(k.stats.cache_misses.values()))
"""


def run(folder: Path, add: int, scale: int) -> tuple[list[int], dict[str, tuple[int, int]]]:
    (folder / "inner_module.py").write_text(INNER.format(add=add, scale=scale))
    # -B: Python's own cache looks at size and whole seconds, and would serve the module of a moment ago
    done = subprocess.run(
        [sys.executable, "-B", "-c", MAIN], cwd=folder, capture_output=True, text=True, check=True
    )
    first, *rest = done.stdout.splitlines()
    return [int(v) for v in first.split()], {
        n: (int(h), int(m)) for n, h, m in (line.split() for line in rest)
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "outer_module.py").write_text(OUTER)
    return tmp_path


def test_a_second_process_compiles_nothing(folder: Path) -> None:
    run(folder, 1, 10)
    values, counts = run(folder, 1, 10)
    assert values == [20, 2, -1, 2]
    assert {n: c for n, c in counts.items() if n != "inner"} == {
        "outer": (1, 0), "through_module": (1, 0), "alone": (1, 0), "early": (1, 0),
    }  # fmt: skip


def test_an_edit_recompiles_the_callers_and_nothing_else(folder: Path) -> None:
    run(folder, 1, 10)
    values, counts = run(folder, 2, 10)
    assert values == [30, 3, -1, 3]
    assert counts["outer"] == (0, 1)
    assert counts["through_module"] == (0, 1)
    assert counts["early"] == (0, 1)  # it calls what is defined below it, and that calls what was edited
    assert counts["alone"] == (1, 0)


def test_an_imported_constant_counts(folder: Path) -> None:
    run(folder, 1, 10)
    values, counts = run(folder, 1, 20)
    assert values == [40, 2, -1, 2]
    assert counts["outer"] == (0, 1)
