"""What kind of file it is that a source cannot use, and which source can."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

from taumltools.config.datasets import SOURCES
from taumltools.tuples.schema import TREE

NANO_TREE = "Events"
"""Name of the tree of NanoAOD, and of other files of the CMS software."""


def kind(trees: Collection[str], branches: Collection[str]) -> tuple[str, str]:
    """What a ROOT file is.

    Args:
        trees: names of its objects.
        branches: names of the branches of ``Events``; empty if there is no such tree.

    Returns:
        What people call it, and the source that reads it; empty where nothing is known.

    Examples:
        >>> kind(["Events", "Runs"], ["run", "event", "nTau", "Tau_pt"])
        ('NanoAOD without particle-flow candidates', 'nanoaod')
        >>> kind(["histogram"], [])
        ('', '')
    """
    if TREE in trees:
        return "a file of TauTuples", "tautuple"
    if "EventAuxiliary" in branches:
        return "a file in the event format of the CMS software (MiniAOD, AOD)", "cmssw"
    if any(name.startswith("PFCands_") for name in branches):
        return "NanoAOD with particle-flow candidates (PFNano)", "pfnano"
    if {"run", "event"} <= set(branches):
        return "NanoAOD without particle-flow candidates", "nanoaod"
    return "", ""


def advice(file: Any, source: str) -> str:
    """The end of an error message about a file that a source cannot use.

    Args:
        file: an open ROOT file (of uproot).
        source: the source that failed.

    Returns:
        Begins with ``"; "``; empty where nothing better is known.
    """
    trees = {name.partition(";")[0] for name in file.keys(recursive=False)}
    what, fitting = kind(trees, file[NANO_TREE].keys(recursive=False) if NANO_TREE in trees else [])
    return told(what, fitting) if fitting != source else ""


def told(what: str, source: str) -> str:
    """What a file is and which source reads it, as the end of an error message.

    Examples:
        >>> told("a file of TauTuples", "tautuple")
        '; it is a file of TauTuples: use a dataset with source: tautuple'
    """
    if not what:
        return ""
    return f"; it is {what}: " + (
        f"use a dataset with source: {source}" if source in SOURCES else "no source reads that yet"
    )


def is_arrow(path: Path) -> bool:
    """Whether a file begins as Arrow files do."""
    try:
        with path.open("rb") as file:
            return file.read(6) == b"ARROW1"
    except OSError:
        return False
