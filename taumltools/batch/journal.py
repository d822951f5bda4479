"""What is known of a workflow's attempts, on disk: one JSON object a line, only appended.

Each line is flushed to disk before the next step is taken, so that a driver that dies at
any instant leaves at most one torn last line.  That line is dropped by whoever continues.
:class:`taumltools.batch.ledger.Ledger` is what the lines mean.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from taumltools.errors import InputError


def read_events(path: Path) -> Iterator[dict[str, Any]]:
    """All whole lines of a journal.

    Args:
        path: the journal; it may not exist yet.

    Yields:
        The events in the order they were written.

    Raises:
        InputError: a line other than the last is damaged; the message names it.
    """
    if not path.exists():
        return
    lines = path.read_bytes().split(b"\n")
    for number, line in enumerate(lines, start=1):
        if number == len(lines):  # what follows the last line feed: nothing, or torn
            return
        try:
            event = json.loads(line)
            if not isinstance(event, dict):
                raise ValueError(f"found {type(event).__name__}")
        except ValueError as error:
            raise InputError(
                f"{path}, line {number} is damaged ({error}): expected one JSON object; "
                "move the file away to forget what is known of this workflow's attempts"
            ) from error
        yield event


def is_closed(path: Path) -> bool:
    """Whether the last driver came to its end in order, so that nothing is left in the queue.

    Args:
        path: the journal; a workflow without one is closed, since it never had jobs.

    Returns:
        Whether the last line says so.
    """
    if not path.exists():
        return True
    with path.open("rb") as file:
        file.seek(0, os.SEEK_END)
        file.seek(max(0, file.tell() - 200))
        lines = file.read().splitlines()
    return bool(lines) and b'"event":"closed"' in lines[-1]


class Journal:
    """Appends events to a file, each flushed to disk before the call returns.

    Args:
        path: the journal; its folder is made.
        clock: seconds since 1970.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self.clock = clock
        path.parent.mkdir(parents=True, exist_ok=True)
        self._mend()

    def _mend(self) -> None:
        """Cut a torn last line, so that the next event starts on a line of its own."""
        if not self.path.exists():
            return
        with self.path.open("rb+") as file:
            content = file.read()
            whole = content.rfind(b"\n") + 1
            if whole < len(content):
                file.truncate(whole)
                file.flush()
                os.fsync(file.fileno())

    def write(self, event: str, **fields: Any) -> dict[str, Any]:
        """Append one event.

        Args:
            event: what happened, a key of :data:`taumltools.batch.ledger.EVENTS`.
            fields: what is known about it, in JSON types.

        Returns:
            The event as written, with its time (seconds since 1970).
        """
        return self.write_all([{"event": event, **fields}])[0]

    def write_all(self, events: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Append several events with one flush.

        Args:
            events: each with its ``event`` key.

        Returns:
            The events as written.
        """
        stamped = [{"time": round(self.clock(), 3), **event} for event in events]
        data = "".join(json.dumps(event, separators=(",", ":")) + "\n" for event in stamped).encode()
        handle = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        try:
            rest = memoryview(data)
            while rest:  # a disk that fills up takes a part without an error
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        finally:
            os.close(handle)
        return stamped
