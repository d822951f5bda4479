"""Runs of trainings in mlflow: importing, merging, showing."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import law
import luigi

from tasks.command import CommandTask
from tasks.parameters import EXPLICIT
from tasks.store import store_root

log = logging.getLogger(__name__)

TRAINING_LOGS = "{campaign}/*Train*/{version}/*/*"
"""Where in a store the logs of trainings are."""

LOGS = (TRAINING_LOGS, "{campaign}/EvaluateEvents/{version}/*/*")
"""Where in a store all logs are: those of trainings, and of evaluations that are runs of their own."""


def tracking_store(given: str = "") -> str:
    """The store of mlflow: what was given, ``$MLFLOW_TRACKING_URI``, or ``mlflow`` in the store of products."""
    return given or os.environ.get("MLFLOW_TRACKING_URI", "") or str(store_root() / "mlflow")


def show_command(store: str) -> str:
    """How people look at a store of mlflow."""
    from taumltools.training.tracking.stores import store_uri

    uri = store_uri(store)
    return f"open {uri}" if uri.startswith("http") else f"mlflow ui --backend-store-uri {uri}"


def import_runs(folders: Sequence[Path], given: str) -> None:
    """Import the logs of trainings that this command ran; whatever is wrong with mlflow is no fault of the trainings.

    Args:
        folders: of logs.
        given: the store of mlflow as on the command line.
    """
    from taumltools.training.tracking.importing import import_logs

    parent = os.environ.get("MLFLOW_RUN_ID", "")
    _into_mlflow("runs", given, lambda store: import_logs(folders, store, parent=parent))


def import_evaluations(campaign: str, version: str, given: str) -> None:
    """Import evaluations of a campaign and version, and the trainings that they are of; see :func:`import_runs`.

    Args:
        campaign: its name.
        version: its label.
        given: the store of mlflow as on the command line.
    """
    from taumltools.evaluation.tracking import find_evaluations
    from taumltools.evaluation.tracking import import_evaluations as bring
    from taumltools.training.tracking.record import find_logs

    root = store_root()
    logs = find_logs(root, TRAINING_LOGS.format(campaign=campaign, version=version))
    if not logs or not find_evaluations(root, campaign, version):
        return
    import_runs(logs, given)
    _into_mlflow("evaluations", given, lambda store: bring(root, store, campaign, version))


def _into_mlflow(what: str, given: str, act: Callable[[Any], Any]) -> None:
    """Import something and say so; why it cannot be is a warning with the command that does it later."""
    from taumltools.training.tracking.stores import open_store

    store = tracking_store(given)
    try:
        result = act(open_store(store))
    except Exception as error:
        log.warning(
            "the %s are not in mlflow yet (%s); to import them: law run ImportRuns --tracking-uri %s",
            what,
            error,
            store,
        )
        return
    if result.made or result.renewed:
        log.info("%s in mlflow: %s; to look at them: %s", what, result.summary(), show_command(store))


class TrackingTask(CommandTask):
    """A task about runs; it makes no product, and does its work each time it is called."""

    exclude_index = True

    def run(self) -> None:
        """Do it, and print what is to be said."""
        sys.stdout.write(self.act().rstrip("\n") + "\n")
        sys.stdout.flush()
        self.done = True

    def act(self) -> str:
        """Do the work; returns what is printed."""
        raise NotImplementedError(type(self).__name__)


class StoreTask(TrackingTask):
    """A task about one store of mlflow."""

    exclude_index = True

    tracking_uri = luigi.Parameter(
        default="",
        description="store of mlflow: a folder, or a URI such as http://host:5000; "
        "default: $MLFLOW_TRACKING_URI, or mlflow below $TAUML_STORE",
    )

    @property
    def store_name(self) -> str:
        """The store, as the user would name it."""
        return tracking_store(self.tracking_uri)

    def open(self) -> Any:
        """The store; it has to exist."""
        from taumltools.training.tracking.stores import open_store

        return open_store(self.store_name, must_exist=True)


class ImportRuns(StoreTask):
    """Bring the logs of all trainings in the store of products, and what was evaluated of them, into mlflow.

    Can be repeated at any time.
    """

    version = luigi.Parameter(default="", description="only trainings of this version; default: all")
    campaign = luigi.Parameter(default="", description="only trainings of this campaign; default: all")
    logs = luigi.Parameter(
        default="",
        description="folder below which logs are looked for instead, e.g. another person's store; default: none",
    )

    def act(self) -> str:
        """Find the logs and import them.

        Raises:
            InputError: there are none.
        """
        from taumltools.errors import InputError
        from taumltools.evaluation.tracking import import_evaluations as bring
        from taumltools.training.tracking.importing import import_logs
        from taumltools.training.tracking.record import find_logs
        from taumltools.training.tracking.stores import open_store

        root = Path(self.logs).expanduser().absolute() if self.logs else store_root()
        patterns = [p.format(campaign=self.campaign or "*", version=self.version or "*") for p in LOGS]
        folders = [folder for pattern in patterns for folder in find_logs(root, pattern)]
        if not folders:
            raise InputError(
                f"there are no logs of trainings in {root} ({' and '.join(patterns)}): expected those of law run Training"
            )
        store = open_store(self.store_name)
        result = import_logs(folders, store, parent=os.environ.get("MLFLOW_RUN_ID", ""))
        evaluated = bring(root, store, self.campaign or "*", self.version or "*")
        lines = [f"runs of trainings: {result.summary()}", f"evaluations in them: {evaluated.summary()}"]
        return "\n".join([*lines, f"to look at them: {show_command(self.store_name)}"])


class MergeExperiments(TrackingTask):
    """Change an experiment of a store of files in place, or merge stores of several people into one.

    In place (``--path-to-mlflow``): the experiment and its runs are told where they are, or will be, and get another id or
    name, as set_mlflow_paths did.  Merging (``--sources``, ``--target``): runs are copied with their artefacts; any number
    of times, each run is there once.
    """

    path_to_mlflow = luigi.Parameter(
        default="",
        description="store of files with the experiment that is changed in place, e.g. mlruns; default: none",
    )
    exp_id = luigi.Parameter(default="", description="id of that experiment, which is the name of its folder")
    new_path_to_mlflow = luigi.Parameter(
        default="", description="where the store will be; default: where it is, which mends a store that was moved"
    )
    new_exp_id = luigi.Parameter(default="", description="its new id; refused if it is taken; default: the same")
    new_exp_name = luigi.Parameter(default="", description="its new name; refused if it is taken; default: the same")

    sources = law.CSVParameter(
        default=(),
        description="stores to merge, separated by commas: folders or URIs, each may have a label, e.g. anna=/home/anna/mlruns",
    )
    target = luigi.Parameter(
        default="",
        description="store to merge into: a folder (a database in it), or a URI such as sqlite:////data/all.db",
    )
    experiments = law.CSVParameter(default=(), description="names of the experiments to merge; default: all")
    label_experiments = luigi.BoolParameter(
        default=False,
        parsing=EXPLICIT,
        description="add the label of its source to the name of each experiment; "
        "with False experiments of the same name become one; default: False",
    )

    def act(self) -> str:
        """Change in place, or merge.

        Raises:
            ConfigError: it is not clear which.
        """
        from taumltools.errors import ConfigError

        if bool(self.path_to_mlflow) == bool(self.sources) or bool(self.sources) != bool(self.target):
            raise ConfigError(
                "expected either --path-to-mlflow and --exp-id, to change an experiment in place, "
                "or --sources and --target, to merge stores"
            )
        return self._merge() if self.sources else self._relocate()

    def _relocate(self) -> str:
        from taumltools.training.tracking.relocate import relocate

        new_root = Path(self.new_path_to_mlflow) if self.new_path_to_mlflow else None
        names = {"new_id": self.new_exp_id, "new_name": self.new_exp_name}
        done = relocate(Path(self.path_to_mlflow), self.exp_id, new_root=new_root, **names)
        return f"experiment {done.experiment_id} '{done.name}', {done.runs} runs: {done.folder}, artefacts at {done.location}"

    def _merge(self) -> str:
        from taumltools.errors import ConfigError
        from taumltools.training.tracking.merge import merge_stores

        sources: dict[str, str] = {}
        for given in self.sources:
            label, equals, store = given.partition("=")
            label, store = (label, store) if equals else (given, given)
            if label in sources:
                raise ConfigError(
                    f"two of --sources have the label '{label}': give others, e.g. anna=/home/anna/mlruns"
                )
            sources[label] = store
        done = merge_stores(sources, self.target, experiments=self.experiments, labelled=self.label_experiments)
        return f"runs in {self.target}: {done.summary()}\nto look at them: {show_command(self.target)}"


class ShowResults(StoreTask):
    """A table of runs: networks, parameters, losses, areas under ROC curves; to the terminal, and as CSV and HTML."""

    experiments = law.CSVParameter(default=(), description="names of experiments, separated by commas; default: all")
    condition = luigi.Parameter(
        default="",
        description="which runs, in mlflow's grammar, e.g. \"metrics.best_val_loss < 0.3 and tags.model = 'deepset'\"; default: all",
    )
    columns = law.CSVParameter(
        default=(),
        description="what is shown, e.g. run,training.learning_rate,best_val_auc_*; "
        "default: what they are, the settings in which they differ, losses and areas under curves",
    )
    sort = luigi.Parameter(
        default="",
        description="column to sort by, with - before it downwards, e.g. -best_val_auc_jet; default: by time",
    )
    csv = luigi.Parameter(default="", description="CSV file to write; default: none")
    html = luigi.Parameter(default="", description="HTML file to write; default: none")

    def act(self) -> str:
        """Collect, write, and return the table."""
        from taumltools.training.tracking.results import choose, collect

        rows = collect(self.open(), self.experiments, self.condition)
        results = choose(rows, self.columns, self.sort)
        text = results.as_text()
        if self.csv:
            text += self._publish(self.csv, results.as_csv())
        if self.html:
            text += self._publish(self.html, results.as_html(f"Runs in {self.store_name}"))
        return text

    def _publish(self, name: str, content: str) -> str:
        from taumltools.store import publish

        path = Path(name).expanduser().absolute()
        with publish(path, replace=True) as temporary:
            temporary.write_text(content, encoding="utf-8")
        return f"written: {path}\n"


class TensorBoard(StoreTask):
    """Curves of all runs of a store, each under its name, for TensorBoard; prints the command, or starts it."""

    experiments = law.CSVParameter(default=(), description="names of experiments, separated by commas; default: all")
    logdir = luigi.Parameter(default="", description="folder to write to; default: tensorboard below $TAUML_STORE")
    start = luigi.BoolParameter(
        default=False, parsing=EXPLICIT, description="start TensorBoard and wait until it is stopped; default: False"
    )
    port = luigi.IntParameter(default=6006, description="port of TensorBoard on this machine; default: 6006")

    def act(self) -> str:
        """Write the curves, and start TensorBoard if that is asked for."""
        import subprocess

        from taumltools.training.tracking.tensorboard import make_logdir

        given = Path(self.logdir).expanduser().absolute() if self.logdir else store_root() / "tensorboard"
        names = make_logdir(self.open(), given, self.experiments)
        arguments = ["--logdir", str(given), "--port", str(self.port)]
        text = f"{len(names)} runs: {', '.join(names)}\nto look at them: tensorboard {' '.join(arguments)}"
        if not self.start:
            return text
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
        done = subprocess.run([sys.executable, "-m", "tensorboard.main", *arguments], check=False)
        return f"TensorBoard ended with exit code {done.returncode}"
