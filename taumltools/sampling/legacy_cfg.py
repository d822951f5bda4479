"""The ``.cfg`` files of the CMS tools: what to read, by name."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypedDict

from taumltools.config.sampling import check_types
from taumltools.errors import ConfigError

log = logging.getLogger(__name__)

_BLANKS = " \t"
_PAIR = re.compile(r'([^ \t="]+)[ \t]*=[ \t]*(?:"([^"]*)"|([^ \t"][^ \t]*))(?=[ \t]|$)')


class CfgGroup(TypedDict):
    """A data group of the spectral procedure, with the fields of the YAML setting of the same meaning.

    Attributes:
        types: truth types taken from the group.
        dir: regular expression on the whole name of the dataset.
        file: regular expression on the whole file name, suffix included.
    """

    types: tuple[str, ...]
    dir: str
    file: str


def read_cfg(path: Path) -> dict[str, dict[str, str]]:
    r"""Read a ``.cfg`` file.

    An item is a line ``name: key=value key="value with blanks"``.  Lines are stripped of blanks and
    tabs; those that start with ``#`` are comments; a backslash at the end continues a line with
    the next one, nothing in between.  The name is all before the first colon, blanks included.
    Blanks around ``=`` are allowed.

    Args:
        path: the file, UTF-8.

    Returns:
        Keys and values by name, names in alphabetical order (the order in which the CMS tools
        process them).  All keys are kept, known or not.

    Raises:
        ConfigError: the file cannot be read or holds no item, or a line is none, or a name or a
            key of an item is there twice; the message names file and line.

    Examples:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "groups.cfg")
        >>> _ = path.write_text('# data\nTT: dir = "TTTo.*" \\\n    types=jet,tau\nDY: dir=DY.*\n')
        >>> read_cfg(path)
        {'DY': {'dir': 'DY.*'}, 'TT': {'dir': 'TTTo.*', 'types': 'jet,tau'}}
    """
    items: dict[str, dict[str, str]] = {}
    first_seen: dict[str, int] = {}
    for number, line in _logical_lines(path):
        where = f"{path}:{number}"
        name, colon, rest = line.partition(":")
        if not colon or not name:
            raise ConfigError(f"{where}: found '{line}', expected 'name: key=value key=value ...'")
        if name in items:
            raise ConfigError(f"{where}: '{name}' is there already, in line {first_seen[name]}; use each name once")
        items[name], first_seen[name] = _pairs(rest, where), number
    if not items:
        raise ConfigError(f"{path}: holds no item; write lines like 'name: key=value key=value ...'")
    return dict(sorted(items.items()))


def _logical_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Items with the number of their first line; continued lines are joined."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read ({type(error).__name__}: {error})") from error
    joined, first = "", 0
    for number, raw in enumerate(lines, 1):
        line = raw.strip(_BLANKS)
        if line.startswith("#") or not (line or joined):
            continue
        first = first if joined else number
        joined += line.removesuffix("\\")
        if not line.endswith("\\"):
            yield first, joined
            joined = ""
    if joined:
        raise ConfigError(f"{path}:{first}: the last line ends with a backslash, but nothing follows; remove it")


def _pairs(text: str, where: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    while text := text.lstrip(_BLANKS):
        found = _PAIR.match(text)
        if not found:
            raise ConfigError(f"{where}: found '{text}', expected key=value or key=\"value with blanks\"")
        key, quoted, plain = found.groups()
        if key in pairs:
            raise ConfigError(f"{where}: the key '{key}' is given twice; give it once")
        pairs[key] = plain if quoted is None else quoted
        text = text[found.end() :]
    return pairs


def groups_from_cfg(items: Mapping[str, Mapping[str, str]]) -> dict[str, CfgGroup]:
    """Data groups of the spectral procedure from the items of a ``.cfg`` file.

    Args:
        items: what :func:`read_cfg` returned; keys ``types`` (comma list, needed), ``dir`` and
            ``file`` (default: everything).  Others are ignored with a warning, ``mix_p`` too.

    Returns:
        Groups by name, in the order of ``items``.

    Raises:
        ConfigError: a group has no types, an unknown one or one twice, or an expression is wrong.

    Examples:
        >>> groups_from_cfg({"QCD": {"dir": "QCD_.*", "types": "jet"}})
        {'QCD': {'types': ('jet',), 'dir': 'QCD_.*', 'file': '.*'}}
    """
    groups: dict[str, CfgGroup] = {}
    for name, item in items.items():
        if odd := sorted(set(item) - {"types", "dir", "file"}):
            log.warning("group '%s': the keys %s mean nothing here and are ignored", name, odd)
        if not item.get("types"):
            raise ConfigError(f"group '{name}' has no types; write e.g. types=jet,tau")
        types = tuple(item["types"].split(","))
        try:
            check_types(types)
        except ValueError as error:
            raise ConfigError(f"group '{name}': {error}") from error
        groups[name] = CfgGroup(types=types, dir=item.get("dir", ".*"), file=item.get("file", ".*"))
        for key in ("dir", "file"):
            _check_expression(name, key, groups[name][key])  # type: ignore[literal-required]
    return groups


def _check_expression(name: str, key: str, pattern: str) -> None:
    try:
        re.compile(pattern)
    except re.error as error:
        raise ConfigError(f"group '{name}': {key}={pattern} is no regular expression: {error}") from error
