"""Friend trees: scores in the order of the original ntuples, for datacards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from taumltools.errors import InputError
from taumltools.htt.ntuples import iterate_events
from taumltools.htt.predict import Ensemble, score_columns, score_file
from taumltools.htt.table import EventTable

NUMBERS = ("run", "evt")
"""By what events are recognised; in every friend tree."""

STEP = 100_000
"""Events that are written at a time."""


def write_friend(
    files: Sequence[str | Path],
    predictions: Path,
    ensemble: Ensemble,
    out: Path,
    *,
    tree: str,
    misc: Sequence[str] = (),
    duplicates: str = "refuse",
) -> dict[str, int]:
    """Score a sample and write a friend tree.

    Entry i of the tree belongs to entry i of the chain of ``files``; run and event number are repeated in it, so that it
    can also be found by index (``BuildIndex("run", "evt")``).

    Args:
        files: ntuples of the sample, in order.
        predictions: its fold file, with its events in any order.
        ensemble: models of all folds.
        out: ROOT file to write.
        tree: name of the tree, in ``files`` and in ``out``.
        misc: further columns of the fold file to carry along.
        duplicates: ``refuse`` events with the same run and event number, or place them by ``entry``.

    Returns:
        How many events were scored.

    Raises:
        InputError: the events of the two do not agree one to one.
    """
    events, scores = score_file(predictions, ensemble)
    original = read_numbers(files, tree)
    place = by_entry if duplicates == "entry" else by_number
    order = place(original, events, str(predictions))
    columns = score_columns(scores)
    columns |= {name: events[name] for name in dict.fromkeys((*NUMBERS, *misc))}
    _write(out, tree, {name: values[order] for name, values in columns.items()})
    return {"events": len(order)}


def read_numbers(files: Sequence[str | Path], tree: str) -> EventTable:
    """Run and event number of all events of a sample, in order.

    Args:
        files: its ntuples.
        tree: name of the tree.
    """
    chunks = [chunk.columns for chunk in iterate_events(files, tree, NUMBERS, 10 * STEP)]
    return EventTable({name: np.concatenate([chunk[name] for chunk in chunks]) for name in NUMBERS})


def by_number(original: EventTable, events: EventTable, name: str) -> np.ndarray:
    """For each event of the original the row of the same run and event number.

    Args:
        original: ``run`` and ``evt`` in the order that is wanted.
        events: ``run`` and ``evt`` of what is there.
        name: of the file with these, for messages.

    Returns:
        Rows of ``events``, shape (len(original),).

    Raises:
        InputError: an event is there twice, or only in one of the two.

    Examples:
        >>> one = np.ones(3, np.uint32)
        >>> first, second = ({"run": one, "evt": np.array(evt)} for evt in ([5, 6, 7], [7, 5, 6]))
        >>> by_number(EventTable(first), EventTable(second), "x").tolist()
        [1, 2, 0]
    """
    wanted, there = _sorted(original, "the ntuples"), _sorted(events, name)
    if len(original) != len(events):
        raise InputError(
            f"{name} has {len(events)} events, the ntuples have {len(original)}; run PreprocessEvents again"
        )
    for column in NUMBERS:
        differ = original[column][wanted] != events[column][there]
        if differ.any():
            row = wanted[int(np.flatnonzero(differ)[0])]
            raise InputError(
                f"{name} and the ntuples have different events, e.g. only one of them has run {original['run'][row]}, "
                f"event {original['evt'][row]}; run PreprocessEvents again"
            )
    rows = np.empty(len(wanted), np.int64)
    rows[wanted] = there
    return rows


def by_entry(original: EventTable, events: EventTable, name: str) -> np.ndarray:
    """For each event of the original the row with its position; arguments and errors as for :func:`by_number`."""
    order = np.argsort(events["entry"], kind="stable")
    same = len(original) == len(events) and np.array_equal(events["entry"][order], np.arange(len(original)))
    if not same or any((original[column] != events[column][order]).any() for column in NUMBERS):
        raise InputError(f"{name} and the ntuples have different events; run PreprocessEvents again")
    return order


def _sorted(events: EventTable, name: str) -> np.ndarray:
    """Rows in the order of run and event number."""
    order = np.lexsort((events["evt"], events["run"]))
    run, evt = events["run"][order], events["evt"][order]
    same = np.flatnonzero((run[1:] == run[:-1]) & (evt[1:] == evt[:-1]))
    if len(same):
        shown = ", ".join(f"(run {run[i]}, event {evt[i]})" for i in same[:3])
        raise InputError(
            f"{name}: {len(same)} events have the same run and event number as another one, e.g. {shown}: remove them, or set "
            "htt.evaluation.duplicates=entry"
        )
    return order


def _write(out: Path, tree: str, columns: Mapping[str, np.ndarray]) -> None:
    import uproot

    kept = {name: values for name, values in columns.items() if values.dtype.kind in "biuf"}
    with uproot.recreate(out) as file:
        file.mktree(tree, {name: values.dtype for name, values in kept.items()})
        size = len(next(iter(kept.values())))
        for start in range(0, size, STEP):
            file[tree].extend({name: values[start : start + STEP] for name, values in kept.items()})
