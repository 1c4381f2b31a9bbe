"""Alerts against a webhook on loopback: what is told, that nobody waits, and that nobody is buried."""

import http.server
import json
import os
import queue
import socket
import subprocess
import sys
import threading
import traceback
from importlib.metadata import entry_points
from pathlib import Path

import pytest
import webhook_alerts
from webhook_alerts.outbox import MOST, SHOWN, Outbox, message, pause
from webhook_alerts.webhook import webhook
from webhook_alerts.words import WORDS, said

from btcframe.api import SessionEvent
from btcframe.plugins import discover

PATIENCE = 20.0
HALT = SessionEvent("halt", 1, "runs/one", {"state": "HALTED", "code": "drawdown", "why": "16 % lost"})


class Webhook:
    """A server on loopback that keeps what it is sent; `hold` keeps it from answering, `status` is its answer."""

    def __init__(self):
        self.got, self.free, self.status = queue.Queue(), threading.Event(), 200
        self.free.set()
        heard = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                heard.got.put(body)
                heard.free.wait(PATIENCE)
                self.send_response(heard.status)
                self.end_headers()

            def log_message(self, *args):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/canary-4c1e"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def next(self):
        return self.got.get(timeout=PATIENCE)


@pytest.fixture
def at(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = Webhook()
    yield server
    server.free.set()
    server.server.shutdown()
    server.server.server_close()


def outbox(at, **options):
    return Outbox(webhook({"WEBHOOK_ALERTS_URL": at.url}), **options)


def test_an_event_reaches_the_webhook_through_the_hook(at, monkeypatch):
    monkeypatch.setenv("WEBHOOK_ALERTS_URL", at.url)
    monkeypatch.setenv("WEBHOOK_ALERTS_FIELD", "content")
    webhook_alerts._outbox.cache_clear()
    installed = any(entry.name == "webhook_alerts" for entry in entry_points(group="btcframe"))
    catalog = discover(() if installed else [("webhook_alerts", webhook_alerts)])
    assert not catalog.failures
    catalog.notify(SessionEvent("run_started", 1, "runs/one", {"verb": "trade"}))  # nobody is woken for it
    catalog.notify(HALT)
    ((field, text),) = at.next().items()
    assert field == "content" and text.startswith("one on ") and text.endswith("HALTED (drawdown): 16 % lost")
    webhook_alerts._outbox().close(PATIENCE)
    webhook_alerts._outbox.cache_clear()


def test_without_a_webhook_nothing_is_made(monkeypatch):
    monkeypatch.delenv("WEBHOOK_ALERTS_URL", raising=False)
    webhook_alerts._outbox.cache_clear()
    before = threading.active_count()
    webhook_alerts.btcframe_event(HALT)
    assert webhook_alerts._outbox() is None and threading.active_count() == before
    webhook_alerts._outbox.cache_clear()


@pytest.mark.parametrize("url", ["file:///etc/hosts", "hooks.example/canary-4c1e", "https://"])
def test_an_address_that_is_none_is_said_once_and_not_repeated(url, caplog):
    assert webhook({"WEBHOOK_ALERTS_URL": url}) is None
    assert "no address of http or https" in caplog.text and "canary" not in caplog.text


def test_nobody_waits_for_a_webhook_that_hangs_and_what_came_meanwhile_is_one_message(at):
    at.free.clear()
    box = outbox(at, every=0.0)
    box.put("halt", "first")
    assert at.next() == {"text": "first"}
    for n in range(50):  # it hangs now, and all of these return
        box.put("gap", f"gap {n}")
    assert not at.free.is_set() and at.got.empty()
    at.free.set()
    lines = at.next()["text"].splitlines()
    assert lines[0] == "before: gap ×30" and lines[1:] == [f"gap {n}" for n in range(30, 50)]
    box.close(PATIENCE)


def test_between_two_messages_there_is_time_and_what_came_meanwhile_is_one():
    # looked at: before the first; after it, so the next is due at 110; twice too early; in time
    times, told = [0.0, 100.0, 105.0, 109.99, 110.0, 110.0], queue.Queue()

    def clock():
        return times.pop(0) if len(times) > 1 else times[0]

    def post(text):
        if len(times) == 5:
            box.put("halt", "later")
            box.put("resume", "and this")
        told.put((text, len(times)))

    box = Outbox(post, every=10.0, clock=clock)
    box.put("halt", "at once")
    assert told.get(timeout=PATIENCE) == ("at once", 5)
    assert told.get(timeout=PATIENCE) == ("later\nand this", 1)


def test_what_waits_at_the_end_is_sent(at):
    box = outbox(at, every=3600.0)
    box.put("halt", "one")
    at.next()
    box.put("run_failed", "the last words")
    box.close(PATIENCE)
    assert at.next() == {"text": "the last words"}


def test_a_post_that_fails_is_tried_again_with_what_came_since(caplog):
    tried, told = [], queue.Queue()

    def post(text):
        tried.append(text)
        if len(tried) == 1:
            box.put("resume", "two")
            raise OSError("away")
        told.put(text)

    box = Outbox(post, every=0.0)
    box.put("halt", "one")
    assert told.get(timeout=PATIENCE) == "one\ntwo" and tried == ["one", "one\ntwo"]
    box.close(PATIENCE)
    assert "OSError: away" in caplog.text


def test_pauses_grow_while_it_fails_and_have_an_end():
    assert [pause(10.0, n) for n in (1, 2, 3, 9, 10_000)] == [20.0, 40.0, 80.0, 300.0, 300.0]


def test_an_answer_that_is_no_success_is_a_failure_and_the_address_is_not_told(at, caplog):
    at.status = 500
    box = outbox(at, every=3600.0)
    box.put("halt", "one")
    at.next()
    box.close(PATIENCE)
    assert "HTTPError" in caplog.text and "canary" not in caplog.text


def test_one_that_answers_nonsense_or_cannot_be_asked_is_tried_again_and_not_told(caplog):
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"http://127.0.0.1:{server.getsockname()[1]}"

        def answer():
            line, _ = server.accept()
            with line:
                line.recv(4096)
                line.sendall(b"what?\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        for url, failure in (
            (f"{host}/canary-4c1e", "BadStatusLine"),
            (f"{host}/canary-4c1e x", "InvalidURL"),
        ):
            with pytest.raises(OSError, match=f"does not speak HTTP: {failure}") as failed:
                webhook({"WEBHOOK_ALERTS_URL": url})("an alert")
            told = "".join(traceback.format_exception(failed.value))
            assert "canary" not in told


def test_a_webhook_that_is_gone_costs_nothing(caplog):
    box = Outbox(webhook({"WEBHOOK_ALERTS_URL": "http://127.0.0.1:1/canary-4c1e"}), every=0.0)
    box.put("halt", "nobody hears this")
    box.close(PATIENCE)
    assert "URLError" in caplog.text and "canary" not in caplog.text


def test_what_finds_no_room_is_counted(at):
    at.free.clear()
    box = outbox(at, every=0.0)
    box.put("halt", "first")
    at.next()
    for _ in range(MOST + 7):
        box.put("gap", "gap")
    at.free.set()
    lines = at.next()["text"].splitlines()
    assert (
        lines[0] == f"before: gap ×{MOST - SHOWN}" and lines[-1] == "and 7 more, for which there was no room"
    )
    box.close(PATIENCE)


def test_a_message_is_as_long_as_it_needs_to_be():
    assert message([("halt", "a")]) == "a"
    assert message([("halt", "a"), ("gap", "b")]) == "a\nb"


@pytest.mark.parametrize("kind", WORDS)
def test_every_kind_can_be_said_whatever_its_data_hold(kind):
    text = said(SessionEvent(kind, 1, "runs/one", {"why": "a\nb  c " * 200, "code": "{x}"}))
    assert "\n" not in text and len(text) <= 400 and text.startswith("one on ")
    assert said(SessionEvent(kind, 1)).startswith("btcframe on ")


def test_it_is_one_hook_and_no_thread_until_something_happens():
    code = "import threading, webhook_alerts; print(threading.active_count())"
    where = os.environ | {"PYTHONPATH": str(Path(webhook_alerts.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", code], env=where, capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
