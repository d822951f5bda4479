"""The submit file: what is asked of HTCondor, in the words of the site."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from taumltools.batch.ledger import Attempt
from taumltools.batch.resources import Resources
from taumltools.config.site import SiteConfig
from taumltools.errors import ConfigError

SPOOLED_LOG = "job.log"
"""File in the scratch folder that the script of a spooled job writes to."""


@dataclass(frozen=True)
class Request:
    """One submission, apart from what differs from job to job.

    Attributes:
        workflow: value of the attribute ``TaumlWorkflow``, by which jobs are found again.
        submission: its name.
        batch_name: what condor_q shows.
        executable: the job's script.
        event_log: HTCondor's event log of the submission.
        initial_folder: where the jobs start, and what relative inputs are relative to.
        labels: ``task``, ``version`` and ``campaign``, for the site's submit commands.
    """

    workflow: str
    submission: str
    batch_name: str
    executable: Path
    event_log: Path
    initial_folder: Path
    labels: Mapping[str, str]


def requirements(*expressions: str) -> str:
    """ClassAd expressions joined by ``&&``; empty ones are left out.

    Examples:
        >>> requirements("", 'Arch == "X86_64"', "Memory > 1")
        '(Arch == "X86_64") && (Memory > 1)'
    """
    given = [expression for expression in expressions if expression]
    return given[0] if len(given) == 1 else " && ".join(f"({expression})" for expression in given)


def check_requirements(expression: str) -> None:
    """Refuse what is no ClassAd expression, before anything is submitted with it.

    Args:
        expression: requirements of a machine; may be empty.

    Raises:
        ConfigError: it cannot be parsed.
    """
    if not expression:
        return
    import classad2

    try:
        classad2.ExprTree(expression)
    except Exception as error:
        raise ConfigError(
            f"the requirements '{expression}' are no ClassAd expression: expected e.g. "
            'Memory > 4000 && OpSysAndVer == "AlmaLinux9"'
        ) from error


def submit_text(site: SiteConfig, request: Request, resources: Resources) -> str:
    """The submit commands of a submission, without its ``queue`` statement.

    Args:
        site: how requests are written.
        request: what is submitted.
        resources: of one of the jobs; which site commands are needed depends on them, their
            values are filled in for each job.

    Returns:
        Lines ``command = value``.
    """
    fields = {name: f"$({name})" for name in resources.submit_fields} | dict(request.labels)
    commands = {
        "universe": "vanilla",
        "executable": str(request.executable),
        "arguments": "$(branch) $(attempt)",
        "batch_name": request.batch_name,
        "initialdir": str(request.initial_folder),
        "output": "$(log_file)",
        "error": "$(log_file)",
        "log": str(request.event_log),
        "getenv": "False",
        "notification": "Never",
        "+TaumlWorkflow": f'"{request.workflow}"',
        "+TaumlSubmission": f'"{request.submission}"',
        "+TaumlBranch": "$(branch)",
        "+TaumlAttempt": "$(attempt)",
    }
    commands |= _transfer_commands(site)
    if joined := requirements(site.requirements, resources.requirements):
        commands["requirements"] = joined
    if resources.gpus and not any("{gpus}" in text for text in (*site.submit.values(), *site.gpu.values())):
        raise ConfigError(
            f"the settings of the site '{site.title}' do not say how GPUs are requested: "
            'add gpu: {request_gpus: "{gpus}"} to its file'
        )
    if not site.submit:
        raise ConfigError(
            f"the settings of the site '{site.title}' do not say how jobs ask for memory, processors and time: add "
            "submit: {...} as in configs/site/generic.yaml"
        )
    own = site.submit | (site.gpu if resources.gpus else {})
    commands |= {command: text.format(**fields) for command, text in own.items()}
    return "".join(f"{command} = {value}\n" for command, value in commands.items())


def _transfer_commands(site: SiteConfig) -> dict[str, str]:
    """How files come to the job and back."""
    if site.shared_filesystem:
        return {"should_transfer_files": "NO"}
    commands = {
        "should_transfer_files": "YES",
        "when_to_transfer_output": "ON_EXIT",
        "transfer_executable": "True",
        "transfer_input_files": "$(inputs)",
    }
    if site.spool:
        # what HTCondor 23.9 keeps of a spooled job's own output is an empty file, and spooled
        # inputs lose their folders: the job's script writes a log, and unpacks its inputs
        return commands | {
            "output": "/dev/null",
            "error": "/dev/null",
            "transfer_output_files": f"delivery.tar,{SPOOLED_LOG}",
            "transfer_output_remaps": f'"delivery.tar=$(delivery);{SPOOLED_LOG}=$(log_file)"',
        }
    return commands | {
        "preserve_relative_paths": "True",
        "transfer_output_files": "delivery.tar",
        "transfer_output_remaps": '"delivery.tar=$(delivery)"',
    }


def submit_item(
    attempt: Attempt,
    resources: Resources,
    log_file: Path,
    delivery: Path,
    inputs: Sequence[str],
    *,
    spool: bool = False,
) -> dict[str, str]:
    """The variables of one job.

    Args:
        attempt: which branch, and the number of the attempt.
        resources: what it asks for.
        log_file: where its output goes.
        delivery: where what it sends back goes, without a shared file system.
        inputs: what is sent to it, without a shared file system.
        spool: whether the scheduler keeps what it sends back.

    Returns:
        Values by name.

    Raises:
        ConfigError: a path has a comma, a blank or a quote, which submit files cannot carry.
    """
    for path in (str(log_file), str(delivery)):
        if spool and "=" in path:  # HTCondor 23.9 would forget all of transfer_output_remaps
            raise ConfigError(
                f"the path '{path}' has a '=', which spooled output cannot go to: "
                "set TAUML_BATCH to a folder without, and use a version without"
            )
    for path in (str(log_file), str(delivery), *inputs):
        if any(character in path for character in ', "\t\n;'):
            raise ConfigError(
                f"the path '{path}' has a character that HTCondor's submit files cannot carry: "
                "use a store and labels without blanks, commas, semicolons and quotes"
            )
    variables = {"branch": str(attempt.branch), "attempt": str(attempt.number), **resources.submit_fields}
    return variables | {"log_file": str(log_file), "delivery": str(delivery), "inputs": ",".join(inputs)}


def submit_file(text: str, items: Sequence[Mapping[str, str]]) -> str:
    """A whole submit file, as ``condor_submit`` takes it.

    Args:
        text: the submit commands.
        items: the variables of each job; ``inputs`` is the last, since it contains commas.

    Returns:
        The commands and a ``queue`` statement.
    """
    names = list(items[0])
    rows = ["  " + " ".join(item[name] for name in names) for item in items]
    return text + f"queue {','.join(names)} from (\n" + "\n".join(rows) + "\n)\n"
