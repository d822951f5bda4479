from __future__ import annotations

from pathlib import Path

import pytest

from taumltools.config.binned import SourceConfig
from taumltools.errors import ConfigError, InputError
from taumltools.sampling.legacy_cfg import read_cfg
from taumltools.sampling.merge_sources import (
    BinnedFile,
    binned_files,
    check_disjoint,
    matching,
    sources_from_cfg,
)

FILES = [
    BinnedFile(Path(dataset, f"{name}.root"), dataset, 10)
    for dataset in ("DY_M-50", "TTToHadronic")
    for name in ("tau_pt_20_eta_0.000", "emb_tau_pt_20_eta_0.000", "jet_pt_20_eta_0.000", "other")
]


def test_cfg_file_of_the_cms_tools(tmp_path, caplog):
    (tmp_path / "training_inputs_tau.cfg").write_text(
        '# taus\nTT: dir=TTTo.* file="tau_pt_.*" \\\n  weight = 0.5\nDY: dir=DY.* file=tau_.* sample_type=MC mix_p=0.3\n'
    )
    sources = sources_from_cfg(read_cfg(tmp_path / "training_inputs_tau.cfg"))
    assert sources == {
        "DY": SourceConfig(dir="DY.*", file="tau_.*", weight=1.0, sample_type="MC"),
        "TT": SourceConfig(dir="TTTo.*", file="tau_pt_.*", weight=0.5, sample_type=None),
    }
    assert "item 'DY': the keys ['mix_p'] have no meaning for merging and are ignored" in caplog.text


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"dir": "DY"}, "item 'x' lacks file"),
        ({}, "item 'x' lacks dir and file"),
        ({"dir": "DY", "file": "tau", "weight": "0"}, r"(?s)item 'x' is wrong:.*weight.*greater than 0"),
        ({"dir": "DY", "file": "tau", "weight": "much"}, r"(?s)weight.*valid number.*'much'"),
        ({"dir": "DY", "file": "tau", "weight": "inf"}, r"(?s)weight.*finite"),
        ({"dir": "DY", "file": "(tau"}, r"(?s)file.*no regular expression"),
        ({"dir": "DY", "file": "tau", "sample_type": "mc"}, r"(?s)sample_type.*'MC'"),
    ],
)
def test_wrong_items(item, message):
    with pytest.raises(ConfigError, match=message):
        sources_from_cfg({"x": item})


def test_files_match_as_a_whole(caplog):
    taken = matching("a", SourceConfig(file="tau_pt_.*", dir="DY.*"), FILES)
    assert [(str(file.path), parts) for file, parts in taken] == [
        ("DY_M-50/tau_pt_20_eta_0.000.root", ("tau", "20", "0.000"))
    ]
    assert len(matching("a", SourceConfig(file=".*tau_pt_.*"), FILES)) == 4
    assert not caplog.text
    with caplog.at_level("INFO"):
        matching("a", SourceConfig(file="jet_.*"), FILES[:4] + FILES[4:6])
    assert "source 'a': dataset 'TTToHadronic' has no file that matches 'jet_.*'" in caplog.text


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"file": "tau.*", "dir": "DY"}, r"matches no dataset; there are e.g. \['DY_M-50', 'TTToHadronic'\]"),
        ({"file": "mu_.*", "dir": "DY.*"}, r"matches no file of \['DY_M-50'\]; there are e.g. \['emb_tau_pt"),
        ({"file": ".*"}, "'.*' also matches 'other', which is no name of a bin"),
    ],
)
def test_sources_without_files(source, message):
    with pytest.raises(ConfigError, match=message):
        matching("a", SourceConfig(**source), FILES)


def test_a_file_belongs_to_one_source():
    tau, all_taus = (matching("x", SourceConfig(file=pattern), FILES) for pattern in ("tau_.*", ".*tau_.*"))
    check_disjoint({"a": tau, "b": matching("x", SourceConfig(file="emb_.*"), FILES)})
    with pytest.raises(ConfigError, match=r"'a' and 'b' both take DY_M-50/tau_pt_20_eta_0.000.root.*appear twice"):
        check_disjoint({"a": tau, "b": all_taus})


def test_files_of_a_size_list(tmp_path):
    entries = {"DY/a.root": 1, "TT/sub/b.root": 2, "c.root": 3}
    together = binned_files(entries, tmp_path)
    assert [(f.path, f.dataset, f.entries) for f in together] == [
        (tmp_path / "DY/a.root", "DY", 1),
        (tmp_path / "TT/sub/b.root", "TT", 2),
        (tmp_path / "c.root", "", 3),
    ]
    apart = binned_files({"DY/a.root": 1}, {"DY": tmp_path / "x", "TT": tmp_path / "y"})
    assert apart[0].path == tmp_path / "x/a.root"
    with pytest.raises(InputError, match=r"QCD/a.root: the size list names the dataset 'QCD', known are \['DY'\]"):
        binned_files({"QCD/a.root": 1}, {"DY": tmp_path})
