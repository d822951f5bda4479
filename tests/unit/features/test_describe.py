"""The generated page of features."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from taumltools.config import load_campaign
from taumltools.config.features import FeatureConfig, FeaturesConfig
from taumltools.features.describe import describe, page

DOCS = Path(__file__).parents[3] / "docs"


def test_the_page_in_docs_is_current():
    assert (DOCS / "features_v2p5.md").read_text(encoding="utf-8") == page("deeptau_v2p5"), (
        "run: python -m taumltools.features.describe deeptau_v2p5 > docs/features_v2p5.md"
    )


@pytest.mark.parametrize("name", ["deeptau_v2p5", "deeptau_phase2", "demo"])
def test_every_feature_is_there_once_with_its_position(name):
    config = load_campaign("tiny", f"features={name}").features
    sections = re.split(r"^## ", page(name), flags=re.MULTILINE)[1:]
    found = {}
    for section in sections:
        block = section.splitlines()[0]
        rows = re.findall(r"^\| (\d*) \| `(\w+)` \|", section, flags=re.MULTILINE)
        found[block] = [feature for number, feature in rows if number]
        assert [int(number) for number, _ in rows if number] == list(range(len(found[block])))
    found.pop("Cells", None)
    assert found == {block: list(features) for block, features in config.blocks().items()}


def test_positions_of_blocks_in_the_components_are_those_of_the_reference():
    text = page("deeptau_v2p5")
    assert "| egamma | cell_features 0, pfcand_electron 4, pfcand_gamma 26, electron 49 | 86 |" in text
    assert "| muon | cell_features 0, pfcand_muon 4, muon 27 | 64 |" in text
    assert "| hadrons | cell_features 0, pfcand_chHad 4, pfcand_nHad 31 | 38 |" in text


def test_a_definition_without_objects():
    text = describe("small", FeaturesConfig(taus={"tau_pt": FeatureConfig()}))
    assert "| 0 | `tau_pt` | `tau_pt` |  | none |" in text
    assert "## Cells" not in text
