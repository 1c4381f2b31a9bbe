"""The first connection cannot be made: what the user is told."""

from __future__ import annotations

import shutil
import socket
import ssl
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from scripted_exchange import EAGER, QUICK, Exchange, good, listening

from btcframe.errors import DataError


def refused(url: str, **settings: object) -> str:
    """What the first connection fails with."""
    with listening(url, **settings) as listener, pytest.raises(DataError) as error:
        listener.until(lambda _: False)
    return error.value.what


def test_nobody_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"ws://127.0.0.1:{server.getsockname()[1]}"
    assert refused(url) == f"no data from {url}: nothing listens there"


def test_no_such_host() -> None:
    url = "ws://nowhere.invalid:9"
    assert refused(url).startswith(f"no data from {url}: the host's name cannot be resolved: ")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl to make a certificate")
def test_a_certificate_that_nobody_vouches_for(tmp_path: Path) -> None:
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-keyout", key, "-out", certificate, "-days", "1", "-subj", "/CN=localhost"]
    subprocess.run(command, check=True, capture_output=True)
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate, key)
    with Exchange(good, tls=tls) as exchange:
        url = exchange.url.replace("ws:", "wss:")
        assert refused(url) == f"no data from {url}: no TLS connection: self-signed certificate"


def test_no_address() -> None:
    assert "isn't a valid URI" in refused("ws://")


def test_somebody_there_who_says_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"ws://127.0.0.1:{server.getsockname()[1]}"
        why = refused(url, limits=replace(QUICK, connect=0.05))
    assert why == f"no data from {url}: no answer within 0.05 s"


def test_somebody_else() -> None:
    def other() -> None:
        for _ in range(EAGER.tries):
            there, _ = server.accept()
            there.recv(4096)
            there.sendall(b"220 mail.example ESMTP\r\n")
            there.close()

    with socket.create_server(("127.0.0.1", 0)) as server:
        url = f"ws://127.0.0.1:{server.getsockname()[1]}"
        thread = threading.Thread(target=other)
        thread.start()
        assert refused(url).startswith(f"no data from {url}: no WebSocket answers there: ")
        thread.join()


@pytest.mark.parametrize(("status", "attempts"), [(403, 1), (404, 1), (429, EAGER.tries), (503, EAGER.tries)])
def test_a_handshake_that_is_refused(status: int, attempts: int) -> None:
    with Exchange(good, refuse=(status,) * 9) as exchange:
        assert refused(exchange.url, pause=0.0).endswith(
            f"the exchange refused the connection with HTTP {status}"
        )
    assert exchange.handshakes == attempts
