import dataclasses

import pytest

from taumltools.config.features import FeatureConfig, ObjectBlock
from taumltools.errors import ConfigError
from taumltools.features.definition import define


def with_tau(config, **feature):
    return dataclasses.replace(config, taus={"f": FeatureConfig(**feature)})


def with_block(config, **changes):
    return dataclasses.replace(config, objects={"pf": dataclasses.replace(config.objects["pf"], **changes)})


def test_names_are_the_branches_of_all_formulas(config):
    assert define(config).names == {
        *("tau_pt", "tau_dxy", "tau_dxy_error", "tau_decayMode", "tau_eta", "tau_phi"),
        *("pfCand_pt", "pfCand_eta", "pfCand_phi", "pfCand_charge"),
    }


def test_empty_expression_is_the_branch_of_that_name(config):
    assert define(config).taus["tau_pt"].value.text == "tau_pt"


def test_default_order_is_pt(config):
    assert define(config).objects["pf"].order.text == "pfCand_pt"


def test_unknown_branch_names_feature_formula_position_and_neighbours(config):
    with pytest.raises(ConfigError, match=r'taus\.f: "1 \+ tau_ptt", column 5: .*nearest names are .*tau_pt'):
        define(with_tau(config, expression="1 + tau_ptt"))


def test_wrong_condition_is_named_as_such(config):
    with pytest.raises(ConfigError, match=r"taus\.f\.valid: .* column 1: 'nothing'"):
        define(with_tau(config, expression="tau_pt", valid="  nothing > 1"))


def test_object_branch_has_no_value_for_a_tau(config):
    with pytest.raises(ConfigError, match="belongs to the collection pfCand and has no value for a tau-level feature"):
        define(with_tau(config, expression="pfCand_pt"))


def test_branch_of_another_collection(config):
    with pytest.raises(ConfigError, match="belongs to the collection ele and has no value in a block of pfCand"):
        define(with_block(config, select="ele_pt > 1"))


@pytest.mark.parametrize("branch", ["genLepton_vis_pt", "tauType", "jet_hadronFlavour", "npu", "evt", "genJet_pt"])
def test_truth_is_refused(config, branch):
    with pytest.raises(ConfigError, match=rf"'{branch}' is truth or origin"):
        define(with_tau(config, expression=branch))


def test_unknown_collection(config):
    block = ObjectBlock(collection="jets", features={"pt": FeatureConfig(expression="tau_pt")})
    with pytest.raises(ConfigError, match=r"b\.collection: no collection 'jets' in TauTuple; known are .*pfCand"):
        define(dataclasses.replace(config, objects={"b": block}))


def test_collection_without_pt_needs_an_order(config):
    block = ObjectBlock(collection="sv_cands", features={"x": FeatureConfig(expression="sv_cands_svIdx")})
    with pytest.raises(ConfigError, match="has no pt; say what to sort by"):
        define(dataclasses.replace(config, objects={"b": block}))
