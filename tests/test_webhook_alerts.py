"""The example that only looks on, installed as a stranger has it: a run that it tells of. Its own tests stand beside it."""

from __future__ import annotations

import http.server
import json
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[1] / "examples" / "webhook_alerts"

Make = Callable[..., Path]
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def site(distribution: Make) -> Path:
    """Where it looks installed."""
    sources = {
        path.name: path.read_text(encoding="utf-8") for path in (EXAMPLE / "webhook_alerts").glob("*.py")
    }
    code = sources.pop("__init__.py")
    return distribution("webhook-alerts", code, module="webhook_alerts", files=sources)


@pytest.fixture
def heard() -> Iterator[tuple[str, queue.Queue[str]]]:
    """The address of a webhook, and what it was sent."""
    told: queue.Queue[str] = queue.Queue()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.put(json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/canary-70b1", told
        server.shutdown()


def test_a_run_that_fails_is_told_of_and_the_address_is_written_nowhere(
    site: Path, btcframe: Run, tmp_path: Path, heard: tuple[str, queue.Queue[str]]
) -> None:
    url, told = heard
    environment = {"WEBHOOK_ALERTS_URL": url, "no_proxy": "127.0.0.1"}
    done = btcframe("facts", "source=cryptofeed_capture", "source.path=none", site=site, env=environment)
    assert done.returncode == 4
    text = told.get(timeout=60)
    assert "-facts-" in text and "ended (failed)" in text and "none" in text
    everywhere = [done.stdout, done.stderr]
    everywhere += [p.read_text(errors="replace") for p in (tmp_path / "work").rglob("*") if p.is_file()]
    assert not any("canary" in text for text in everywhere)
