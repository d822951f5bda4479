"""A workflow as the driver sees it: its products, its submissions, what its jobs left behind."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks import store
from tasks.base import size_of
from tasks.store import store_root

ROOT = Path(__file__).resolve().parents[1]

PASSED_ON = (
    "KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK", "PYTHONDONTWRITEBYTECODE",
    "TAUML_DEBUG", "X509_USER_PROXY",
)  # fmt: skip
"""Variables of this session that jobs get, too."""


UNPACKING = 4
"""Scratch space that bundles take while they are unpacked, in their own size: the real ones 3.8 (docs/htcondor.md)."""


def session_variables() -> dict[str, str]:
    """Variables of this session that jobs get, too; law's settings by variables among them."""
    named = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    return named | {name: value for name, value in os.environ.items() if name.startswith("LAW__")}


class RemoteWork:
    """One workflow; see :class:`taumltools.batch.work.Work`.

    Args:
        task: the workflow.
        layout: where the files of its attempts are.
    """

    def __init__(self, task: Any, layout: Any) -> None:
        self.task = task
        self.layout = layout
        self.site = task.site_config
        # of all branches: jobs of those that --branches leaves out may be in the queue
        self.paths = {branch: task.path_of(branch) for branch in range(task.n_branches())}
        self.log = layout.log

    # ------------------------------------------------------------------ products

    def products(self) -> dict[int, tuple[int, int]]:
        """Bytes and time of change (ns) of the products that exist, by branch.

        Raises:
            PoolError: the store's server does not answer now.
        """
        from taumltools.errors import PoolError, ServerError

        try:
            return store.present(self.paths)
        except ServerError as error:
            raise PoolError(f"the store cannot be looked at now: {error}") from error

    def check(self, branch: int) -> str:
        """Empty if the product is valid; else what is wrong, and it was put aside.

        Raises:
            PoolError: it cannot be judged now, since the file system or this machine fails; to be tried again.
        """
        from tasks.job import cause_of
        from taumltools.batch.causes import Cause
        from taumltools.errors import PoolError, ServerError

        path = self.paths[branch]
        try:
            store.bring([path])
            self.task.as_branch(branch).validate(path)
        except Exception as error:
            if cause_of(error) in {Cause.NODE, Cause.DISK, Cause.MEMORY}:
                raise PoolError(f"{path} cannot be checked now: {error}") from error
            aside = path.with_name(f".{path.name}.invalid-{time.time_ns()}")
            try:
                store.put_aside(path, aside.name)
            except FileNotFoundError:
                return f"{path} is gone"
            except ServerError as server:
                raise PoolError(f"{path} is not valid ({error}), and cannot be put aside now: {server}") from error
            return f"{path} is not valid ({error}); it was put aside as {aside.name}"
        return ""

    def clean(self) -> None:
        """Remove the temporary files of killed jobs, and what travelled for branches that are done."""
        from taumltools.batch.inputs import remove_inputs

        for folder in {path.parent for path in self.paths.values()}:
            store.clean(folder)
        remove_inputs(self.layout.submissions)
        done = self.products()
        for path in self.layout.folder.glob("deliveries/*/branch_*.tar"):
            if int(path.name.split("_")[1]) in done:
                path.unlink(missing_ok=True)

    # ------------------------------------------------------------------ what jobs left

    def report(self, branch: int, attempt: int) -> Mapping[str, Any] | None:
        """What the job itself wrote about the attempt, if it could."""
        if not self.site.shared_filesystem:
            from taumltools.batch.delivery import read_report

            return read_report(self.layout.delivery(branch, attempt))
        try:
            return json.loads(self.layout.report(branch, attempt).read_text())
        except (OSError, ValueError):
            return None

    def receive(self, branch: int, attempt: int) -> str:
        """Publish what the job sent back, where nothing is shared."""
        if self.site.shared_filesystem:
            return ""
        from taumltools.batch.delivery import receive
        from taumltools.errors import StoreError

        path = self.layout.delivery(branch, attempt)
        try:
            store.forget(self.paths[branch])
            receive(path, self.paths[branch], self.task.as_branch(branch).validate)
            store.send(self.paths[branch])
        except StoreError:
            raise  # the disk is full here: the delivery is good, and is received when there is space
        except Exception as error:
            return str(error)
        path.unlink(missing_ok=True)
        return ""

    # ------------------------------------------------------------------ submissions

    def submission(self, name: str, attempts: Sequence[Any]) -> tuple[str, list[dict[str, str]]]:
        """Write the files that jobs need; see :meth:`render`."""
        folder = self.layout.submission(name)
        folder.mkdir(parents=True, exist_ok=True)
        self.layout.events(name).parent.mkdir(parents=True, exist_ok=True)
        for path in {f(a.branch, a.number).parent for a in attempts for f in (self.layout.log, self.layout.delivery)}:
            path.mkdir(parents=True, exist_ok=True)
        self.layout.report(0, 1).parents[1].mkdir(parents=True, exist_ok=True)
        for (
            a
        ) in attempts:  # a lost journal begins anew, and what an earlier attempt of that number left is not of this one
            for stale in (self.layout.report(a.branch, a.number), self.layout.delivery(a.branch, a.number)):
                stale.unlink(missing_ok=True)
        (folder / "specification.json").write_text(json.dumps(self.specification(), indent=1))
        script = folder / "job.sh"
        script.write_text(self.script(folder / "specification.json"))
        script.chmod(0o755)
        self.pack_inputs(folder, attempts)
        text, items = self.render(name, attempts)
        from taumltools.batch.submit import submit_file

        (folder / "jobs.sub").write_text(submit_file(text, items))
        return text, items

    def render(self, name: str, attempts: Sequence[Any]) -> tuple[str, list[dict[str, str]]]:
        """Submit commands, and the variables of each job.

        Args:
            name: of the submission.
            attempts: what is submitted.

        Returns:
            The text, and one dict for each attempt.
        """
        from tasks.remote import workflow_id
        from taumltools.batch.submit import Request, submit_item, submit_text

        task, folder = self.task, self.layout.submission(name)
        request = Request(
            workflow=workflow_id(task.state_folder),
            submission=name,
            batch_name=task.label if task.batch_name == "NO_STR" else task.batch_name,
            executable=folder / "job.sh",
            event_log=self.layout.events(name),
            initial_folder=folder if self.site.shared_filesystem or self.site.spool else store_root(),
            labels={"task": type(task).__name__, "version": task.version, "campaign": task.campaign},
        )
        items = [
            submit_item(
                attempt, attempt.resources.with_(disk=attempt.resources.disk + self.scratch(attempt.branch)),
                self.layout.log(attempt.branch, attempt.number), self.layout.delivery(attempt.branch, attempt.number),
                self.inputs(folder, attempt.branch), spool=self.site.spool,
            )
            for attempt in attempts
        ]  # fmt: skip
        return submit_text(self.site, request, attempts[0].resources), items

    def specification(self) -> dict[str, Any]:
        """What a job needs to know to make its branch task, and what it cannot see from where it is."""
        from taumltools.config.files import fixed_files

        task = self.task
        parameters = {k: v for k, v in task.naming_parameters().items() if k not in {"branches", "site"}}
        if fixed := fixed_files(task.campaign_config):  # relative to where the command is given, and not the job
            parameters["overrides"] = f"{task.overrides} {fixed}".strip()
        content = {"module": type(task).__module__, "family": task.get_task_family(), "parameters": parameters}
        if self.site.shared_filesystem:
            return content | {"shared": True, "state": str(self.layout.folder), "given_in": os.getcwd()}
        from taumltools.store import read_sidecar

        code = read_sidecar(self.bundles()[0].path)["code"]
        return content | {"shared": False, "store": store.store_url() or str(store_root()), "code": code}

    def inputs(self, folder: Path, branch: int) -> list[str]:
        """What is sent to a job, where nothing is shared: bundles, specification, products it reads."""
        if self.site.shared_filesystem:
            return []
        from taumltools.batch.inputs import INPUTS

        sent = [str(task.path) for task in self.bundles()] + [str(folder / "specification.json")]
        return sent + ([str(folder / INPUTS.format(branch=branch))] if self.site.spool else self.products_read(branch))

    def products_read(self, branch: int) -> list[str]:
        """Products that a branch reads, with their side-cars, relative to the store; what is missing is left out."""
        from taumltools.store import sidecar_path

        task = self.task.as_branch(branch)
        read, described = task.input_paths(), task.described_paths()
        store.bring(read)
        store.bring_sidecars(described)
        paths = [p for path in read for p in (path, sidecar_path(path))] + [sidecar_path(path) for path in described]
        return [str(path.relative_to(store_root())) for path in dict.fromkeys(paths) if path.exists()]

    def scratch(self, branch: int) -> int:
        """MB of scratch space that what is sent takes, on top of what a job asks for."""
        if self.site.shared_filesystem:
            return 0
        packed = sum(task.path.stat().st_size for task in self.bundles() if task.path.exists())
        read = sum(size_of(store_root() / name) for name in self.products_read(branch))
        return math.ceil((UNPACKING * packed + (2 if self.site.spool else 1) * read) / 2**20)

    def pack_inputs(self, folder: Path, attempts: Sequence[Any]) -> None:
        """Pack what jobs read, where the scheduler keeps it; what earlier submissions needed it has by now."""
        if not self.site.spool:
            return
        from taumltools.batch.inputs import INPUTS, pack_inputs, remove_inputs

        remove_inputs(self.layout.submissions)
        for attempt in attempts:
            path = folder / INPUTS.format(branch=attempt.branch)
            pack_inputs(path, store_root(), self.products_read(attempt.branch))

    def script(self, specification: Path) -> str:
        """The job's script."""
        from taumltools.batch.bootstrap import bundle_script, shared_script

        variables = session_variables()
        if self.site.shared_filesystem:
            variables |= store.store_variables() | {"LAW_HOME": str(ROOT / ".law"), "TAUML_SITE": self.site_name()}
            variables["PYTHONPATH"] = os.environ.get("PYTHONPATH", str(ROOT))
            return shared_script(
                base=ROOT, python=Path(sys.executable), environment=variables, setup=self.site.setup, spec=specification
            )
        variables.pop("X509_USER_PROXY", None)  # a path of this machine; the site's commands send a proxy
        repository, environment = self.bundles()
        return bundle_script(
            repository=repository.bundle,
            environment=environment.bundle,
            python=self.site.python,
            variables=variables,
            setup=self.site.setup,
            spec_name=specification.name,
            spooled=self.site.spool,
        )

    def site_name(self) -> str:
        """The site, as a branch finds its settings wherever it runs."""
        from tasks.remote import site_name

        name = site_name(self.task.site)
        return str(Path(name).expanduser().absolute()) if name.endswith(".yaml") else name

    def bundles(self) -> list[Any]:
        """Tasks that pack the repository and the environment."""
        from tasks.bundles import bundles

        return list(bundles(self.task.version, self.task.campaign).values())

    def travels(self) -> str:
        """What people read of what is sent to each job."""
        made = [
            f"{task.path.name} ({task.path.stat().st_size / 1e6:.1f} MB)"
            if task.path.exists()
            else f"{task.path.name} (to be packed first)"
            for task in self.bundles()
        ]
        kept = ", in one file kept by the scheduler" if self.site.spool else ""
        return f"sent to each job: {', '.join(made)}, and the products it reads{kept}"


def explain(task: Any, layout: Any) -> str:
    """What would be submitted for a workflow.

    Args:
        task: the workflow.
        layout: where the files of its attempts are.

    Returns:
        Numbers, resources and a submit file with the first jobs; nothing is written.
    """
    from tasks.control import caps_line, queue_line
    from taumltools.batch.submit import submit_file
    from taumltools.batch.work import plan_first

    work = RemoteWork(task, layout)
    settings = task.driver_settings()
    attempts, done, failed = plan_first(settings, work, layout.journal)
    lines = [
        f"{task.label} on {task.site_config.title}: {len(attempts)} of {len(settings.branches)} branches would be submitted, "
        f"{done} are done" + (f", {failed} failed for good" if failed else ""),
        f"each asks for {settings.resources}",
        queue_line(task),
        f"logs and journal: {layout.folder}",
    ]
    if warning := caps_line(settings.resources, task.site_config):
        lines.append(f"WARNING: {warning}")
    if not task.site_config.shared_filesystem:
        lines.append(work.travels())
    if attempts:
        text, items = work.render("dry-run", attempts[:3])
        lines += ["", f"submit file (first {len(items)} of {len(attempts)} jobs):", submit_file(text, items)]
    return "\n".join(lines)
