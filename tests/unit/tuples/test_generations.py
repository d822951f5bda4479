from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import uproot

from taumltools.errors import InputError
from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.generations import CONVERTED, GENERATIONS, expected_type, generation, old_branches
from taumltools.tuples.io import open_tuples, write_tuples
from taumltools.tuples.reader import place
from taumltools.tuples.schema import FLOAT_MISSING, tautuple_schema

CMS = Path(__file__).parents[2] / "data/cms_tools"
HEAD_DY = CMS / "head/input/DY/eventTuple_1.root"
V1_DY = CMS / "v1/input/DY/eventTuple_1.root"
SCHEMA = tautuple_schema()
SIZES = {"2020": 386, "2021": 552, "2022": 567, "2025": 711}


def names_of(year):
    names = [name for name, branch in SCHEMA.branches.items() if year in branch.generations]
    return [*names, *old_branches()] if year == "2020" else names


@pytest.mark.parametrize("year", GENERATIONS)
def test_whole_generations(year):
    assert len(names_of(year)) == SIZES[year]
    assert generation(names_of(year)) == year


@pytest.mark.parametrize("year", GENERATIONS)
def test_switched_off_and_foreign_branches_do_not_matter(year):
    assert generation([*names_of(year)[::-3], "mine", "my_collection_pt"]) == year


def test_files_of_the_cms_tools():
    for path, year in ((V1_DY, "2020"), (HEAD_DY, "2025")):
        with open_tuples(path) as file:
            assert file.generation == year


def test_branches_of_all_generations_follow_the_first():
    assert generation(["run", "tau_pt"]) == "2020"


def test_mixtures_and_strangers_are_refused():
    with pytest.raises(
        InputError, match=r"branches of 2020 \(lepton_gen_match\) and newer ones \(genLepton_kind\) are in"
    ):
        generation(["tau_pt", "genLepton_kind", "lepton_gen_match"])
    for names in ([], ["Muon_pt"]):
        with pytest.raises(InputError, match="no branch of any TauTuple generation"):
            generation(names)


def test_table_has_the_branches_and_types_of_the_cms_file():
    with uproot.open(V1_DY) as file:
        types = {branch.name: branch.typename for branch in file["taus"].branches}
    cpp = {"int32": "int32_t", "float32": "float", "uint16": "uint16_t"}
    assert set(old_branches()) == set(types) - set(SCHEMA.branches)
    for name, branch in old_branches().items():
        expected = cpp[branch.dtype.name]
        assert types[name] == (f"std::vector<{expected}>" if branch.collection else expected), name


def test_collections_of_2020():
    collections = {}
    for branch in old_branches().values():
        collections.setdefault(branch.collection, set()).add(branch.field)
    assert {prefix: len(fields) for prefix, fields in collections.items()} == {
        "": 52,
        "lepton_gen_vis": 5,
        "lepton_gen_vis_rad": 5,
        "pfCand": 4,
        "track": 55,
    }
    assert collections["lepton_gen_vis"] == collections["lepton_gen_vis_rad"] == {"pdg", "pt", "eta", "phi", "mass"}
    assert all(place(name) == (b.collection, b.field) for name, b in old_branches().items() if b.collection)


def test_replacements_exist():
    """A replacement that is a plain name is a branch of today, and of the same kind."""
    plain = {name: b.replacement for name, b in old_branches().items() if b.replacement in SCHEMA}
    assert len(plain) > 80
    assert all(bool(SCHEMA[new].collection) == bool(old_branches()[name].collection) for name, new in plain.items())
    assert old_branches()["qcd_gen_pt"].replacement == "removed"
    assert all(b.replacement for b in old_branches().values())


def test_types_of_any_generation():
    assert expected_type("pfCand_pdgId") == ("int32", True)
    assert expected_type("dataset_id") == ("uint64", False)
    assert expected_type("nothing") is None
    assert {name for name, _ in CONVERTED} == {name for name in SCHEMA.branches if name.startswith("dataset_")}


def test_missing_floats_of_2020_are_nan(tmp_path):
    tracks = Collection(np.array([0, 2, 2]), {"dxy_error": np.array([0.5, np.nan], "f4")})
    tuples = Tuples({"qcd_gen_pt": np.array([np.nan, 40], "f4")}, {"track": tracks})
    write_tuples(tmp_path / "old.root", tuples, ["qcd_gen_pt", "track_dxy_error"])
    with uproot.open(tmp_path / "old.root") as file:
        assert file["taus"]["qcd_gen_pt"].array(library="np").tolist() == [FLOAT_MISSING, 40]
    with open_tuples(tmp_path / "old.root") as file:
        found = file.read(file.other_branches)
    assert np.array_equal(found["qcd_gen_pt"], tuples["qcd_gen_pt"], equal_nan=True)
    assert np.array_equal(found["track_dxy_error"], tracks.columns["dxy_error"], equal_nan=True)
