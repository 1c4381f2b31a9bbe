"""What a run tells of itself beside its work."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest
from jobs.small import Said, make_run

from btcframe.plugins import Catalog, discover
from btcframe.run import Run, load_manifest

KERNEL = "from btcframe.kernels import kernel\n\n@kernel\ndef twice(x):\n    return 2 * x\n"


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


def module(folder: Path) -> ModuleType:
    (folder / "kernels_of_a_run.py").write_text(KERNEL)
    spec = importlib.util.spec_from_file_location("kernels_of_a_run", folder / "kernels_of_a_run.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def recorded(run: Run) -> list[str]:
    said = run.console = Said()
    with run.recorded():
        assert module(run.dir.parent).twice(21) == 42
    return said.lines


def bare(folder: Path, catalog: Catalog, name: str) -> Run:
    run = make_run(folder, catalog, name)
    run.manifest.clear()
    return run


def test_a_run_tells_what_it_compiled_and_the_next_one_that_it_found_it(
    tmp_path: Path, catalog: Catalog
) -> None:
    first, second = bare(tmp_path, catalog, "first"), bare(tmp_path, catalog, "second")
    (line,) = recorded(first)
    assert line.startswith("Compiled 1 kernel in ") and line.endswith(f"into {tmp_path / '__pycache__'}")
    assert recorded(second) == []
    kernels = load_manifest(first.dir)["kernels"]
    assert kernels.pop("seconds") > 0
    assert kernels == {"compiled": 1, "loaded": 0, "cache": [str(tmp_path / "__pycache__")]}
    assert load_manifest(second.dir)["kernels"] == {"compiled": 0, "seconds": 0.0, "loaded": 1, "cache": []}


def test_a_run_that_fails_tells_it_in_its_manifest(tmp_path: Path, catalog: Catalog) -> None:
    run = bare(tmp_path, catalog, "failed")
    with pytest.raises(ZeroDivisionError), run.recorded():
        module(tmp_path).twice(1)
        1 / 0  # noqa: B018
    assert '"compiled": 1' in (run.dir / "manifest.json").read_text()
