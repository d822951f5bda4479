"""Mock events: random numbers with the branches of event ntuples, no physics.

Processes differ in masses, momenta and jets as much as a test of a classifier needs.  What is not defined, e.g.
the second jet of an event with one, is :data:`UNDEFINED`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from taumltools.errors import ConfigError

UNDEFINED = -10.0
"""What event ntuples hold where a quantity does not exist; NaN and infinities are refused by the preprocessing."""

LEPTON_MASSES = {"t": 0.8, "e": 0.000511, "m": 0.10566}
"""Typical masses of visible tau decay products in GeV, by letter of the channel."""

PROCESSES: dict[str, dict[str, float]] = {
    "ggH": {"mass": 125, "width": 14, "boost": 30, "jets": 0.9, "btag": 0.05, "weight": 0.1},
    "VBFH": {"mass": 125, "width": 14, "boost": 60, "jets": 2.4, "btag": 0.04, "weight": 0.02},
    "bbH": {"mass": 125, "width": 14, "boost": 25, "jets": 1.3, "btag": 0.55, "weight": 0.05},
    "ZTT": {"mass": 91, "width": 10, "boost": 20, "jets": 0.7, "btag": 0.03, "weight": 1.0},
    "TT": {"mass": 140, "width": 55, "boost": 70, "jets": 3.0, "btag": 0.6, "weight": 0.6},
    "QCD": {"mass": 115, "width": 60, "boost": 15, "jets": 1.1, "btag": 0.08, "weight": 0.9},
    "W": {"mass": 105, "width": 50, "boost": 25, "jets": 0.9, "btag": 0.04, "weight": 0.7},
}
"""By process: mass of the pair and its spread in GeV, mean transverse momentum in GeV, mean number of jets, probability
that a jet is b-tagged, mean weight."""


def mock_events(
    process: str, entries: int, seed: int = 0, channel: str = "tt", first: int = 1
) -> dict[str, np.ndarray]:
    """Events of one process.

    Args:
        process: a name of :data:`PROCESSES`.
        entries: how many.
        seed: of the random numbers.
        channel: final state of the tau pair, two letters out of t, e, m.
        first: number of the first event; the following ones are numbered consecutively.

    Returns:
        Branches by name, shape (entries,) each; momenta and masses in GeV, angles in rad.

    Raises:
        ConfigError: no such process.

    Examples:
        >>> events = mock_events("ggH", 3)
        >>> events["evt"].tolist(), events["pt_1"].dtype.name
        ([1, 2, 3], 'float32')
    """
    if process not in PROCESSES:
        raise ConfigError(f"there are no mock events of '{process}'; known are {', '.join(PROCESSES)}")
    rng = np.random.default_rng([seed, [*PROCESSES].index(process)])
    shape = PROCESSES[process]
    events: dict[str, np.ndarray] = {
        "run": np.ones(entries, np.uint32),
        "lumi": np.arange(entries, dtype=np.uint32) // 100 + 1,
        "evt": np.arange(first, first + entries, dtype=np.uint64),
        "weight": (shape["weight"] * rng.lognormal(0, 0.2, entries)).astype(np.float32),
    }
    events |= _pair(rng, entries, shape, channel) | _jets(rng, entries, shape)
    faking = process in ("QCD", "W")
    events["gen_match_1"] = np.full(entries, 6 if faking else 5, np.int32)
    events["gen_match_2"] = np.full(entries, 6 if faking else 5, np.int32)
    b_hadrons = rng.binomial(2, 0.8 if process in ("bbH", "TT") else 0.1, entries)
    events["gen_nbjets_cut"] = b_hadrons.astype(np.int32)
    return events


def _pair(rng: np.random.Generator, n: int, shape: dict[str, float], channel: str) -> dict[str, np.ndarray]:
    """The two leptons, their masses and the missing momentum."""
    mass = np.maximum(rng.normal(shape["mass"], shape["width"], n), 20.0)
    boost = rng.exponential(shape["boost"], n)
    share = np.sort(rng.beta(4, 4, (n, 2)), axis=1)[:, ::-1]
    floor = 38.0 if channel == "tt" else 12.0
    pt = floor + (0.25 * mass + 0.3 * boost)[:, None] * share
    visible = mass * rng.beta(9, 4, n)
    eta, phi = rng.normal(0, 1.1, (n, 2)), rng.uniform(-np.pi, np.pi, n)
    gap = rng.uniform(0.2, 1, n) * np.pi * np.exp(-boost / 200)
    second = np.angle(np.exp(1j * (phi + gap)))
    met = np.abs(rng.normal(15 + 0.3 * boost, 12, n))
    met_phi = rng.uniform(-np.pi, np.pi, n)
    pt_tt = np.hypot(boost, rng.exponential(8, n))
    columns = {
        "pt_1": pt[:, 0], "pt_2": pt[:, 1], "eta_1": eta[:, 0], "eta_2": eta[:, 1], "phi_1": phi, "phi_2": second,
        "m_1": np.full(n, LEPTON_MASSES[channel[0]]), "m_2": np.full(n, LEPTON_MASSES[channel[1]]),
        "m_vis": visible, "m_sv": mass * rng.normal(1, 0.12, n), "pt_tt": pt_tt,
        "puppimet": met, "puppimetphi": met_phi, "dr_tt": np.hypot(eta[:, 0] - eta[:, 1], gap),
        "mt_1": np.sqrt(2 * pt[:, 0] * met * (1 - np.cos(phi - met_phi))),
        "mt_2": np.sqrt(2 * pt[:, 1] * met * (1 - np.cos(second - met_phi))),
    }  # fmt: skip
    sign = rng.choice([-1, 1], n)
    opposite = rng.random(n) < 0.95
    whole = {"q_1": sign, "q_2": np.where(opposite, -sign, sign), "os": opposite}
    found = {name: values.astype(np.float32) for name, values in columns.items()}
    found |= {name: np.asarray(values).astype(np.int32) for name, values in whole.items()}
    modes = rng.choice([0, 1, 10, 11], (n, 2), p=[0.25, 0.45, 0.2, 0.1])
    return found | {f"decayMode_{i + 1}": modes[:, i].astype(np.int32) for i in range(2) if channel[i] == "t"}


def _jets(rng: np.random.Generator, n: int, shape: dict[str, float]) -> dict[str, np.ndarray]:
    """Up to two jets and two b jets, ordered by transverse momentum."""
    count = rng.poisson(shape["jets"], n)
    tagged = rng.binomial(count, shape["btag"])
    pt = np.sort(30 + rng.exponential(35, (n, 2)), axis=1)[:, ::-1]
    eta, phi = rng.normal(0, 2.0, (n, 2)), rng.uniform(-np.pi, np.pi, (n, 2))
    found = {"njets": count.astype(np.int32), "nbtag": tagged.astype(np.int32)}

    def where(condition: np.ndarray, values: np.ndarray) -> np.ndarray:
        return np.where(condition, values, UNDEFINED).astype(np.float32)

    for i in range(2):
        there = count > i
        found |= {f"j{name}_{i + 1}": where(there, v[:, i]) for name, v in (("pt", pt), ("eta", eta), ("phi", phi))}
        found[f"bpt_{i + 1}"] = where(tagged > i, pt[:, i])
    both = count > 1
    deta = np.abs(eta[:, 0] - eta[:, 1])
    angle = np.cosh(deta) - np.cos(phi[:, 0] - phi[:, 1])
    found["jdeta"] = where(both, deta)
    found["mjj"] = where(both, np.sqrt(2 * pt[:, 0] * pt[:, 1] * angle))
    return found


def write_events(path: Path, events: dict[str, np.ndarray], tree: str = "TauCheck") -> None:
    """Write a flat tree.

    Args:
        path: ROOT file.
        events: branches by name, equal lengths.
        tree: its name.
    """
    import uproot

    with uproot.recreate(path) as file:
        file.mktree(tree, {name: values.dtype for name, values in events.items()})
        file[tree].extend(events)
