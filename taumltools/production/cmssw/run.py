"""A run of the producer, from its arguments to a file that was looked at."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from taumltools.production.cmssw.arguments import OUTPUT
from taumltools.production.cmssw.jobreport import JobReport
from taumltools.production.cmssw.produced import Produced, check_produced
from taumltools.production.cmssw.tool import LOG, CmsShell, cms_run


def produce(
    shell: CmsShell,
    config: str,
    arguments: Sequence[str],
    files: Sequence[str],
    folder: Path,
    kept: Path,
    events: int | None = None,
) -> tuple[Produced, JobReport]:
    """Run ``cmsRun`` and check what it wrote.

    Args:
        shell: where it is found.
        config: configuration.
        arguments: words ``name=value``.
        files: inputs, as ``cmsRun`` is given them.
        folder: where it works; ``eventTuple.root`` is left there.
        kept: where its whole output is copied to if something goes wrong; the error then says so.
        events: largest number of events that were asked for; None for all.

    Returns:
        What is in the file, and the report of ``cmsRun``.

    Raises:
        ConfigError: the CMS software is not found.
        ServerError: storage failed.
        InputError: what was written is not complete.
        CmsRunError: ``cmsRun`` failed otherwise.
    """
    try:
        report = cms_run(shell, config, arguments, folder)
        return check_produced(folder / OUTPUT, report, files, events), report
    except Exception as error:
        if (folder / LOG).exists():
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / LOG, kept)
            error.add_note(f"the whole output is in {kept}")
        raise
