from __future__ import annotations

import os
from pathlib import Path

import pytest

from taumltools.errors import ConfigError, InputError
from taumltools.tuples.listing import (
    ListedFile,
    list_inputs,
    read_listing,
    write_entries_list,
    write_listing,
)

DATA = Path(__file__).parents[2] / "data/cms_tools"
HEAD_DY = DATA / "head/input/DY/eventTuple_1.root"


@pytest.fixture
def tree(tmp_path):
    for name in ("TT/b.root", "TT/a.root", "DY/deep/x.arrow", "DY/x.root", "DY/notes.txt", "top.root"):
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"123")
    return tmp_path / "data"


def names(files, top):
    return [(os.path.relpath(file.path, top), file.dataset) for file in files]


def write(folder, text):
    (folder / "list.txt").write_text(text)
    return str(folder / "list.txt")


def test_directory(tree):
    files = list_inputs(str(tree))
    expected = [
        ("DY/deep/x.arrow", "deep"),
        ("DY/x.root", "DY"),
        ("TT/a.root", "TT"),
        ("TT/b.root", "TT"),
        ("top.root", "data"),
    ]
    assert names(files, tree) == expected
    assert {(file.entries, file.bytes) for file in files} == {(None, 3)}


def test_paths_are_absolute_wherever_one_stands(tree, monkeypatch):
    monkeypatch.chdir(tree.parent)
    assert list_inputs("data") == list_inputs(str(tree))
    monkeypatch.chdir(tree)
    assert list_inputs(".") == list_inputs(str(tree))


def test_pattern_is_matched_against_the_whole_path(tree):
    assert names(list_inputs(str(tree), pattern=r".*/DY/.*\.root"), tree) == [("DY/x.root", "DY")]
    with pytest.raises(InputError, match="no file matches 'DY'"):
        list_inputs(str(tree), pattern="DY")


def test_links_are_followed_and_circles_end(tree, tmp_path):
    (tmp_path / "links").mkdir()
    (tmp_path / "links/data").symlink_to(tree)
    (tree / "DY/circle").symlink_to(tree)
    (tree / "TT/nowhere.root").symlink_to(tree / "none.root")
    files = list_inputs(str(tmp_path / "links"))
    assert len(files) == 5
    assert files[-1] == ListedFile.local(str(tmp_path / "links/data/top.root"))
    assert (files[-1].dataset, files[-1].bytes) == ("data", 3)


def test_files_and_folders_are_left_out_by_name(tree):
    files = list_inputs(str(tree), exclude=["a.root"], exclude_folders=["deep"])
    assert names(files, tree) == [("DY/x.root", "DY"), ("TT/b.root", "TT"), ("top.root", "data")]
    with pytest.raises(ConfigError, match=r"\['a.root'\] can be left out of a directory only; .*list.txt is a list"):
        list_inputs(write(tree.parent, f"{tree}/TT/b.root 3\n"), exclude=["a.root"])


@pytest.mark.parametrize(
    ("source", "kwargs", "error", "message"),
    [
        ("none", {}, InputError, "none: no such directory, file or list of files"),
        ("empty", {}, InputError, "empty: no file ends with .root or .arrow; check what is in there"),
        ("empty", {"exclude": ["a"]}, InputError, r"empty: .* or .arrow and is not left out \(a\); check what"),
        ("data/T?/*.txt", {}, InputError, r"data/T\?/\*.txt: nothing matches this pattern; tuple files end with .root"),
        ("*t*", {}, InputError, r"/\*t\*: 2 names match, e.g. .*/data, but no file that ends with .root or .arrow"),
        ("data", {"pattern": "("}, ConfigError, r"the pattern '\(' is no regular expression"),
        ("data", {"prefix": "/x"}, ConfigError, "the prefix '/x' has no meaning for the directory"),
    ],
)
def test_wrong_sources(source, kwargs, error, message, tree):
    (tree.parent / "empty").mkdir()
    with pytest.raises(error, match=message):
        list_inputs(str(tree.parent / source), **kwargs)


def test_folder_without_permission_is_no_silent_loss(tree, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if str(path).endswith("TT"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(InputError, match=r"TT: the folder cannot be read \(Permission denied\)"):
        list_inputs(str(tree))


@pytest.mark.parametrize("name", ["list.txt", "entries_DY.txt"])
def test_lists_of_the_cms_tools(name):
    (file,) = list_inputs(str(DATA / "head/expected" / name), prefix=str(DATA / "head/input"))
    assert file == ListedFile(str(HEAD_DY), "DY", 200, HEAD_DY.stat().st_size, HEAD_DY.stat().st_mtime_ns)


def test_list_without_prefix_counts_from_the_working_directory(monkeypatch):
    monkeypatch.chdir(DATA)
    assert list_inputs("head/expected/entries_DY.txt") == list_inputs(
        str(DATA / "head/expected/list.txt"), prefix="head/input"
    )


def test_list_keeps_its_order(tree):
    text = f"# mixed\n\n{tree}/TT/b.root 7\n  {tree}/DY/x.root\t 0 \n{tree}/TT/a.root\n"
    files = list_inputs(write(tree, text))
    assert names(files, tree) == [("TT/b.root", "TT"), ("DY/x.root", "DY"), ("TT/a.root", "TT")]
    assert [file.entries for file in files] == [7, 0, None]


def test_list_with_pattern(tree):
    text = f"{tree}/TT/b.root 7\n{tree}/DY/x.root 1\n"
    assert names(list_inputs(write(tree, text), pattern=".*/DY/.*"), tree) == [("DY/x.root", "DY")]


def test_path_with_blanks(tree):
    (tree / "DY/my file.root").write_bytes(b"")
    files = list_inputs(write(tree, f"{tree}/DY/my file.root 12\n"))
    assert files == (ListedFile.local(f"{tree}/DY/my file.root", 12),)


def test_remote_files_are_not_looked_for(tmp_path):
    files = list_inputs(write(tmp_path, "root://host//store/DY/a.root 5\nroot://host//store/TT/a.root\n"))
    assert files[0] == ListedFile("root://host//store/DY/a.root", "DY", 5, None)
    assert files[1] == ListedFile("root://host//store/TT/a.root", "TT", None, None)
    with_prefix = list_inputs(write(tmp_path, "/somewhere/DY/a.root 5\n"), prefix="root://host//store/")
    assert with_prefix == files[:1]


@pytest.mark.parametrize(
    ("line", "prefix", "message"),
    [
        ("some words", "", r"list.txt:2: found 'some words', expected '<path of a .root or .arrow file> <entries>'"),
        ("/DY/a.root 1 2", "", "list.txt:2: found '/DY/a.root 1 2'"),
        ("/DY/a.root -1", "", "list.txt:2: found '/DY/a.root -1'"),
        ("/DY/a.txt 1", "", "list.txt:2: found '/DY/a.txt 1'"),
        ("/a.root 1", "", r"list.txt:2: found '/a.root', expected .../<dataset>/<file>"),
        ("a.root 1", "/data", r"list.txt:2: found 'a.root', expected .../<dataset>/<file>"),
        ("../a.root 1", "/data", r"list.txt:2: found '../a.root', expected .../<dataset>/<file>"),
        ("https://host/DY/a.root", "", r"list.txt:2: found '.*', but 'https://' cannot be read; use a local path"),
        ("DY/a.root", "gsiftp://host", "the prefix: found 'gsiftp://host', but 'gsiftp://' cannot be read"),
        ("{tree}/DY/none.root 3", "", r"list.txt:2: .*/DY/none.root cannot be found \(No such file"),
        ("{tree}/TT/a.root 3", "{tree}/DY", r"list.txt:2: .*/DY/TT/a.root cannot be found .* set the prefix"),
        ("{tree}/DY/../TT/b.root 3\n{tree}/TT/b.root", "", "list.txt:3: .*/TT/b.root is listed already in line 2"),
        ("x/TT/b.root 3\ny/TT/b.root 3", "{tree}", "list.txt:3: .*/TT/b.root is listed already in line 2"),
        ("", "", "list.txt: no file ends with .root or .arrow"),
    ],
)
def test_wrong_lines_are_named(line, prefix, message, tree):
    text = f"# files\n{line.format(tree=tree)}\n"
    with pytest.raises(InputError, match=message):
        list_inputs(write(tree, text), prefix=prefix.format(tree=tree))


def test_one_file_is_a_list_of_one():
    assert list_inputs(str(HEAD_DY)) == (ListedFile.local(str(HEAD_DY)),)


def test_list_that_is_no_text(tmp_path):
    (tmp_path / "list.txt").write_bytes(HEAD_DY.read_bytes()[:100])
    with pytest.raises(InputError, match=r"list.txt: no readable file list \(UnicodeDecodeError"):
        list_inputs(str(tmp_path / "list.txt"))


def test_file_that_changes_is_not_taken_for_the_one_that_was_listed(tree):
    """Another file of the same name and number of entries was mixed by the plan of the first."""
    (file, *_) = list_inputs(str(tree))
    file.check_unchanged()
    Path(file.path).write_bytes(b"456")
    os.utime(file.path, ns=(file.mtime_ns + 1, file.mtime_ns + 1))
    with pytest.raises(InputError, match=r"has changed since it was listed .* use another --version"):
        file.check_unchanged()
    Path(file.path).unlink()
    with pytest.raises(InputError, match="it was there when the files were listed"):
        file.check_unchanged()


def test_relative_paths_of_a_list_count_from_its_folder(tree, monkeypatch):
    listed = write(tree, "TT/b.root 3\n")
    monkeypatch.chdir(tree.parent)
    assert names(list_inputs(listed), tree) == [("TT/b.root", "TT")]


def test_counted():
    listed = ListedFile("/DY/a.root", "DY", 200, 5)
    assert listed.counted(200) == listed
    with pytest.raises(InputError, match=r"/DY/a.root: the list states 200 entries, the file has 150; .* correct the"):
        listed.counted(150)


def test_listing_is_written_and_read(tmp_path):
    files = (ListedFile('/DY/é ".root', "DY", 3, 10**12), ListedFile("root://h//TT/a.root", "TT"))
    write_listing(tmp_path / "a.json", files)
    assert read_listing(tmp_path / "a.json") == files
    write_listing(tmp_path / "a.json", ())
    assert read_listing(tmp_path / "a.json") == ()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"files": [{"path": "x"}]}', '{"files": [{"odd": 1}]}'])
def test_what_is_no_listing(text, tmp_path):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=r"a.json: no usable listing"):
        read_listing(tmp_path / "a.json")


def test_entries_list(tmp_path):
    files = list_inputs(str(DATA / "head/expected/list.txt"), prefix=str(DATA / "head/input"))
    write_entries_list(tmp_path / "entries.txt", files)
    assert (tmp_path / "entries.txt").read_text() == f"{HEAD_DY} 200\n"
    assert list_inputs(str(tmp_path / "entries.txt")) == files
    with pytest.raises(InputError, match=r"entries of /DY/a.root are not known; count the file first"):
        write_entries_list(tmp_path / "b.txt", [*files, ListedFile("/DY/a.root", "DY")])
    assert not (tmp_path / "b.txt").exists()
