"""What runs in a job: one attempt at one branch, and a report of how it went.

    python -m tasks.job SPECIFICATION BRANCH ATTEMPT

The branch runs exactly as it runs locally.  The report says why it failed and what it used;
the driver reads it, and the exit code is only for people.
"""

from __future__ import annotations

import errno
import importlib
import json
import logging
import os
import signal
import socket
import sys
import traceback
from pathlib import Path
from typing import Any

log = logging.getLogger("tasks.job")  # not __name__, which is __main__ in a job

FULL = {errno.ENOSPC, errno.EDQUOT}
FLAKY = {
    errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENETUNREACH, errno.ENETDOWN, errno.EHOSTUNREACH,
    errno.ECONNRESET, errno.ECONNREFUSED, errno.EREMOTEIO, errno.EMFILE, errno.ENFILE,
}  # fmt: skip


class MissingInputError(Exception):
    """A product that the branch reads is not there."""


def cause_of(error: BaseException) -> Any:
    """Why the task failed.

    Args:
        error: what it raised; causes it was raised from are looked at, too.

    Returns:
        One of :data:`taumltools.batch.causes.EXIT_CODES`.

    Examples:
        >>> str(cause_of(MemoryError())), str(cause_of(OSError(28, "No space left on device")))
        ('out of memory', 'disk full')
    """
    from taumltools.batch.causes import Cause
    from taumltools.errors import ServerError

    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, MemoryError):
            return Cause.MEMORY
        if isinstance(seen, OSError) and seen.errno in FULL:
            return Cause.DISK
        if isinstance(seen, ServerError) or (isinstance(seen, OSError) and seen.errno in FLAKY):
            return Cause.NODE
        if isinstance(seen, MissingInputError):
            return Cause.INPUT
        seen = seen.__cause__ or seen.__context__
    return Cause.TASK


def load_task(specification: dict[str, Any], branch: int) -> Any:
    """The branch task that a specification names.

    Args:
        specification: ``module``, ``family`` and ``parameters`` (as strings); ``given_in``, if there is one, is the folder
            where the command was given, from which relative names in parameters count.
        branch: its number.

    Returns:
        The task.
    """
    import luigi

    if os.path.isdir(given_in := specification.get("given_in", "")):
        os.chdir(given_in)

    importlib.import_module(specification["module"])
    task_class = luigi.task_register.Register.get_task_cls(specification["family"])
    parameters = specification["parameters"] | {"branch": str(branch), "workflow": "local"}
    return task_class.from_str_params(parameters)


def run_branch(task: Any) -> None:
    """Run a branch unless its product is there already.

    Args:
        task: the branch task.

    Raises:
        MissingInputError: what it reads is not there.
    """
    from tasks import store

    if store.has(task.path):
        log.info("%s is there already", store.address(task.path))
        return
    inputs = dict(enumerate(task.input_paths()))
    there = store.present(inputs)
    missing = [store.address(path) for number, path in inputs.items() if number not in there]
    if missing:
        raise MissingInputError(f"{missing[0]} is missing ({len(missing)} in all): run the task that makes it first")
    task.run()


def _explain(error: BaseException) -> str:
    """The last line of a traceback, without the module's name."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__


def attempt(specification: dict[str, Any], branch: int) -> tuple[dict[str, Any], Any]:
    """Run one attempt; errors become part of the report.

    Args:
        specification: what to run.
        branch: its number.

    Returns:
        The report, and the task (None if it could not be made).
    """
    from taumltools.batch.causes import EXIT_CODES, Cause
    from taumltools.store import measure

    report: dict[str, Any] = {"cause": Cause.DONE, "message": "", "host": socket.gethostname()}
    task = None
    with measure() as usage:
        try:
            task = load_task(specification, branch)
            run_branch(task)
        except Exception as error:
            traceback.print_exc()
            report |= {"cause": cause_of(error), "message": _explain(error)}
    report["code"] = EXIT_CODES[report["cause"]]
    return report | {"runtime_s": usage.wall_s, "memory_mb": round(usage.peak_rss_mb * 1e6 / 2**20, 1)}, task


def deliver(specification: dict[str, Any], report: dict[str, Any], task: Any, branch: int, number: int) -> None:
    """Leave the report where the driver finds it.

    Args:
        specification: has ``shared``, and ``state``, the folder of the workflow where it is shared.
        report: what to leave; where the product cannot be sent, it says so afterwards.
        task: the branch task; its product travels along where nothing is shared.
        branch: its number.
        number: of the attempt.
    """
    if not specification["shared"]:
        done = task is not None and report["cause"] == "done"
        send(report, task.path if done else None, specification)
        return
    from taumltools.batch.layout import Layout

    path = Layout(Path(specification["state"])).report(branch, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(report))
    os.replace(temporary, path)


def send(report: dict[str, Any], product: Path | None, specification: dict[str, Any]) -> None:
    """Pack the product and the report to be sent back; the report alone if that fails.

    Args:
        report: what to leave; changed if the product cannot be sent.
        product: the published product; None if there is none.
        specification: has what the product's side-car needs of the place where it will be.
    """
    from taumltools.batch.causes import EXIT_CODES
    from taumltools.batch.delivery import pack_delivery
    from taumltools.errors import TauMLError

    path = Path(os.environ["TAUML_DELIVERY"])
    try:
        if product is not None:
            complete_sidecar(product, specification["store"], specification["code"])
        pack_delivery(path, report, product)
    except (OSError, TauMLError) as error:
        log.warning("the product cannot be sent: %s", error)
        cause = cause_of(error)
        report |= {"cause": cause, "message": _explain(error), "code": EXIT_CODES[cause]}
        pack_delivery(path, report, None)


def complete_sidecar(product: Path, store: Path, code: dict[str, Any]) -> None:
    """Write into a side-car what is true where the product will be, and not in the scratch folder.

    Args:
        product: the published product.
        store: path or address of the store of the submitter, below which its inputs are.
        code: commit of the checkout that travelled; the worker's copy knows none.
    """
    from tasks.store import store_root
    from taumltools.store import publish, read_sidecar, sidecar_path

    content = read_sidecar(product)
    for source in content["inputs"]:
        source["path"] = f"{store}/{Path(source['path']).relative_to(store_root()).as_posix()}"
    content["code"] = code
    with publish(sidecar_path(product), replace=True) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _stop(number: int, _frame: Any) -> None:
    """Leave by an exception, so that half-written files are removed on the way."""
    raise SystemExit(128 + number)


def main(arguments: list[str]) -> int:
    """Run one attempt and leave its report.

    Args:
        arguments: path of the specification, branch, number of the attempt.

    Returns:
        Exit code.
    """
    from taumltools.errors import TauMLError

    signal.signal(signal.SIGTERM, _stop)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    specification = json.loads(Path(arguments[0]).read_text())
    branch, number = int(arguments[1]), int(arguments[2])
    log.info("%s branch %d, attempt %d, on %s", specification["family"], branch, number, socket.gethostname())
    report, task = attempt(specification, branch)
    try:
        deliver(specification, report, task, branch, number)
    except (OSError, TauMLError) as error:
        # without a report the driver still sees the product, the exit code and the queue
        log.warning("the report cannot be written: %s", error)
    log.info("%s after %.1f s with %.0f MB", report["cause"], report["runtime_s"], report["memory_mb"])
    return report["code"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
