from __future__ import annotations

import logging
from pathlib import Path

import pytest

from taumltools.config.sampling import SamplingConfig
from taumltools.errors import ConfigError
from taumltools.sampling.groups import ALL, assign, groups_of, matching
from taumltools.sampling.partition import InputFile

RATIO = {"tau": 1, "jet": 1}
FILES = [
    InputFile(Path("/x/DY_M-50/ev_1.root"), 3, "DY_M-50"),
    InputFile(Path("/x/DY_M-50/ev_2.root"), 4, "DY_M-50"),
    InputFile(Path("/x/TT/ev_1.root"), 5, "TT"),
]


def config(groups, **changes):
    return SamplingConfig(tau_ratio=RATIO, groups=groups, **changes)


def names(found):
    return {group: [str(file.path)[3:] for file in files] for group, files in found.items()}


def test_without_groups_everything_is_one():
    assert names(assign(FILES, config({}))) == {ALL: ["DY_M-50/ev_1.root", "DY_M-50/ev_2.root", "TT/ev_1.root"]}
    assert groups_of(config({}))[ALL].types == ("tau", "jet")


def test_expressions_match_whole_names():
    both = {"types": ["tau", "jet"]}
    assert names(assign(FILES, config({"a": both | {"datasets": ["DY.*", "TT"]}})))["a"] == [
        "DY_M-50/ev_1.root",
        "DY_M-50/ev_2.root",
        "TT/ev_1.root",
    ]
    with pytest.raises(ConfigError, match=r"group 'a' takes no file: its datasets are 'DY' \(files '\.\*'\)"):
        assign(FILES, config({"a": both | {"datasets": ["DY"]}}))


def test_groups_are_in_alphabetical_order_and_files_in_theirs():
    groups = {"z": {"types": ["tau"], "files": "ev_2.*|.*_1.root"}, "a": {"types": ["jet"], "files": "ev_1.*"}}
    found = names(assign(FILES, config(groups)))
    assert list(found) == ["a", "z"]
    assert found["z"] == ["DY_M-50/ev_1.root", "DY_M-50/ev_2.root", "TT/ev_1.root"]
    assert found["a"] == ["DY_M-50/ev_1.root", "TT/ev_1.root"]


def test_a_type_of_a_file_has_one_group():
    groups = {"a": {"types": ["tau", "jet"]}, "b": {"types": ["jet"], "files": "ev_2.root"}}
    with pytest.raises(ConfigError, match=r"'a' and 'b' both take 'jet' from 'DY_M-50' \(ev_2.root\): .* appear twice"):
        assign(FILES, config(groups))
    assert matching(FILES[0], groups_of(config(groups))) == ["a"]


def test_datasets_in_no_group_are_refused_or_named(caplog):
    groups = {"a": {"types": ["tau", "jet"], "datasets": ["TT"]}}
    with pytest.raises(ConfigError, match=r"the datasets \['DY_M-50'\] are in no group; add them .*unused_datasets=ig"):
        assign(FILES, config(groups))
    with caplog.at_level(logging.WARNING):
        assert names(assign(FILES, config(groups, unused_datasets="ignore"))) == {"a": ["TT/ev_1.root"]}
    assert "['DY_M-50'] are in no group and left out" in caplog.text
