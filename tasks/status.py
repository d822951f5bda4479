"""How far workflows on HTCondor are: read from their journals, without asking law."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import luigi

from tasks.command import CommandTask
from tasks.parameters import EXPLICIT
from tasks.remote import batch_root

FAMILY = "task-family"
"""Name of a parameter; with an underscore it is an attribute that luigi needs for itself."""


def set_up_for_condor() -> bool:
    """Whether the bindings would find a configuration of HTCondor on this machine."""
    standard = ("/etc/condor/condor_config", "/usr/local/etc/condor_config")
    return bool(os.environ.get("CONDOR_CONFIG")) or any(Path(path).exists() for path in standard)


class Status(CommandTask):
    """What became of workflows that ran with ``--workflow htcondor``, and the next command to type."""

    version = luigi.Parameter(default="", description="only workflows of this version; default: all")
    campaign = luigi.Parameter(default="", description="only workflows of this campaign; default: all")
    json = luigi.BoolParameter(default=False, description="print one JSON document and nothing else")
    live = luigi.BoolParameter(
        default=True,
        parsing=EXPLICIT,
        description="ask the queue for jobs, where this machine is set up for HTCondor; "
        "with False, or if it does not answer, what the driver saw last is shown; default: True",
    )

    @classmethod
    def modify_task_attributes(cls) -> None:
        """Give the class its parameter ``--task-family``, see :data:`FAMILY`."""
        parameter = luigi.Parameter(default="", description="only workflows of this task; default: all")
        parameter.__set_name__(cls, FAMILY)
        setattr(cls, FAMILY, parameter)

    def run(self) -> None:
        """Print the status.

        Raises:
            InputError: nothing that was asked for has run on HTCondor.
        """
        sys.stdout.write(self.text() + "\n")
        sys.stdout.flush()
        self.done = True

    def text(self) -> str:
        """What is printed."""
        from taumltools.batch.live import ask_queue
        from taumltools.batch.status import as_json, as_text, find_workflows, nothing_found, read_overview
        from taumltools.errors import InputError

        root, asked = batch_root(), (self.campaign, getattr(self, FAMILY), self.version)
        folders = find_workflows(root, *asked)
        if not folders and any(asked):
            raise InputError(nothing_found(root, *asked))
        why_not = self.why_not_live()
        overview = read_overview(root, folders, None if why_not else ask_queue, why_not)
        if self.json:
            return as_json(overview)
        return as_text(overview, everything=bool(asked[1])) if folders else nothing_found(root)

    def why_not_live(self) -> str:
        """Why the queue is not asked; empty if it is."""
        if not self.live:
            return "--live False"
        return "" if set_up_for_condor() else "this machine is not set up for HTCondor"
