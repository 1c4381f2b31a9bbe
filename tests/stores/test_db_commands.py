"""`btcframe db` against a real server, as a user types it; and no password anywhere, whoever writes it down."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from database_servers import Postgres, free_port
from stores.every_row import rows

from btcframe.cli import main as cli
from btcframe.stores.timescale import Timescale

CANARY = "canary-77d0c2"
Said = Callable[..., str]


@pytest.fixture
def said(
    plain: Timescale, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Said:
    """What `btcframe db` prints for the store `plain`, and with which exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*arguments: str, code: int = 0) -> str:
        monkeypatch.setattr("sys.argv", ["btcframe", "db", *arguments, *overrides(plain)])
        got = cli.main()
        out, err = capsys.readouterr()
        assert got == code, err
        return out if code in (0, 5) and out else err

    return run


def overrides(store: Timescale) -> list[str]:
    settings = {
        name: getattr(store, name) for name in ("host", "port", "database", "user", "schema", "sslmode")
    }
    return ["store=timescale", *(f"store.{name}={value!r}" for name, value in settings.items())]


def test_from_nothing_to_a_build_that_is_proven(said: Said, plain: Timescale, tmp_path: Path) -> None:
    assert "nothing is made yet: btcframe db init" in said("status")
    for command in ("verify", "migrate"):
        assert f"there is nothing to {command} yet" in said(command, code=5)
    assert said("compact") == "There is nothing yet.\n"
    assert said("init").splitlines()[0] == f"Made: revision 0001 of schema {plain.schema}"
    assert said("init") == "Everything is there.\n"
    assert said("verify") == "There is no sealed build yet.\n"
    assert json.loads(said("init", "--json")) == {"made": []}
    plain.write("b", "t", rows(0, 1000))
    plain.seal("b", {"tables": {"t": 1000}})
    plain.write("open", "t", rows(0, 10))
    told = said("status")
    for word in (
        "PostgreSQL",
        "not in this database",
        "this btcframe reads and writes",
        "1,010",
        "sealed",
        "open",
    ):
        assert word in told
    assert "2024-07-18 00:16:39" in told and "empty (spool)" in told
    found = json.loads(said("status", "--json"))
    assert {"facts", "revision", "head", "tables", "builds", "spool"} == set(found)
    assert [b["rows"] for b in found["builds"]] == [1000, 10]
    assert said("verify", "b") == "1 build, 1 table, 1,000 rows read: no findings.\n"
    assert said("migrate") == "Everything is as it should be.\n"
    assert "vacuumed and analysed" in said("compact")
    assert {"table", "done", "pieces", "bytes"} == set(json.loads(said("compact", "--json"))["tables"][0])
    assert said("drain") == "Nothing waits in the spool.\n"
    assert [p.name for p in tmp_path.iterdir()] in (["cache"], ["cache", "spool"], ["spool", "cache"])


def test_a_finding_is_a_line_and_exit_code_5(said: Said, plain: Timescale, postgres_server: Postgres) -> None:
    plain.write("b", "t", rows(0, 1000))
    plain.seal("b", {"tables": {"t": 1000}})
    with postgres_server.connect() as connection:
        connection.execute(f'DELETE FROM "{plain.schema}".t WHERE f < 1')  # type: ignore[arg-type]
    told = said("verify", code=5)
    assert told.splitlines() == [
        "b, table t: it holds 997 rows, and 1,000 were sealed",
        "1 build, 1 table, 997 rows read: 1 finding.",
    ]
    assert json.loads(said("verify", "--json", code=5))["findings"] == 1
    assert "there is no whole build c" in said("verify", "c", code=5)


def test_the_script_of_roles(said: Said, plain: Timescale) -> None:
    assert said("roles") == plain.roles()
    assert json.loads(said("roles", "--json")) == {"script": plain.roles()}


def test_a_run_of_the_writer_without_create_on_the_database(
    plain: Timescale, postgres_server: Postgres, btcframe: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:  # fmt: skip
    """A whole run with the least rights; the password is in no file, no output, no table."""
    plain.init()
    writer = f"{plain.schema}_writer"
    with postgres_server.connect() as connection:
        connection.execute(plain.roles())  # type: ignore[arg-type]
        connection.execute(f"ALTER ROLE \"{writer}\" PASSWORD '{CANARY}'")  # type: ignore[arg-type]
    settings = [*overrides(plain), f"store.user='{writer}'"]
    told = []
    for arguments in (
        (
            "run",
            *settings,
            "source.duration=15m",
            "validation.folds=2",
            "build.rows=true",
            "hydra.run.dir=run",
        ),
        ("run", *settings, "--cfg", "job"),
        ("db", "status", *settings),
        ("db", "verify", *settings),
        ("db", "init", *settings, f"store.port={free_port()}"),
    ):
        done = btcframe(*arguments, env={"PGPASSWORD": CANARY})
        assert done.returncode == (5 if arguments[1] == "init" else 0), done.stderr
        told.append(done.stdout + done.stderr)
    files = [p for p in tmp_path.rglob("*") if p.is_file()]
    assert "manifest.json" in {p.name for p in files} and "overrides.yaml" in {p.name for p in files}
    told += [p.read_bytes().decode("latin-1") for p in files]
    assert not [text for text in told if CANARY in text]
    with postgres_server.connect() as connection:
        dumped = [
            str(row)
            for (table,) in connection.execute(
                "SELECT table_name FROM information_schema.tables WHERE table_schema = %s", (plain.schema,)
            ).fetchall()
            for row in connection.execute(f'SELECT t::text FROM "{plain.schema}"."{table}" t').fetchall()  # type: ignore[arg-type]
        ]
    assert len(dumped) > 1800 and any('"verb"' in row or "manifest" in row for row in dumped)
    assert not [row for row in dumped if CANARY in row]
