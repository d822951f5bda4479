"""Simulated events as a task: branches, identity, seeds, one chunk made."""

import numpy as np
import pytest
import uproot

from tasks.htt import PreprocessEvents
from tasks.htt_events import ProduceEvents
from tasks.production import ProducePileup
from taumltools.errors import ConfigError
from tests.tasks.making import make as make_all

FEW = "htt.samples.bbH.events=4 htt.samples.bbH.chunks=2 ~htt.samples.VBFH ~htt.samples.ZTT production.pileup.pool_events=30"


def make(overrides="", **parameters):
    return ProduceEvents(version="v1", campaign="demo", overrides=overrides, **parameters)


def test_branches_are_chunks_of_samples():
    task = make()
    samples = task.campaign_config.htt.samples
    assert task.n_branches() == sum(sample.chunks for sample in samples.values())
    assert [path.name for path in task.files()["ggH"]] == ["ggH_0.root", "ggH_1.root"]
    assert [path for paths in task.files().values() for path in paths] == task.paths()
    assert {type(upstream) for upstream in task.upstream_tasks()} == {ProducePileup}
    events = PreprocessEvents(version="v1", campaign="demo")
    assert events.event_files() == task.files()


def test_seed_of_a_chunk_is_its_own_and_independent_of_other_samples():
    seeds = {tuple(make(branch=b).random_seed().generate_state(2)) for b in range(make().n_branches())}
    assert len(seeds) == make().n_branches()
    with_more, alone = make(branch=1), make(FEW, branch=1)
    assert with_more.pieces()[1] == alone.pieces()[1] == ("bbH", 1)
    assert np.array_equal(with_more.random_seed().generate_state(4), alone.random_seed().generate_state(4))


@pytest.mark.parametrize(
    ("overrides", "moves"),
    [
        ("htt.simulation.jet.min_pt=25", True),
        ("htt.samples.QCD.chunks=3", True),
        ("seed=1", True),
        ("htt.title=x", False),
    ],
)
def test_identity(overrides, moves):
    assert (make(overrides).identity != make().identity) == moves


def test_samples_without_process_are_refused_before_anything_runs():
    with pytest.raises(ConfigError, match="sample 'TT' cannot be simulated"):
        _ = make("~htt.simulation.processes.TT").branch_map


def test_events_are_made_in_chunks():
    task = make(FEW)
    make_all(task.upstream()["pileup"])
    for branch in (0, 1):
        task.req_branch(branch).run()
    trees = [uproot.open(path)["TauCheck"].arrays(library="np") for path in task.files()["bbH"]]
    assert [len(tree["evt"]) for tree in trees] == [2, 2]
    assert len({int(evt) for tree in trees for evt in tree["evt"]}) == 4
    assert [set(tree["lumi"].tolist()) for tree in trees] == [{1}, {2}]
