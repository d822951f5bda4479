"""The schema as a page for people: ``python -m taumltools.tuples.describe > docs/branches.md``."""

from __future__ import annotations

import sys

from taumltools.tuples.schema import FLOAT_MISSING, Branch, Schema, tautuple_schema

_HEAD = """\
# Branches of TauTuple

Made by `python -m taumltools.tuples.describe` from `taumltools/tuples/tautuple.csv`; do not edit
this page. One entry is one tau candidate. *Type* with `[]` has one value per object of the
collection. *Missing* is the value of something that does not exist; NaN is the lowest float32 in
ROOT files. *Since* is the first generation of the CMS schema with the branch. *Simulated* says
whether the built-in simulation fills it.
"""


def _missing(branch: Branch) -> str:
    if branch.is_float:
        return "NaN" if branch.missing == FLOAT_MISSING else f"{branch.missing:g}"
    return str(branch.missing)


def _row(branch: Branch) -> str:
    cells = (
        f"`{branch.name}`",
        f"{branch.dtype}{'[]' if branch.collection else ''}",
        branch.unit,
        _missing(branch),
        min(branch.generations, default=""),
        "yes" if branch.simulated else "",
        branch.description.replace("|", "\\|"),
    )
    return "| " + " | ".join(cells) + " |"


def describe(schema: Schema | None = None) -> str:
    """All branches by group, as Markdown.

    Args:
        schema: the schema; the current TauTuple if None.

    Returns:
        The page, ending with a newline.

    Examples:
        >>> page = describe()
        >>> page.count("| `pfCand_")
        45
    """
    schema = schema or tautuple_schema()
    groups: dict[str, list[Branch]] = {}
    for branch in schema.branches.values():
        groups.setdefault(branch.group, []).append(branch)
    lines = [_HEAD]
    lines.append(f"{len(schema.branches)} branches, {len(schema.collections)} collections, {len(groups)} groups.\n")
    for group, branches in groups.items():
        lines.append(f"## {group}\n")
        lines.append("| branch | type | unit | missing | since | simulated | meaning |")
        lines.append("|---|---|---|---|---|---|---|")
        lines.extend(_row(branch) for branch in branches)
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(describe())
