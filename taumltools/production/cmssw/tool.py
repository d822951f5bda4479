"""The programs of the CMS software, run in a shell that a site's settings describe; nothing else starts them."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from taumltools.batch.messages import tail as last_lines
from taumltools.config.cmssw import CmsswConfig
from taumltools.errors import ConfigError, ProgramError, ServerError
from taumltools.production.cmssw.jobreport import JobReport, read_job_report

REPORT = "FrameworkJobReport.xml"
"""Name of the report in the folder where ``cmsRun`` works."""

LOG = "cmsRun.log"
"""Name of its output there."""

NOT_FOUND = 127
"""Exit code of a shell that does not know a program."""

UNSET = 124
"""Exit code of the script if the configuration's name has a variable that is not set."""

TAIL = 30
"""Lines of the output that an error shows."""


class CmsRunError(ProgramError):
    """``cmsRun`` failed, with its own words."""


@dataclass(frozen=True)
class CmsShell:
    """A shell with the CMS software.

    Attributes:
        config: how it is reached.
        env: variables of the environment in which it starts; that of this process if empty.
    """

    config: CmsswConfig = field(default_factory=CmsswConfig)
    env: Mapping[str, str] = field(default_factory=dict)

    def run(self, line: str, folder: Path, log: Path) -> int:
        """Run a line of shell after the setup of the site.

        Args:
            line: what is run; its exit code is returned.
            folder: where; the script is left there.
            log: gets its output.

        Returns:
            Exit code; negative: killed by that signal.

        Raises:
            ConfigError: the container's program does not exist.
        """
        script = folder / "run.sh"
        setup = [f"{text} || exit 125" for text in self.config.setup]
        script.write_text("\n".join(["#!/bin/bash", *setup, f"cd {shlex.quote(str(folder))} || exit 125", line, ""]))
        command = [*self.config.container, "bash", str(script)]
        with log.open("wb") as output:
            try:
                done = subprocess.run(
                    command, cwd=folder, env=dict(self.env) or None, stdin=subprocess.DEVNULL, stdout=output,
                    stderr=subprocess.STDOUT, check=False,
                )  # fmt: skip
            except OSError as error:
                raise ConfigError(
                    f"'{command[0]}' cannot be started ({error.strerror}); see cmssw.container of the site"
                ) from error
        return done.returncode


def cms_run(shell: CmsShell, config: str, arguments: Sequence[str], folder: Path) -> JobReport:
    """Run ``cmsRun`` to its end.

    Args:
        shell: where it is found.
        config: configuration; variables such as ``$CMSSW_BASE`` are those of the shell.
        arguments: words ``name=value``.
        folder: where it works, and leaves its output, report and log.

    Returns:
        Its report.

    Raises:
        ServerError: storage failed, so that another try may work.
        CmsRunError: anything else; the message has the end of the log.
        ConfigError: there is no ``cmsRun``.
        InputError: it says to have succeeded and left no report.
    """
    words = " ".join(shlex.quote(word) for word in arguments)
    known = f'(set -u; : "{config}") || exit {UNSET}'
    line = f'{known}\nexec cmsRun -j {REPORT} "{config}" {words}'
    code = shell.run(line, folder, folder / LOG)
    if code == 0:
        return _successful(read_job_report(folder / REPORT), folder)
    if code == NOT_FOUND:
        raise ConfigError(
            f"there is no cmsRun: set cmssw.sandbox, cmssw.container or cmssw.setup of the site\n{tail(folder / LOG)}"
        )
    if code == UNSET:
        raise ConfigError(f"config '{config}': a variable is not set in the CMS environment\n{tail(folder / LOG)}")
    if code == 125:
        raise ConfigError(f"a line of cmssw.setup of the site failed\n{tail(folder / LOG)}")
    report = read_job_report(folder / REPORT) if (folder / REPORT).exists() else JobReport({}, code)
    _raise(report, f"killed by signal {-code}" if code < 0 else f"exit code {code}", folder)
    raise AssertionError("unreachable")


def _successful(report: JobReport, folder: Path) -> JobReport:
    if report.code:
        _raise(report, "exit code 0", folder)
    return report


def _raise(report: JobReport, ended: str, folder: Path) -> None:
    what = f"{report.problem} ({report.code}): {report.message}" if report.problem else ended
    text = f"cmsRun failed, {what}\nlast lines of its output:\n{tail(folder / LOG)}"
    raise ServerError(text) if report.of_server else CmsRunError(text)


def tail(path: Path, lines: int = TAIL) -> str:
    """The last lines of a log, as one text; empty if there is none."""
    return "\n".join(last_lines(path, lines))
