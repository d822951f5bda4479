"""What is collected, and the report on it."""

from __future__ import annotations

import itertools
import json
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.errors import InputError
from taumltools.production.crab.collect import plan_collection
from taumltools.production.crab.history import History, Outcome, Submission
from taumltools.production.crab.jobs import CrabJob
from taumltools.production.crab.lumis import from_mask, read_mask, to_mask
from taumltools.production.crab.outputs import Move, move
from taumltools.production.crab.report import by_file, production_report, sections_of, write_report
from taumltools.production.crab.tool import Account

STAMP = "211117_135111"


def submission(number=0, request="DY", finished=("1", "2"), processed=((1, 1), (1, 2)), wanted=((1, 1), (1, 2))):
    account = Account(frozenset(wanted), frozenset(processed))
    return Submission(
        number, request, 0.0, "submitted", f"{STAMP}:me_crab_{request}", outcome=Outcome(account, finished, True)
    )


@pytest.fixture
def storage(tmp_path):
    for name in ("crab_DY", "crab_other"):
        folder = tmp_path / "in/DYJets" / name / STAMP / "0000"
        folder.mkdir(parents=True)
        for job in (1, 2):
            (folder / f"eventTuple_{job}.root").write_text(f"{name} {job}")
    (tmp_path / "in/DYJets/notes.txt").write_text("of somebody")
    return tmp_path / "in"


def test_only_the_files_of_this_task(storage, tmp_path):
    plan = plan_collection(History((submission(),)), storage, tmp_path / "out", ["eventTuple.root"])
    assert [str(one.target.relative_to(tmp_path)) for one in plan.moves] == [
        "out/DY/eventTuple_1.root", "out/DY/eventTuple_2.root",
    ]  # fmt: skip
    in_place = plan_collection(History((submission(),)), storage, None)
    assert (
        [one.source for one in in_place.moves]
        == [one.target for one in in_place.moves]
        == [one.source for one in plan.moves]
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"finished": ("1", "2", "3")}, r"job 3 of DY is finished, but there is no eventTuple_3\.root"),
        ({"task": "211118_000000:me_crab_DY"}, "is not of this task, whose timestamp is 211118_000000"),
        ({"request": "TT"}, "has no folder <primary>/crab_TT"),
    ],
)
def test_what_does_not_fit_the_task_is_refused(storage, tmp_path, change, message):
    one = submission(finished=change.pop("finished", ("1", "2")))
    with pytest.raises(InputError, match=message):
        plan_collection(History((replace(one, **change),)), storage, tmp_path / "out", ["eventTuple.root"])
    assert len(list(storage.rglob("*.root"))) == 4


def test_files_of_failed_jobs_stay(storage, tmp_path):
    plan = plan_collection(History((submission(finished=("2",)),)), storage, tmp_path / "out")
    assert [one.source.name for one in plan.moves] == ["eventTuple_2.root"]
    assert [path.name for path in plan.ignored] == ["eventTuple_1.root"]


def test_a_plan_can_be_carried_out_again(storage, tmp_path):
    """After a kill between giving the new name and taking away the old one, and after all of it."""
    moves = plan_collection(History((submission(),)), storage, tmp_path / "out").moves
    moves[0].target.parent.mkdir(parents=True)
    moves[0].target.hardlink_to(moves[0].source)
    assert move(moves) == 2
    assert move(moves) == 0
    assert not moves[0].source.exists()


def test_another_file_in_the_way_is_never_replaced(storage, tmp_path):
    moves = plan_collection(History((submission(),)), storage, tmp_path / "out").moves
    moves[0].target.parent.mkdir(parents=True)
    moves[0].target.write_text("mine")
    with pytest.raises(InputError, match="File exists"):
        move(moves)
    assert moves[0].target.read_text() == "mine"


@pytest.mark.parametrize(
    "error", [PermissionError(1, "Operation not permitted"), OSError(18, "Invalid cross-device link")]
)
def test_without_links_and_between_file_systems_files_are_copied(storage, tmp_path, monkeypatch, error):
    def refuse(*_):
        raise error

    monkeypatch.setattr("os.link", refuse)
    source = storage / "DYJets/notes.txt"
    assert move([Move(source, tmp_path / "a/notes.txt")]) == 1
    assert (tmp_path / "a/notes.txt").read_text() == "of somebody"
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["notes.txt"]
    assert not source.exists()


def test_the_report(storage, tmp_path):
    recovery = submission(1, "DY_recovery_1", ("1",), [(1, 3)], [(1, 3), (1, 4)])
    history = History((submission(processed=[(1, 1)], wanted=[(1, 1), (1, 3), (1, 4)]), recovery))
    assert sections_of(history) == ({(1, 1), (1, 3)}, {(1, 4)})
    path = storage / "DYJets/crab_DY" / STAMP / "0000/eventTuple_1.root"
    files = {"a": frozenset({(1, 1)}), "b": frozenset({(1, 3), (1, 4)}), "c": frozenset({(2, 1)})}
    write_report(tmp_path / "r.json", production_report(CrabJob("DY", "/A/B/C"), history, [path], files))
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["inputDataset"] == "/A/B/C"
    assert report["outputs"] == [{"file": str(path), "size": 9, "adler32": f"{zlib.adler32(b'crab_DY 1'):08x}"}]
    assert report["processedFiles"] == ["a"]
    assert report["notProcessedFiles"] == ["b"]
    assert [one["request"] for one in report["submissions"]] == ["DY", "DY_recovery_1"]
    assert report["notProcessedLumis"] == {"1": [[4, 4]]}


sections = st.frozensets(st.tuples(st.integers(1, 3), st.integers(1, 30)))


@given(sections)
def test_masks_keep_all_sections(found):
    mask = to_mask(found)
    assert from_mask(mask) == found
    assert all(a <= b for ranges in mask.values() for a, b in ranges)
    assert all(x[1] + 1 < y[0] for ranges in mask.values() for x, y in itertools.pairwise(ranges))


@given(st.dictionaries(st.sampled_from("abcde"), sections), sections, sections)
def test_no_file_is_both_processed_and_not(files, processed, left):
    done, missing = by_file(files, processed - left, left)
    assert not set(done) & set(missing)


def test_masks_that_are_none(tmp_path):
    assert read_mask(Path("/no/such/file")) == frozenset()
    (tmp_path / "m.json").write_text('{"1": [1, 2]}')
    with pytest.raises(InputError, match=r"m\.json: expected runs with lists"):
        read_mask(tmp_path / "m.json")
