"""Tuples of a dataset from what there is: files taken in place, NanoAOD."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import pytest

from tasks.production import ListFiles, MergeTuples, ProduceTuples
from tasks.sampling import ShuffleMergeSpectral
from tasks.sampling_inputs import CountSpectra
from taumltools.errors import ConfigError, InputError
from taumltools.sampling.spectra import Spectra
from taumltools.store import read_sidecar
from taumltools.tuples.io import open_tuples, write_tuples
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


def test_identity_follows_what_is_read_and_not_the_simulation(folder):
    plain = task(ProduceTuples, "tautuple", folder, dataset="mine")
    assert plain.folder != task(ProduceTuples, "tautuple", f"{folder}/*.root", dataset="mine").folder
    simulation = plain.overrides + " production.pileup.mean=7 seed=1"
    again = ProduceTuples(version="v1", campaign="tiny", overrides=simulation, dataset="mine")
    assert again.folder == plain.folder
    assert {type(t) for t in plain.upstream_tasks()} == {ListFiles}


def test_more_branches_than_files_and_changed_files_are_named(folder, tmp_path):
    with pytest.raises(InputError, match=r"has 3 files, which do not fill 4 branches: lower samples.train.mine.chunks"):
        make(task(ProduceTuples, "tautuple", folder, "chunks:4", dataset="mine"))
    write_tuples(tmp_path / "x.arrow", mock_tuples(5), ["evt", "tau_pt"])
    workflow = task(ProduceTuples, "tautuple", tmp_path, "chunks:1", dataset="mine")
    make(workflow.upstream()["files"])
    write_tuples(tmp_path / "x.arrow", mock_tuples(6), ["evt", "tau_pt"])
    with pytest.raises(InputError, match=r"x.arrow: the file has changed since it was listed"):
        make(workflow)


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
    with pytest.raises(ConfigError, match="--target-size 0: expected 1 MB or more"):
        make(task(MergeTuples, "tautuple", f"{folder}", dataset="mine", target_size=0))


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
