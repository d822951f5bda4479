"""Parameters of the command line that take amounts with units, and say what they expect."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import law
import luigi

EXPLICIT = luigi.BoolParameter.EXPLICIT_PARSING
"""How options that are true or false are written: ``--option true``."""

UNITS_MB = {"": 1.0, "M": 1.0, "MB": 1.0, "G": 1000.0, "GB": 1000.0, "GIB": 1024.0, "MIB": 1.0, "T": 1e6, "TB": 1e6}
"""Amounts of memory and disk, in MB."""


class AmountParameter(luigi.IntParameter):
    """An amount of memory or disk in MB: ``3000``, ``3GB``."""

    def parse(self, text: Any) -> int:
        """MB of a text; a wrong one ends the command with what was expected."""
        found = re.fullmatch(r"\s*(-?[\d.]+)\s*([A-Za-z]*)\s*", str(text))
        try:
            if found is None:
                raise ValueError(text)
            return round(float(found[1]) * UNITS_MB[found[2].upper()])
        except (ValueError, KeyError):
            raise SystemExit(f"'{text}' is no amount of memory or disk: give MB, e.g. 3000, or 3GB") from None


class TimeParameter(law.DurationParameter):
    """A time: ``2`` (in its unit), ``30m``, ``1:30:00``."""

    def parse(self, text: Any) -> float:
        """The time in the parameter's unit; a wrong one ends the command with what was expected."""
        try:
            return super().parse(text)
        except ValueError:
            raise SystemExit(f"'{text}' is no time: give a number of {self.unit}, or e.g. 30s, 90m, 2h") from None


class CommandsParameter(luigi.Parameter):
    """A file with a training a line, given by its name; jobs are told its content, so that they need not have the file."""

    def parse(self, text: Any) -> tuple[str, ...]:
        """Overrides of each training; a file that cannot be read ends the command with what was expected."""
        from taumltools.config.commands import read_commands
        from taumltools.errors import ConfigError

        if not text or text.startswith("["):
            return tuple(json.loads(text or "[]"))
        try:
            return read_commands(Path(text).expanduser())
        except ConfigError as error:
            raise SystemExit(str(error)) from None

    def serialize(self, value: Any) -> str:
        """The content as JSON."""
        return json.dumps(list(value)) if value else ""
