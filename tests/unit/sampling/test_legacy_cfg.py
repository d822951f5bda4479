from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.errors import ConfigError
from taumltools.sampling.legacy_cfg import groups_from_cfg, read_cfg

GOLDEN = Path(__file__).parents[2] / "data/cms_tools/head/expected/groups.cfg"


@pytest.fixture
def cfg(tmp_path):
    def write(text):
        (tmp_path / "a.cfg").write_text(text)
        return tmp_path / "a.cfg"

    return write


def test_file_of_the_cms_tools():
    assert read_cfg(GOLDEN) == {"DY": {"dir": "DY", "file": "eventTuple.*", "types": "jet,e,mu,tau"}}
    group = {"types": ("jet", "e", "mu", "tau"), "dir": "DY", "file": "eventTuple.*"}
    assert groups_from_cfg(read_cfg(GOLDEN)) == {"DY": group}


@pytest.mark.parametrize(
    ("text", "pairs"),
    [
        ("A:", {}),
        (" \tA: k=v\t ", {"k": "v"}),
        ("A:k=v", {"k": "v"}),
        ("A: k = v\tl\t=\tw", {"k": "v", "l": "w"}),
        ('A: k="v w" l= "x"', {"k": "v w", "l": "x"}),
        ('A: k="" l=1', {"k": "", "l": "1"}),
        ("A: dir=a:b file=c=d", {"dir": "a:b", "file": "c=d"}),
        (r"A: file=(x|y)_\d+[.]root other=#1", {"file": r"(x|y)_\d+[.]root", "other": "#1"}),
        ('A: k=v"w', {"k": 'v"w'}),
    ],
)
def test_one_line(text, pairs, cfg):
    assert read_cfg(cfg(text)) == {"A": pairs}


def test_comments_empty_lines_and_order(cfg):
    text = "# first: k=1\n\nb: k=2\n   # b: k=3\n\t\nB: k=4\na: k=5\r\n"
    items = read_cfg(cfg(text))
    assert list(items.items()) == [("B", {"k": "4"}), ("a", {"k": "5"}), ("b", {"k": "2"})]


def test_continued_lines_are_joined_with_nothing_in_between(cfg):
    text = "A: types=jet,\\\n   tau \\\n# not part of it\n  dir=x\\\n\nB: k=v"
    assert read_cfg(cfg(text)) == {"A": {"types": "jet,tau", "dir": "x"}, "B": {"k": "v"}}


def test_name_is_not_stripped(cfg):
    assert read_cfg(cfg("A : k=v\nA: k=w")) == {"A": {"k": "w"}, "A ": {"k": "v"}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A: k=1\n\nB k=2", r"a.cfg:3: found 'B k=2', expected 'name: key=value"),
        (": k=1", r"a.cfg:1: found ': k=1', expected 'name:"),
        ("A: k=1\nB: k=1\nA: k=2", r"a.cfg:3: 'A' is there already, in line 1"),
        ("A: k=1 l k=2", r"a.cfg:1: found 'l k=2', expected key=value"),
        ("A: k=1 =2", r"a.cfg:1: found '=2'"),
        ("A: k=", r"a.cfg:1: found 'k='"),
        ('A: k="v', "a.cfg:1: found 'k=\"v'"),
        ('A: k="v"w', "a.cfg:1: found 'k=\"v\"w'"),
        ("A: k=1 \\\n l=2 k=3", r"a.cfg:1: the key 'k' is given twice"),
        ("A: k=1\nB: l=1 \\\n", r"a.cfg:2: the last line ends with a backslash"),
        ("# nothing\n\n", r"a.cfg: holds no item"),
    ],
)
def test_wrong_lines_are_named(text, message, cfg):
    with pytest.raises(ConfigError, match=message):
        read_cfg(cfg(text))


def test_file_that_cannot_be_read(tmp_path):
    with pytest.raises(ConfigError, match=r"none.cfg: cannot be read \(FileNotFoundError"):
        read_cfg(tmp_path / "none.cfg")
    (tmp_path / "binary.cfg").write_bytes(b"\xff\xfe: \x00")
    with pytest.raises(ConfigError, match=r"binary.cfg: cannot be read \(UnicodeDecodeError"):
        read_cfg(tmp_path / "binary.cfg")


word = st.text("abcXYZ01_.*-", min_size=1, max_size=8)
value = st.text('abcXYZ01_.*-= \t:#"', max_size=8).filter(lambda text: '"' not in text)


@given(items=st.dictionaries(word, st.dictionaries(word, value, max_size=4), min_size=1, max_size=4))
def test_what_is_written_is_read(items, tmp_path_factory):
    path = tmp_path_factory.mktemp("cfg") / "a.cfg"
    path.write_text("\n".join(f"{n}: " + " ".join(f'{k}="{v}"' for k, v in p.items()) for n, p in items.items()))
    assert read_cfg(path) == items
    assert list(read_cfg(path)) == sorted(items)


def test_defaults_of_a_group():
    assert groups_from_cfg({"A": {"types": "jet"}}) == {"A": {"types": ("jet",), "dir": ".*", "file": ".*"}}


def test_keys_without_meaning_are_named(caplog):
    with caplog.at_level(logging.WARNING):
        groups_from_cfg({"A": {"types": "jet", "mix_p": "0.5", "weight": "2"}, "B": {"types": "tau"}})
    assert caplog.messages == ["group 'A': the keys ['mix_p', 'weight'] mean nothing here and are ignored"]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"dir": "x"}, "group 'A' has no types"),
        ({"types": ""}, "group 'A' has no types"),
        ({"types": "jet,top"}, r"group 'A': unknown truth types \['top'\]"),
        ({"types": "jet,"}, r"group 'A': unknown truth types \[''\]"),
        ({"types": "jet,jet"}, "group 'A': a truth type is listed twice"),
        ({"types": "jet", "dir": "("}, r"group 'A': dir=\( is no regular expression"),
        ({"types": "jet", "file": "*"}, r"group 'A': file=\* is no regular expression"),
    ],
)
def test_groups_that_make_no_sense(item, message):
    with pytest.raises(ConfigError, match=message):
        groups_from_cfg({"A": item})
