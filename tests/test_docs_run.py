"""What a page of docs/ marks with `<!-- run -->` is run as it stands: the blocks of a page, in order, in one directory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[1] / "docs"
MARKED = re.compile(r"^<!-- run -->\n```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = [page for page in sorted(DOCS.rglob("*.md")) if "<!-- run -->" in page.read_text(encoding="utf-8")]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(DOCS).with_suffix("")))
def test_what_is_marked_runs(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8")
    blocks = MARKED.findall(text)
    assert len(blocks) == text.count("<!-- run -->"), "the marker stands right above a block of sh"
    path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "".join(blocks)],
        capture_output=True, text=True, cwd=tmp_path, env=os.environ | {"PATH": path, "COLUMNS": "100"},
        timeout=600, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    for made in re.findall(r"hydra\.run\.dir=(\S+)", "".join(blocks)):
        assert (tmp_path / made / "manifest.json").is_file(), made


def test_pages_that_begin_somebody_are_run() -> None:
    assert {page.stem for page in PAGES} >= {"getting-started", "your-data"}
