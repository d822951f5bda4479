from __future__ import annotations

import pytest

from taumltools.errors import InputError
from taumltools.tuples.reader import check_is_file, place
from taumltools.tuples.schema import tautuple_schema


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pfCand_pt", ("pfCand", "pt")),
        ("photon_shape_e5x5", ("photon_shape", "e5x5")),
        ("photon_full5x5shape_new", ("photon_full5x5shape", "new")),
        ("photon_new", ("photon", "new")),
        ("sv_cands_new", ("sv_cands", "new")),
        ("pfCand_numberOfHits", ("pfCand", "numberOfHits")),
        ("track_dxy_error", ("track_dxy", "error")),
    ],
)
def test_collection_of_a_name(name, expected):
    assert place(name) == expected


def test_schema_decides_for_its_own_branches():
    for branch in tautuple_schema().branches.values():
        if branch.collection:
            assert place(branch.name) == (branch.collection, branch.field)


@pytest.mark.parametrize("name", ["x", "nothing"])
def test_names_without_prefix_are_refused(name):
    with pytest.raises(InputError, match=f"branch '{name}' holds several values per entry"):
        place(name)


def test_check_is_file_accepts_files_only(tmp_path):
    path = tmp_path / "taus.root"
    path.write_text("x")
    check_is_file(path)
    for odd in (tmp_path, tmp_path / "taus.roo", tmp_path / "none" / "x"):
        with pytest.raises(InputError, match=str(odd)):
            check_is_file(odd)


def test_no_hint_without_similar_names(tmp_path):
    (tmp_path / "abc.root").touch()
    with pytest.raises(InputError, match=r"no such file$"):
        check_is_file(tmp_path / "zzzzzzz")
