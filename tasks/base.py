"""The framework of all tasks: settings, identity of outputs, atomic publish, provenance.

A task says what it reads (:meth:`PipelineTask.reads`), what it needs
(:meth:`PipelineTask.upstream`), how many branches it has
(:meth:`PipelineTask.n_branches`) and how one branch is made
(:meth:`PipelineTask.produce`).  Everything else is here, once.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import law
import luigi

from tasks import errors, store
from tasks.finish import announce
from tasks.remote import BatchWorkflow
from tasks.store import store_root

log = logging.getLogger(__name__)

errors.install()  # here, since luigi reads the command line before any task is made


def size_of(path: Path) -> int:
    """Bytes of a file, or of all files of a folder."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


class PipelineTask(law.LocalWorkflow, BatchWorkflow, law.Task):
    """Base of all tasks: a workflow whose branches each publish one product.

    The product is a file or a folder at
    ``$TAUML_STORE/<campaign>/<Task>/<keys...>/<version>/<identity>/<product>``.
    """

    version = luigi.Parameter(description="human label of this processing, e.g. v1; part of every path")
    campaign = luigi.Parameter(
        default="demo", description="which campaign to run: a file of configs/campaign; default: demo"
    )
    overrides = luigi.Parameter(
        default="",
        description="settings that differ from the campaign's, in hydra's override grammar, separated by blanks, "
        'e.g. "training.epochs=20 model=mini"; default: none',
    )

    workflow = luigi.ChoiceParameter(
        default=law.NO_STR,
        choices=[law.NO_STR, "local", "htcondor"],
        description="where branches run: local or htcondor; default: local",
    )

    exclude_index = True

    product: ClassVar[str] = ""
    """File or folder name of the product; may contain ``{branch}``."""

    follows: ClassVar[str] = ""
    """Key of :meth:`upstream` whose branch of the same number is all that a branch needs; empty: everything."""

    # ------------------------------------------------------------------ what a task defines

    def reads(self) -> tuple[str, ...]:
        """Dotted keys of all settings this task reads; nothing else can be read."""
        raise NotImplementedError(type(self).__name__)

    def upstream(self) -> dict[str, Any]:
        """What this task needs, as workflows by name; values are tasks or lists of tasks."""
        return {}

    def keys(self) -> tuple[str, ...]:
        """Natural keys in the path, e.g. sample and dataset."""
        return ()

    def n_branches(self) -> int:
        """How many products the workflow makes; from settings only, never from the store."""
        return 1

    def produce(self, path: Path) -> dict[str, Any]:
        """Make the product of this branch.

        Args:
            path: where to write; a temporary name with the product's suffix.

        Returns:
            What is worth keeping in the side-car, e.g. entry counts; may be empty.
        """
        raise NotImplementedError(type(self).__name__)

    def validate(self, path: Path) -> None:
        """Check the product at ``path`` before it is published; raise if it is not good."""

    # ------------------------------------------------------------------ settings and identity

    @property
    def campaign_config(self) -> Any:
        """All settings of the campaign with the overrides applied (a frozen dataclass)."""
        from taumltools.config import load_campaign

        return load_campaign(self.campaign, self.overrides)

    def setting(self, key: str) -> Any:
        """One part of the settings.

        Args:
            key: dotted key; it or a parent must be among :meth:`reads`.

        Returns:
            That part, a frozen dataclass or a plain value.

        Raises:
            KeyError: the key is not declared, so it would not be part of the identity.
        """
        from taumltools.config.identity import select

        if not any(key == known or key.startswith(known + ".") for known in self.reads()):
            raise KeyError(f"{type(self).__name__} reads '{key}' without declaring it; reads() has {self.reads()}")
        return select(self.campaign_config, key)

    def settings(self) -> dict[str, Any]:
        """All settings this task reads, by key: the first half of its identity."""
        return {key: self.setting(key) for key in self.reads()}

    @functools.cached_property
    def identity(self) -> str:
        """Eight hex digits over the settings this task reads and the identities it needs."""
        from taumltools.config.identity import identity

        return identity(self.settings() | {"keys": self.keys()}, [t.identity for t in self.upstream_tasks()])

    def upstream_tasks(self) -> Iterator[PipelineTask]:
        """All workflows of :meth:`upstream`, flat."""
        for task in self.upstream().values():
            yield from task if isinstance(task, list) else [task]

    def need(self, task_class: type[PipelineTask], **parameters: Any) -> Any:
        """Another task of the same version, campaign, overrides, kind of workflow and site.

        Args:
            task_class: its class.
            parameters: what else identifies it; resources are not passed on.

        Returns:
            The workflow.
        """
        shared = {"version": self.version, "campaign": self.campaign, "overrides": self.overrides}
        return task_class(**shared, workflow=self.workflow, site=self.site, **parameters)

    # ------------------------------------------------------------------ paths

    @functools.cached_property
    def folder(self) -> Path:
        """Folder of all products of this workflow."""
        parts = (self.campaign, type(self).__name__, *self.keys(), self.version, self.identity)
        return store_root().joinpath(*parts)

    def path_of(self, branch: int) -> Path:
        """Where the product of a branch is."""
        return self.folder / self.product.format(branch=branch)

    @property
    def path(self) -> Path:
        """Where the product of this branch is (branch 0 for a workflow of one branch)."""
        return self.path_of(max(self.branch, 0))

    def paths(self) -> list[Path]:
        """Products of all branches, in order."""
        return [self.path_of(branch) for branch in range(self.n_branches())]

    def present(self) -> dict[int, tuple[int, int]]:
        """The products that exist, found with one look at each folder.

        Returns:
            Bytes and time of change (ns since 1970) by branch.
        """
        return store.present({branch: self.path_of(branch) for branch in self.branch_map})

    # ------------------------------------------------------------------ law

    def create_branch_map(self) -> dict[int, int]:
        """Branches 0 to n - 1, from settings alone."""
        return dict(enumerate(range(self.n_branches())))

    def workflow_complete(self) -> bool:
        """Whether enough products exist; a thousand branch tasks need not be made to see that."""
        self.refuse_batch_options()
        return len(self.present()) >= self.workflow_proxy.threshold(len(self.branch_map))

    def workflow_requires(self) -> Any:
        """The workflow needs everything upstream."""
        requirements = super().workflow_requires()
        requirements.update(self.upstream())
        return requirements

    def requires(self) -> dict[str, Any]:
        """A branch needs everything upstream, or only the branch that it follows."""
        upstream = self.upstream()
        return {self.follows: upstream[self.follows].req_branch(self.branch)} if self.follows else upstream

    def output(self) -> Any:
        """The product of this branch."""
        return store.target(self.path)

    def run(self) -> None:
        """Make, validate and publish the product of this branch, with its side-car."""
        from taumltools.config.identity import plain
        from taumltools.store import Record, files_of, measure

        inputs = self.input_paths()
        store.bring(inputs)
        store.bring_sidecars(self.described_paths())
        with (
            store.names_copies(),
            store.publish(self.path, self.validate, lambda made: record(made).write(self.path)) as temporary,
        ):
            with measure() as usage:
                details = self.produce(temporary)

            def record(made: Path) -> Record:
                return Record(
                    task=type(self).__name__,
                    branch=self.branch,
                    version=self.version,
                    campaign=self.campaign,
                    identity=self.identity,
                    config=plain(self.settings()),
                    seed=self.random_seed().entropy if "seed" in self.reads() else None,
                    inputs=[{"path": store.address(p), "bytes": size_of(p)} for p in inputs],
                    details=details,
                    files=files_of(made),
                    usage=usage,
                )

        label = " ".join((type(self).__name__, *self.keys(), str(self.branch)))
        log.info("%s: %.1f s, %.0f MB, %s", label, usage.wall_s, usage.peak_rss_mb, store.address(self.path))

    def input_paths(self) -> list[Path]:
        """Products this branch reads; recorded in the side-car."""
        if self.follows:
            return [self.upstream()[self.follows].path_of(self.branch)]
        return [path for task in self.upstream_tasks() for path in task.paths()]

    def described_paths(self) -> list[Path]:
        """Products of which this branch reads the side-car only."""
        return []

    # ------------------------------------------------------------------ randomness

    def random_seed(self) -> Any:
        """The random stream of this branch: the same for any number of workers.

        Returns:
            A :class:`numpy.random.SeedSequence`.
        """
        from taumltools.config.identity import seed_sequence

        return seed_sequence(self.setting("seed"), type(self).__name__, *self.keys(), self.branch)


announce(PipelineTask)
