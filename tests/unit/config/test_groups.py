"""Every option of every group that is shipped, alone and in a campaign, and what the groups must agree on."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from taumltools.config import available_campaigns, load_campaign
from taumltools.config.campaign import CampaignConfig
from taumltools.config.compose import CONFIG_DIR
from taumltools.features.definition import define
from taumltools.features.expression import parse
from taumltools.training.losses import LOSSES
from taumltools.training.models import MODELS
from taumltools.tuples.schema import tautuple_schema
from taumltools.tuples.truth import TAU_TYPES

GROUPS = (
    "production",
    "sampling",
    "binned",
    "validation",
    "features",
    "scaling",
    "model",
    "training",
    "evaluation",
    "report",
    "batch",
    "htt",
)
OPTIONS = [(group, path.stem) for group in GROUPS for path in sorted((CONFIG_DIR / group).glob("*.yaml"))]
SECTIONS = {f.name: f.type for f in dataclasses.fields(CampaignConfig)}
SCHEMA = tautuple_schema()


def content(group: str, name: str) -> dict:
    return yaml.safe_load((CONFIG_DIR / group / f"{name}.yaml").read_text(encoding="utf-8"))


@pytest.fixture(params=available_campaigns())
def campaign(request) -> CampaignConfig:
    return load_campaign(request.param)


def test_every_section_of_a_campaign_is_a_group_with_options():
    plain = ("str", "int", "dict", "Literal")
    sections = {name for name, kind in SECTIONS.items() if not kind.startswith(plain)}
    assert {group for group, _ in OPTIONS} == set(GROUPS) == sections


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_option_can_be_chosen_and_arrives_unchanged(group, option):
    """What the file says is what the code gets; a key the code does not know is refused."""
    chosen = getattr(load_campaign("demo", f"{group}={option}"), group)
    own = {key: value for key, value in content(group, option).items() if key != "defaults"}
    told = TypeAdapter(type(chosen)).dump_python(chosen, mode="json", by_alias=True)

    def inside(part, whole, path):
        for key, value in part.items():
            there = whole[key] if key in whole else whole[str(key)]
            if isinstance(value, dict):
                inside(value, there, f"{path}.{key}")
            else:
                assert there == value, f"{path}.{key}"

    inside(own, told, group)
    with pytest.raises(ValidationError, match="no_such_key"):
        TypeAdapter(type(chosen)).validate_python({**told, "no_such_key": 1})


@pytest.mark.parametrize("group", sorted(set(GROUPS) - {"features"}))
def test_the_demo_writes_out_every_setting_of_a_group(group):
    """The file is where users look for what can be set."""
    section = getattr(load_campaign("demo"), group)
    first = {
        "sampling": "flat",
        "production": "fastsim",
        "model": "deepset",
        "report": "default",
        "batch": "default",
        "binned": "standard",
        "validation": "default",
        "scaling": "default",
        "htt": "demo_tt",
    }.get(group, "demo")
    written = content(group, first)
    below = {key for default in written.get("defaults", []) if isinstance(default, dict) for key in default}
    assert {f.name for f in dataclasses.fields(section)} - set(written) - below == set()


def test_names_that_pick_code_exist_in_the_code(campaign):
    assert campaign.model.name in MODELS
    assert campaign.training.loss in LOSSES
    assert set(campaign.sampling.tau_ratio) == set(TAU_TYPES)


def test_features_are_filled_by_the_simulation(campaign):
    """A feature over a branch that nothing fills would be NaN for every candidate."""
    assert {name for name in define(campaign.features).names if not SCHEMA[name].simulated} == set()


def test_evaluation_has_the_columns_it_cuts_scores_and_bins_on(campaign):
    evaluation = campaign.evaluation
    needed = {"tau_pt", "tau_eta", "tau_dz", "tau_decayMode", "run", "lumi", "evt", *evaluation.efficiency}
    needed |= {evaluation.weight} - {""}
    for discriminator in evaluation.discriminators.values():
        if discriminator.score != "network":
            needed |= parse(discriminator.score).names
    assert needed - set(evaluation.columns) == set()
    for name in evaluation.columns:
        branch = name.removeprefix("leading_")
        assert branch in SCHEMA
        assert SCHEMA[branch].simulated
    assert set(evaluation.reference) == {"e", "mu", "jet"}
    for vs in evaluation.reference:
        assert any(vs in d.vs and d.score == "network" for d in evaluation.discriminators.values())


def test_regions_and_bins_lie_within_the_cuts(campaign):
    evaluation, cuts = campaign.evaluation, campaign.evaluation.cuts
    for low, high in evaluation.regions.pt:
        assert cuts.pt[0] <= low < high <= cuts.pt[1]
    for low, high in evaluation.regions.abs_eta:
        assert 0 <= low < high <= cuts.abs_eta
    assert not set(itertools.chain(*evaluation.regions.decay_modes)) & set(cuts.no_decay_modes)
    assert cuts.pt[0] <= evaluation.working_points.pt[0] < evaluation.working_points.pt[1] <= cuts.pt[1]
    assert max(map(abs, evaluation.efficiency["tau_eta"].edges)) <= cuts.abs_eta
    assert evaluation.efficiency["tau_pt"].edges[0] >= cuts.pt[0]


def test_training_covers_what_is_evaluated(campaign):
    """The network is asked about nothing it has not seen."""
    sampling, cuts = campaign.sampling, campaign.evaluation.cuts
    assert sampling.pt_edges[0] <= cuts.pt[0]
    assert sampling.pt_edges[-1] >= cuts.pt[1]
    assert sampling.eta_edges[-1] >= cuts.abs_eta
    assert campaign.production.hps.min_pt <= sampling.pt_edges[0]
    assert campaign.production.hps.max_eta >= sampling.eta_edges[-1]


def test_working_points_go_from_loose_to_tight(campaign):
    targets = campaign.evaluation.working_points.targets
    assert set(targets) == {"e", "mu", "jet"}
    order = [p + "Loose" for p in ("VVV", "VV", "V", "")] + ["Medium"] + [p + "Tight" for p in ("", "V", "VV")]
    for points in targets.values():
        assert list(points) == [name for name in order if name in points]
        assert all(a > b for a, b in itertools.pairwise(points.values()))
    assert campaign.report.headline_efficiency["jet"] == targets["jet"]["Loose"]
    assert campaign.report.headline_efficiency["e"] == targets["e"]["Medium"]


def test_samples_hold_all_types(campaign):
    """Each side needs genuine taus and every kind of fake."""
    sources = {
        "tau": {"ztautau", "htautau", "zprime_tautau"},
        "e": {"zee", "zprime_ee"},
        "mu": {"zmumu", "zprime_mumu"},
    }
    for parts in campaign.samples.values():
        for datasets in [*sources.values(), {"qcd", "ttbar", "wjets"}]:
            assert datasets & set(parts)
        assert all(part.events >= part.chunks for part in parts.values())


def test_weighted_datasets_say_so(campaign):
    biased = {name for name, d in campaign.datasets.items() if any("bias2Selection = on" in x for x in d.process)}
    assert {name for name, d in campaign.datasets.items() if d.weighted} == biased
    titles = [dataset.title for dataset in campaign.datasets.values()]
    assert len(set(titles)) == len(titles)


def test_objects_of_features_are_within_the_stored_cone(campaign):
    """A wider selection than the cone of constituents would silently be cut off."""
    for block in campaign.features.objects.values():
        if block.collection == "pfCand" and block.select:
            assert float(block.select.rsplit("<", 1)[1]) <= campaign.production.cone.constituents
