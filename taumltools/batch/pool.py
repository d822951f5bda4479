"""The one module that speaks to HTCondor.

It uses the bindings (``htcondor2``) and not the command line tools.  They are an order of
magnitude faster (docs/results.md), and they are safer: a submission is one transaction of
this process, so that a driver that dies in the middle has submitted nothing, while
``condor_submit`` would live on and submit.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

from taumltools.batch.states import ATTRIBUTES, Job
from taumltools.errors import BatchError, NoPoolError, PoolError

SPOOLING = 16
"""HoldReasonCode of a job whose input is being spooled."""

RELEASE_TIME = 120.0
"""Seconds that a scheduler may take to release jobs whose input it has; HTCondor 23.9 takes one."""


def plain(ad: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes of a job that have a value, as numbers and strings.

    Args:
        ad: a ClassAd; undefined attributes and expressions are left out.

    Returns:
        The rest.
    """
    return {name: value for name, value in ad.items() if type(value) in {bool, int, float, str}}


class Pool(Protocol):
    """What the driver needs of a batch system."""

    def where(self) -> str:
        """Name of the scheduler, by which it is recognised later."""

    def jobs(self, workflow: str) -> list[Job]:
        """All jobs of a workflow that are in the queue."""

    def history(
        self, workflow: str, submissions: Iterable[str], since: float | None
    ) -> dict[tuple[int, int], dict[str, Any]]:
        """Attributes of jobs that left the queue, by branch and number of the attempt."""

    def submit(self, text: str, items: Sequence[Mapping[str, str]]) -> list[str]:
        """Submit one job for each item; all of them or none."""

    def remove(self, jobs: Sequence[str], reason: str) -> None:
        """Take jobs out of the queue."""

    def retrieve(self, jobs: Sequence[str]) -> None:
        """Fetch the output of completed jobs that were spooled; of others there is nothing to fetch."""


class CondorPool:
    """A scheduler of HTCondor.

    Args:
        schedd: its name; empty: the one this machine is set up for.
        collector: address of the pool; empty: the one this machine is set up for.
        spool: whether input files are handed over to the scheduler.
    """

    def __init__(self, schedd: str = "", collector: str = "", *, spool: bool = False) -> None:
        self.name = schedd
        self.collector = collector
        self.spool = spool

    def _place(self) -> Any:
        """Where the scheduler is, asked anew each time: a restarted one has a new address."""
        try:
            import htcondor2
        except Exception as error:
            # htcondor2 raises more than ImportError when no configuration is found
            raise BatchError(
                f"HTCondor's Python bindings cannot be used here ({error}): is this a submit machine? "
                "Set CONDOR_CONFIG to the pool's configuration, or run with --workflow local"
            ) from error
        try:
            return htcondor2.Collector(self.collector or None).locate(htcondor2.DaemonType.Schedd, self.name or None)
        except Exception as error:
            if self.name or self.collector:
                raise _unreachable(self.name, error) from error
            raise NoPoolError(
                f"there is no HTCondor scheduler for this machine ({error}): log in to a submit machine, or start a pool "
                'here: tests/condor/minicondor.sh up && eval "$(tests/condor/minicondor.sh env)"'
            ) from error

    def _schedd(self) -> Any:
        """A connection."""
        place = self._place()
        import htcondor2

        return htcondor2.Schedd(place)

    def where(self) -> str:
        """Name of the scheduler, by which it is recognised later.

        Raises:
            BatchError: this is not a submit machine.
            PoolError: the scheduler cannot be found.
        """
        return str(self._place().get("Name", self.name))

    def jobs(self, workflow: str) -> list[Job]:
        """All jobs of a workflow that are in the queue, with one query.

        Args:
            workflow: value of the attribute ``TaumlWorkflow``.

        Returns:
            The jobs.

        Raises:
            PoolError: the scheduler does not answer.
        """
        schedd = self._schedd()
        try:
            ads = schedd.query(constraint=f'TaumlWorkflow == "{workflow}"', projection=list(ATTRIBUTES))
        except Exception as error:
            raise _unreachable(self.name, error) from error
        return [Job.from_ad(plain(ad)) for ad in ads]

    def history(
        self, workflow: str, submissions: Iterable[str], since: float | None
    ) -> dict[tuple[int, int], dict[str, Any]]:
        """Attributes of jobs that left the queue.

        Args:
            workflow: value of the attribute ``TaumlWorkflow``.
            submissions: the submissions they were part of.
            since: the search ends at the first job, from the newest on, that ended before this time (seconds since
                1970); None searches all: jobs that stayed in the queue after their end enter the history late, with an
                early end, and hide what is behind them.

        Returns:
            Their attributes by branch and number of the attempt; it can lag behind the queue.

        Raises:
            PoolError: the scheduler does not answer.
        """
        wanted = " || ".join(f'TaumlSubmission == "{name}"' for name in sorted(set(submissions)))
        schedd = self._schedd()
        try:
            ads = schedd.history(
                constraint=f'TaumlWorkflow == "{workflow}" && ({wanted})',
                projection=list(ATTRIBUTES),
                since=None if since is None else f"EnteredCurrentStatus < {int(since) - 60}",
            )
            return {(int(ad["TaumlBranch"]), int(ad["TaumlAttempt"])): plain(ad) for ad in ads}
        except Exception as error:
            raise _unreachable(self.name, error) from error

    def submit(self, text: str, items: Sequence[Mapping[str, str]]) -> list[str]:
        """Submit one job for each item in one transaction: all of them or none.

        Input that is spooled follows in a second step, for which the jobs are held; the call
        returns when none is any more.

        Args:
            text: submit commands without ``queue``.
            items: variables of each job.

        Returns:
            ``cluster.process`` of each job, in the order of the items.

        Raises:
            PoolError: the scheduler does not answer, or refuses.
        """
        schedd = self._schedd()
        import htcondor2

        try:
            description = htcondor2.Submit(text)
            result = schedd.submit(description, itemdata=iter([dict(item) for item in items]), spool=self.spool)
            if self.spool:
                schedd.spool(result)
                self._await_release(schedd, result.cluster())
        except Exception as error:
            raise PoolError(
                f"the submission was refused or broken off: {error}; the submit commands are those of the site "
                "in configs/site, --dry-run prints them"
            ) from error
        return [f"{result.cluster()}.{result.first_proc() + i}" for i in range(result.num_procs())]

    def _await_release(self, schedd: Any, cluster: int) -> None:
        """Wait until spooled jobs are not held any more: one that is, later, nobody sends its files."""
        waiting = f"ClusterId == {cluster} && JobStatus == 5 && HoldReasonCode == {SPOOLING}"
        end = time.monotonic() + RELEASE_TIME
        while schedd.query(constraint=waiting, projection=["ProcId"]):
            if time.monotonic() > end:
                raise PoolError(f"the scheduler did not release the jobs within {RELEASE_TIME:.0f} s of their spooling")
            time.sleep(0.2)

    def remove(self, jobs: Sequence[str], reason: str) -> None:
        """Take jobs out of the queue.

        Args:
            jobs: ``cluster.process`` of each.
            reason: stays in the history.

        Raises:
            PoolError: the scheduler does not answer.
        """
        if not jobs:
            return
        schedd = self._schedd()
        import htcondor2

        try:
            # as a pair with a code: a plain string is dropped by htcondor2 25.14
            schedd.act(htcondor2.JobAction.Remove, list(jobs), reason=(reason, 0))
        except Exception as error:
            raise _unreachable(self.name, error) from error

    def retrieve(self, jobs: Sequence[str]) -> None:
        """Fetch the output of completed jobs that were spooled; of others there is nothing to fetch.

        Args:
            jobs: ``cluster.process`` of each.

        Raises:
            PoolError: the output of one cannot be fetched; it can be tried again.
        """
        schedd = self._schedd()
        for job in jobs:
            cluster, process = job.split(".")
            try:
                schedd.retrieve(f"ClusterId == {cluster} && ProcId == {process} && StageInFinish > 0")
            except Exception as error:
                raise PoolError(f"the output of job {job} cannot be fetched from the scheduler: {error}") from error


def _unreachable(name: str, error: Exception) -> PoolError:
    return PoolError(f"the scheduler {name or 'of this machine'} does not answer: {error}")
