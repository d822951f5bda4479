"""Pythia 8: set-up of a generator, and batches of events as flat arrays."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from taumltools.errors import ConfigError, InputError
from taumltools.production.table import EventTable, offsets_from_counts

logger = logging.getLogger(__name__)

QUIET = ("Print:quiet = on", "Next:numberCount = 0", "Random:setSeed = on")
MAX_SEED = 900_000_000
"""Largest seed that Pythia accepts."""

MM_TO_CM = 0.1


@dataclass(frozen=True)
class Particles(EventTable):
    """The event record: every particle of every event, flat.

    Row 0 of an event is Pythia's system line.  Mothers and daughters count from the
    first row of their event, 0 is none.

    Attributes:
        pdg_id: PDG code, int32.
        status: Pythia status, positive for final particles, int32.
        mother: first mother, int32.
        daughter1: first daughter, int32.
        daughter2: last daughter, int32.
        px: momentum in GeV, float64; also ``py`` and ``pz``.
        energy: in GeV, float64.
        mass: in GeV, float64.
        vx: production point in cm, float64; also ``vy`` and ``vz``.
    """

    pdg_id: np.ndarray
    status: np.ndarray
    mother: np.ndarray
    daughter1: np.ndarray
    daughter2: np.ndarray
    px: np.ndarray
    py: np.ndarray
    pz: np.ndarray
    energy: np.ndarray
    mass: np.ndarray
    vx: np.ndarray
    vy: np.ndarray
    vz: np.ndarray


def pythia_seed(seed: np.random.SeedSequence) -> int:
    """A seed in the range that Pythia accepts, 1 to 900,000,000."""
    return int(seed.generate_state(1, np.uint64)[0] % MAX_SEED) + 1


def make_generator(dataset: str, lines: Sequence[str], *, energy: float, seed: int, hooks: Any = None) -> Any:
    """A Pythia generator that is ready to produce events.

    Args:
        dataset: name for messages.
        lines: settings, later ones win.
        energy: centre-of-mass energy in GeV.
        seed: 1 to 900,000,000.
        hooks: a ``pythia8mc.UserHooks`` that looks at events while they are made; None for none.

    Returns:
        An initialised ``pythia8mc.Pythia``.

    Raises:
        ConfigError: Pythia refuses a line, or the whole; the message names both.
    """
    import pythia8mc

    generator = pythia8mc.Pythia("", False)
    for line in (*QUIET, f"Beams:eCM = {energy}", f"Random:seed = {seed}", *lines):
        if not generator.readString(line):
            raise ConfigError(
                f"dataset '{dataset}': Pythia refuses the setting '{line}'. "
                "Expected 'Name:setting = value' as in the Pythia 8.3 manual; check name and value."
            )
    if hooks is not None:
        generator.setUserHooksPtr(hooks)
    if not generator.init():
        raise ConfigError(
            f"dataset '{dataset}': Pythia cannot start with {list(lines)}. "
            "The lines contradict each other or leave no open process; Pythia's own message is above."
        )
    return generator


def _flat(array: Any, dtype: type) -> np.ndarray:
    import awkward as ak

    return np.ascontiguousarray(ak.to_numpy(ak.flatten(array)), dtype=dtype)


def flatten_events(events: Any) -> tuple[Particles, np.ndarray]:
    """Flat arrays of what ``nextBatch`` returns.

    Args:
        events: awkward array of events.

    Returns:
        The particles, and the weight of each event (float64).
    """
    import awkward as ak

    record, momentum = events.prt, events.prt.p
    # vProd is an option type: particles born in the collision itself have none.  Pythia counts in mm.
    vertex = {axis: _flat(ak.fill_none(record.vProd[f"p{axis}"], 0.0), np.float64) * MM_TO_CM for axis in "xyz"}
    particles = Particles(
        offsets=offsets_from_counts(ak.to_numpy(ak.num(record.id))),
        pdg_id=_flat(record.id, np.int32),
        status=_flat(record.status, np.int32),
        mother=_flat(record.mother1, np.int32),
        daughter1=_flat(record.daughter1, np.int32),
        daughter2=_flat(record.daughter2, np.int32),
        px=_flat(momentum.px, np.float64),
        py=_flat(momentum.py, np.float64),
        pz=_flat(momentum.pz, np.float64),
        energy=_flat(momentum.e, np.float64),
        mass=_flat(record.m, np.float64),
        vx=vertex["x"],
        vy=vertex["y"],
        vz=vertex["z"],
    )
    weight = ak.to_numpy(ak.firsts(events.info.weights)).astype(np.float64)
    return particles, np.ascontiguousarray(weight)


def generate(generator: Any, n: int, *, dataset: str) -> tuple[Particles, np.ndarray]:
    """The next events.

    Args:
        generator: from :func:`make_generator`.
        n: events wanted.
        dataset: name for messages.

    Returns:
        The particles of exactly ``n`` events, and their weights.

    Raises:
        InputError: the generator gives up.
    """
    import awkward as ak

    parts = []
    missing = n
    for _ in range(10):
        events = generator.nextBatch(missing)
        if len(events):
            parts.append(events)
        missing -= len(events)
        if missing == 0:
            return flatten_events(ak.concatenate(parts) if len(parts) > 1 else parts[0])
        logger.info("dataset %s: Pythia skipped %d events, asking for them again", dataset, missing)
    raise InputError(
        f"dataset '{dataset}': Pythia produced {n - missing} of {n} events in ten attempts; "
        "the process settings leave hardly any phase space"
    )
