"""The CRAB client as a program: the only module that runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from taumltools.batch.lock import try_lock
from taumltools.errors import CrabError, InputError
from taumltools.production.crab.lumis import Sections, read_mask
from taumltools.production.crab.outputs import PREFIX
from taumltools.production.crab.status import TaskStatus, parse_status

PROXY_CODES = frozenset({3010 % 256, 3013 % 256})
"""Exit codes of the client for what is wrong with the proxy, as a shell sees them."""

NOT_FOUND = frozenset({126, 127})
"""Exit codes of a shell or container in which there is no ``crab``."""

SENT = "Resubmit request sent to the server"
"""What the client says when it has resubmitted; without it nothing was sent, whatever the exit code."""

SHOWN = 12
"""Last lines of the client's output that a message repeats."""

_PROXY = re.compile(
    r"(?i)proxy.*(expired|not valid|invalid|not found|cannot|could not|problem|impossible|missing)"
    r"|(impossible|unable|failed|cannot|could not|problem|no valid|error).*\b(proxy|credential)"
)
_TASK = re.compile(r"^Task name:\s*(\S+)", re.MULTILINE)
CACHE = ".requestcache"
"""File in a project directory that the client writes when the server has taken the task."""


@dataclass(frozen=True)
class Account:
    """What ``crab report`` knows of a task.

    Attributes:
        to_process: sections that its jobs were to process.
        processed: sections that finished jobs have read.
        duplicates: sections that are spread over several input files.
    """

    to_process: Sections
    processed: Sections
    duplicates: Sections = frozenset()

    @property
    def left(self) -> Sections:
        """Sections that were not processed."""
        return self.to_process - self.processed


@dataclass(frozen=True)
class CrabClient:
    """How the client is run.

    Attributes:
        command: words that run it, e.g. ``("crab",)`` or a container with it.
        log: file that everything it prints is appended to.
        timeout: seconds that a command may take.
    """

    command: tuple[str, ...]
    log: Path
    timeout: float = 600.0

    def submit(self, config: Path) -> str:
        """Submit a task.

        Args:
            config: its configuration file.

        Returns:
            Name of the task.

        Raises:
            CrabError: it was not submitted (``refused``, ``exists``...), or nobody knows (``timeout``).
        """
        text = self._run("submit", "-c", str(config))
        found = _TASK.search(text)
        if not found:
            raise CrabError(f"crab submit -c {config} gave no name of a task:\n{self._last(text)}")
        return found[1]

    def status(self, project: Path) -> TaskStatus:
        """Ask how a task is.

        Args:
            project: its project directory.

        Returns:
            Its status.

        Raises:
            CrabError: there was no answer.
            InputError: the answer is not understood.
        """
        text = self._run("status", "--json", "-d", str(project))
        try:
            return parse_status(text)
        except InputError as error:
            raise InputError(f"{error}\n  all of it is in {self.log}") from error

    def resubmit(self, project: Path, jobs: Sequence[str] = ()) -> None:
        """Submit failed jobs again.

        Args:
            project: the task's project directory.
            jobs: their ids; empty: all that failed.

        Raises:
            CrabError: the server refused.
        """
        text = self._run("resubmit", "-d", str(project), *([f"--jobids={','.join(jobs)}"] if jobs else []))
        if "Server responded with:" in text or SENT not in text:  # it ends without an error when it sends nothing
            raise CrabError(f"crab resubmit -d {project}:\n{self._last(text)}")

    def kill(self, project: Path) -> None:
        """Kill a task.

        Args:
            project: its project directory.

        Raises:
            CrabError: the server refused.
        """
        self._run("kill", "-d", str(project))

    def report(self, project: Path, folder: Path) -> Account:
        """Ask what was processed.

        Args:
            project: the task's project directory.
            folder: for the client's files; does not exist yet, since the client leaves old files in place.

        Returns:
            What it says.

        Raises:
            CrabError: the server does not know, e.g. since the task is older than 30 days.
            InputError: its files contradict each other.
        """
        folder.mkdir(parents=True)
        text = self._run("report", "-d", str(project), f"--outputdir={folder}", "--recovery=notFinished")
        account = Account(
            read_mask(folder / "lumisToProcess.json"),
            read_mask(folder / "processedLumis.json"),
            read_mask(folder / "inputDatasetDuplicateLumis.json"),
        )
        if not account.to_process:
            raise CrabError(f"crab report -d {project} does not say what was to be processed:\n{self._last(text)}")
        stated = read_mask(folder / "notFinishedLumis.json")
        if stated != account.left:
            raise InputError(
                f"{folder}: notFinishedLumis.json has {len(stated)} sections, but {len(account.left)} of those to process were "
                "not processed: the files do not belong together"
            )
        return account

    def find(self, request: str, since: float, today: float) -> str:
        """Whether the server knows a task that was being submitted when this machine lost sight of it.

        Args:
            request: its request name.
            since: when it was going to be submitted, s since 1970.
            today: now.

        Returns:
            Name of the task; empty if there is none.

        Raises:
            CrabError: there was no answer, or the server knows several of them.
        """
        days = max(1, int((today - since) // 86400) + 2)
        text = self._run("tasks", f"--days={days}")
        earliest = time.strftime("%y%m%d_%H%M%S", time.gmtime(since - 600))  # clocks differ
        pattern = re.compile(rf"^\s*(\d{{6}}_\d{{6}}:\S+?_{PREFIX}{re.escape(request)})(?:\s|$)", re.MULTILINE)
        found = [task for task in pattern.findall(text) if task.partition(":")[0] >= earliest]
        if len(found) > 1:
            raise CrabError(
                f"the server has several tasks that may be '{request}': {', '.join(found)}; kill all but one"
            )
        return found[0] if found else ""

    def remake(self, task: str, folder: Path) -> None:
        """Make the project directory of a task anew.

        Args:
            task: its name.
            folder: where the directory is made.

        Raises:
            CrabError: the client refused.
        """
        self._run("remake", f"--task={task}", folder=folder)

    def settle(self) -> None:
        """Wait until no client is at work that a command started which has died since.

        Raises:
            CrabError: it goes on for longer than the timeout.
        """
        with self._alone():
            pass

    @contextmanager
    def _alone(self) -> Iterator[int]:
        """Hold a lock that the client inherits, so that it is held as long as the client lives, whoever started it."""
        self.log.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self.log.parent / "client.lock", os.O_RDWR | os.O_CREAT, 0o644)
        try:
            end = time.monotonic() + self.timeout
            while not try_lock(handle):
                if time.monotonic() > end:
                    raise CrabError(f"a CRAB client of an earlier command is still at work, see {self.log}", "timeout")
                time.sleep(0.2)
            yield handle
        finally:
            os.close(handle)

    def _run(self, *arguments: str, folder: Path | None = None) -> str:
        """Run the client; its output."""
        said = " ".join(["crab", *arguments])
        with self._alone() as handle:
            text, code = self._communicate([*self.command, *arguments], folder, handle)
            self._note(said, text, "timeout" if code is None else str(code))
        if code is None:
            raise CrabError(f"{said}: no answer within {self.timeout:g} s; what it said is in {self.log}", "timeout")
        if code:
            raise self._error(said, text, code)
        return text

    def _communicate(self, words: list[str], folder: Path | None, handle: int) -> tuple[str, int | None]:
        """Output and exit code of a program; no exit code if it took too long and was killed."""
        try:
            process = subprocess.Popen(
                words, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                start_new_session=True, pass_fds=(handle,),
            )  # fmt: skip
        except OSError as error:
            raise CrabError(self._no_client(f"{words[0]}: {error.strerror}"), "missing") from error
        try:
            return process.communicate(timeout=self.timeout)[0].decode(errors="replace"), process.returncode
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return process.communicate()[0].decode(errors="replace"), None
        except BaseException:  # Ctrl-C: what was started is not left behind
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise

    def _note(self, said: str, text: str, end: str) -> None:
        stamp = time.strftime("%Y-%m-%d %H:%M:%S")
        with self.log.open("a", encoding="utf-8") as file:
            file.write(f"==== {stamp} {said}\n{text.rstrip()}\n==== end: {end}\n")

    def _error(self, said: str, text: str, code: int) -> CrabError:
        last = self._last(text)
        if code in NOT_FOUND:
            return CrabError(self._no_client(last), "missing")
        if "Working area" in text and "already exists" in text:
            return CrabError(f"{said}: a project directory of that name exists already:\n{last}", "exists")
        if code in PROXY_CODES or _PROXY.search(text):
            return CrabError(
                f"{said}: there is no valid grid proxy: run 'voms-proxy-init --rfc --voms cms --valid 192:00' and give the "
                f"command again:\n{last}",
                "proxy",
            )
        return CrabError(f"{said} ended with exit code {code}:\n{last}\n  all of it is in {self.log}")

    def _no_client(self, what: str) -> str:
        return (
            f"'{' '.join(self.command)}' does not run a CRAB client ({what}): set up CMSSW and CRAB first, or say in the site's "
            "file (crab: {command: [...]}) how crab is run"
        )

    @staticmethod
    def _last(text: str) -> str:
        return "\n".join(f"  {line}" for line in text.strip().splitlines()[-SHOWN:])
