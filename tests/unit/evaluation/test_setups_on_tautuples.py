"""The setups for CMS samples, run on a TauTuple that CMS's own class wrote (its values are random)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from taumltools.config import load_campaign
from taumltools.config.evaluation import EvaluationConfig
from taumltools.evaluation.draw import efficiency_plots, roc_plots, save_plots, score_plots
from taumltools.evaluation.performance import evaluate
from taumltools.evaluation.sources import TupleSource
from taumltools.evaluation.table import Predictions

TUPLE = Path(__file__).parents[2] / "data" / "cms_tools" / "head" / "input" / "DY" / "eventTuple_1.root"
COPIES = 25
"""200 entries of several types, decay modes and regions are too few for working points of 98%."""


@pytest.fixture(params=["run2", "run3", "phase2_hlt"])
def setup(request: pytest.FixtureRequest) -> EvaluationConfig:
    return load_campaign("demo", f"evaluation={request.param}").evaluation


def scored(setup: EvaluationConfig) -> Predictions:
    """The tuple's entries with all columns of a setup, many times over, and outputs that know a little."""
    with TupleSource(TUPLE, load_campaign("demo").features, setup.columns, "MC") as source:
        read = source.read(0, source.entries)
    truth = np.tile(read.types, COPIES)
    targets = (truth[:, None] == np.arange(4)).astype(np.uint8)
    rng = np.random.default_rng(3)
    outputs = rng.dirichlet(np.ones(4), len(truth)) + targets
    columns = {name: np.tile(column, COPIES) for name, column in read.columns.items()}
    columns["evt"] = rng.permutation(len(truth)).astype(np.uint64)
    return Predictions(
        outputs=(outputs / outputs.sum(axis=1, keepdims=True)).astype(np.float32),
        targets=targets,
        scored=np.ones(len(truth), bool),
        columns=columns,
        dataset=np.zeros(len(truth), np.int32),
        datasets=("DY",),
    )


def test_setup_evaluates_and_draws_a_tautuple(setup: EvaluationConfig, tmp_path: Path):
    predictions = scored(setup)
    found = {name: evaluate(predictions, setup, name) for name in setup.discriminators}
    assert len(found) > 1, "the network and references"
    for name, performance in found.items():
        wanted = {(vs, tuple(pt)) for vs in setup.discriminators[name].vs for pt in setup.regions.pt}
        assert {(c["vs"], tuple(c["region"]["pt"])) for c in performance["curves"]} == wanted
        # What TauTuples hold as bits only has working points and no curve.
        has_score = bool(setup.discriminators[name].score)
        assert all(
            0 <= curve["auc"] <= 1 if has_score else "no score" in curve["missing"] for curve in performance["curves"]
        )
        assert all(
            0 <= point["misid"]["value"] <= 1 for entry in performance["working_points"] for point in entry["points"]
        )
        assert {e["variable"] for e in performance["efficiencies"]} == set(setup.efficiency)
    network = found.pop("network")
    assert min(curve["auc"] for curve in network["curves"]) > 0.9
    for vs in ("e", "mu", "jet"):
        others = [one for one in found.values() if vs in one["vs"]]
        assert save_plots(roc_plots([network, *others], vs, setup), tmp_path / "roc" / vs, ["png"])
    assert save_plots(efficiency_plots(network, setup), tmp_path / "efficiency", ["png"])
    assert save_plots(score_plots(network, setup), tmp_path / "scores", ["png"])


def test_efficiency_plots_may_end_before_curves_do():
    """CMS draws curves of Run 3 up to 2.5 and efficiencies up to 2.3."""
    setup = load_campaign("demo", "evaluation=run3").evaluation
    assert (setup.cuts.abs_eta, setup.regions.abs_eta, setup.efficiency_abs_eta) == (2.5, ((0.0, 2.5),), 2.3)
    predictions = scored(setup)
    measured = []
    for limit in (2.3, 1.0, None):
        performance = evaluate(predictions, replace(setup, efficiency_abs_eta=limit), "deeptau_2018v2p5")
        of_taus = [
            e for e in performance["efficiencies"] if (e["vs"], e["variable"], e["type"]) == ("jet", "tau_phi", "tau")
        ]
        entries = {sum(e["entries"]) for e in of_taus}
        assert len(entries) == 1
        measured.append((*entries, performance["curves"][0]["n_tau"]))
    (standard, curve), (central, same), (everything, again) = measured
    assert central < standard <= everything
    assert curve == same == again
