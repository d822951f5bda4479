"""Files of candidates: what a name stands for, and tuples of other kinds."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import uproot

from taumltools.config.features import FeatureConfig, FeaturesConfig
from taumltools.errors import InputError
from taumltools.evaluation.friend import write_friends
from taumltools.evaluation.mock import mock_predictions
from taumltools.evaluation.sources import PLACE, list_sources, open_source, steps
from taumltools.features.flat import make_flat, write_flat
from taumltools.tuples.chain import make_chain
from taumltools.tuples.io import open_one, write_tuples
from taumltools.tuples.listing import ListedFile
from taumltools.tuples.mock import mock_tuples

FEATURES = FeaturesConfig(taus={"tau_pt": FeatureConfig(), "mass": FeatureConfig("tau_mass")})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for seed, suffix in ((1, "arrow"), (0, "root")):
        write_tuples(tmp_path / f"taus_{seed}.{suffix}", mock_tuples(20, seed=seed))
    write_flat(tmp_path / "flat_0.h5", [make_flat(mock_tuples(20), FEATURES)], config=FEATURES)
    return tmp_path


def test_names_of_files(folder: Path):
    both = [str(folder / name) for name in ("taus_0.root", "taus_1.arrow")]
    assert list_sources(str(folder)) == list_sources(str(folder / "taus_*")) == both
    assert list_sources(both[0]) == both[:1]
    assert list_sources(str(folder / "*.h5")) == [str(folder / "flat_0.h5")]
    with pytest.raises(InputError, match="there is no such file"):
        list_sources(str(folder / "nothing.h5"))
    with pytest.raises(InputError, match="no such directory, file or list"):
        list_sources(str(folder / "nothing"))


def test_chains_are_read_as_one(folder: Path):
    listed = [ListedFile.local(str(folder / name)) for name in ("taus_1.arrow", "taus_0.root")]
    make_chain(folder / "chain.json", listed, open_one)
    (path,) = list_sources(str(folder / "chain.json"))
    with open_source(path, FEATURES, ["evt"]) as source:
        assert source.entries == 40
        found = source.read(15, 25).columns["evt"]
    expected = np.concatenate([mock_tuples(20, seed=1)["evt"][15:], mock_tuples(20, seed=0)["evt"][:5]])
    np.testing.assert_array_equal(found, expected)


def test_files_on_a_server(xrootd_server, folder: Path):
    """The server's files are copied, in the order of the names, and copies of scores need no more than the file."""
    xrootd_server.data.mkdir(parents=True, exist_ok=True)
    for name in ("taus_0.root", "taus_1.arrow"):
        shutil.copyfile(folder / name, xrootd_server.data / name)
    (path,) = list_sources(xrootd_server.url("taus_0.root"))
    with open_source(path, FEATURES, ["evt"]) as source:
        np.testing.assert_array_equal(source.read(0, source.entries).columns["evt"], mock_tuples(20, seed=0)["evt"])
    tables = {"new": mock_predictions(20)}
    assert write_friends(tables, {path: 20}, folder, "copy") == ["taus_0.root"]
    with uproot.open(folder / "taus_0.root") as file:
        np.testing.assert_array_equal(file["scores"]["new_e"].array(library="np"), tables["new"].outputs[:, 0])


def test_places_are_those_of_the_entries(folder: Path):
    flat = make_flat(mock_tuples(20), FEATURES)
    for name, expected in (("taus_0.root", mock_tuples(20)), ("flat_0.h5", flat.index)):
        with open_source(folder / name, FEATURES) as source:
            place = source.place(2, 9)
            for column in PLACE:
                np.testing.assert_array_equal(place[column], expected[column][2:9])


def test_one_entry_at_a_time(folder: Path):
    whole = make_flat(mock_tuples(20), FEATURES, keep="reconstructed")
    row, entry = 2, int(whole.index["entry"][2])
    with open_source(folder / "taus_0.root", FEATURES) as source:
        np.testing.assert_array_equal(source.take(entry).taus["mass"], whole.taus["mass"][row : row + 1])
        missing = int(np.flatnonzero(mock_tuples(20)["tau_index"] < 0)[0])
        assert len(source.take(missing)) == 0


def test_kind_of_the_sample_is_read_from_its_branch(tmp_path: Path):
    """Embedded taus count as taus, data has no type, without being told so."""
    tuples = mock_tuples(60)
    for code, name in ((2, "embedded"), (1, "simulated")):
        tuples.scalars["sampleType"] = np.full(60, code, tuples["sampleType"].dtype)
        keep = ~np.isin(tuples["genLepton_kind"], (1, 2))  # prompt leptons are no part of embedded events
        write_tuples(tmp_path / f"{name}.arrow", tuples.take(np.flatnonzero(keep)))
    types = {}
    for name in ("embedded", "simulated"):
        with open_source(tmp_path / f"{name}.arrow", FEATURES) as source:
            types[name] = source.read(0, source.entries).types
    genuine = types["simulated"] == 2
    assert genuine.any()
    assert (types["embedded"][genuine] == 6).all()


def test_steps_must_be_positive():
    with pytest.raises(InputError, match="chunks of 0 entries"):
        list(steps(3, 0))


def test_lacking_branches_are_named_with_what_needs_them():
    """They were named one by one, without a word on whether the network, the truth or a column needs them."""
    of_2020 = Path(__file__).parents[2] / "data" / "cms_tools" / "v1" / "input" / "DY" / "eventTuple_1.root"
    with pytest.raises(InputError) as caught:
        open_source(of_2020, FEATURES, ["tau_pt", "npv_", "tau_nothing"])
    message = str(caught.value)
    assert "eventTuple_1.root lacks branches to score it" in message
    assert "npv_, tau_nothing (for columns to copy, which evaluation.columns lists)" in message
    assert "the nearest names are npv" in message
