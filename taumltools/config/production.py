"""Settings of tuple production: datasets, detector, pile-up, tau reconstruction."""

from __future__ import annotations

from taumltools.config.base import settings


@settings
class DatasetConfig:
    """One physics dataset (``configs/datasets/<name>.yaml``).

    Attributes:
        title: what plots show, e.g. ``"Z → ττ"``.
        process: Pythia settings of the hard process.
        source: where tuples come from; ``pythia`` simulates.
    """

    title: str
    process: tuple[str, ...]
    source: str = "pythia"


@settings
class ProductionConfig:
    """How tuples are made from generated events (``configs/production``)."""

    energy: float = 13600.0
