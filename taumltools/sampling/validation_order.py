"""The order of entries inside of a part: what a random permutation would make of its neighbours."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Order:
    """What was counted of the order of a part.

    Attributes:
        entries: entries by cell.
        datasets: number of the dataset of each cell.
        types: number of the truth type of each cell.
        equal: pairs of neighbours with equal dataset, with equal truth type, in the same cell.
        steps: pairs of entries of the same dataset with no entry of it between them.
        ascents: those of them whose event number rises.
        same_event: those of them from the same event.
    """

    entries: np.ndarray
    datasets: np.ndarray
    types: np.ndarray
    equal: dict[str, int]
    steps: int
    ascents: int
    same_event: int


@dataclass
class OrderCounter:
    """Counts neighbours of one part, block by block."""

    entries: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    datasets: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    types: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    equal: dict[str, int] = field(default_factory=lambda: {"dataset_id": 0, "tauType": 0, "cell": 0})
    steps: int = 0
    ascents: int = 0
    same_event: int = 0
    _last_code: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    _carry: tuple[np.ndarray, ...] = ()

    def add(self, codes: np.ndarray, cells: np.ndarray, evt: np.ndarray, events: np.ndarray) -> None:
        """Count the next entries.

        Args:
            codes: number of the cell of each entry.
            cells: all cells so far, rows of (dataset, group, truth type, sample type).
            evt: event numbers.
            events: hashes of the events of the entries.
        """
        if not len(codes):
            return
        self.datasets, self.types = (_numbers(cells[:, column]) for column in (0, 2))
        grown = np.zeros(len(cells), np.int64)
        grown[: len(self.entries)] = self.entries
        self.entries = grown + np.bincount(codes, minlength=len(cells))
        joined = np.concatenate([self._last_code, codes])
        for name, label in (("dataset_id", self.datasets), ("tauType", self.types), ("cell", np.arange(len(cells)))):
            values = label[joined]
            self.equal[name] += int(np.count_nonzero(values[1:] == values[:-1]))
        self._last_code = codes[-1:]
        # a stable sort of 16-bit numbers is a radix sort
        self._neighbours_by_dataset(self.datasets[codes].astype(np.int16), evt.astype(np.uint64), events)

    def _neighbours_by_dataset(self, dataset: np.ndarray, evt: np.ndarray, events: np.ndarray) -> None:
        """Compare each entry with the one of its dataset before it; the last ones are kept for the next block."""
        columns = (dataset, evt, events)
        if self._carry:
            columns = tuple(np.concatenate(pair) for pair in zip(self._carry, columns, strict=True))  # type: ignore[assignment]
        order = np.argsort(columns[0], kind="stable")
        dataset, evt, events = (column[order] for column in columns)
        together = dataset[1:] == dataset[:-1]
        same = together & (events[1:] == events[:-1])
        rises = (evt[1:] > evt[:-1]) | ((evt[1:] == evt[:-1]) & (events[1:] > events[:-1]))
        self.steps += int(np.count_nonzero(together))
        self.same_event += int(np.count_nonzero(same))
        self.ascents += int(np.count_nonzero(together & rises & ~same))
        last = np.flatnonzero(np.concatenate([~together, [True]]))
        self._carry = (dataset[last], evt[last], events[last])

    def result(self) -> Order:
        """The counts of all entries."""
        return Order(
            self.entries,
            self.datasets,
            self.types,
            dict(self.equal),
            self.steps,
            self.ascents,
            self.same_event,
        )


def _numbers(values: np.ndarray) -> np.ndarray:
    """Values replaced by their number in the order of first appearance, so that old numbers stay."""
    first: dict[int, int] = {}
    return np.array([first.setdefault(value, len(first)) for value in values.tolist()], np.int64)
