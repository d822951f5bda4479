"""Job files of the CMS tools: plain text, a job a line.

    lumiMask=<file or address>                 (may be left out)
    sampleType=MC_18 applyRecoPtSieve=True     arguments of the configuration
    <name> <dataset> [<lumi mask>]             one line a job

or, for signals at many masses,

    signal
    sampleType=MC_18                           arguments (the CMS tool takes the line "signal" for them)
    125 250 500                                masses
    <name>_{M} /Signal_M-{M}/...               one job for each mass
"""

from __future__ import annotations

from pathlib import Path

from taumltools.errors import ConfigError
from taumltools.production.crab.jobs import SPLITTINGS, CrabJob, parse_arguments

MASK = "lumiMask="
SIGNAL = "signal"


def read_jobs(path: Path, lumi_mask: str = "") -> list[CrabJob]:
    """Read a job file.

    Args:
        path: the file.
        lumi_mask: of the command line: goes before that of the file's first line, not before a job's own.

    Returns:
        Its jobs.

    Raises:
        ConfigError: the file cannot be read, or a line is not understood; the message names it.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as a job file ({error})") from error
    return parse_jobs(text, str(path), lumi_mask)


def parse_jobs(text: str, name: str = "jobs", lumi_mask: str = "") -> list[CrabJob]:
    r"""Understand the text of a job file.

    Args:
        text: its content.
        name: of the file, for messages.
        lumi_mask: see :func:`read_jobs`.

    Returns:
        Its jobs.

    Raises:
        ConfigError: a line is not understood; the message names it.

    Examples:
        >>> (job,) = parse_jobs("sampleType=MC_18\nDY /DYJetsToLL/Summer/MINIAODSIM\n")
        >>> job.name, job.dataset, job.parameters
        ('DY', '/DYJetsToLL/Summer/MINIAODSIM', {'sampleType': 'MC_18'})
    """
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("#")]
    if len(lines) < 2:
        raise ConfigError(f"{name}: a line with arguments and one for each job are needed, found {len(lines)} lines")
    first = lines[0][1].split()[0]
    if first in SPLITTINGS:
        raise ConfigError(
            f"{name}:{lines[0][0]}: this is the format of 2017 (splitting, arguments, then name, units and dataset): write the "
            "arguments in the first line and 'name dataset' in the others, and give the splitting as an option"
        )
    if first.lower() == SIGNAL:
        return _signal(lines, name, lumi_mask)
    mask = ""
    if lines[0][1].startswith(MASK):
        mask = lines.pop(0)[1].removeprefix(MASK).strip()
    (number, arguments), *rest = lines
    parameters = parse_arguments(arguments.split(), f"{name}:{number}")
    if not rest:
        raise ConfigError(f"{name}: there is no job after the arguments in line {number}")
    return [_job(line, f"{name}:{at}", parameters, lumi_mask or mask) for at, line in rest]


def _job(line: str, where: str, parameters: dict[str, str], lumi_mask: str) -> CrabJob:
    fields = line.split()
    if len(fields) not in (2, 3):
        raise ConfigError(f"{where}: found {len(fields)} fields in '{line}', expected: name dataset [lumi mask]")
    own = fields[2] if len(fields) == 3 else ""
    return CrabJob(name=fields[0], dataset=fields[1], parameters=parameters, lumi_mask=own or lumi_mask)


def _signal(lines: list[tuple[int, str]], name: str, lumi_mask: str) -> list[CrabJob]:
    if len(lines) != 4:
        raise ConfigError(
            f"{name}: a signal file has four lines (signal, arguments, masses, template), found {len(lines)}"
        )
    _, (at_arguments, arguments), (_, masses), (at_template, template) = lines
    parameters = parse_arguments(arguments.split(), f"{name}:{at_arguments}")
    if "{M}" not in template:
        raise ConfigError(f"{name}:{at_template}: the template has no {{M}} for the mass: '{template}'")
    where = f"{name}:{at_template}"
    return [
        _job(template.replace("{M}", mass), where, parameters, lumi_mask) for mass in masses.replace(",", " ").split()
    ]
