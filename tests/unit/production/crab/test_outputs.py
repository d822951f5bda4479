"""Moving what CRAB left, with the checks of the CMS tool."""

from __future__ import annotations

import pytest

from taumltools.errors import InputError
from taumltools.production.crab.outputs import move, plan_moves


@pytest.fixture
def crab(tmp_path):
    def make(*names):
        for name in names:
            path = tmp_path / "in" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
        return tmp_path / "in"

    return make


GOOD = (
    "DYJets/crab_DY/261126_101010/0000/eventTuple_1.root",
    "DYJets/crab_DY/261126_101010/0000/eventTuple_2.root",
    "DYJets/crab_DY/261126_101010/0001/eventTuple_1000.root",
    "TTTo/crab_TT/261126_111111/0000/eventTuple_1.root",
)


def test_files_are_moved_to_the_folder_of_their_task(crab, tmp_path):
    source = crab(*GOOD)
    moves = plan_moves(source, tmp_path / "out")
    assert not (tmp_path / "out").exists()  # a plan moves nothing
    assert move(moves) == 4
    found = {str(p.relative_to(tmp_path / "out")): p.read_text() for p in (tmp_path / "out").rglob("*.root")}
    assert found == {
        "DY/eventTuple_1.root": GOOD[0], "DY/eventTuple_2.root": GOOD[1], "DY/eventTuple_1000.root": GOOD[2],
        "TT/eventTuple_1.root": GOOD[3],
    }  # fmt: skip
    assert not list(source.rglob("*.root"))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("DYJets/crab_DY/261127_000000/0000/x.root", "expected one timestamp, found 2: 261126_101010, 261127_000000"),
        ("DYJets/crab_DY/261126_101010/0000/log.tar.gz", r"log\.tar\.gz: expected only \.root files here"),
        ("DYJets/crab_DY/261126_101010/0001/eventTuple_1.root", "a file of that name is also in .*0000"),
        ("Other/crab_DY/261126_101010/0000/y.root", "task 'DY' is also in"),
        ("DYJets/other/261126_101010/0000/y.root", "expected a folder crab_<task>"),
        ("notes.txt", r"notes\.txt: expected a folder"),
    ],
)
def test_whatever_is_not_as_crab_leaves_it_is_named_and_nothing_moves(crab, tmp_path, more, message):
    source = crab(*GOOD, more)
    with pytest.raises(InputError, match=message) as caught:
        plan_moves(source, tmp_path / "out")
    assert str(caught.value).startswith("nothing was moved:")
    assert len(list(source.rglob("*.*"))) == 5


def test_all_problems_are_named_at_once(crab, tmp_path):
    source = crab(*GOOD, "notes.txt", "DYJets/crab_DY/261126_101010/0000/log.txt")
    (tmp_path / "out/TT").mkdir(parents=True)
    with pytest.raises(InputError) as caught:
        plan_moves(source, tmp_path / "out")
    assert len(str(caught.value).splitlines()) == 4


def test_empty_folder_and_no_folder(tmp_path):
    (tmp_path / "in").mkdir()
    with pytest.raises(InputError, match="has no folder <primary>/crab_<task>"):
        plan_moves(tmp_path / "in", tmp_path / "out")
    with pytest.raises(InputError, match="none: cannot be read"):
        plan_moves(tmp_path / "none", tmp_path / "out")


def test_nothing_is_replaced(crab, tmp_path):
    moves = plan_moves(crab(*GOOD), tmp_path / "out")
    moves[1].target.parent.mkdir(parents=True)
    moves[1].target.write_text("mine")
    with pytest.raises(InputError, match=r"cannot be moved there \(File exists\); 1 files were moved before"):
        move(moves)
    assert moves[1].target.read_text() == "mine"
    assert moves[1].source.exists()
