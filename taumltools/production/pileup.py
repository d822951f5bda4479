"""A pool of soft collisions, overlaid as pile-up and as underlying event."""

from __future__ import annotations

import dataclasses
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from taumltools.config.production import PileupConfig, ProductionConfig
from taumltools.errors import InputError
from taumltools.production.candidates import Candidates
from taumltools.production.geometry import fold_phi
from taumltools.production.pythia import generate, make_generator, pythia_seed
from taumltools.production.response import detect
from taumltools.production.table import EventTable

POOL_NAME = "pile-up pool"


@dataclass(frozen=True)
class PileupPool:
    """Soft collisions as the detector sees them, to be drawn from again and again.

    Attributes:
        candidates: one event per collision.
    """

    candidates: Candidates

    def __len__(self) -> int:
        return self.candidates.n_events

    def save(self, path: Path) -> None:
        """Write the pool to a ``.npz`` file at exactly ``path``."""
        with Path(path).open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, offsets=self.candidates.offsets, **self.candidates.columns())

    @classmethod
    def load(cls, path: Path) -> PileupPool:
        """Read a pool that :meth:`save` wrote.

        Raises:
            InputError: the file is missing, foreign or truncated.
        """
        wanted = ["offsets", *Candidates.column_names()]
        try:
            with Path(path).open("rb") as file, np.load(file, allow_pickle=False) as content:
                missing = sorted(set(wanted) - set(content.files))
                if missing:
                    raise InputError(f"{path}: not a pile-up pool of this version, it lacks {missing}; make it again")
                return cls(Candidates(**{name: content[name] for name in wanted}))
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: cannot be read as a pile-up pool ({error}); make it again") from error


def generate_pileup(config: ProductionConfig, seed: np.random.SeedSequence) -> PileupPool:
    """Generate and detect the pool's collisions.

    Args:
        config: ``pileup.pool_events`` collisions of ``pileup.process``.
        seed: the same seed gives the same pool.

    Returns:
        The pool.
    """
    generator = make_generator(POOL_NAME, config.pileup.process, energy=config.energy, seed=pythia_seed(seed))
    rng = np.random.default_rng(seed)
    parts = []
    left = config.pileup.pool_events
    while left:
        n = min(left, 2 * config.batch_events)
        particles, _ = generate(generator, n, dataset=POOL_NAME)
        parts.append(detect(particles, config, rng))
        left -= n
    offsets = np.concatenate([[0], np.cumsum(np.concatenate([np.diff(p.offsets) for p in parts]))]).astype(np.int64)
    columns = {name: np.concatenate([getattr(p, name) for p in parts]) for name in Candidates.column_names()}
    return PileupPool(Candidates(offsets, **columns))


@dataclass(frozen=True)
class Collisions:
    """What the overlay drew for each event.

    Attributes:
        mean: true mean number of pile-up collisions, float32, shape (n_events,).
        vertices: reconstructed vertices, the signal vertex included, int32, shape (n_events,).
        pv: position of the reconstructed signal vertex in cm, float32, shape (n_events, 3).
    """

    mean: np.ndarray
    vertices: np.ndarray
    pv: np.ndarray


@dataclass(frozen=True)
class _Draw(EventTable):
    """Pool collisions drawn for each event: index in the pool, z in cm, and ``pileup`` code of :class:`Candidates`."""

    index: np.ndarray
    z: np.ndarray
    code: np.ndarray


def _draw(pool: PileupPool, mean: np.ndarray, config: PileupConfig, rng: np.random.Generator) -> _Draw:
    n_pileup = rng.poisson(mean)
    n_underlying = rng.poisson(config.underlying_event, len(mean))
    offsets = np.concatenate([[0], np.cumsum(n_pileup + n_underlying)]).astype(np.int64)
    position = np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets))
    underlying = position < np.repeat(n_underlying, np.diff(offsets))
    n = len(position)
    # both collisions scatter around the beam spot, so their distance has sqrt(2) times the spread
    z = np.where(underlying, 0.0, rng.normal(0.0, config.beam_spot_z * np.sqrt(2.0), n))
    resolved = (rng.random(n) < config.vertex_efficiency) & (np.abs(z) > config.vertex_resolved)
    code = np.where(underlying, 0, np.where(resolved, 1, 2)).astype(np.int8)
    return _Draw(offsets, index=rng.integers(0, len(pool), n), z=z, code=code)


def _place(pool: PileupPool, draw: _Draw, rng: np.random.Generator) -> Candidates:
    """The drawn collisions, each rotated and possibly reflected, at their place along the beam."""
    collisions = pool.candidates
    lengths = np.diff(collisions.offsets)[draw.index]
    starts = np.repeat(collisions.offsets[draw.index] - np.concatenate([[0], np.cumsum(lengths)[:-1]]), lengths)
    rows = starts.astype(np.int64) + np.arange(int(lengths.sum()))
    columns = {name: column[rows] for name, column in collisions.columns().items()}

    def spread(values: np.ndarray) -> np.ndarray:
        return np.repeat(values.astype(np.float32), lengths)

    mirror = spread(np.where(rng.random(len(draw)) < 0.5, -1.0, 1.0))
    z = spread(draw.z)
    columns["phi"] = fold_phi(columns["phi"] + spread(rng.uniform(-np.pi, np.pi, len(draw)))).astype(np.float32)
    columns["eta"] = columns["eta"] * mirror
    columns["dz"] = np.where(columns["charge"] != 0, columns["dz"] * mirror + z, np.float32(0.0))
    columns["vertex_z"] = z
    columns["pileup"] = np.repeat(draw.code, lengths)
    counts = np.bincount(np.repeat(draw.event, lengths), minlength=draw.n_events)
    return Candidates(np.concatenate([[0], np.cumsum(counts)]).astype(np.int64), **columns)


def overlay(
    signal: Candidates, pool: PileupPool, config: PileupConfig, rng: np.random.Generator
) -> tuple[Candidates, Collisions]:
    """Add pile-up and underlying event, and the resolution of the signal vertex.

    Args:
        signal: candidates of the hard collisions.
        pool: soft collisions.
        config: how many, and where.
        rng: source of randomness.

    Returns:
        All candidates, sorted by falling pt inside each event as in MiniAOD (so that the
        order does not tell where a candidate comes from), and what was drawn.
    """
    n = signal.n_events
    mean = np.maximum(rng.normal(config.mean, config.spread, n), 0.0) if config.mean > 0 else np.zeros(n)
    draw = _draw(pool, mean, config, rng)
    merged = Candidates.merge([signal, _place(pool, draw, rng)], order="pt")
    reconstructed = np.bincount(draw.event[draw.code == 1], minlength=n)
    beam_spot = np.array([config.beam_spot_xy, config.beam_spot_xy, config.beam_spot_z])
    resolution = np.array([config.pv_resolution_xy, config.pv_resolution_xy, config.pv_resolution_z])
    shift = rng.normal(0.0, 1.0, (n, 3)) * resolution
    pv = rng.normal(0.0, 1.0, (n, 3)) * beam_spot + shift
    collisions = Collisions(mean.astype(np.float32), (1 + reconstructed).astype(np.int32), pv.astype(np.float32))
    return _relative_to_vertex(merged, shift), collisions


def _relative_to_vertex(candidates: Candidates, shift: np.ndarray) -> Candidates:
    """Impact parameters with respect to the reconstructed vertex, which is off by ``shift`` (cm)."""
    dx, dy, dz = shift.astype(np.float32)[candidates.event].T
    sin, cos, charged = np.sin(candidates.phi), np.cos(candidates.phi), candidates.charged
    moved_xy = candidates.dxy + dx * sin - dy * cos
    moved_z = candidates.dz - dz + (dx * cos + dy * sin) * np.sinh(candidates.eta)
    return dataclasses.replace(
        candidates,
        dxy=np.where(charged, moved_xy, 0.0).astype(np.float32),
        dz=np.where(charged, moved_z, 0.0).astype(np.float32),
    )
