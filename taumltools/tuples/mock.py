"""Made-up tau candidates with every branch of the schema, for tests and examples.

The numbers are plausible in range and consistent with each other where code depends on it
(truth, counts inside a collection, positions around the tau); they follow no physics.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np

from taumltools.tuples.columns import missing_column, missing_value
from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.schema import Branch, tautuple_schema

Rng = np.random.Generator
Columns = dict[str, np.ndarray]

MEAN_OBJECTS = {
    "sv": 1.0,
    "genParticle": 5.0,
    "jet_subJet": 0.5,
    "fatJet_subJet": 0.5,
    "pfCand": 20.0,
    "lostTrack": 1.0,
    "ele": 0.5,
    "photon": 0.7,
    "muon": 0.5,
    "isoTrack": 0.5,
}
"""Mean number of objects per entry; collections not named here share another one's counts."""

_SAME_COUNTS = {"sv_cands": "sv", "photon_shape": "photon", "photon_full5x5shape": "photon"}

_FLOAT_RULES: tuple[tuple[str, Callable[[Rng, int], np.ndarray]], ...] = (
    (r"raw$|[Ff]raction|Weight|Compat|ratio|Efrac", lambda rng, n: rng.uniform(0, 1, n)),
    (r"(^|_)(gen)?phi$| rad$", lambda rng, n: rng.uniform(-np.pi, np.pi, n)),
    (r"(^|_)(gen)?eta$|etaAtEcalEntrance$", lambda rng, n: rng.normal(0, 1, n).clip(-2.4, 2.4)),
    (r"chi2|Chi2|ndof", lambda rng, n: rng.chisquare(8, n)),
    (r"([Ee]rror|E) (cm|ns)$", lambda rng, n: rng.exponential(0.01, n) + 1e-4),
    (r" (cm|ns)$", lambda rng, n: rng.normal(0, 0.1, n)),
    (r" GeV\^2$", lambda rng, n: rng.exponential(400, n)),
    (r"mass GeV$", lambda rng, n: rng.uniform(0, 1.5, n)),
    (r" (GeV|MeV/cm)$", lambda rng, n: rng.exponential(10, n) + 0.5),
)
"""(pattern on "field unit", how to draw); the first match counts, the rest is standard normal."""

_INT_RULES: tuple[tuple[str, Callable[[Rng, int], np.ndarray]], ...] = (
    (r"charge$", lambda rng, n: rng.choice([-1, 1], n)),
    (r"^(is|has|pass)|Finding|inside|valid$|(Signal|Iso|Daughter|HadrCand)$", lambda rng, n: rng.integers(0, 2, n)),
    (r"(parton)Flavour$", lambda rng, n: rng.choice([-5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 21], n)),
    (r"hadronFlavour$", lambda rng, n: rng.choice([0, 4, 5], n)),
    (r"decayMode$", lambda rng, n: rng.choice([0, 1, 2, 5, 6, 10, 11], n)),
    (r"pdgId$", lambda rng, n: rng.choice([-15, 15, 211, -211, 111, 11, -11, 13, 23], n)),
    (r"particleType$", lambda rng, n: rng.integers(1, 8, n)),
    (r"pvAssociationQuality$", lambda rng, n: rng.choice([0, 1, 4, 5, 6, 7], n)),
    (r"fromPV$", lambda rng, n: rng.integers(0, 4, n)),
    (r"mother$", lambda rng, n: rng.integers(-1, 3, n)),
)


def _draw(branch: Branch, size: int, rng: Rng) -> np.ndarray:
    """Plausible values of a branch that nothing else depends on."""
    if branch.dtype.kind == "b":
        return rng.random(size) < 0.5
    if branch.dtype == np.uint16:
        return ((1 << rng.integers(0, 10, size)) - 1).astype(np.uint16)
    rules, text = (_FLOAT_RULES, f"{branch.field} {branch.unit}") if branch.is_float else (_INT_RULES, branch.field)
    for pattern, draw in rules:
        if re.search(pattern, text):
            return draw(rng, size).astype(branch.dtype)
    values = rng.normal(0, 1, size) if branch.is_float else rng.poisson(3, size)
    return values.astype(branch.dtype)


def _blank(columns: Columns, group: str, absent: np.ndarray) -> None:
    """Give a group of scalars its missing values where the object does not exist."""
    for branch in tautuple_schema().scalars.values():
        if branch.group == group:
            columns[branch.name][absent] = missing_value(branch)


def _set_event(columns: Columns, n: int, seed: int, rng: Rng) -> None:
    """Two candidates per event; every seed is a luminosity section of its own."""
    position = np.arange(n) % 2
    columns["run"][:] = 1
    columns["lumi"][:] = 1 + seed % 2**31
    columns["evt"][:] = np.arange(n) // 2
    columns["entry_index"][:], columns["total_entries"][:] = position, 2
    columns["tau_index"][:] = columns["jet_index"][:] = position
    columns["sampleType"][:], columns["genEventWeight"][:], columns["npv"][:] = 1, 1.0, rng.poisson(35, n) + 1
    for name in ("pv_z", "pv_x", "pv_y"):
        columns[name][:] = rng.normal(0, 4.0 if name == "pv_z" else 0.01, n)
    for name in ("trainingWeight", "tauType", "dataset_id", "dataset_group_id"):
        columns[name] = missing_column(tautuple_schema()[name], n)


def _set_taus(columns: Columns, n: int, rng: Rng) -> None:
    columns["tau_pt"][:] = (20 + rng.exponential(40, n)).clip(max=990)
    columns["tau_eta"][:] = rng.uniform(-2.299, 2.299, n)
    columns["tau_mass"][:] = rng.uniform(0.1397, 1.6, n)
    for name, size in (("pt", 0.05), ("eta", 0.01), ("phi", 0.01)):
        scale = columns["tau_pt"] if name == "pt" else 1
        shift = rng.normal(0, size, n) * scale
        columns[f"jet_{name}"][:] = columns[f"tau_{name}"] + shift
        columns[f"boostedTau_{name}"][:] = columns[f"tau_{name}"] + 0.5 * shift
    crack = (np.abs(columns["tau_eta"]) > 1.46) & (np.abs(columns["tau_eta"]) < 1.558)
    columns["tau_inside_ecal_crack"][:] = crack
    no_vertex = columns["tau_hasSecondaryVertex"] == 0
    for name in ("sv_x", "sv_y", "sv_z", "flightLength_sig", "gj_angle_diff"):
        columns[f"tau_{name}"][no_vertex] = np.nan
    for name in ("flightLength_x", "flightLength_y", "flightLength_z"):
        columns[f"tau_{name}"][no_vertex] = 0


def _set_truth(columns: Columns, n: int, rng: Rng) -> None:
    """Leptons of every kind; some too soft, some too far away, jets, and nothing at all."""
    kind = rng.choice([1, 2, 3, 4, 5, 0], n, p=[0.1, 0.1, 0.1, 0.1, 0.3, 0.3])
    lepton, soft, far = kind > 0, rng.random(n) < 0.05, rng.random(n) < 0.05
    columns["genLepton_index"][:], columns["genLepton_kind"][:] = 0, kind
    threshold = np.where(kind == 5, 15.0, 8.0)
    hard_pt = np.maximum(columns["tau_pt"] * rng.normal(1, 0.1, n), threshold + 0.1)
    columns["genLepton_vis_pt"][:] = np.where(soft, 0.5 * threshold, hard_pt)
    columns["genLepton_vis_eta"][:] = columns["tau_eta"] + np.where(far, 1.0, rng.normal(0, 0.01, n))
    columns["genLepton_vis_phi"][:] = columns["tau_phi"] + rng.normal(0, 0.01, n)
    _blank(columns, "genLepton", ~lepton)
    columns["genJet_index"][:] = 0
    for name in ("pt", "eta", "phi"):
        columns[f"genJet_{name}"][:] = columns[f"jet_{name}"]
    _blank(columns, "genJet", rng.random(n) < 0.1)


def _make_scalars(n: int, seed: int, rng: Rng) -> Columns:
    columns = {name: _draw(branch, n, rng) for name, branch in tautuple_schema().scalars.items()}
    _set_event(columns, n, seed, rng)
    _set_taus(columns, n, rng)
    _set_truth(columns, n, rng)
    for group, fraction in (("tau", 0.05), ("boostedTau", 0.8), ("fatJet", 0.7), ("tagObj", 0.5)):
        _blank(columns, group, rng.random(n) < fraction)
    _blank(columns, "jet", (columns["tau_index"] >= 0) & (rng.random(n) < 0.03))
    return columns


def _make_collection(prefix: str, counts: np.ndarray, axis: np.ndarray, rng: Rng) -> Collection:
    """Objects around the axis (rows: eta, phi), with running indices."""
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    size, owner = int(offsets[-1]), np.repeat(np.arange(len(counts)), counts)
    fields = tautuple_schema().collections[prefix]
    columns = {name: _draw(branch, size, rng) for name, branch in fields.items()}
    if "eta" in columns:
        columns["eta"][:] = axis[0][owner] + rng.normal(0, 0.15, size)
        columns["phi"][:] = (axis[1][owner] + rng.normal(0, 0.15, size) + np.pi) % (2 * np.pi) - np.pi
    if "index" in columns:
        columns["index"][:] = np.arange(size) - offsets[:-1][owner]
    if "hasTrackDetails" in columns:
        for name in ("dxy_error", "dz_error", "track_chi2", "track_ndof"):
            columns[name][columns["hasTrackDetails"] == 0] = np.nan
        columns["charge"][np.isin(columns["particleType"], [4, 5, 6, 7])] = 0
    for name in fields:
        if name.startswith("hgcal_"):
            columns[name] = missing_column(fields[name], size)
    return Collection(offsets, columns)


def mock_tuples(n: int, seed: int = 0) -> Tuples:
    """Make up ``n`` tau candidates with all branches of the schema.

    All four truth types occur, some entries have none; about 5% have no reconstructed tau,
    and objects such as the fat jet or tracks without details leave missing values.  The key
    (run, lumi, evt, jet_index, tau_index) is unique, also between seeds (the luminosity
    section is the seed plus one).

    Args:
        n: number of entries.
        seed: the same seed gives the same entries.

    Returns:
        The entries, in memory form.

    Examples:
        >>> taus = mock_tuples(100, seed=1)
        >>> len(taus), len(taus.branches), bool(np.nanmin(taus["tau_pt"]) >= 20)
        (100, 711, True)
    """
    rng = np.random.default_rng([seed, n])
    scalars = _make_scalars(n, seed, rng)
    axis = np.array([scalars["jet_eta"], scalars["jet_phi"]])
    axis = np.where(np.isnan(axis), 0, axis)
    counts = {prefix: rng.poisson(mean, n) for prefix, mean in MEAN_OBJECTS.items()}
    counts |= {prefix: counts[other] for prefix, other in _SAME_COUNTS.items()}
    counts["fatJet_subJet"][np.isnan(scalars["fatJet_pt"])] = 0
    scalars["nsv"][:] = counts["sv"]
    order = tautuple_schema().collections
    return Tuples(scalars, {prefix: _make_collection(prefix, counts[prefix], axis, rng) for prefix in order})
