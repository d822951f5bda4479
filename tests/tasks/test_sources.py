"""Tuples of a dataset from what there is: files taken in place, NanoAOD."""

from __future__ import annotations

import dataclasses
import json
import logging
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest

from tasks.binned import ShuffleMerge
from tasks.production import RECONSTRUCTION, ListFiles, MergeTuples, ProduceTuples
from tasks.sampling import ShuffleMergeSpectral
from tasks.sampling_inputs import CountSpectra
from taumltools.config.datasets import DatasetConfig
from taumltools.config.production import ProductionConfig
from taumltools.errors import ConfigError, InputError
from taumltools.production.pfnano import reconstruct
from taumltools.sampling.spectra import Spectra
from taumltools.store import read_sidecar
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import open_tuples, write_tuples
from taumltools.tuples.merge import read_account
from taumltools.tuples.mock import mock_tuples
from tests.tasks.making import make

DATA = Path(__file__).parents[1] / "data"
SIZES = {"a.arrow": 300, "b.root": 200, "c.arrow": 250}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    where = tmp_path_factory.mktemp("outside") / "DY"
    where.mkdir()
    for seed, (name, size) in enumerate(SIZES.items()):
        write_tuples(where / name, mock_tuples(size, seed=seed), [*mock_tuples(1).scalars, "pfCand_pt"])
    return where


def task(task_class, source, files, part="chunks:2", more="", **options):
    overrides = f"+datasets.mine={{title:Mine,source:{source},files:['{files}']{more}}} ~samples.train +samples.train.mine={{{part}}}"
    return task_class(version="v1", campaign="tiny", overrides=overrides, **options)


def test_files_are_taken_in_place(folder):
    workflow = make(task(ProduceTuples, "tautuple", folder, dataset="mine"))
    assert [path.name for path in workflow.paths()] == ["tuples_0.json", "tuples_1.json"]
    listed = [json.loads(path.read_text())["files"] for path in workflow.paths()]
    assert [[Path(file["path"]).name for file in files] for files in listed] == [["a.arrow", "c.arrow"], ["b.root"]]
    assert all(Path(file["path"]).parent == folder for files in listed for file in files)
    assert [read_sidecar(path)["details"]["entries"] for path in workflow.paths()] == [550, 200]


def test_what_follows_reads_them_like_its_own(folder):
    workflow = make(task(CountSpectra, "tautuple", f"{folder}/*", dataset="mine"))
    assert [Spectra.load(path).entries for path in workflow.paths()] == [550, 200]
    mixed = task(
        ShuffleMergeSpectral, "tautuple", folder, pt_bins=("20", "40", "100", "1000"), eta_bins=("0", "1.2", "2.4"),
        enable_emptybin=True,
    )  # fmt: skip
    make(mixed)
    assert sum(read_sidecar(path)["details"]["yields"]["read"] for path in mixed.paths()) == 750


def test_nanoaod_is_converted(store):
    workflow = make(task(ProduceTuples, "nanoaod", DATA / "nano/nano_dy.root", "chunks:1", dataset="mine"))
    details = read_sidecar(workflow.path_of(0))["details"]
    with open_tuples(workflow.path_of(0)) as file:
        assert file.entries == details["entries"] > 20
    assert (details["events"], details["taus"]) == (40, 29)
    limited = make(task(ProduceTuples, "nanoaod", DATA / "nano/nano_dy.root", "chunks:1,events:11", dataset="mine"))
    assert read_sidecar(limited.path_of(0))["details"]["events"] == 11
    assert limited.folder != workflow.folder


def test_taus_are_reconstructed_in_pfnano():
    workflow = make(task(ProduceTuples, "pfnano", DATA / "nano/pfnano.root", "chunks:1,events:5", dataset="mine"))
    details = read_sidecar(workflow.path_of(0))["details"]
    with open_tuples(workflow.path_of(0)) as file:
        assert file.entries == details["entries"] > 5
        assert "pfCand_pt" in file.branches
    assert details["events"] == 5
    tighter = ProduceTuples(
        version="v1", campaign="tiny", overrides=workflow.overrides + " production.hps.min_pt=30", dataset="mine"
    )
    assert tighter.folder != workflow.folder
    other = ProduceTuples(
        version="v1", campaign="tiny", overrides=workflow.overrides + " production.energy=7000", dataset="mine"
    )
    assert other.folder == workflow.folder


@pytest.mark.parametrize(("source", "file"), [("nanoaod", "nano_dy.root"), ("pfnano", "pfnano.root")])
def test_tags_and_probes_are_selected_and_the_rest_is_counted(source, file):
    options = ",selector:TagAndProbe,require_gen_match:false"
    workflow = make(task(ProduceTuples, source, DATA / "nano" / file, "chunks:1", options, dataset="mine"))
    details = read_sidecar(workflow.path_of(0))["details"]
    assert details["not_tag_and_probe"] > 30
    with open_tuples(workflow.path_of(0)) as opened:
        assert {"tagObj_kind", "tagObj_genpt", "has_dielectron", "selectionType"} <= set(opened.branches)
        assert set(opened.read(["selectionType"])["selectionType"].tolist()) <= {1, 2, 3, 4, 5}


def test_sidecar_showed_settings_that_are_not_read(monkeypatch):
    """Every setting that the reconstruction reads is declared, and no other."""
    config, read = ProductionConfig(), set()
    for section in dataclasses.fields(config):
        part = getattr(config, section.name)
        if dataclasses.is_dataclass(part):

            def note(self, name, section=section.name, names=frozenset(part.__dataclass_fields__)):
                if name in names:
                    read.add(f"production.{section}.{name}")
                return object.__getattribute__(self, name)

            monkeypatch.setattr(type(part), "__getattribute__", note)
    dataset = DatasetConfig(title="x", source="pfnano", files=("x",))
    list(reconstruct([DATA / "nano/pfnano.root"], dataset, config, events=3))
    monkeypatch.undo()
    # the first is replaced by an option of the dataset, the columns that follow the second by those of the file
    read -= {"production.matching.keep_unreconstructed", "production.track.details_min_pt"}
    whole = {key for key in RECONSTRUCTION if key.count(".") == 1}
    assert {key.rpartition(".")[0] if key.rpartition(".")[0] in whole else key for key in read} == set(RECONSTRUCTION)


def test_settings_that_are_not_declared_make_no_difference():
    dataset = DatasetConfig(title="x", source="pfnano", files=("x",))
    changed = ProductionConfig(track={"details_min_pt": 5.0}, matching={"keep_unreconstructed": False})
    one, other = (
        Tuples.concatenate(list(reconstruct([DATA / "nano/pfnano.root"], dataset, config, events=3)))
        for config in (ProductionConfig(), changed)
    )
    assert one.branches == other.branches
    for name in one.branches:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def test_identity_follows_what_is_read_and_not_the_simulation(folder):
    plain = task(ProduceTuples, "tautuple", folder, dataset="mine")
    assert plain.folder != task(ProduceTuples, "tautuple", f"{folder}/*.root", dataset="mine").folder
    simulation = plain.overrides + " production.pileup.mean=7 seed=1"
    again = ProduceTuples(version="v1", campaign="tiny", overrides=simulation, dataset="mine")
    assert again.folder == plain.folder
    assert {type(t) for t in plain.upstream_tasks()} == {ListFiles}


def test_more_branches_than_files_and_changed_files_are_named(folder, tmp_path):
    with pytest.raises(InputError, match=r"has 3 files, which do not fill 4 branches: lower samples.train.mine.chunks"):
        make(task(ListFiles, "tautuple", folder, "chunks:4", dataset="mine"))
    write_tuples(tmp_path / "x.arrow", mock_tuples(5), ["evt", "tau_pt"])
    workflow = task(ProduceTuples, "tautuple", tmp_path, "chunks:1", dataset="mine")
    make(workflow.upstream()["files"])
    write_tuples(tmp_path / "x.arrow", mock_tuples(6), ["evt", "tau_pt"])
    with pytest.raises(InputError, match=r"x.arrow: the file has changed since it was listed"):
        make(workflow)


@pytest.fixture
def thinned(tmp_path):
    """Overrides of a dataset whose first chunk (15 events) has no event that its selector wants; the second has one."""
    for name in "ab":
        shutil.copy(DATA / "nano/nano_dy.root", tmp_path / f"{name}.root")
    write_tuples(tmp_path / "rest.arrow", mock_tuples(1500))
    return (
        f"+datasets.mine={{title:Mine,source:nanoaod,files:['{tmp_path}/?.root'],selector:genTauTau}} "
        f"+datasets.rest={{title:Rest,source:tautuple,files:['{tmp_path}/rest.arrow']}} "
        "~samples.train +samples.train.mine={chunks:2,events:31} +samples.train.rest={chunks:1} "
    )


BINS = {"pt_bins": ("20", "40", "100", "1000"), "eta_bins": ("0", "1.2", "2.4")}


@pytest.mark.parametrize("tuple_format", ["arrow", "root"])
def test_chunk_that_the_selection_empties_was_an_error(thinned, caplog, tuple_format):
    options = {"version": "v1", "campaign": "tiny", "overrides": f"{thinned} tuple_format={tuple_format}"}
    produced = make(ProduceTuples(**options, dataset="mine"))
    assert [read_sidecar(path)["details"]["entries"] for path in produced.paths()] == [0, 3]
    (told,) = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert "branch 0: the selection left none of 11 candidates (not_gen_tau_tau 11)" in told
    assert [Spectra.load(path).entries for path in make(CountSpectra(**options, dataset="mine")).paths()] == [0, 3]
    merged = make(MergeTuples(**options, dataset="mine"))
    assert [(part.start, part.stop) for part in read_account(merged.path)[0].inputs] == [(0, 3)]
    mixed = make(ShuffleMergeSpectral(**options, **BINS, enable_emptybin=True))
    assert sum(read_sidecar(path)["details"]["yields"]["read"] for path in mixed.paths()) == 1503
    again = f"+datasets.again={{title:A,source:tautuple,files:['{produced.folder}']}} ~samples.train +samples.train.again={{chunks:1}}"
    chain = make(ProduceTuples(version="v1", campaign="tiny", overrides=again, dataset="again"))
    assert read_sidecar(chain.path_of(0))["details"]["entries"] == 3


def test_binned_procedure_takes_a_chunk_without_entries(thinned):
    overrides = thinned + "binned.steps.by_type.skip_empty_bins=true"
    merged = make(ShuffleMerge(version="v1", campaign="tiny", overrides=overrides, **BINS))
    with open_tuples(merged.path_of(0)) as file:
        weights = file.read(["trainingWeight"])["trainingWeight"].astype(float)
    assert len(weights) > 100
    assert weights.sum() == pytest.approx(4, rel=1e-5)  # of the recipe: 1 for each type, as docs/binned.md says


def test_dataset_without_any_entry_is_an_error_where_it_is_used(thinned):
    nothing = thinned.replace("chunks:2,events:31", "chunks:2,events:30")
    options = {"version": "v1", "campaign": "tiny", "overrides": nothing}
    make(ProduceTuples(**options, dataset="mine"))
    with pytest.raises(InputError, match="dataset 'mine' has no entries in sample 'train', its selection left nothing"):
        make(ShuffleMergeSpectral(**options, **BINS, enable_emptybin=True))
    with pytest.raises(InputError, match="dataset 'mine' has no entries in sample 'train'"):
        make(CountSpectra(**options, dataset="mine"))
    with pytest.raises(InputError, match="nothing to merge: the 2 files have no entries"):
        make(MergeTuples(**options, dataset="mine"))


def test_file_without_candidates_is_an_error_that_says_so():
    """It spoke of events to raise, although all of them had been read."""
    files = DATA / "nano/pfnano.root"  # has no taus of CMS
    with pytest.raises(InputError, match=r"'mine' gave no tau candidate in its 10 events: check its files$"):
        make(task(ProduceTuples, "nanoaod", files, "chunks:1", dataset="mine"))
    limited = task(ProduceTuples, "nanoaod", files, "chunks:1,events:4", dataset="mine")
    with pytest.raises(InputError, match=r"in its 4 events: raise samples\.train.mine.events, or check its files"):
        make(limited)


@pytest.mark.parametrize("patterns", ["enabled_branches:[foo]", "disabled_branches:['.*']"])
def test_wrong_branches_were_told_once_by_every_branch(folder, patterns):
    workflow = task(ProduceTuples, "nanoaod", folder, "chunks:3", more=f",{patterns}", dataset="mine")
    with pytest.raises(ConfigError, match="abled_branches"):
        workflow.complete()


def test_options_of_other_sources_are_refused(folder):
    with pytest.raises(ConfigError, match="source 'tautuple' has no option 'sample_type'"):
        task(ProduceTuples, "tautuple", folder, more=",sample_type:Data", dataset="mine").identity  # noqa: B018


def test_files_named_twice_are_refused(folder):
    with pytest.raises(InputError, match="is named by an earlier entry already"):
        make(task(ListFiles, "tautuple", f"{folder}','{folder}/a.arrow", dataset="mine"))


def test_tuples_of_a_dataset_are_merged(folder):
    workflow = make(task(MergeTuples, "tautuple", f"{folder}", dataset="mine", target_size=1))
    details = read_sidecar(workflow.path_of(0))["details"]
    assert details["entries"] == sum(SIZES.values())
    files = sorted(workflow.path_of(0).glob("merged_*.root"))
    assert len(files) == details["files"]
    other = task(MergeTuples, "tautuple", f"{folder}", dataset="mine", target_size=2)
    assert other.folder != workflow.folder


def test_target_size_below_a_megabyte_was_taken_as_zero(folder):
    """And it is refused before all tuples are made."""
    with pytest.raises(ConfigError, match="--target-size 0: expected 1 MB or more"):
        task(MergeTuples, "tautuple", f"{folder}", dataset="mine", target_size=0).complete()


@pytest.mark.parametrize(("source", "name"), [("tautuple", "a.arrow"), ("nanoaod", "nano_dy.root")])
def test_files_on_a_server_are_read(xrootd_server, folder, source, name):
    """Real xrootd: a folder of it is a source like any other, and no copies stay."""
    (xrootd_server.data / "DY").mkdir()
    shutil.copy(folder / name if source == "tautuple" else DATA / "nano" / name, xrootd_server.data / "DY" / name)
    before = set(Path(tempfile.gettempdir()).glob(".copy-*"))
    workflow = make(task(ProduceTuples, source, xrootd_server.url("DY"), "chunks:1", dataset="mine"))
    with open_tuples(workflow.path_of(0)) as file:
        assert file.entries == read_sidecar(workflow.path_of(0))["details"]["entries"] > 20
        assert len(file.read(["tau_pt"])) == file.entries
    assert set(Path(tempfile.gettempdir()).glob(".copy-*")) == before
    spectra = make(task(CountSpectra, source, xrootd_server.url("DY"), "chunks:1", dataset="mine"))
    assert Spectra.load(spectra.path_of(0)).entries == read_sidecar(workflow.path_of(0))["details"]["entries"]
