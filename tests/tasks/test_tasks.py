"""Each task: what it reads, what it needs, how many branches it has, what it makes."""

from __future__ import annotations

import pytest

from tasks.base import PipelineTask
from tasks.binned import CreateBinnedTuples, CreateTupleSizeList, ShuffleMerge
from tasks.evaluation import (
    ApplyTraining,
    DeriveWorkingPoints,
    EvaluatePerformance,
    PlotEfficiency,
    PlotROC,
    PlotScores,
)
from tasks.features import FeatureScaling, FeatureSums, ProduceFlatTuples, ScalingPlots
from tasks.production import ProducePileup, ProduceTuples
from tasks.report import Report, all_upstream
from tasks.sampling import ExportLegacy, PlanSampling, SamplingYields, ShuffleMergeSpectral, ValidateShuffle
from tasks.sampling_inputs import CountSpectra, CreateSpectralHists, FindDuplicates
from tasks.scan import ScanTraining
from tasks.training import Training
from taumltools.config import load_campaign
from tests.tasks.making import assert_states

DATASET = {"sample": "train", "dataset": "ztautau"}


def make(task_class, **parameters):
    return task_class(version="v1", campaign="tiny", **parameters)


TRAIN, TEST = (len(load_campaign("tiny").samples[name]) for name in ("train", "test"))

TABLE = [
    # task, parameters, branches, product of branch 0, families of what it needs
    (ProducePileup, {}, 1, "pileup.npz", set()),
    (ProduceTuples, DATASET, 2, "tuples_0.arrow", {ProducePileup}),
    (CountSpectra, DATASET, 2, "spectra_0.json", {ProduceTuples}),
    (FindDuplicates, {}, 2, "repeated_0.npz", {CountSpectra, ProduceTuples}),
    (PlanSampling, {}, 1, "plan.json", {CountSpectra, ProduceTuples, FindDuplicates}),
    (ShuffleMergeSpectral, {}, 2, "part_0.arrow", {PlanSampling, CountSpectra, ProduceTuples, FindDuplicates}),
    (SamplingYields, {}, 1, "yields.d", {PlanSampling, ShuffleMergeSpectral}),
    (CreateSpectralHists, {}, 1, "spectra.d", {CountSpectra, ProduceTuples}),
    (ExportLegacy, {}, 1, "out.d", {PlanSampling, CreateSpectralHists}),
    (ValidateShuffle, {}, 1, "validation.d", {ShuffleMergeSpectral}),
    (CreateBinnedTuples, {}, 2, "binned_0.d", {CountSpectra, ProduceTuples}),
    (CreateTupleSizeList, {}, 1, "size_list.txt", {CreateBinnedTuples}),
    (ShuffleMerge, {"step": "by_type"}, 4, "e_pt_20_eta_0.000.arrow", {CreateTupleSizeList, CreateBinnedTuples}),
    (ShuffleMerge, {}, 1, "training_tauTuple.arrow", {ShuffleMerge}),
    (ProduceFlatTuples, {}, 2, "flat_0.h5", {ShuffleMergeSpectral}),
    (FeatureSums, {}, 2, "sums_0.npz", {ProduceFlatTuples}),
    (FeatureScaling, {}, 1, "scaling.json", {FeatureSums}),
    (FeatureScaling, {"overrides": "scaling.source=scaling.json"}, 1, "scaling.json", set()),
    (ScalingPlots, {}, 1, "scaling_plots.d", {FeatureSums, FeatureScaling}),
    (Training, {}, 1, "model", {ProduceFlatTuples, FeatureScaling}),
    (ScanTraining, {"grid": "training.epochs=1,3"}, 1, "scan.d", {Training}),
    (ScanTraining, {"sweep": "training.epochs=int(1,3)"}, 1, "scan.d", {ProduceFlatTuples, FeatureScaling}),
    (ApplyTraining, {}, TEST, "predictions_ztautau.h5", {Training, ProduceTuples}),
    (DeriveWorkingPoints, {}, 4, "working_points_deeptau", {ApplyTraining}),
    (EvaluatePerformance, {}, 4, "performance_deeptau", {ApplyTraining, DeriveWorkingPoints}),
    (PlotROC, {}, 3, "roc_vs_e", {EvaluatePerformance}),
    (PlotEfficiency, {}, 4, "efficiency_deeptau", {EvaluatePerformance}),
    (PlotScores, {}, 4, "scores_deeptau", {EvaluatePerformance}),
    (Report, {}, 1, "report.html", {CountSpectra, EvaluatePerformance}),
]


@pytest.mark.parametrize(("task_class", "parameters", "branches", "product", "needs"), TABLE)
def test_task(task_class, parameters, branches, product, needs):
    task = make(task_class, **parameters)
    assert_states(task, branches, product, needs)


@pytest.mark.parametrize(("task_class", "parameters", "branches", "product", "needs"), TABLE)
def test_branch_declares_what_it_reads_as_input(task_class, parameters, branches, product, needs):
    branch = make(task_class, **parameters, branch=branches - 1)
    upstream = {path for task in all_upstream(branch) for path in task.paths()}
    assert set(branch.input_paths()) <= upstream
    assert bool(branch.input_paths()) == bool(needs)
    assert branch.output().path == str(branch.path)


def test_branches_of_one_dataset_need_only_their_own_file():
    branch = make(CountSpectra, **DATASET, branch=1)
    needed = branch.requires()["tuples"]
    assert (needed.branch, needed.dataset) == (1, "ztautau")
    assert branch.input_paths() == [needed.path]


def test_application_of_a_dataset_needs_its_files_and_the_model():
    branch = make(ApplyTraining, branch=0)
    assert branch.datasets()[0] == branch.requires()["tuples"].dataset
    assert branch.requires()["tuples"].sample == "test"
    assert type(branch.requires()["model"]) is Training


def test_train_and_test_never_share_a_file():
    report = make(Report)
    paths = {}
    for task in all_upstream(report):
        if isinstance(task, ProduceTuples):
            paths.setdefault(task.sample, set()).update(task.paths())
    assert len(paths["train"]) > TRAIN - 1
    assert paths["train"].isdisjoint(paths["test"])


def test_train_and_test_have_their_own_random_streams():
    train, test = (make(ProduceTuples, sample=s, dataset="zee", branch=0) for s in ("train", "test"))
    assert train.random_seed().entropy != test.random_seed().entropy


def test_parameters_that_do_not_matter_are_not_passed_on():
    training = make(Training, tracking_uri="http://localhost:5000")
    assert all(getattr(t, "tracking_uri", "") == "" for t in training.upstream_tasks())


def test_dataset_that_the_sample_lacks_is_named():
    from taumltools.errors import ConfigError

    with pytest.raises(ConfigError, match="wjets"):
        make(ProduceTuples, sample="test", dataset="wjets").n_branches()


def test_tasks_that_are_not_filled_in_say_so():
    class Empty(PipelineTask):
        product = "x"

    with pytest.raises(NotImplementedError, match="Empty"):
        Empty(version="v1").reads()
