"""Carrying out the steps of one CRAB task; what is done is written down first, so that it may end at any point."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from taumltools.batch.journal import Journal, read_events
from taumltools.errors import ConfigError, CrabError
from taumltools.production.crab.area import Area
from taumltools.production.crab.before import check_others, check_places, configuration_note
from taumltools.production.crab.collect import plan_collection
from taumltools.production.crab.configuration import Placement, crab_config
from taumltools.production.crab.decide import Do, Limits, Step
from taumltools.production.crab.history import History, replay
from taumltools.production.crab.jobs import CrabJob
from taumltools.production.crab.lumis import Sections, to_mask
from taumltools.production.crab.outputs import Move, move
from taumltools.production.crab.recovery import recovery
from taumltools.production.crab.remember import to_text
from taumltools.production.crab.rest import RestRunner
from taumltools.production.crab.status import TaskStatus
from taumltools.production.crab.tool import CACHE, Account, CrabClient
from taumltools.production.crab.verify import check_outputs, read_checksums

log = logging.getLogger(__name__)

FIND_AFTER = 120.0
"""Seconds after which a task that was being submitted is known to the server, if it ever reached it."""


@dataclass(frozen=True)
class Places:
    """Where output goes and is found.

    Attributes:
        output: base at the site, see :class:`~taumltools.production.crab.configuration.Placement`.
        user: see there.
        storage: folder in which it is seen; empty: nowhere.
        target: folder that it is moved to; empty: it stays.
    """

    output: str = ""
    user: str = ""
    storage: str = ""
    target: str = ""


@dataclass
class Worker:
    """One CRAB task with its recoveries.

    Attributes:
        job: as it is first submitted.
        area: where its state is.
        client: runs ``crab``.
        places: where output goes.
        limits: when patience ends.
        rest: runs here what is left in the end; None: that is an error.
        clock: s since 1970.
        root: folder of all work areas, in which a task of the same name is looked for before this one is submitted.
    """

    job: CrabJob
    area: Area
    client: CrabClient
    places: Places = field(default_factory=Places)
    limits: Limits = field(default_factory=Limits)
    rest: RestRunner | None = None
    clock: Callable[[], float] = time.time
    root: Path | None = None

    def history(self) -> History:
        """What was done so far."""
        return replay(read_events(self.area.journal), str(self.area.journal))

    def note(self, event: str, **values: object) -> None:
        """Write down what was done or is about to be done."""
        Journal(self.area.journal, self.clock).write(event, **values)

    def status(self, number: int) -> TaskStatus:
        """Ask the server.

        Args:
            number: of the submission.

        Returns:
            Its status.
        """
        return self.client.status(self.area.project(self.history().submissions[number].request))

    def perform(self, step: Step, status: TaskStatus | None = None) -> bool:
        """Carry out a step.

        Args:
            step: what is done.
            status: what the server said before.

        Returns:
            Whether it was done; False: it has to wait.

        Raises:
            CrabError: the client could not do it.
            InputError: outputs are not as they should be.
        """
        if step.do is Do.SUBMIT:
            self.submit(step.number, step.sections)
        elif step.do is Do.FIND:
            return self.find(step.number)
        elif step.do is Do.RESUBMIT:
            self.resubmit(step.number)
        elif step.do is Do.KILL:
            self.kill(step.number)
        elif step.do is Do.REPORT:
            self.report(step.number, status or self.status(step.number))
        elif step.do is Do.COLLECT:
            self.collect()
        elif step.do is Do.REST:
            self.run_rest(step)
        else:
            raise ValueError(f"{step.do} is nothing that can be done")
        return True

    def prepare(self, number: int, sections: Sections | None) -> Path:
        """Write the configuration of a submission, after a look at what would be in its way.

        Args:
            number: 0, or that of the recovery.
            sections: what is processed; None: everything that the job names.

        Returns:
            The configuration file.

        Raises:
            ConfigError: the configuration for ``cmsRun`` is not there, or another work area has a task of this name.
            InputError: there are files already where its output goes.
        """
        planned = recovery(self.job, number) if number else None
        job = planned.job if planned else self.job
        if not job.whitelist:  # without one CRAB does not let jobs run where the data are not
            job = replace(job, ignore_locality=self.job.ignore_locality)
        self._look_before(job.name, number)
        mask = "" if sections is None else str(self._write_mask(job.name, sections))
        placement = Placement(
            self.area.projects, self.places.output, self.places.user, mask, planned.runtime if planned else None
        )
        return _written(self.area.config(job.name), crab_config(job, placement))

    def _look_before(self, request: str, number: int) -> None:
        """See that nothing is in the way of a submission."""
        configuration_note(self.job)
        if self.root and not number:
            check_others(self.job, self.places.output, self.places.user, self.area, self.root)
        folders = (request,) if number else (request, self.rest_folder)
        storage, target = (Path(name) if name else None for name in (self.places.storage, self.places.target))
        check_places(request, folders, storage, target)

    @property
    def rest_folder(self) -> str:
        """Name of the folder of what ran here."""
        return f"{self.job.name}_rest"

    def submit(self, number: int, sections: Sections | None) -> None:
        """Submit the task or a recovery."""
        config = self.prepare(number, sections)
        request = recovery(self.job, number).job.name if number else self.job.name
        project = self.area.project(request)
        if project.exists():
            raise CrabError(f"{project}: there is a project directory already that this command did not make", "exists")
        if not number:
            _written(self.area.options, to_text(self.job, self.places.output, self.places.user))
        self.note("intended", number=number, request=request)
        try:
            task = self.client.submit(config)
        except CrabError as error:
            if error.kind != "timeout" and not (project / CACHE).exists():
                self._put_aside(request)
                self.note("refused", number=number, message=str(error))
            raise
        self.note("submitted", number=number, task=task)
        log.info("%s: submitted as %s", request, task)

    def find(self, number: int) -> bool:
        """Find out whether a submission reached the server; if it did not, it may be done again."""
        self.client.settle()
        one = self.history().submissions[number]
        project = self.area.project(one.request)
        task = ""
        if (project / CACHE).exists():
            try:
                task = self.client.status(project).task
            except CrabError as error:
                if error.kind != "refused":
                    raise
        if not task and project.exists():
            if self.clock() - one.since < min(FIND_AFTER, self.limits.settle):
                return False
            task = self.client.find(one.request, one.since, self.clock())
            self._put_aside(one.request)
            if task:
                self.client.remake(task, self.area.projects)
        if task:
            self.note("submitted", number=number, task=task)
            log.info("%s: had been submitted as %s", one.request, task)
        else:
            self.note("refused", number=number, message="it had not reached the server")
        return True

    def resubmit(self, number: int) -> None:
        """Submit failed jobs again."""
        history = self.history()
        one = history.submissions[number]
        if number != history.last.number or history.moves is not None:
            raise CrabError(
                f"{one.request}: what it left was given to a recovery or collected: it cannot be resubmitted"
            )
        self.note("resubmitting", number=number)
        self.client.resubmit(self.area.project(one.request))
        log.info("%s: failed jobs submitted again", one.request)

    def kill(self, number: int, by_user: bool = False) -> None:
        """Kill a task."""
        request = self.history().submissions[number].request
        self.note("killing", number=number, by_user=by_user)
        self.client.kill(self.area.project(request))
        log.info("%s: killed", request)

    def report(self, number: int, status: TaskStatus) -> None:
        """Write down what a submission has processed."""
        request = self.history().submissions[number].request
        finished = tuple(job for job in status.of_state("finished") if not job.startswith("0-"))  # 0-x are probes
        account = Account(frozenset(), frozenset())
        if finished:
            account = self.client.report(self.area.project(request), self.area.account(request))
        complete = status.scheduler == "COMPLETED" and bool(finished)
        self.note(
            "reported", number=number, finished=finished, complete=complete, to_process=to_mask(account.to_process),
            processed=to_mask(account.processed), duplicates=to_mask(account.duplicates),
        )  # fmt: skip

    def collect(self) -> None:
        """Move the outputs; a plan that was begun is carried on."""
        history = self.history()
        if history.moves is None:
            if not self.places.storage:
                raise ConfigError(
                    f"CRAB task '{self.job.name}': all is processed; to collect it, set 'storage' to the folder of this machine "
                    "in which the output is seen"
                )
            target = Path(self.places.target) if self.places.target else None
            plan = plan_collection(
                history, Path(self.places.storage), target, [output.file for output in self.job.outputs]
            )
            for path in plan.ignored:
                log.warning("%s: is of a job that did not finish, and is left where it is", path)
            rest = [Path(name) for name in history.rest or ()]
            beside = [Move(path, target / self.rest_folder / path.name if target else path) for path in rest]
            planned = (*plan.moves, *beside)
            check_outputs([one.source for one in planned], {})
            sizes = [one.source.stat().st_size for one in planned]
            self.note("moving", moves=[[str(one.source), str(one.target)] for one in planned], sizes=sizes)
        moves = self.history().moves or ()
        done = move(Move(Path(source), Path(target)) for source, target in moves)
        self.note("moved")
        log.info("%s: %d files, %d moved now", self.job.name, len(moves), done)

    def outputs(self) -> list[Path]:
        """Files that came out; empty before they are collected."""
        history = self.history()
        return [Path(target) for _, target in history.moves or ()] if history.moved else []

    @property
    def report_path(self) -> Path:
        """Report of the command, in the work area."""
        return self.area.folder / f"prodReport_{self.job.name}.json"

    def verified(self, checksums: bool = False) -> list[Path]:
        """Files that came out, after a look at the disk.

        Args:
            checksums: also compare their content with the report of the command, if there is one.

        Returns:
            The files.

        Raises:
            InputError: some are gone or have changed.
        """
        outputs = self.outputs()
        check_outputs(outputs, self.history().sizes, read_checksums(self.report_path) if checksums else None)
        return outputs

    def run_rest(self, step: Step) -> None:
        """Run what is left here, or say what it is."""
        if self.rest is None or step.sections is None:
            raise CrabError(self._about_rest(step), "failed")
        files = self.rest.run(self.job, step.sections, self.area.folder / "rest")
        self.note("rest", files=[str(path) for path in files], processed=to_mask(step.sections))

    def _about_rest(self, step: Step) -> str:
        """The message about what is left beside the grid."""
        mask = "all of it" if step.sections is None else str(self._write_mask(f"{self.job.name}_rest", step.sections))
        return (
            f"CRAB task '{self.job.name}': {step.why} after the last recovery on the grid: {mask}; look for the cause, "
            "set up cmsRun in the site's file (cmssw) so that it runs here, or set accept_missing to take what there is"
        )

    def _write_mask(self, request: str, sections: Sections) -> Path:
        return _written(self.area.mask(request), json.dumps(to_mask(sections)) + "\n")

    def _put_aside(self, request: str) -> None:
        if self.area.project(request).exists():
            aside = self.area.aside(request)
            aside.parent.mkdir(parents=True, exist_ok=True)
            self.area.project(request).rename(aside)


def _written(path: Path, text: str) -> Path:
    """Write a file so that it appears whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_text(text, encoding="utf-8")
    os.replace(temporary, path)
    return path
