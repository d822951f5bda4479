"""Settings of the classification of H->tautau events (``configs/htt``): samples, classes, preprocessing."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from taumltools.config.base import settings
from taumltools.config.files import absolute_name
from taumltools.config.htt_events import EventSimulationConfig
from taumltools.config.htt_training import EventEvaluationConfig, EventTrainingConfig

RESERVED = ("target", "group_name", "entry", "inputs", "targets", "weights", "matrix_inputs")
"""Names of columns that the preprocessing makes, or that fold files need for something else."""

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#8C6BB1", "#7F7F7F")
"""Colours of classes that name none; safe for colour-blind readers (Okabe and Ito 2008)."""


@settings
class ProcessConfig:
    """A part of a sample that belongs to one class.

    Attributes:
        target: number of the class; called ``class`` in YAML.
        cut: which events, a condition over branches (:mod:`taumltools.features.expression`); empty: all.
    """

    target: int = Field(alias="class")
    cut: str = ""


@settings
class EventSampleConfig:
    """Events of one kind: one set of files.

    Attributes:
        processes: how the sample is used in training, by name; empty: only for prediction.
        files: event ntuples (``source: files``), read in this order; relative names, ``~`` and ``$VARIABLES`` are
            resolved when the settings are loaded.
        events: how many are made (``source: mock`` or ``simulated``).
        chunks: branches that the making is spread over.
        predict: whether the sample is scored for datacards.
    """

    processes: dict[str, ProcessConfig] = field(default_factory=dict)
    files: tuple[Annotated[str, AfterValidator(absolute_name)], ...] = ()
    events: Annotated[int, Field(ge=1)] | None = None
    chunks: Annotated[int, Field(ge=1)] = 1
    predict: bool = True


@settings
class ClassConfig:
    """A class of events.

    Attributes:
        name: short name, part of names of metrics and files.
        title: what plots show; empty: the name.
        colour: of plots, ``#rrggbb``; empty: one of :data:`COLOURS`.
    """

    name: Annotated[str, Field(pattern=r"^\w+$")]
    title: str = ""
    colour: Annotated[str, Field(pattern=r"^(#[0-9a-fA-F]{6})?$")] = ""


@settings
class ScalerConfig:
    """Standardisation of continuous features.

    Attributes:
        with_mean: subtract the mean.
        with_std: divide by the standard deviation (of the population, as scikit-learn does).
    """

    with_mean: bool = True
    with_std: bool = True


@settings
class PcaConfig:
    """Principal components in place of the continuous features, before the standardisation.

    Attributes:
        n_components: how many are kept; they are called ``pca_0``, ``pca_1`` ...
        whiten: divide each by its standard deviation.
    """

    n_components: Annotated[int, Field(ge=1)]
    whiten: bool = False


@settings
class PreprocessConfig:
    """From event ntuples to fold files.

    Attributes:
        common_cut: condition on the events of all samples for training; empty: none.
        cont_features: branches that are transformed, in this order.
        cat_features: branches with few whole values, coded 0, 1, 2 ...
        misc_features: branches that are carried along as they are; ``run`` and ``evt`` are always needed.
        clip: branch to lowest and highest value; what is beyond becomes the limit.
        train_size: share of events for training; the rest is the test sample.
        seed: of the split, and of the order of events in fold files.
        scaler: standardisation; null for none.
        pca: principal components; null for none.
        weight: branch of event weights; needed for ``compute_w_cp``.
        compute_w_cp: make the weight ``w_cp``.
        n_folds: folds of a fold file.
        pandas: also write files that :func:`pandas.read_hdf` reads.
        step: events that are read at a time.
    """

    common_cut: str = ""
    cont_features: tuple[str, ...] = ()
    cat_features: tuple[str, ...] = ()
    misc_features: tuple[str, ...] = ("run", "evt")
    clip: dict[str, tuple[float, float]] = field(default_factory=dict)
    train_size: Annotated[float, Field(gt=0, lt=1)] = 0.9
    seed: int = 1357
    scaler: ScalerConfig | None = field(default_factory=ScalerConfig)
    pca: PcaConfig | None = None
    weight: str = ""
    compute_w_cp: bool = False
    n_folds: Annotated[int, Field(ge=1)] = 10
    pandas: bool = False
    step: Annotated[int, Field(ge=1)] = 100_000

    @model_validator(mode="after")
    def _features(self) -> PreprocessConfig:
        names = [*self.cont_features, *self.cat_features, *self.misc_features]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"{', '.join(twice)}: named more than once in cont_features, cat_features, misc_features")
        taken = sorted(name for name in names if name in RESERVED or name.startswith("w_"))
        if taken:
            raise ValueError(f"{', '.join(taken)}: names that the preprocessing needs for its own columns")
        if missing := sorted({"run", "evt"} - set(self.misc_features)):
            raise ValueError(f"misc_features lack {', '.join(missing)}, by which events are recognised")
        if self.pca and self.pca.n_components > len(self.cont_features):
            raise ValueError(
                f"pca.n_components is {self.pca.n_components}, there are {len(self.cont_features)} features"
            )
        return self

    @model_validator(mode="after")
    def _clip_and_weight(self) -> PreprocessConfig:
        for name, (low, high) in self.clip.items():
            if name not in (*self.cont_features, *self.cat_features):
                raise ValueError(f"clip.{name}: not among cont_features and cat_features")
            if not low < high:
                raise ValueError(f"clip.{name}: the lower limit comes first, found {[low, high]}")
        if self.compute_w_cp and not self.weight:
            raise ValueError("compute_w_cp needs the name of the branch with weights in 'weight'")
        return self

    def output_features(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Continuous and categorical features as fold files have them."""
        kept = tuple(f"pca_{i}" for i in range(self.pca.n_components)) if self.pca else self.cont_features
        return kept, self.cat_features

    def branches(self) -> tuple[str, ...]:
        """Branches that are kept of each event."""
        names = (*self.cont_features, *self.cat_features, *self.misc_features, *([self.weight] if self.weight else ()))
        return tuple(dict.fromkeys(names))


@settings
class HttConfig:
    """Classification of H->tautau events in one channel.

    Attributes:
        title: heading of the report.
        channel: final state of the tau pair, e.g. ``tt``; only a label for files from elsewhere.
        source: where events come from: ``mock`` (random numbers, no physics), ``simulated`` or ``files``.
        tree: name of the tree in event ntuples.
        samples: by name.
        simulation: how events are simulated (``source: simulated``).
        classes: by number, from 0.
        preprocess: selection, features, split, transformation.
        training: folds, model.
        evaluation: plots and importance.
    """

    title: str = "H → ττ event classification"
    channel: str = "tt"
    source: Literal["mock", "simulated", "files"] = "mock"
    tree: str = "TauCheck"
    samples: dict[str, EventSampleConfig] = field(default_factory=dict)
    simulation: EventSimulationConfig = field(default_factory=EventSimulationConfig)
    classes: dict[int, ClassConfig] = field(default_factory=dict)
    preprocess: PreprocessConfig = field(default_factory=PreprocessConfig)
    training: EventTrainingConfig = field(default_factory=EventTrainingConfig)
    evaluation: EventEvaluationConfig = field(default_factory=EventEvaluationConfig)

    @field_validator("classes")
    @classmethod
    def _numbered(cls, value: dict[int, ClassConfig]) -> dict[int, ClassConfig]:
        if sorted(value) != list(range(len(value))):
            raise ValueError(f"classes are numbered 0, 1, 2 ..., found {sorted(value)}")
        names = [one.name for one in value.values()]
        if len(set(names)) < len(names):
            raise ValueError(f"two classes have the same name: {names}")
        return dict(sorted(value.items()))

    @model_validator(mode="after")
    def _samples_fit(self) -> HttConfig:
        used = set()
        for name, sample in self.samples.items():
            if self.source == "files" and not sample.files:
                raise ValueError(f"samples.{name}.files: source 'files' needs at least one file")
            if self.source != "files" and sample.events is None:
                raise ValueError(f"samples.{name}.events: how many events are to be made is missing")
            for process, how in sample.processes.items():
                used.add(how.target)
                if how.target not in self.classes:
                    raise ValueError(
                        f"samples.{name}.processes.{process}.class: no class {how.target}; there are {[*self.classes]}"
                    )
        if empty := sorted(set(self.classes) - used):
            raise ValueError(f"classes {empty} have no process; name one with 'class: {empty[0]}', or remove them")
        return self

    @model_validator(mode="after")
    def _training_fits(self) -> HttConfig:
        known = {name for group in self.preprocess.output_features() for name in group}
        if unknown := sorted(set(self.training.features) - known):
            raise ValueError(f"training.features: {', '.join(unknown)} not among the features {sorted(known)}")
        if self.classes and self.training.mode == "binary":
            rest = set(self.classes) - set(self.training.signal)
            if set(self.training.signal) - set(self.classes) or not rest:
                raise ValueError(
                    f"training.signal {list(self.training.signal)}: some, not all, of the classes {[*self.classes]}"
                )
        if self.training.weight == "w_cp" and not self.preprocess.compute_w_cp:
            raise ValueError("training.weight: 'w_cp' is made only with preprocess.compute_w_cp=true")
        if self.training.split_feature not in self.preprocess.misc_features:
            raise ValueError(f"training.split_feature '{self.training.split_feature}' is not among misc_features")
        return self

    def trained_classes(self) -> dict[int, ClassConfig]:
        """The classes that a model tells apart; in binary mode background and signal.

        Returns:
            By number, with title and colour filled in.
        """
        if self.training.mode == "multi":
            return {
                number: ClassConfig(one.name, one.title or one.name, one.colour or COLOURS[number % len(COLOURS)])
                for number, one in self.classes.items()
            }
        signal = [self.classes[number] for number in self.training.signal]
        title = ", ".join(one.title or one.name for one in signal)
        return {
            0: ClassConfig("background", "background", COLOURS[1]),
            1: ClassConfig("signal", f"signal ({title})" if title else "signal", COLOURS[0]),
        }
