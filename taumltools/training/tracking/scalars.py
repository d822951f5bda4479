"""Figures in the format of TensorBoard, written without TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

TRAINING, VALIDATION = "train", "validation"
"""Folders of the two curves of a figure; TensorBoard draws what has the same name into one frame."""


def split_name(name: str) -> tuple[str, str]:
    """The curve a figure belongs to, and its name there.

    Args:
        name: e.g. ``val_loss``.

    Returns:
        Curve and name, e.g. of the validation sample.

    Examples:
        >>> split_name("loss"), split_name("val_loss")
        (('train', 'loss'), ('validation', 'loss'))
    """
    return (VALIDATION, name.removeprefix("val_")) if name.startswith("val_") else (TRAINING, name)


class ScalarWriter:
    """Writes event files ``<directory>/train`` and ``<directory>/validation``.

    Args:
        directory: where; made at the first figure.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._writers: dict[str, Any] = {}

    def write(self, metrics: Mapping[str, float], step: int, seconds: float) -> None:
        """Write figures of one epoch.

        Args:
            metrics: values by name; ``val_`` names are those of validation.
            step: the epoch.
            seconds: when, since 1970.
        """
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.compat.proto.summary_pb2 import Summary

        for name, value in metrics.items():
            curve, tag = split_name(name)
            summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
            self._writer(curve).add_event(Event(wall_time=seconds, step=step, summary=summary))
        for writer in self._writers.values():
            writer.flush()

    def _writer(self, curve: str) -> Any:
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        if curve not in self._writers:
            self._writers[curve] = EventFileWriter(str(self.directory / curve))
        return self._writers[curve]

    def close(self) -> None:
        """Close the files."""
        for writer in self._writers.values():
            writer.close()
        self._writers.clear()
