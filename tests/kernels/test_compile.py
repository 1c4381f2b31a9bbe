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


DTYPE = """
import numpy as np
WEIGHTS = np.array({weights})
"""
PLUGIN = """
from btcframe.kernels import kernel
from a_plugin.constants import WEIGHTS

@kernel
def weigh(x):
    return x * WEIGHTS[0]
"""


def weigh(folder: Path, weights: list[float]) -> tuple[float, int]:
    """Result of a plugin's kernel, and how many kernels had to be compiled for it."""
    package = folder / "a_plugin"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text(PLUGIN)
    (package / "constants.py").write_text(DTYPE.format(weights=weights))
    main = (
        "from btcframe.kernels.compile import watched\nfrom a_plugin import weigh\n"
        "with watched() as seen:\n    print(weigh(3.0))\nprint(seen.compiled)"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", main], cwd=folder, capture_output=True, text=True, check=True
    )
    result, compiled = done.stdout.split()
    return float(result), int(compiled)


def test_an_array_in_another_module_of_a_plugin_counts(tmp_path: Path) -> None:
    assert weigh(tmp_path, [2.0, 1.0]) == (6.0, 1)
    assert weigh(tmp_path, [2.0, 1.0]) == (6.0, 0)
    assert weigh(tmp_path, [5.0, 1.0]) == (15.0, 1)


SAVING = """
import os, sys
from numba.core.caching import IndexDataCacheFile
def dies(self, name, data):
    os._exit(9)
IndexDataCacheFile._save_data = dies
import outer_module
outer_module.alone(1)
"""


def test_a_process_killed_while_it_saves_leaves_no_other_code_behind(folder: Path) -> None:
    # numba has then written the index of the new code, and the code that it names is still the old one
    run(folder, 1, 10)
    (folder / "outer_module.py").write_text(OUTER.replace("return -x", "return -2 * x"))
    killed = subprocess.run([sys.executable, "-B", "-c", SAVING], cwd=folder, check=False)
    assert killed.returncode == 9
    values, counts = run(folder, 1, 10)
    assert values[2] == -2
    assert counts["alone"] == (0, 1)


def test_code_that_lies_under_another_types_name_is_not_used(folder: Path) -> None:
    # two processes that compile one kernel for different types at a time both take the first free name
    run(folder, 1, 10)
    both = "from outer_module import alone\nprint(alone(1), alone(1.5))"
    subprocess.run([sys.executable, "-B", "-c", both], cwd=folder, check=True)
    first, second = sorted((folder / "__pycache__").glob("outer_module.alone-*.nbc"))  # int64, float64
    code = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(code)
    done = subprocess.run(
        [sys.executable, "-B", "-c", both], cwd=folder, check=True, capture_output=True, text=True
    )
    assert done.stdout.split() == ["-1", "-1.5"]


def test_what_was_compiled_and_what_was_loaded_is_told(folder: Path) -> None:
    (folder / "inner_module.py").write_text(INNER.format(add=1, scale=10))
    main = (
        "from btcframe.kernels.compile import watched\nimport outer_module as o\n"
        "with watched() as seen:\n    o.outer(1); o.alone(1); o.alone(2)\n"
        "o.through_module(1)\nprint(seen.compiled, seen.loaded, seen.seconds > 0, *seen.folders)"
    )
    told = [
        subprocess.run(
            [sys.executable, "-B", "-c", main], cwd=folder, check=True, capture_output=True, text=True
        ).stdout.split()
        for _ in range(2)
    ]
    assert told == [
        ["3", "0", "True", str(folder / "__pycache__")],  # outer, what it calls, and alone
        ["0", "2", "False"],  # what outer calls stands in its code
    ]


def test_of_several_at_a_time_one_compiles(folder: Path) -> None:
    """Each form once, whoever comes first: early, outer, through_module, alone, below and inner."""
    (folder / "inner_module.py").write_text(INNER.format(add=1, scale=10))
    code = f"from btcframe.kernels.compile import watched\nwith watched() as watch:\n    exec({MAIN!r})\nprint(watch.compiled)"
    command = [sys.executable, "-B", "-c", code]
    at_once = [subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [process.communicate()[0].splitlines() for process in at_once]
    assert [lines[0] for lines in said] == ["20 2 -1 2"] * 3
    assert sum(int(lines[-1]) for lines in said) == 6
