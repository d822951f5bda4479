"""What is left after the last recovery on the grid, run here with ``cmsRun``, a file at a time."""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from taumltools.errors import InputError
from taumltools.production.cmssw.arguments import OUTPUT, input_name
from taumltools.production.cmssw.inputs import ask_catalogue
from taumltools.production.cmssw.run import produce
from taumltools.production.cmssw.tool import CmsShell
from taumltools.production.crab.jobs import CrabJob
from taumltools.production.crab.lumis import Sections, to_mask
from taumltools.store import publish

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RestRunner:
    """How the rest is run.

    Attributes:
        shell: where ``cmsRun`` and ``dasgoclient`` are found.
        redirector: what is put in front of logical file names.
        scratch: folder where ``cmsRun`` works; empty: that for temporary files.
    """

    shell: CmsShell
    redirector: str = ""
    scratch: str = ""

    def run(self, job: CrabJob, sections: Sections, folder: Path) -> list[Path]:
        """Process some sections; files that an earlier call has made are kept.

        Args:
            job: the task.
            sections: what is left.
            folder: gets a ``<output>_<n>.root`` for each input file.

        Returns:
            The files.

        Raises:
            InputError: the catalogue does not know the sections, or an output is not complete.
            ServerError: the catalogue does not answer.
            CmsRunError: ``cmsRun`` failed.
        """
        made = []
        for number, (file, mine) in enumerate(sorted(self.files_with(job, sections).items()), 1):
            path = folder.absolute() / f"{Path(OUTPUT).stem}_{number}.root"
            if not path.exists():
                log.info("%s: %s, %d luminosity sections, runs here", job.name, file, len(mine))
                self._run_one(job, file, mine, path)
            made.append(path)
        return made

    def files_with(self, job: CrabJob, sections: Sections) -> dict[str, Sections]:
        """Input files that hold some sections.

        Args:
            job: the task.
            sections: what is looked for.

        Returns:
            Those of the sections that each file holds; every section is in one file.

        Raises:
            InputError: sections are in no file, or in several.
            ServerError: the catalogue does not answer.
        """
        found: dict[str, Sections] = {}
        for run in sorted({run for run, _ in sections}):
            for file, held in self._ask(job, run).items():
                if mine := held & sections:
                    found[file] = found.get(file, frozenset()) | mine
        number = sum(map(len, found.values()))
        known = frozenset[tuple[int, int]]().union(*found.values())
        if known != sections or number != len(sections):
            what = f"{len(sections - known)} in none" if known != sections else f"{number - len(known)} in several"
            raise InputError(
                f"{job.dataset}: of {len(sections)} luminosity sections the catalogue has {what} of its files"
            )
        return found

    def _ask(self, job: CrabJob, run: int) -> dict[str, Sections]:
        instance = "" if job.input_dbs == "global" else f" instance=prod/{job.input_dbs}"
        answer = ask_catalogue(self.shell, f"file,run,lumi dataset={job.dataset} run={run}{instance}", job.dataset)
        return parse_sections(answer.splitlines(), job.dataset)

    def _run_one(self, job: CrabJob, file: str, sections: Sections, path: Path) -> None:
        source = input_name(file, self.redirector)
        with TemporaryDirectory(prefix="cmsrun-", dir=self.scratch or None) as name, publish(path) as temporary:
            folder = Path(name)
            (folder / "lumis.json").write_text(json.dumps(to_mask(sections)), encoding="utf-8")
            own = [f"{key}={value}" for key, value in job.parameters.items()]
            words = [
                *own,
                f"inputFiles={source}",
                f"lumiFile={folder / 'lumis.json'}",
                "maxEvents=-1",
                f"output={OUTPUT}",
            ]
            produce(self.shell, job.config, words, [source], folder, path.with_suffix(".log"))
            shutil.move(folder / OUTPUT, temporary)


def parse_sections(lines: Iterable[str], dataset: str) -> dict[str, Sections]:
    """Sections by file, from ``dasgoclient -query="file,run,lumi dataset=... run=..."``.

    Args:
        lines: of its answer: ``<file> <run> [<section>,...]``.
        dataset: for messages.

    Returns:
        The sections.

    Raises:
        InputError: a line is not understood.

    Examples:
        >>> parse_sections(["/store/a.root 1 [3,4]"], "x") == {"/store/a.root": {(1, 3), (1, 4)}}
        True
    """
    found: dict[str, Sections] = {}
    for line in filter(str.strip, lines):
        try:
            file, run, numbers = line.split(maxsplit=2)
            held = frozenset((int(run), int(number)) for number in json.loads(numbers))
        except (ValueError, TypeError) as error:
            raise InputError(
                f"{dataset}: the catalogue answered '{line}', expected '<file> <run> [<section>,...]'"
            ) from error
        found[file] = found.get(file, frozenset()) | held
    return found
