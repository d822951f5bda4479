"""Settings of the training of event classifiers and of their evaluation."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from taumltools.config.base import settings

OWN_PARAMETERS = (
    "objective", "num_class", "metric", "num_iterations", "learning_rate", "max_depth", "num_leaves",
    "bagging_fraction", "bagging_freq", "feature_fraction", "lambda_l1", "lambda_l2", "seed", "num_threads", "verbosity",
)  # fmt: skip
"""Parameters of LightGBM that have a setting of their own, or follow from one."""


@settings
class BoostingConfig:
    """Gradient boosted trees, fitted by LightGBM; names are LightGBM's.

    Attributes:
        num_iterations: most boosting rounds.
        learning_rate: shrinkage.
        early_stopping: rounds without a better loss on the validation part before the fit stops; 0 never stops.
        metric_freq: every so many rounds the figures are recorded.
        max_depth: deepest tree; -1 for no limit.
        num_leaves: most leaves of a tree.
        bagging_fraction: share of events that a tree sees.
        bagging_freq: every so many rounds they are drawn anew; 0 never.
        feature_fraction: share of features that a tree sees.
        lambda_l1: L1 regularisation.
        lambda_l2: L2 regularisation.
        seed: of all draws.
        num_threads: threads; the trees do not depend on it.
        more: further parameters, by LightGBM's names.
    """

    num_iterations: Annotated[int, Field(ge=1)] = 300
    learning_rate: Annotated[float, Field(gt=0)] = 0.03
    early_stopping: Annotated[int, Field(ge=0)] = 20
    metric_freq: Annotated[int, Field(ge=1)] = 10
    max_depth: int = 3
    num_leaves: Annotated[int, Field(ge=2)] = 31
    bagging_fraction: Annotated[float, Field(gt=0, le=1)] = 0.8
    bagging_freq: Annotated[int, Field(ge=0)] = 5
    feature_fraction: Annotated[float, Field(gt=0, le=1)] = 0.8
    lambda_l1: Annotated[float, Field(ge=0)] = 0.0
    lambda_l2: Annotated[float, Field(ge=0)] = 0.0
    seed: int = 1357
    num_threads: Annotated[int, Field(ge=1)] = 1
    more: dict[str, Any] = field(default_factory=dict)

    @field_validator("more")
    @classmethod
    def _not_twice(cls, value: dict[str, Any]) -> dict[str, Any]:
        if twice := sorted(set(value) & set(OWN_PARAMETERS)):
            raise ValueError(f"{', '.join(twice)}: set by a setting of its own, not in 'more'")
        return value


@settings
class DenseConfig:
    """A fully connected network, fitted by Keras.

    Attributes:
        units: widths of the hidden layers.
        dropout: fraction of units dropped after each of them while training.
        activation: between layers.
        epochs: most passes over the training part.
        batch_size: events per step.
        learning_rate: of Adam.
        patience: epochs without a better loss on the validation part before the fit stops; 0 never stops.
        seed: of initial weights, order and dropout.
    """

    units: tuple[Annotated[int, Field(ge=1)], ...] = (64, 64)
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1
    activation: Literal["relu", "gelu", "silu", "tanh"] = "relu"
    epochs: Annotated[int, Field(ge=1)] = 20
    batch_size: Annotated[int, Field(ge=1)] = 512
    learning_rate: Annotated[float, Field(gt=0)] = 2e-3
    patience: Annotated[int, Field(ge=0)] = 5
    seed: int = 1357


@settings
class EventTrainingConfig:
    """Training in folds of events.

    Attributes:
        mode: ``multi`` tells all classes apart, ``binary`` the classes of ``signal`` from the others.
        signal: classes that are signal in binary mode.
        model: ``boosting`` (LightGBM) or ``dense`` (Keras).
        features: inputs, out of those of the preprocessing; empty: all.
        n_splits: folds; a model is trained for each, without the events of that fold.
        split_feature: whole number of an event whose remainder by ``n_splits`` is its fold.
        weight: weight in the fit: ``w_class_imbalance``, ``w_cp``, or empty for none.
        validation: events for early stopping: ``part`` of the folds that are trained on, so that the fold that a
            model scores is not looked at, or ``fold``, that fold itself.
        validation_fraction: share of that part.
        boosting: trees.
        dense: network.
        tracking: keep a log of each training for mlflow.
        experiment: name of the experiment in mlflow.
    """

    mode: Literal["multi", "binary"] = "multi"
    signal: tuple[int, ...] = (0,)
    model: Literal["boosting", "dense"] = "boosting"
    features: tuple[str, ...] = ()
    n_splits: Annotated[int, Field(ge=2, le=100)] = 2
    split_feature: str = "evt"
    weight: Literal["w_class_imbalance", "w_cp", ""] = "w_class_imbalance"
    validation: Literal["part", "fold"] = "part"
    validation_fraction: Annotated[float, Field(gt=0, lt=1)] = 0.1
    boosting: BoostingConfig = field(default_factory=BoostingConfig)
    dense: DenseConfig = field(default_factory=DenseConfig)
    tracking: bool = True
    experiment: str = "htt"

    @model_validator(mode="after")
    def _signal(self) -> EventTrainingConfig:
        if self.mode == "binary" and not self.signal:
            raise ValueError("signal: binary mode needs at least one class")
        return self


@settings
class EventEvaluationConfig:
    """Plots and figures of a classifier.

    Attributes:
        bins: most bins of score densities; few events get fewer.
        curve_points: most points of a stored ROC or precision-recall curve.
        importance_events: most events for feature importance, per fold; 0: no importance.
        importance_repeats: how often each feature is permuted.
        experiment: name at the upper left of PDF plots, in bold.
        label: text beside it.
        energy: text at the upper right.
        duplicates: events with the same run and event number in one sample: ``refuse``, or place their scores by
            ``entry`` of the tree.
    """

    bins: Annotated[int, Field(ge=2)] = 40
    curve_points: Annotated[int, Field(ge=2)] = 400
    importance_events: Annotated[int, Field(ge=0)] = 10_000
    importance_repeats: Annotated[int, Field(ge=1)] = 3
    experiment: str = "TauMLTools"
    label: str = ""
    energy: str = "13.6 TeV"
    duplicates: Literal["refuse", "entry"] = "refuse"
