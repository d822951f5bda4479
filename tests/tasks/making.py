"""Running tasks inside of the test's process, everything they need first; or putting in place what they need."""

from __future__ import annotations

import luigi.task_register
import pytest


def forget_tasks():
    """Let the next task be made anew: luigi keeps tasks of the same parameters, and ours remember their folder.

    Through the class of a task, as in ``Training.clear_instance_cache()``, luigi would give law's metaclass a cache
    of its own, and from then on this function would empty one that nothing uses.
    """
    luigi.task_register.Register.clear_instance_cache()


def assert_states(task, branches, product, needs):
    """A workflow that has not run states these things about itself.

    Args:
        task: the workflow.
        branches: how many there are.
        product: file name of the product of the first.
        needs: classes of the tasks upstream.
    """
    assert task.n_branches() == branches == len(task.branch_map)
    assert task.path_of(0).name == product
    assert len({task.path_of(b) for b in range(branches)}) == branches
    assert {type(t) for t in task.upstream_tasks()} == needs
    assert set(task.settings()) == set(task.reads())
    assert not task.complete()


def make(task):
    """Run all branches of a workflow and of everything upstream that is not there yet.

    Returns:
        The workflow.
    """
    for upstream in task.upstream_tasks():
        make(upstream)
    for branch in range(task.n_branches()):
        one = task.req_branch(branch) if task.is_workflow() else task
        if not one.complete():
            one.run()
    return task


def place_network(training):
    """Put a network where a training would leave it, which need not be trained for that.

    Returns:
        Its folder.
    """
    from taumltools.training.models import build_model
    from taumltools.training.network import MODEL_FILE
    from tests.unit.training.deeptau_case import some_scaling

    campaign = training.campaign_config
    training.path.mkdir(parents=True)
    network = build_model(campaign.model, campaign.features, some_scaling(campaign.features))
    network.save(training.path / MODEL_FILE)
    return training.path


def prepare_training(root, **parameters):
    """Fill a store with flat tuples of mock candidates and their scaling, as training tasks will look for them.

    Args:
        root: the store.
        parameters: of the training, without its overrides of network and fit.
    """
    from tasks.features import FeatureScaling, FeatureSums
    from tasks.training import Training
    from taumltools.features.flat import make_flat, write_flat
    from taumltools.tuples.mock import mock_tuples

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TAUML_STORE", str(root))
        forget_tasks()
        task = Training(**parameters)
        features = task.setting("features")
        for number, path in enumerate(task.upstream()["flat"].paths()):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_flat(path, [make_flat(mock_tuples(150, seed=number), features)], config=features)
        for task_class in (FeatureSums, FeatureScaling):
            upstream = task_class(**parameters)
            for branch in range(upstream.n_branches()):
                upstream.req_branch(branch).run()
    forget_tasks()
