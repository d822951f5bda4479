"""The attempts at one training, as their files tell: who began, who came to an end, who is at work.

Each attempt writes a file of its own, ``attempt_001.jsonl``, one JSON document a line:

    {"event": "start", "run_id": ..., "host": ..., "pid": ..., "time": ...}    first line
    {"event": "params", "params": {...}}
    {"event": "metrics", "step": 3, "metrics": {"loss": ...}, "time": ...}
    {"event": "end", "status": "FINISHED", "error": "", "time": ...}           last line, unless it was killed

A killed process cannot write its last line.  While an attempt is at work it touches its file every
:data:`PULSE_S` seconds, so that others can tell one from the other.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from taumltools.errors import InputError

PULSE_S = 15.0
"""Seconds between two signs of life of an attempt."""

SILENCE_S = 600.0
"""Seconds without a sign of life after which an attempt on another machine counts as dead; more than clocks differ."""


@dataclass(frozen=True)
class Attempt:
    """One attempt at a training.

    Attributes:
        path: its file.
        events: what it wrote, in order; the first is its start.
    """

    path: Path
    events: tuple[dict[str, Any], ...]

    @property
    def start(self) -> dict[str, Any]:
        """Its first event: who began what, when and where."""
        return self.events[0]

    @property
    def end(self) -> dict[str, Any] | None:
        """Its last event; None while it is at work, and for ever if it was killed."""
        return self.events[-1] if self.events[-1]["event"] == "end" else None

    @property
    def last_step(self) -> int:
        """The last epoch whose figures it wrote; 0 if none."""
        return max((event["step"] for event in self.events if event["event"] == "metrics"), default=0)

    @property
    def last_time(self) -> int:
        """When it wrote last, in ms since 1970."""
        return max(event["time"] for event in self.events if "time" in event)

    def where(self) -> str:
        """Who it is, e.g. ``process 4711 on node12``."""
        return f"process {self.start['pid']} on {self.start['host']}"

    def is_alive(self) -> bool:
        """Whether it is at work, as far as can be told without waiting."""
        if self.end is not None:
            return False
        if self.start["host"] == socket.gethostname():
            return process_start(self.start["pid"]) == self.start["pid_start"]
        return time.time() - self.path.stat().st_mtime < SILENCE_S

    def is_alive_after(self, seconds: float) -> bool:
        """Whether it is at work; an attempt elsewhere is watched for a sign of life, and no clocks are compared.

        Args:
            seconds: how long to watch.
        """
        if self.end is not None or self.start["host"] == socket.gethostname():
            return self.is_alive()
        seen, until = self.path.stat().st_mtime_ns, time.monotonic() + seconds
        while time.monotonic() < until:
            if self.path.stat().st_mtime_ns != seen:
                return read_attempt(self.path).end is None
            time.sleep(min(1.0, seconds / 10))
        return False


def process_start(pid: int) -> str:
    """When a process of this machine began, in the kernel's own count; empty if there is none.

    Args:
        pid: its number.

    Returns:
        Clock ticks since the machine was started, as text.

    Examples:
        >>> process_start(os.getpid()) == process_start(os.getpid()) != ""
        True
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] == "Z" else fields[19]  # a zombie works no more


def read_attempt(path: Path) -> Attempt:
    """Read the file of one attempt; a last line that was cut short is left out.

    Args:
        path: the file.

    Returns:
        The attempt.

    Raises:
        InputError: it is no such file.
    """
    lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # a whole line ends with a newline
    try:
        events = tuple(json.loads(line) for line in lines)
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is not the log of a training ({error}); move it away") from error
    if not events or events[0].get("event") != "start":
        raise InputError(f"{path} is not the log of a training: its first line is not its start; move it away")
    return Attempt(path, events)


def read_attempts(directory: Path) -> list[Attempt]:
    """All attempts in a log, in the order in which they began; empty files of the moment of starting are left out.

    Args:
        directory: of the log.

    Returns:
        The attempts, empty if there is no log.
    """
    paths = sorted(directory.glob("attempt_*.jsonl"))
    return [read_attempt(path) for path in paths if b"\n" in path.read_bytes()]


class Pulse(threading.Thread):
    """Touches a file until it is told to stop."""

    def __init__(self, path: Path, seconds: float = PULSE_S) -> None:
        super().__init__(name="tracking pulse", daemon=True)
        self.path, self.seconds, self.stopped = path, seconds, threading.Event()

    def run(self) -> None:
        """Give signs of life."""
        while not self.stopped.wait(self.seconds):
            try:
                os.utime(self.path)
            except OSError:  # the disk is away: nobody sees the sign, and the training itself will notice
                continue

    def stop(self) -> None:
        """Give no more signs."""
        self.stopped.set()
        self.join(timeout=1)
