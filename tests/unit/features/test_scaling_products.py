"""The folder with all that says how good a scaling is."""

from __future__ import annotations

import json
import logging
from dataclasses import replace

import pytest

from taumltools.config.features import GridConfig
from taumltools.config.scaling import ScalingPlotsConfig
from taumltools.errors import InputError
from taumltools.features.feature_sums import FeatureSums, sum_flat
from taumltools.features.scaling import load_scaling, make_scaling
from taumltools.features.scaling_products import check_products, write_products
from tests.unit.features.scaling_case import make_config, make_flat

CONFIG, FLAT = make_config(), make_flat(80, seed=6)


@pytest.fixture
def inputs(tmp_path):
    paths = []
    for i in (0, 40):
        paths.append(tmp_path / f"sums_{i}.npz")
        sum_flat(FLAT.slice(i, i + 40), CONFIG).save(paths[-1])
    scaling = make_scaling(FeatureSums.merge([FeatureSums.load(path) for path in paths]), CONFIG)
    (tmp_path / "scaling.json").write_text(json.dumps(scaling))
    (tmp_path / "out").mkdir()
    return paths, tmp_path / "scaling.json", tmp_path / "out"


def test_numbers_plots_and_files_for_the_cms_tools(inputs):
    sums, scaling, folder = inputs
    details = write_products(sums, scaling, CONFIG, ScalingPlotsConfig(formats=("png",)), folder)
    assert "muon.muon_deta (inner)" in details["suspicious"]
    names = {path.name for path in folder.iterdir()}
    assert {"convergence.json", "ranges.json", "scaling_params.json", "quantile_params.json"} < names
    assert {"convergence.png", "ranges_muon_outer.png"} < names
    back = load_scaling(folder / "scaling_params.json", CONFIG)
    ours = load_scaling(scaling, CONFIG)
    assert back["taus"] == ours["taus"]
    assert back["muon"]["muon_dxy"]["inner"] == ours["muon"]["muon_dxy"]["inner"]
    quantiles = json.loads((folder / "quantile_params.json").read_text())
    assert set(quantiles["Muon"]["muon_dxy"]) == {"inner", "outer"}
    assert quantiles["TauFlat"]["tau_mass"]["global"]["0"]["min"] == FLAT.taus["tau_mass"].min()
    assert json.loads((folder / "convergence.json").read_text())["parts"] == [1, 2]
    check_products(folder)


def test_other_grids_have_no_files_for_the_cms_tools(tmp_path, caplog):
    cells = replace(CONFIG.cells, grids={"near": GridConfig(11, 11, 0.02)})
    muon = CONFIG.objects["muon"]
    features = {n: f for n, f in muon.features.items() if not f.scaling.grids}
    config = replace(CONFIG, cells=cells, objects={**CONFIG.objects, "muon": replace(muon, features=features)})
    sums = sum_flat(replace(FLAT, cells={"near": FLAT.cells["inner"]}), config)
    sums.save(tmp_path / "sums.npz")
    (tmp_path / "scaling.json").write_text(json.dumps(make_scaling(sums, config)))
    with caplog.at_level(logging.WARNING):
        write_products([tmp_path / "sums.npz"], tmp_path / "scaling.json", config, ScalingPlotsConfig(), tmp_path)
    assert "scaling_params.json and quantile_params.json are not written" in caplog.text
    assert not (tmp_path / "scaling_params.json").exists()
    assert (tmp_path / "ranges_muon_near.pdf").exists()


def test_a_folder_without_numbers_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"convergence\.json: not a readable JSON file"):
        check_products(tmp_path)
