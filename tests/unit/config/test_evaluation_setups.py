"""The setups for CMS samples: what they need and that they agree with the tuples."""

from __future__ import annotations

import pytest
import yaml
from pydantic import TypeAdapter

from taumltools.config import load_campaign
from taumltools.config.compose import CONFIG_DIR
from taumltools.config.evaluation import DiscriminatorConfig, EvaluationConfig
from taumltools.evaluation.scores import branches_of_discriminator, check_columns
from taumltools.tuples.schema import tautuple_schema

SCHEMA = tautuple_schema()
OPTIONS = sorted(path.stem for path in (CONFIG_DIR / "evaluation" / "discriminators").glob("*.yaml"))


@pytest.fixture(params=["run2", "run3", "phase2_hlt"])
def setup(request: pytest.FixtureRequest) -> EvaluationConfig:
    return load_campaign("demo", f"evaluation={request.param}").evaluation


def test_setup_copies_what_it_needs_and_tautuples_have_it(setup: EvaluationConfig):
    check_columns(setup, setup.columns)
    assert [name for name in setup.columns if name not in SCHEMA] == []
    assert next(iter(setup.discriminators)) == "network"


def test_setup_has_the_axes_and_targets_of_cms(setup: EvaluationConfig):
    axes = setup.style.axes
    assert (axes["mu"].efficiency, axes["mu"].misid, axes["mu"].ratio) == ((0.98, 1.0), (2e-5, 1.0), (0.5, 2.0))
    assert (axes["jet"].ratio, axes["jet"].ratio_log) == ((0.4, 1.1), False)
    assert setup.working_points.targets == EvaluationConfig().working_points.targets
    assert setup.working_points.required == {"e": "VVVLoose", "mu": "VLoose", "jet": "VVVLoose"}
    assert set(setup.efficiency) == {"tau_pt", "tau_eta", "tau_phi", "tau_decayMode", "npu"}
    assert [len(setup.efficiency[name].bounds) for name in ("tau_eta", "tau_phi")] == [10, 10]


@pytest.mark.parametrize("name", OPTIONS)
def test_branches_are_those_of_tautuples_and_not_simulated(name: str):
    """But for what TauTuples no longer have; the simulated demo can use none of them."""
    text = (CONFIG_DIR / "evaluation" / "discriminators" / f"{name}.yaml").read_text()
    chosen = TypeAdapter(DiscriminatorConfig).validate_python(yaml.safe_load(text)[name])
    branches = branches_of_discriminator(name, chosen)
    known = [branch for branch in branches if branch in SCHEMA]
    assert known == ([] if name.startswith("against") else branches)
    assert not any(SCHEMA[branch].simulated for branch in known)


def test_bits_of_muon_points_are_two_to_five():
    from taumltools.evaluation.selection import points_of

    setup = load_campaign("demo", "evaluation=run3").evaluation
    points = points_of(setup.discriminators["deeptau_2018v2p5"], "mu", setup, {})
    assert [(p.name, p.bit) for p in points] == [("VLoose", 2), ("Loose", 3), ("Medium", 4), ("Tight", 5)]
