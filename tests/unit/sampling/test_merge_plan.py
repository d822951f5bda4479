from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.config.binned import MergeStepConfig, SourceConfig
from taumltools.errors import ConfigError, InputError
from taumltools.sampling.merge_plan import account, plan_merge
from taumltools.sampling.merge_sources import BinnedFile

TAU = {"tau": SourceConfig(file="tau_.*")}
STEP = MergeStepConfig(outputs={"out": TAU}, pt_edges=(20, 40, 80), eta_edges=(0, 1.15, 2.3))
NAMES = ["tau_pt_20_eta_0.000", "tau_pt_20_eta_1.150", "tau_pt_40_eta_0.000", "tau_pt_40_eta_1.150"]


def files(sizes, dataset="DY"):
    return [BinnedFile(Path(dataset, f"{name}.arrow"), dataset, size) for name, size in sizes.items()]


@given(
    st.lists(st.lists(st.integers(0, 50), min_size=4, max_size=4), min_size=1, max_size=4),
    st.integers(1, 100),
    st.sampled_from(["spread", "first"]),
)
def test_bins_are_filled_to_their_effective_size(sizes, cap, take):
    datasets = [file for i, row in enumerate(sizes) for file in files(dict(zip(NAMES, row, strict=True)), f"d{i}")]
    step = dataclasses.replace(STEP, max_bin_occupancy=cap, take=take)
    sources = {f"s{i}": SourceConfig(file="tau_.*", dir=f"d{i}", weight=i + 1) for i in range(len(sizes))}
    if not any(map(sum, sizes)):
        with pytest.raises(InputError, match="out: the bins of its sources have no entries"):
            plan_merge("out", datasets, sources, step)
        return
    plan = plan_merge("out", datasets, sources, step)
    assert [part.name for part in plan.bins] == NAMES
    for i, part in enumerate(plan.bins):
        assert part.available == sum(row[i] for row in sizes)
        assert part.entries == min(part.available, cap)
        for source in part.sources:
            assert sum(pick.entries for pick in source.picks) == source.quota
            assert all(0 < pick.entries <= pick.file.entries for pick in source.picks)
    assert plan.total == account(plan)["entries"] == sum(part.entries for part in plan.bins)


def test_weights_by_bin():
    plan = plan_merge(
        "out",
        files(dict(zip(NAMES, (10, 20, 40, 500), strict=True))),
        TAU,
        dataclasses.replace(STEP, calc_weights=True, max_bin_occupancy=100),
    )
    assert [part.weight for part in plan.bins] == [1 / 4 / 10, 1 / 4 / 20, 1 / 4 / 40, 1 / 4 / 100]
    assert math.isclose(plan.weight_sum, 1)
    assert plan_merge("out", files({NAMES[0]: 3}), TAU, STEP).weight_sum == 0


def test_weights_need_filled_bins():
    some = files({NAMES[0]: 3})
    with pytest.raises(ConfigError, match="3 of 4 bins have no entries"):
        plan_merge("out", some, TAU, dataclasses.replace(STEP, calc_weights=True))
    step = dataclasses.replace(STEP, calc_weights=True, skip_empty_bins=True)
    plan = plan_merge("out", some, TAU, step)
    assert [part.weight for part in plan.bins] == [1 / 3, None, None, None]
    assert account(plan)["empty_bins"] == 3


def test_spread_takes_from_all_datasets_and_first_from_the_first():
    two = [*files({NAMES[0]: 100}, "A"), *files({NAMES[0]: 300}, "B")]
    taken = {}
    for take in ("spread", "first"):
        plan = plan_merge("out", two, TAU, dataclasses.replace(STEP, max_bin_occupancy=100, take=take))
        taken[take] = {pick.file.dataset: pick.entries for pick in plan.bins[0].sources[0].picks}
    assert taken == {"spread": {"A": 25, "B": 75}, "first": {"A": 100}}


def test_weights_of_sources_share_a_bin():
    two = [*files({NAMES[0]: 1000}, "A"), *files({NAMES[0]: 1000}, "B")]
    sources = {"a": SourceConfig(file="tau_.*", dir="A", weight=2), "b": SourceConfig(file="tau_.*", dir="B")}
    plan = plan_merge("out", two, sources, dataclasses.replace(STEP, max_bin_occupancy=600))
    assert account(plan)["by_source"] == {
        "a": {"available": 1000, "entries": 400},
        "b": {"available": 1000, "entries": 200},
    }


def test_types_of_the_sources_have_bins():
    names = {"tau_pt_20_eta_0.000": 2, "jet_pt_40_eta_1.150": 3, "mu_pt_20_eta_0.000": 4}
    plan = plan_merge("out", files(names), {"x": SourceConfig(file="(tau|jet)_.*")}, STEP)
    assert [part.name.split("_")[0] for part in plan.bins] == ["tau"] * 4 + ["jet"] * 4
    assert {part.name: part.entries for part in plan.bins if part.entries} == {
        "tau_pt_20_eta_0.000": 2, "jet_pt_40_eta_1.150": 3,
    }  # fmt: skip


def test_files_outside_of_the_edges_are_reported(caplog):
    plan = plan_merge("out", files({NAMES[0]: 3, "tau_pt_80_eta_0.000": 5}), TAU, STEP)
    assert plan.total == 3
    assert plan.ignored == ("DY/tau_pt_80_eta_0.000.arrow",)
    assert "1 files are no bin of the given edges and ignored" in caplog.text


def test_second_step_reads_the_names_of_the_first():
    step = dataclasses.replace(STEP, pt_edges=(20, 1000), eta_edges=(0, 2.3))
    made = files({f"{name}_pt_20_eta_0.000": 10 * i for i, name in enumerate(("e", "mu", "tau", "jet"), 1)}, "by_type")
    sources = {name: SourceConfig(file=f"{name}_pt_.*") for name in ("e", "mu", "tau", "jet")}
    plan = plan_merge("training", made, sources, step)
    assert [(part.name, part.entries) for part in plan.bins] == [
        ("e_pt_20_eta_0.000", 10), ("mu_pt_20_eta_0.000", 20), ("tau_pt_20_eta_0.000", 30), ("jet_pt_20_eta_0.000", 40),
    ]  # fmt: skip


def test_plan_is_an_artefact(tmp_path):
    plan_merge("out", files({NAMES[0]: 3}), TAU, STEP).save(tmp_path / "plan.json")
    content = json.loads((tmp_path / "plan.json").read_text())
    assert (content["name"], content["total"], content["ignored"]) == ("out", 3, [])
    assert content["bins"][NAMES[0]] == {
        "available": 3, "entries": 3, "weight": None, "sources": {"tau": {"available": 3, "quota": 3}},
    }  # fmt: skip


def test_a_step_without_edges():
    with pytest.raises(ConfigError, match=r"the step of 'out' has no pt_edges.*BinnedConfig.step"):
        plan_merge("out", files({NAMES[0]: 3}), TAU, MergeStepConfig(outputs={"out": TAU}))
