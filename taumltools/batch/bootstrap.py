"""The script that HTCondor starts on a worker, in two kinds: with a shared file system, and without.

Both are bash and take two arguments, the branch and the number of the attempt.  A job's
environment is empty, so the script sets all variables.  Whatever goes wrong before the task
starts ends with an exit code of :data:`BOOTSTRAP_ERRORS` and one line ``bootstrap: ...``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from taumltools.batch.archive import Bundle
from taumltools.batch.inputs import INPUTS
from taumltools.batch.submit import SPOOLED_LOG
from taumltools.errors import ConfigError

BOOTSTRAP_ERRORS: dict[int, str] = {
    20: "the job's script was called with wrong arguments",
    21: "a file that should have been sent to the worker is not there",
    22: "a bundle was damaged on the way to the worker",
    23: "a bundle cannot be unpacked on the worker",
    24: "the worker has no Python that fits the environment",
    25: "the environment does not work on the worker",
    26: "a setup line of the site failed on the worker",
    27: "the worker does not see the checkout or the environment",
    28: "the scratch folder of the worker cannot be written to",
    29: "a program that the job's script needs is not on the worker",
}
"""What the script's own exit codes mean."""

DEFAULTS = {
    "KERAS_BACKEND": "tensorflow",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "DO_NOT_TRACK": "true",
    "LAW__luigi_core__workers": "1",
    "PYTHONUNBUFFERED": "1",
}
"""Variables of a session (setup.sh), with one worker; unbuffered, so that a killed job's last words are in the log."""

OWN_VARIABLES = frozenset({"PYTHONPATH", "TAUML_BASE", "TAUML_STORE", "TAUML_DELIVERY", "LAW_CONFIG_FILE"})
"""Variables that depend on the scratch folder: a bundle's script sets them itself."""

START = """\
#!/bin/bash
exec 2>&1

fail() {
    # fail CODE MESSAGE: end before the task started; the codes are in taumltools/batch/bootstrap.py
    printf 'bootstrap: %s\\n' "$2"
    exit "$1"
}

"""

BUNDLE_START = """\
# the output can be transferred back whatever happens below
: >delivery.tar || fail 28 "$PWD cannot be written to"
"""

SPOOLED_START = f"""\
# of a spooled job's own output HTCondor 23.9 keeps an empty file
exec >{SPOOLED_LOG} 2>&1
"""

ARGUMENTS = """\
branch="$1" attempt="$2"
case "$#:$branch:$attempt" in
    2:*[!0-9]*:* | 2:*:*[!0-9]* | 2::* | 2:*:) fail 20 "branch and attempt are numbers, found '$branch' and '$attempt'" ;;
    2:*) ;;
    *) fail 20 "expected two arguments, branch and attempt, found $#" ;;
esac
set --  # setup lines may source scripts that look at the arguments

export HOME="${HOME:-$PWD}" PATH="${PATH:-/usr/local/bin:/usr/bin:/bin}"
"""

SHARED_END = """\
[ -r {spec} ] || fail 21 {spec}" cannot be read on $HOSTNAME: is its file system there?"
[ -r {base}/tasks/job.py ] || fail 27 {base}" is not there on $HOSTNAME: does the site share it with the workers?"
[ -x {python} ] || fail 27 {python}" cannot be started on $HOSTNAME: does the site share the environment?"
exec {python} -P -m tasks.job {spec} "$branch" "$attempt"
"""


def _exports(variables: Mapping[str, str]) -> str:
    """Lines that set variables."""
    wrong = [name for name in variables if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name)]
    if wrong:
        raise ConfigError(f"'{wrong[0]}' cannot be the name of a variable: use letters, digits and underscores")
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())


def _beginning(variables: Mapping[str, str], setup: Sequence[str]) -> str:
    """What both kinds of script do: arguments, setup lines (each has to succeed), variables."""
    lines = [f"eval {shlex.quote(line)} || fail 26 {shlex.quote(f'setup line failed: {line}')}\n" for line in setup]
    return (
        ARGUMENTS
        + "".join(lines)
        # a Python that a setup line made known would else take its own library for the environment's
        + "unset PYTHONHOME\n"
        + _exports(DEFAULTS | dict(variables))
        + 'export LAW_HOME="${LAW_HOME:-$PWD/.law}"\n\n'
    )


def shared_script(*, base: Path, python: Path, environment: Mapping[str, str], setup: Sequence[str], spec: Path) -> str:
    """The script for workers that see the submitter's file system.

    Args:
        base: the checkout.
        python: the Python of its environment.
        environment: variables of the job; they win over :data:`DEFAULTS`.  The checkout always
            comes first on ``PYTHONPATH``.
        setup: shell lines of the site, run first; each is a whole command.
        spec: the job's specification, see ``tasks/job.py``.

    Returns:
        The text of the script.

    Raises:
        ConfigError: a variable has an impossible name.

    Examples:
        >>> text = shared_script(base=Path("/c"), python=Path("/v/bin/python"), environment={}, setup=(), spec=Path("/s"))
        >>> text.splitlines()[-1]
        'exec /v/bin/python -P -m tasks.job /s "$branch" "$attempt"'
    """
    search = [str(base), *(p for p in environment.get("PYTHONPATH", "").split(":") if p and p != str(base))]
    variables = {
        "TAUML_BASE": str(base),
        "TAUML_STORE": str(base / "store"),
        "LAW_CONFIG_FILE": str(base / "law.cfg"),
        **environment,
        "PYTHONPATH": ":".join(search),
    }
    places = {"spec": shlex.quote(str(spec)), "base": shlex.quote(str(base)), "python": shlex.quote(str(python))}
    path = f'export PATH={shlex.quote(str(python.parent))}:"$PATH"\n'
    return START + _beginning(variables, setup) + path + SHARED_END.format(**places)


def bundle_script(
    *,
    repository: Bundle,
    environment: Bundle | None,
    python: str,
    variables: Mapping[str, str],
    setup: Sequence[str],
    spec_name: str,
    spooled: bool = False,
) -> str:
    """The script for workers that share nothing with the submitter.

    HTCondor puts the bundles, the specification and the products that the branch reads (below
    their paths in the store) into the job's scratch folder, which becomes its store.

    Args:
        repository: the project's files.
        environment: the virtual environment; None: ``python`` has all packages.
        python: Python of the worker, a name or a path.  A path is tried first, then the Python
            that travels with the environment, then names.
        variables: variables of the job; they win over :data:`DEFAULTS`.
        setup: shell lines of the site, run first; each is a whole command.
        spec_name: name of the job's specification in the scratch folder.
        spooled: whether the inputs come in one file (:mod:`taumltools.batch.inputs`), and the
            output goes into a file of its own.

    Returns:
        The text of the script.

    Raises:
        ConfigError: a variable has an impossible name, or is one of :data:`OWN_VARIABLES`.
    """
    own = sorted(OWN_VARIABLES & set(variables))
    if own:
        raise ConfigError(f"{', '.join(own)} cannot be set for a job that shares nothing: its script sets it")
    settings = {
        "repository": repository.path.name,
        "repository_sha256": repository.sha256,
        "environment": environment.path.name if environment else "",
        "environment_sha256": environment.sha256 if environment else "",
        "python": python,
        "specification": spec_name,
    }
    inputs = f'inputs="{INPUTS.format(branch="$branch")}"\n' if spooled else "inputs=\n"
    assignments = "".join(f"{name}={shlex.quote(value)}\n" for name, value in settings.items())
    body = Path(__file__).with_name("bundle_job.sh").read_text(encoding="utf-8")
    start = START + BUNDLE_START + (SPOOLED_START if spooled else "") + "\n"
    return start + _beginning(variables, setup) + assignments + inputs + body
