from __future__ import annotations

import json
from pathlib import Path

import pytest
from jobs.small import make_run

from btcframe.errors import ConfigError, DataError
from btcframe.facts.measure import load
from btcframe.jobs import facts as facts_job
from btcframe.plugins import Catalog, discover
from btcframe.run import MANIFEST

WALK = {"plugin": "random_walk", "duration": "3m", "rate": 20.0}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return discover()


def settings(**changes: object) -> dict[str, object]:
    return {
        "verb": "facts",
        "source": WALK,
        "clock": {"plugin": "time", "every": "100ms"},
        "beside": [],
    } | changes


def test_it_leaves_numbers_and_a_page(tmp_path: Path, catalog: Catalog) -> None:
    run = make_run(tmp_path, catalog, **settings())
    found = facts_job.main(run)
    assert load(run.dir).values.keys() == found.values.keys()
    assert found.name == "random_walk"
    assert (run.dir / "facts.html").read_text().startswith("<!doctype html>")
    assert run.manifest["results"]["facts"]["market"]["rows"] == found.market["rows"]
    json.dumps(run.manifest, allow_nan=False)


def test_markets_beside_each_other_are_told_apart(tmp_path: Path, catalog: Catalog) -> None:
    first = make_run(tmp_path, catalog, "first", **settings())
    with first.recorded():
        facts_job.main(first)
    second = make_run(
        tmp_path, catalog, "second", **settings(seed=8, beside=[str(first.dir), str(first.dir)])
    )
    facts_job.main(second)
    page = (second.dir / "facts.html").read_text()
    for name in ("random_walk", "random_walk (2)", "random_walk (3)"):
        assert f"</span>{name}</span>" in page
    assert load(second.dir).name == "random_walk"


def test_what_is_beside_is_read_before_any_work(tmp_path: Path, catalog: Catalog) -> None:
    run = make_run(tmp_path, catalog, **settings(beside=[str(tmp_path / "nowhere")]))
    with pytest.raises(DataError, match="nowhere is not a run"):
        facts_job.main(run)
    assert not list(run.dir.iterdir())


def test_more_than_there_are_letters(tmp_path: Path, catalog: Catalog) -> None:
    run = make_run(tmp_path, catalog, **settings(beside=[str(tmp_path)] * 26))
    with pytest.raises(ConfigError, match="there are 26 runs, and at most 25"):
        facts_job.main(run)


def test_a_run_that_is_none_of_facts_or_not_whole(tmp_path: Path, catalog: Catalog) -> None:
    other = make_run(tmp_path, catalog, "other", **settings(verb="build"))
    with other.recorded():
        pass
    run = make_run(tmp_path, catalog, **settings(beside=[str(other.dir)]))
    with pytest.raises(DataError, match=r"has no facts\.json"):
        facts_job.main(run)
    manifest = json.loads((other.dir / MANIFEST).read_text())
    (other.dir / MANIFEST).write_text(json.dumps(manifest | {"status": "running"}))
    with pytest.raises(DataError, match="is not whole"):
        facts_job.main(run)
