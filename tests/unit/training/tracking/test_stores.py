import socket
import threading
import time

import pytest

import taumltools.training.tracking.stores as stores
from taumltools.errors import StoreError
from taumltools.training.tracking.stores import open_store


def test_a_server_that_is_away_was_asked_for_minutes():
    start = time.perf_counter()
    with pytest.raises(StoreError, match=r"the server of mlflow http://127\.0\.0\.1:9 does not answer: .*refused"):
        open_store("http://127.0.0.1:9")
    assert time.perf_counter() - start < 10


def test_a_server_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(stores, "PATIENCE", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(StoreError, match=r"not answer: .*timed out"):
        open_store(f"http://127.0.0.1:{silent.getsockname()[1]}")


def test_an_answer_that_is_an_error_is_an_answer():
    """A server may refuse what is not asked in its own way."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer():
            connection, _ = server.accept()
            with connection:
                connection.recv(10_000)
                connection.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")

        thread = threading.Thread(target=answer)
        thread.start()
        stores._refuse_silent_server(f"http://127.0.0.1:{server.getsockname()[1]}")
        thread.join(10)
