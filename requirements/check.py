"""Compare the active environment with requirements/lock.txt (standard library only).

Exit code 0 if every pinned package is installed in its pinned version, else 1 and advice.
"""

from __future__ import annotations

import importlib.metadata
import re
import sys
from pathlib import Path

LOCK = Path(__file__).with_name("lock.txt")


def differences(lock: str) -> list[str]:
    """Pinned packages that are missing or of another version.

    Args:
        lock: text of a pinned requirements file.

    Returns:
        One line per difference, e.g. ``"law: 0.1.21 wanted, 0.1.20 installed"``.
    """
    found = []
    for name, wanted in re.findall(r"^([A-Za-z0-9_.\-]+)==([^\s;\\]+)", lock, flags=re.MULTILINE):
        try:
            installed = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            installed = "nothing"
        if installed != wanted:
            found.append(f"{name}: {wanted} wanted, {installed} installed")
    return found


def main() -> int:
    """Print what differs and what to do; return the exit code."""
    found = differences(LOCK.read_text(encoding="utf-8"))
    if not found:
        return 0
    shown = "\n  ".join(found[:10] + ([f"... and {len(found) - 10} more"] if len(found) > 10 else []))
    sys.stderr.write(
        f"The active environment {sys.prefix} does not hold the pinned packages:\n  {shown}\n"
        f"Either install them into it:  python -m pip install --require-hashes -r {LOCK}\n"
        "or deactivate it, or name another place:  source setup.sh --venv DIR\n"
    )
    return 1


if __name__ == "__main__":
    raise SystemExit(main())
