"""The task framework: identity, paths, publish, provenance."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import luigi
import luigi.task_register
import pytest
from luigi.cmdline_parser import CmdlineParser

from tasks.base import PipelineTask
from tasks.evaluation import ApplyTraining, DeriveWorkingPoints, EvaluatePerformance
from tasks.features import FeatureScaling, FeatureSums, ProduceFlatTuples
from tasks.production import ProducePileup, ProduceTuples
from tasks.report import Report, all_upstream
from tasks.sampling import PlanSampling, ShuffleMergeSpectral
from tasks.sampling_inputs import CountSpectra, FindDuplicates
from tasks.sampling_options import parse_ratio
from tasks.training import Training
from taumltools.errors import ConfigError, InputError
from taumltools.store import read_sidecar

ROOT = Path(__file__).resolve().parents[2]


def every_task(overrides="", **parameters):
    report = Report(version="v1", campaign="demo", overrides=overrides, **parameters)
    return {str(t.folder.parent): t for t in [*all_upstream(report), report]}


class Writer(PipelineTask):
    """A task for tests: two branches of text, content from a setting."""

    product = "text_{branch}.txt"
    fail = luigi.BoolParameter(default=False, significant=False)

    def reads(self):
        return ("seed", "training.epochs")

    def n_branches(self):
        return 2

    def produce(self, path):
        path.write_text(f"{self.setting('training.epochs')} {self.random_seed().entropy}")
        if self.fail:
            raise InputError("bad input")
        return {"entries": 1}


def writer(**parameters):
    return Writer(version="v1", **{"branch": 0, **parameters})


def test_branch_publishes_product_and_sidecar():
    task = writer()
    assert not task.complete()
    task.run()
    assert task.complete()
    meta = read_sidecar(task.path)
    assert meta["task"] == "Writer"
    assert meta["config"]["training.epochs"] == task.campaign_config.training.epochs
    assert meta["details"] == {"entries": 1}
    assert meta["identity"] == task.identity
    assert meta["wall_s"] >= 0


def test_failing_branch_leaves_no_target_and_no_sidecar():
    task = writer(fail=True)
    with pytest.raises(InputError, match="bad input"):
        task.run()
    assert not task.complete()
    assert list(task.folder.iterdir()) == []


def test_failing_twin_keeps_the_published_product():
    writer().run()
    with pytest.raises(InputError):
        writer(fail=True).run()
    assert writer().complete()


def test_same_settings_same_content_in_any_order(tmp_path):
    contents = []
    for order in ((0, 1), (1, 0)):
        for branch in order:
            writer(branch=branch).run()
        contents.append([writer(branch=b).path.read_text() for b in (0, 1)])
    assert contents[0] == contents[1]
    assert contents[0][0] != contents[0][1]


def test_reading_an_undeclared_setting_is_refused():
    with pytest.raises(KeyError, match="without declaring it"):
        writer().setting("model")


def test_paths_are_absolute_and_named(store):
    path = ProduceTuples(version="v7", sample="train", dataset="ztautau", branch=0).path
    assert path.is_absolute()
    parts = path.relative_to(store).parts
    assert parts[:5] == ("demo", "ProduceTuples", "train", "ztautau", "v7")
    assert len(parts[5]) == 8
    assert parts[6] == "tuples_0.arrow"


def test_store_below_a_relative_path_is_made_absolute(monkeypatch):
    monkeypatch.setenv("TAUML_STORE", "somewhere")
    assert ProducePileup(version="v1", branch=0).path.is_absolute()


ALL = {
    ProducePileup, ProduceTuples, CountSpectra, FindDuplicates, PlanSampling, ShuffleMergeSpectral, ProduceFlatTuples,
    FeatureSums, FeatureScaling, Training, ApplyTraining, DeriveWorkingPoints, EvaluatePerformance, Report,
}  # fmt: skip


def test_report_depends_on_every_stage():
    assert {type(t) for t in every_task().values()} == ALL


AFTER_TRAINING = {Training, ApplyTraining, DeriveWorkingPoints, EvaluatePerformance, Report}
AFTER_FLAT = AFTER_TRAINING | {ProduceFlatTuples, FeatureSums, FeatureScaling}
AFTER_MIX = AFTER_FLAT | {ShuffleMergeSpectral}


@pytest.mark.parametrize(
    ("override", "moved"),
    [
        ("training.epochs=99", AFTER_TRAINING),
        ("report.title=Other", {Report}),
        ("title=Other", {Report}),
        ("evaluation.style.label=Other", {Report}),
        ("evaluation.style.energy=Run3", {EvaluatePerformance, Report}),
        ("evaluation.curve_points=99", {EvaluatePerformance, Report}),
        ("evaluation.working_points.fraction=0.4", {DeriveWorkingPoints, EvaluatePerformance, Report}),
        ("sampling.n_jobs=3", AFTER_MIX),
        ("sampling.tau_ratio.jet=3", AFTER_MIX | {PlanSampling}),
        ("sampling.memory_mb=99", {Report}),
        ("seed=5", ALL),
        ("production.pileup.mean=11", ALL),
        ("datasets.qcd.title=Other", {Report}),
    ],
)
def test_a_path_moves_if_and_only_if_a_setting_it_reads_changes(override, moved):
    before, after = every_task(), every_task(override)
    assert set(before) == set(after)
    found = {type(before[key]) for key in before if before[key].identity != after[key].identity}
    assert found == moved


def test_a_dataset_moves_only_what_depends_on_it():
    before, after = every_task(), every_task("samples.test.ztautau.events=77")
    moved = {key for key in before if before[key].identity != after[key].identity}
    families = {type(before[key]) for key in moved}
    assert families == {ProduceTuples, CountSpectra, ApplyTraining, DeriveWorkingPoints, EvaluatePerformance, Report}
    assert all("ztautau" in key for key in moved if type(before[key]) in {ProduceTuples, CountSpectra})


def test_resources_and_workflow_do_not_move_outputs():
    plain = Report(version="v1")
    assert plain.path == Report(version="v1", workflow="local", tolerance=0.5).path
    assert Training(version="v1").path == Training(version="v1", tracking_uri="http://localhost:1").path


def test_kinds_of_workflow_that_do_not_exist_are_refused():
    with pytest.raises(ValueError, match="slurm is not a valid choice"):
        Report(version="v1", workflow="slurm")


def test_command_line_options_of_sampling_move_the_output():
    plain = ShuffleMergeSpectral(version="v1")
    assert ShuffleMergeSpectral(version="v1", n_jobs=5).n_branches() == 5
    assert ShuffleMergeSpectral(version="v1", n_jobs=5).folder != plain.folder
    other = ShuffleMergeSpectral(version="v1", tau_ratio=("tau:1", "jet:2"))
    assert other.folder != plain.folder
    assert other.upstream()["plan"].folder != plain.upstream()["plan"].folder
    assert ShuffleMergeSpectral(version="v1", n_jobs=5).upstream()["plan"].folder == plain.upstream()["plan"].folder


def test_ratio_of_wrong_form_is_explained():
    assert parse_ratio(("jet:1", "tau:-1")) == {"jet": 1.0, "tau": -1.0}
    with pytest.raises(ConfigError, match="'jet=1' is not of the form"):
        parse_ratio(("jet=1",))


def test_branch_maps_are_pure(store):
    # no branch map looks into the store: it does not exist, and none creates it
    for task in every_task().values():
        assert len(task.branch_map) == task.n_branches()
    assert not store.exists()


def law(*arguments, **kwargs):
    command = [str(Path(sys.executable).with_name("law")), *arguments]
    environment = os.environ | {"LAW_HOME": str(ROOT / ".law"), "LAW_CONFIG_FILE": str(ROOT / "law.cfg")}
    environment["PYTHONPATH"] = str(ROOT)
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, **kwargs)


def test_index_finds_all_tasks_quickly():
    law("index")
    start = time.perf_counter()
    done = law("index")
    assert time.perf_counter() - start < 4  # 1.2 s on a quiet machine
    assert done.returncode == 0, done.stderr
    index = (ROOT / ".law" / "index").read_text()
    assert {line.split(":")[1] for line in index.splitlines()} >= {t.__name__ for t in ALL}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((), "ERROR: Report needs --version: law run Report --help says what it is"),
        (("--version", "v1", "--branch", "three"), "ERROR: --branch: invalid literal for int() with base 10: 'three'"),
        (("--version", "v1", "--workflow", "slurm"), "ERROR: --workflow: slurm is not a valid choice from {"),
    ],
)
def test_wrong_command_lines_are_told_in_one_line(arguments, line):
    done = law("run", "Report", *arguments)
    assert done.returncode == 40
    assert done.stderr.startswith(line)
    assert len((done.stdout + done.stderr).splitlines()) == 1


@pytest.mark.parametrize("task", sorted(t.__name__ for t in ALL))
def test_help_of_every_task_names_the_shared_options(task):
    """What ``law run X --help`` prints, without a process for each."""
    text = CmdlineParser._build_parser(root_task=task).format_help()
    for option in ("--version", "--campaign", "--overrides", "--workflow"):
        assert option in text


def test_help_on_the_command_line():
    done = law("run", "Training", "--help")
    assert done.returncode == 0, done.stderr
    assert "--overrides" in done.stdout


def test_print_status_shows_the_whole_tree(store):
    done = law("run", "Report", "--version", "v1", "--print-status", "-1")
    assert done.returncode == 0, done.stderr + done.stdout
    for task in ALL:
        assert task.__name__ in done.stdout
    assert "absent" in done.stdout
    assert not store.exists()


def test_unknown_campaign_and_override_stop_with_the_known_ones(store):
    done = law("run", "Report", "--version", "v1", "--campaign", "demmo")
    assert done.returncode != 0
    assert "unknown campaign 'demmo'" in done.stderr + done.stdout
    done = law("run", "Report", "--version", "v1", "--overrides", "training.epoch=3")
    assert done.returncode != 0
    assert "training.epoch" in done.stderr + done.stdout
    assert not store.exists()


def test_sidecars_of_real_products_are_json(store):
    task = writer()
    task.run()
    assert json.loads((task.folder / "text_0.txt.meta.json").read_text())["branch"] == 0


def test_workflow_is_complete_by_its_products_without_making_branch_tasks():
    workflow = Writer(version="v1", workflow="local")
    assert not workflow.complete()
    for branch in range(2):
        writer(branch=branch).run()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Writer, "as_branch", None)
            assert workflow.complete() is (branch == 1)
    assert set(workflow.present()) == {0, 1}
    stat = writer(branch=1).path.stat()
    assert workflow.present()[1] == (stat.st_size, stat.st_mtime_ns)


def test_acceptance_tells_how_many_products_are_enough():
    writer(branch=1).run()
    assert not Writer(version="v1").complete()
    assert Writer(version="v1", acceptance=0.5).complete()


def test_temporary_files_that_vanish_while_the_folder_is_listed_do_no_harm(monkeypatch):
    writer(branch=1).run()
    folder = writer().folder
    (folder / ".text_0.tmp-x.txt").write_text("")
    real = os.scandir

    class Vanishing:
        def __init__(self, path):
            self.entries = real(path)

        def __enter__(self):
            found = list(self.entries)
            (folder / ".text_0.tmp-x.txt").unlink(missing_ok=True)
            return iter(found)

        def __exit__(self, *_):
            self.entries.close()

    monkeypatch.setattr(os, "scandir", Vanishing)
    assert set(Writer(version="v1").present()) == {1}
