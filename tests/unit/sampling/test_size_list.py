from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import uproot

from taumltools.errors import InputError
from taumltools.sampling import size_list
from taumltools.sampling.size_list import SizedFile, SizeList, make_size_list
from taumltools.tuples.io import write_tuples
from taumltools.tuples.mock import mock_tuples

CMS = Path(__file__).parents[2] / "data/cms_tools"


def tuples(path, entries):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tuples(path, mock_tuples(entries, seed=entries), ["evt", "tau_pt"])


@pytest.fixture
def folder(tmp_path):
    tuples(tmp_path / "in/DY/tau_pt_20_eta_0.000.arrow", 7)
    tuples(tmp_path / "in/DY/other.arrow", 2)
    tuples(tmp_path / "in/TT/jet_pt_20_eta_0.000.root", 5)
    with uproot.recreate(tmp_path / "in/TT/summary.root") as file:
        file.mktree("summary", {"exeTime": np.uint32}).extend({"exeTime": np.uint32([1])})
    (tmp_path / "in/DY/account.json").write_text("{}")
    return tmp_path / "in"


@pytest.fixture
def opened(monkeypatch):
    names = []
    original = size_list.count_entries
    monkeypatch.setattr(size_list, "count_entries", lambda path: (names.append(path.name), original(path))[1])
    return names


EXPECTED = {"DY/other.arrow": 2, "DY/tau_pt_20_eta_0.000.arrow": 7, "TT/jet_pt_20_eta_0.000.root": 5}


def test_all_tuple_files_sorted(folder):
    assert make_size_list(folder).entries == EXPECTED
    assert [*make_size_list(folder).files] == sorted(EXPECTED)


def test_folders_of_datasets_need_not_lie_together(folder, tmp_path):
    shutil.move(folder / "TT", tmp_path / "elsewhere")
    found = make_size_list({"TT": tmp_path / "elsewhere", "DY": folder / "DY"})
    assert found.entries == EXPECTED
    assert [*found.files] == sorted(EXPECTED)


def test_text_of_the_cms_tool(folder, tmp_path):
    make_size_list(folder).save(tmp_path / "size_list.txt", stamps=False)
    lines = [f"{name} {entries}\n" for name, entries in EXPECTED.items()]
    assert (tmp_path / "size_list.txt").read_text() == "".join(lines)
    assert SizeList.load(tmp_path / "size_list.txt").entries == EXPECTED


def test_stamps_are_comments_for_the_cms_tool(folder, tmp_path):
    made = make_size_list(folder)
    made.save(tmp_path / "size_list.txt")
    assert SizeList.load(tmp_path / "size_list.txt") == made
    plain = [line for line in (tmp_path / "size_list.txt").read_text().splitlines() if not line.startswith("#")]
    assert [line.split() for line in plain] == [[name, str(entries)] for name, entries in EXPECTED.items()]


def test_reused_new_and_vanished_files(folder, tmp_path, opened):
    make_size_list(folder).save(tmp_path / "size_list.txt")
    tuples(folder / "TT/tau_pt_20_eta_0.000.arrow", 3)
    (folder / "DY/other.arrow").unlink()
    opened.clear()
    again = make_size_list(folder, SizeList.load(tmp_path / "size_list.txt"))
    assert again.entries == {
        "DY/tau_pt_20_eta_0.000.arrow": 7, "TT/jet_pt_20_eta_0.000.root": 5, "TT/tau_pt_20_eta_0.000.arrow": 3,
    }  # fmt: skip
    assert set(opened) == {"tau_pt_20_eta_0.000.arrow", "summary.root"}
    assert opened.count("tau_pt_20_eta_0.000.arrow") == 1


def test_a_changed_file_is_noticed(folder, tmp_path):
    before = make_size_list(folder)
    changed = folder / "DY/other.arrow"
    tuples(changed, 4)
    assert make_size_list(folder, before).entries["DY/other.arrow"] == 4
    # also if a copy of the same size has the same entries in another order, or an older time
    before = make_size_list(folder)
    os.utime(changed, ns=(0, 0))
    assert make_size_list(folder, before).files["DY/other.arrow"].changed == 0


def test_lists_of_the_cms_tool_are_checked_unless_trusted(folder, tmp_path, opened):
    (tmp_path / "old.txt").write_text("# made in 2020\n\nDY/other.arrow 999\nDY/gone.arrow 1\n")
    old = SizeList.load(tmp_path / "old.txt")
    assert make_size_list(folder, old).entries["DY/other.arrow"] == 2
    opened.clear()
    assert make_size_list(folder, old, trust_unstamped=True).entries["DY/other.arrow"] == 999
    assert "other.arrow" not in opened


def test_hidden_files_are_left_out(folder):
    tuples(folder / ".tmp/taus.arrow", 2)
    tuples(folder / "DY/.writing.arrow", 2)
    assert make_size_list(folder).entries == EXPECTED


def test_links_are_followed_once(folder, tmp_path):
    (tmp_path / "links").mkdir()
    (tmp_path / "links/DY").symlink_to(folder / "DY")
    (folder / "DY/circle").symlink_to(folder / "DY")
    assert make_size_list(tmp_path / "links").entries == {k: v for k, v in EXPECTED.items() if k.startswith("DY")}


def test_files_of_the_cms_tools():
    assert make_size_list(CMS / "v1/input").entries == {"DY/eventTuple_1.root": 400, "QCD/eventTuple_1.root": 200}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.root 1 2\n", r":1: found 'a.root 1 2', expected '<relative path> <entries>'"),
        ("a.root\n", ":1: found 'a.root'"),
        ("a.root many\n", ":1: found 'a.root many', expected 1 whole number$"),
        ("a.root -1\n", ":1: found 'a.root -1'"),
        ("a.root 1\nb.root 2\na.root 1\n", ":3: a.root is listed already"),
        ("#= 1\na.root 1\n", ":1: found '#= 1', expected 2 whole numbers"),
    ],
)
def test_wrong_lists(tmp_path, text, message):
    (tmp_path / "size_list.txt").write_text(text)
    with pytest.raises(InputError, match=message):
        SizeList.load(tmp_path / "size_list.txt")


def test_blanks_and_tabs_separate(tmp_path):
    (tmp_path / "size_list.txt").write_text("a.root\t1\n  b.root   2  \n")
    assert SizeList.load(tmp_path / "size_list.txt").files == {"a.root": SizedFile(1), "b.root": SizedFile(2)}


def test_what_cannot_be_listed(tmp_path):
    with pytest.raises(InputError, match="no such folder of binned files"):
        make_size_list(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no tuple files \(.root, .arrow\) in .*empty"):
        make_size_list({"DY": tmp_path / "empty"})
    with pytest.raises(InputError, match="no readable size list"):
        SizeList.load(tmp_path / "nowhere.txt")
    tuples(tmp_path / "in/with blank/a.arrow", 1)
    with pytest.raises(InputError, match=r"with blank/a.arrow: .* names with blanks"):
        make_size_list(tmp_path / "in")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad/a.root").write_bytes(b"")
    with pytest.raises(InputError, match=r"a.root"):
        make_size_list(tmp_path / "bad")
