"""The binned procedure as tasks, on tuples from outside."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tasks.binned import CreateBinnedTuples, CreateTupleSizeList, ShuffleMerge
from taumltools.errors import ConfigError
from taumltools.sampling.bins import split_name
from taumltools.store import read_sidecar
from taumltools.tuples.io import open_tuples, write_tuples
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.truth import TauType
from tests.tasks.making import forget_tasks, make

DATA = Path(__file__).parents[1] / "data/cms_tools/v1"
EDGES = {"pt_bins": ("20", "40", "80", "1000"), "eta_bins": ("0", "1.15", "2.3")}
SIZES = {"DY/a_1.arrow": 900, "DY/a_2.root": 500, "TT/b_1.arrow": 700}


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    folder = tmp_path_factory.mktemp("outside")
    for seed, (name, size) in enumerate(SIZES.items()):
        (folder / name).parent.mkdir(exist_ok=True)
        write_tuples(folder / name, mock_tuples(size, seed=seed), [*mock_tuples(1).scalars, "pfCand_pt"])
    return folder


def task(task_class, **options):
    return task_class(version="v1", campaign="tiny", **options)


def test_training_configuration_runs_splitting_list_and_both_steps(outside):
    """``law run ShuffleMerge`` alone makes everything before it."""
    workflow = make(
        task(ShuffleMerge, input=str(outside), **EDGES, overrides="binned.steps.by_type.skip_empty_bins=true")
    )
    (path,) = workflow.paths()
    assert path.name == "training_tauTuple.arrow"
    by_type = workflow.upstream()["files"]
    assert [p.name for p in by_type.paths()] == [f"{t}_pt_20_eta_0.000.arrow" for t in ("e", "mu", "tau", "jet")]
    sizes = by_type.upstream()["sizes"].path.read_text()
    assert "DY/tau_pt_20_eta_0.000.arrow" in sizes
    with open_tuples(path) as file:
        found = file.read(["tauType", "trainingWeight", "genLepton_kind", "tau_pt", "pfCand_pt"])
    total = sum(read_sidecar(p)["details"]["written"] for p in by_type.paths())
    assert len(found) == total == read_sidecar(path)["details"]["written"] > 500
    from taumltools.tuples.truth import truth_type

    with open_tuples(path) as file:
        types = truth_type(file.read())
    assert found["tauType"].tolist() == types.tolist()
    for name in ("e", "mu", "tau", "jet"):
        assert float(found["trainingWeight"][types == TauType[name]].sum()) == pytest.approx(1, rel=1e-4)


def test_the_binned_files_are_those_of_the_cms_tool():
    workflow = make(task(CreateBinnedTuples, input=str(DATA / "input"), output_format="root", **EDGES))
    expected = json.loads((DATA / "expected/binned_DY.json").read_text())
    folder = workflow.dataset_folders()["DY"]
    for name, content in expected.items():
        if "evt" in content:
            with open_tuples(folder / name) as file:
                found = file.read(["evt", "tau_index"])
            assert found["evt"].tolist() == content["evt"], name
            assert found["tau_index"].tolist() == content["tau_index"], name
    assert {path.name for path in folder.glob("*_pt_*.root")} == {name for name in expected if split_name(name[:-5])}
    assert set(workflow.dataset_folders()) == {"DY", "QCD"}


def test_a_cfg_file_of_the_cms_tool_is_one_step(outside, tmp_path):
    cfg = tmp_path / "testing.cfg"
    cfg.write_text("taus: dir=.* file=tau_pt_.*_eta_.*\njets: dir=TT file=jet_pt_.*_eta_.* weight=2 sample_type=MC\n")
    options = {"input": str(outside), "cfg": str(cfg), "max_bin_occupancy": 15, "ensure_uniformity": False, **EDGES}
    workflow = make(task(ShuffleMerge, mode="MergePerEntry", output_format="root", **options))
    assert [path.name for path in workflow.paths()] == ["jets.root", "taus.root"]
    for path in workflow.paths():
        with open_tuples(path) as file:
            pt = file.read(["tau_pt"])["tau_pt"]
        assert np.histogram(pt, [20, 40, 80, 1000])[0].max() <= 30  # two bins in |eta|
        assert len(pt) > 20
    both = make(task(ShuffleMerge, mode="MergeAll", calc_weights=True, **options | {"ensure_uniformity": True}))
    assert [path.name for path in both.paths()] == ["merged.arrow"]
    with open_tuples(both.path_of(0)) as file:
        assert float(file.read(["trainingWeight"])["trainingWeight"].sum()) == pytest.approx(1, rel=1e-4)


def test_an_earlier_size_list_is_used(outside, tmp_path, caplog):
    first = make(task(CreateTupleSizeList, input=str(outside), **EDGES))
    text = first.path.read_text()
    old = tmp_path / "old.txt"
    old.write_text(text)
    first.path.unlink()
    forget_tasks()
    with caplog.at_level("INFO"):
        again = make(task(CreateTupleSizeList, input=str(outside), prev_output=str(old), **EDGES))
    assert again.path.read_text() == text
    assert "were known" in caplog.text
    files = len([line for line in text.splitlines() if not line.startswith("#")])
    assert f"{files} files, of which {files} were known" in caplog.text


def test_a_list_without_times_of_change_is_trusted_on_request_only(outside, tmp_path):
    """The CMS tools' lists do not tell whether a file changed since; a wrong number lost entries without a word."""
    first = make(task(CreateTupleSizeList, input=str(outside), **EDGES))
    text = first.path.read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    name, entries = lines[0].split()
    (tmp_path / "old.txt").write_text("\n".join([f"{name} {int(entries) + 1}", *lines[1:]]) + "\n")
    for trust in (False, True):
        first.path.unlink()
        forget_tasks()
        again = task(CreateTupleSizeList, input=str(outside), prev_output=str(tmp_path / "old.txt"), trust_prev_output=trust,
                     **EDGES)  # fmt: skip
        assert (make(again).path.read_text() == text) is not trust


def test_every_output_of_a_call_of_the_cms_tool_begins_anew(outside, tmp_path):
    """Outputs of MergeAll are calls of their own; a later one went on with the random numbers of the first."""
    overrides = "binned.steps.by_type.order=legacy binned.steps.by_type.skip_empty_bins=true"
    whole = make(task(ShuffleMerge, input=str(outside), step="by_type", overrides=overrides, **EDGES))
    (tmp_path / "jets.cfg").write_text("all: dir=.* file=jet_pt_.*_eta_.*\n")
    forget_tasks()
    call = {
        "mode": "MergeAll",
        "calc_weights": True,
        "ensure_uniformity": True,
        "order": "legacy",
        "max_bin_occupancy": 500000,
    }
    alone = make(
        task(ShuffleMerge, input=str(outside), cfg=str(tmp_path / "jets.cfg"), skip_empty_bins=True, **call, **EDGES)
    )
    with open_tuples(whole.paths()[-1]) as a, open_tuples(alone.path_of(0)) as b:
        assert a.read(["evt"])["evt"].tolist() == b.read(["evt"])["evt"].tolist()


def test_a_branch_without_datasets_leaves_a_file(outside):
    """A server keeps no empty folder."""
    workflow = make(task(CreateBinnedTuples, input=str(outside), overrides="sampling.count_jobs=5", **EDGES))
    assert [json.loads((path / "datasets.json").read_text()) for path in workflow.paths()][2:] == [[], [], []]
    assert set(workflow.dataset_folders()) == {"DY", "TT"}


def test_options_move_what_depends_on_them_and_nothing_else():
    def folders(**options):
        merged = task(ShuffleMerge, **options)
        first = merged.upstream()["files"]
        return merged.folder, first.folder, first.upstream()["sizes"].folder, first.upstream()["binned"].folder

    plain = folders()
    assert [a == b for a, b in zip(plain, folders(pt_bins=("20", "1000")), strict=True)] == [False] * 4
    steps = folders(overrides="binned.steps.by_type.max_bin_occupancy=5")
    assert [a == b for a, b in zip(plain, steps, strict=True)] == [False, False, True, True]
    last = folders(overrides="binned.steps.training_tauTuple.take=first")
    assert [a == b for a, b in zip(plain, last, strict=True)] == [False, True, True, True]
    assert folders(overrides="binned.memory_mb=77") == plain


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "MergeAll"}, r"--mode: only with --cfg; .*--overrides .binned\.steps\.by_type\.mode="),
        ({"pt_bins": ("40", "20")}, "--pt-bins of the command line: .*strictly increasing"),
        ({"step": "third"}, r"no merge step 'third' in binned.steps; known are \['by_type', 'training_tauTuple'\]"),
        ({"output_format": "hdf5"}, "'arrow' or 'root'"),
        ({"cfg": "none.cfg"}, "none.cfg: cannot be read"),
    ],
)
def test_options_that_do_not_fit_are_refused_by_name(options, message):
    with pytest.raises(ConfigError, match=message):
        task(ShuffleMerge, **options).identity  # noqa: B018 - the property is what is tested
