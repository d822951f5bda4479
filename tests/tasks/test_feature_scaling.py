"""Tasks of feature scaling, run in this process on flat tuples made by hand."""

from __future__ import annotations

import json

import pytest

from tasks.features import FeatureScaling, FeatureSums, ScalingPlots
from taumltools.config import load_campaign
from taumltools.errors import InputError
from taumltools.features.flat import make_flat, write_flat
from taumltools.features.scaling import load_scaling
from taumltools.tuples.mock import mock_tuples

PLAIN = {"version": "v1", "campaign": "tiny"}


def publish(path, write):
    """Put a product where a task looks for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    write(path)


@pytest.fixture
def features():
    return load_campaign("tiny").features


@pytest.fixture
def flat_tuples(tmp_path, monkeypatch, features):
    """Two parts of flat tuples, where FeatureSums expects them."""
    monkeypatch.setenv("TAUML_STORE", str(tmp_path / "store"))
    flat = make_flat(mock_tuples(400, seed=8), features)
    cut = len(flat) // 3
    paths = FeatureSums(**PLAIN).upstream()["parts"].paths()
    for path, part in zip(paths, (flat.slice(0, cut), flat.slice(cut, len(flat))), strict=True):
        publish(path, lambda p, part=part: write_flat(p, [part], config=features))
    return flat


def run(task, branch=0):
    one = task.req_branch(branch) if hasattr(task, "req_branch") else task
    publish(one.path, lambda path: (one.produce(path), one.validate(path)))
    return one.path


def test_sums_of_parts_become_constants_and_plots(flat_tuples, features):
    sums = FeatureSums(**PLAIN)
    for branch in range(sums.n_branches()):
        run(sums, branch)
    constants = load_scaling(run(FeatureScaling(**PLAIN)), features)
    assert constants["taus"]["tau_mass"]["mean"] == pytest.approx(flat_tuples.taus["tau_mass"].mean(), rel=1e-5)
    plots = ScalingPlots(**PLAIN, overrides="scaling.plots.formats=[png]")
    folder = run(plots)
    names = {path.name for path in folder.iterdir()}
    assert {"convergence.png", "convergence.json", "ranges_taus_global.png", "scaling_params.json"} <= names
    assert json.loads((folder / "convergence.json").read_text())["parts"] == [1, 2]


def test_plots_and_limits_do_not_change_what_is_summed():
    plain = FeatureSums(**PLAIN)
    for override in ("scaling.plots.parts_per_step=2", "scaling.limits.infinite=1", "scaling.source=a.json"):
        assert FeatureSums(**PLAIN, overrides=override).identity == plain.identity
    assert FeatureSums(**PLAIN, overrides="scaling.measured_on=legacy").identity != plain.identity
    scaling = FeatureScaling(**PLAIN)
    assert FeatureScaling(**PLAIN, overrides="scaling.plots.parts_per_step=2").identity == scaling.identity
    assert FeatureScaling(**PLAIN, overrides="scaling.limits.infinite=1").identity != scaling.identity


def test_constants_from_a_file_are_checked_and_need_no_sums(tmp_path, monkeypatch, features):
    monkeypatch.setenv("TAUML_STORE", str(tmp_path / "store"))
    table = {}
    for block, items in features.blocks().items():
        for name, item in items.items():
            low, high = (item.scaling.min, item.scaling.max) if item.scaling.type == "linear" else (0.0, 2.0)
            limit = {"linear": 1, "normal": 5}.get(item.scaling.type, "inf")
            std = 1.0 if limit == "inf" else (high - low) / 2
            mean = 0.0 if limit == "inf" else (low + high) / 2
            entry = {"mean": mean, "std": std, "lim_min": f"-{limit}", "lim_max": limit}
            table.setdefault("TauFlat" if block == "taus" else block, {})[name] = {"global": entry}
    (tmp_path / "cms.json").write_text(json.dumps(table))
    task = FeatureScaling(**PLAIN, overrides=f"scaling.source={tmp_path}/cms.json")
    assert task.upstream() == {}
    assert task.req_branch(0).produce(tmp_path / "scaling.json") == {"from": [f"{tmp_path}/cms.json"]}
    assert load_scaling(tmp_path / "scaling.json", features) == load_scaling(table, features)

    table["TauFlat"]["tau_pt"]["global"]["std"] = 3.0
    (tmp_path / "cms.json").write_text(json.dumps(table))
    with pytest.raises(InputError, match=r"cms\.json: taus\.tau_pt \(global\): std 3, defined as 490"):
        task.req_branch(0).produce(tmp_path / "scaling.json")
