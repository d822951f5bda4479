"""One driver a workflow: a lock that dies with its process."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from taumltools.errors import BatchError

log = logging.getLogger(__name__)


def holder(path: Path) -> str:
    """Who holds, or held last, the lock at ``path``, in words; empty if nobody."""
    try:
        known = json.loads(path.read_text())
        return f"process {known['pid']} on {known['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def is_locked(path: Path) -> bool:
    """Whether a living driver holds the lock (as far as this file system can tell)."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    else:
        return False
    finally:
        os.close(handle)


@contextmanager
def driver_lock(
    path: Path, label: str, interval: float | None, sleep: Callable[[float], None] = time.sleep
) -> Iterator[None]:
    """Hold the lock of a workflow; wait as long as another driver does.

    Args:
        path: lock file; stays behind and says who held it.
        label: the workflow, for the message.
        interval: seconds between two tries; None: do not wait.
        sleep: how to wait.

    Yields:
        When the lock is held.  Where the file system has no locks the work goes on without:
        superfluous jobs are then found in the queue and removed.

    Raises:
        BatchError: another driver is at work, and it should not be waited for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        told = False
        while not try_lock(handle):
            if interval is None:
                who = holder(path) or "unknown"
                raise BatchError(f"{label}: a driver ({who}) is at work and would submit again; stop it first")
            if not told:
                log.info("%s: another driver (%s) is at work; waiting for it", label, holder(path) or "unknown")
                told = True
            sleep(interval)
        os.ftruncate(handle, 0)
        os.pwrite(handle, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}).encode(), 0)
        yield
    finally:
        os.close(handle)


def try_lock(handle: int) -> bool:
    """Take an exclusive lock of an open file if nobody has it.

    Args:
        handle: the file.

    Returns:
        Whether it is held now; True as well, with a warning, where the file system has no locks.
    """
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}:
            raise
        log.warning("this file system has no locks (%s): run one driver of this workflow at a time", error)
    return True
