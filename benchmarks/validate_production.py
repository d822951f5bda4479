"""Physics of the simulation in numbers: sanity figures and how well simple variables separate the types.

Usage: ``python benchmarks/validate_production.py [events per dataset]``
"""

from __future__ import annotations

import sys
from dataclasses import dataclass

import numpy as np
from bench_production import load_dataset, shared_pool, simulate_all

from taumltools.config.production import ProductionConfig
from taumltools.tuples.data import Tuples
from taumltools.tuples.truth import TAU_TYPES, truth_type

DATASETS = ("ztautau", "htautau", "zprime_tautau", "zee", "zprime_ee", "zmumu", "zprime_mumu", "qcd", "wjets", "ttbar")
PT_RANGE = (20.0, 100.0)
MAX_ETA = 2.3


@dataclass(frozen=True)
class Sample:
    """Selected candidates: features (n, m), truth type (n,) and charged isolation (n,)."""

    features: np.ndarray
    types: np.ndarray
    isolation: np.ndarray


def features(t: Tuples) -> np.ndarray:
    """Twenty simple variables of each entry, float64, shape (n, 20)."""
    pf, n = t.collections["pfCand"], len(t)
    owner = pf.owner
    c = pf.columns
    d_phi = (c["phi"] - t["tau_phi"][owner] + np.pi) % (2 * np.pi) - np.pi
    dr = np.hypot(c["eta"] - t["tau_eta"][owner], d_phi)
    signal, lead, photon = c["tauSignal"] == 1, c["tauLeadChargedHadrCand"] == 1, c["particleType"] == 4

    def total(weights: np.ndarray) -> np.ndarray:
        return np.bincount(owner, weights=weights, minlength=n)

    near = (c["charge"] != 0) & (c["pt"] > 0.5) & (np.abs(c["dz"]) < 0.2) & (dr < 0.4)
    return np.stack(
        [
            t["tau_pt"],
            np.abs(t["tau_eta"]),
            t["tau_mass"],
            t["tau_decayMode"],
            t["tau_chargedIsoPtSum"],
            t["tau_neutralIsoPtSum"],
            t["tau_pt"] / t["jet_pt"],
            t["jet_nConstituents"],
            np.abs(t["tau_dxy"]) / t["tau_dxy_error"],
            total(c["pt"] * dr * signal) / np.maximum(total(c["pt"] * signal), 1e-6),
            total(near),
            total(lead * c["pt"]) / t["tau_pt"],
            total(lead * c["hcalFraction"]),
            total(lead * c["rawCaloFraction"]),
            total(lead * c["particleType"]),
            total(photon * c["pt"] * (dr < 0.1)),
            total(c["puppiWeight"] * c["pt"] * ~signal),
            t["tau_e_ratio"],
            t.collections["ele"].counts,
            t.collections["muon"].counts,
        ],
        axis=1,
    ).astype(np.float64)


def select(t: Tuples) -> Sample:
    """Reconstructed candidates with a truth type inside the fiducial range."""
    types = truth_type(t)
    keep = (types >= 0) & (t["tau_pt"] > PT_RANGE[0]) & (t["tau_pt"] < PT_RANGE[1]) & (np.abs(t["tau_eta"]) < MAX_ETA)
    chosen = t.take(np.flatnonzero(keep))
    return Sample(features(chosen), types[keep], chosen["tau_chargedIsoPtSum"])


def separation(sample: Sample, background: str, seed: int = 0) -> dict[str, float]:
    """Area under the ROC curve of boosted trees, and misidentification at fixed efficiencies."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    tau, other = TAU_TYPES.index("tau"), TAU_TYPES.index(background)
    keep = np.isin(sample.types, (tau, other))
    x, y = sample.features[keep], sample.types[keep] == tau
    train = np.random.default_rng(seed).random(len(y)) < 0.6
    model = HistGradientBoostingClassifier(max_iter=150, random_state=seed).fit(x[train], y[train])
    score, truth = model.predict_proba(x[~train])[:, 1], y[~train]
    out = {"AUC": roc_auc_score(truth, score)}
    ordered = np.sort(score[truth])[::-1]
    for efficiency in (0.5, 0.7, 0.8):
        cut = ordered[int(len(ordered) * efficiency)]
        out[f"misid at {efficiency:.0%}"] = float((score[~truth] > cut).mean())
    if background == "jet":
        out["AUC of charged isolation alone"] = roc_auc_score(y, -sample.isolation[keep])
    return out


def hps_figures(t: Tuples) -> dict[str, float]:
    """Efficiency, response and decay-mode migration of generated hadronic taus."""
    hadronic = (t["genLepton_kind"] == 5) & (t["genLepton_vis_pt"] > 22) & (np.abs(t["genLepton_vis_eta"]) < 2.2)
    found = hadronic & (t["tau_index"] >= 0) & (truth_type(t) == 2)
    response = (t["tau_pt"] / t["genLepton_vis_pt"])[found]
    low, middle, high = np.quantile(response, (0.16, 0.5, 0.84))
    prongs, pi0 = decay_products(t)
    out = {
        "efficiency": found.sum() / hadronic.sum(),
        "pt response": middle,
        "half-width of response": (high - low) / 2,
    }
    for label, n_prongs, n_pi0, mode in (("1p0", 1, 0, 0), ("1p1", 1, 1, 1), ("3p0", 3, 0, 10), ("3p0", 3, 0, 5)):
        chosen = found & (prongs == n_prongs) & (pi0 == n_pi0)
        out[f"{label} to DM{mode}"] = float((t["tau_decayMode"][chosen] == mode).mean())
    return out


def decay_products(t: Tuples) -> tuple[np.ndarray, np.ndarray]:
    """Charged hadrons and neutral pions of each entry's generated tau, from its decay chain."""
    chain = t.collections["genParticle"]
    code = np.abs(chain.columns["pdgId"])
    first_row = chain.offsets[:-1][chain.owner]
    parent = chain.columns["mother"]
    parent_code = np.where(parent >= 0, code[np.maximum(first_row + parent, 0)], 0)
    direct = ~np.isin(parent_code, (111, 310, 130, 311))
    prongs = np.isin(code, (211, 321)) & direct
    pi0 = (code == 111) & direct
    return np.bincount(chain.owner[prongs], minlength=len(t)), np.bincount(chain.owner[pi0], minlength=len(t))


def multiplicities(t: Tuples, tau_type: int) -> dict[str, float]:
    """Charged multiplicity and isolation of candidates of one truth type."""
    chosen = t.take(np.flatnonzero((truth_type(t) == tau_type) & (t["tau_pt"] > PT_RANGE[0])))
    tracks = features(chosen)[:, 10]
    name = TAU_TYPES[tau_type]
    return {
        f"{name}: candidates": len(chosen),
        f"{name}: tracks in dR 0.4": tracks.mean(),
        f"{name}: charged isolation below 1.5 GeV": (chosen["tau_chargedIsoPtSum"] < 1.5).mean(),
    }


def main(events: int) -> None:
    """Simulate every dataset and print all figures."""
    config = ProductionConfig()
    pool = shared_pool(config)
    tables = {name: simulate_all(load_dataset(name), config, pool, events, label=name) for name in DATASETS}
    everything = Tuples.concatenate(list(tables.values()))
    taus = Tuples.concatenate([tables[name] for name in ("ztautau", "htautau", "zprime_tautau")])
    for name, value in {**hps_figures(taus), **multiplicities(taus, 2), **multiplicities(everything, 3)}.items():
        print(f"{name:45s} {value:10.4f}")
    sample = select(everything)
    for background in ("e", "mu", "jet"):
        for name, value in separation(sample, background).items():
            print(f"{'tau against ' + background + ': ' + name:45s} {value:10.4f}")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3000)
