"""A fully connected network by Keras."""

from __future__ import annotations

from typing import Any

import numpy as np

from taumltools.config.htt_training import DenseConfig
from taumltools.htt.sets import FitSet, History, Told


def fit_dense(
    train: FitSet, validation: FitSet, classes: int, config: DenseConfig, tell: Told
) -> tuple[Any, int, History]:
    """Fit a network.

    Args:
        train: events to fit to; inputs are numbers and columns of zeros and ones.
        validation: events that say when to stop, and which epoch is kept.
        classes: how many.
        config: sizes and fit.
        tell: told the figures of every epoch.

    Returns:
        The network with the weights of the best epoch, that epoch, and the figures of every epoch.
    """
    import keras

    keras.utils.set_random_seed(config.seed % 2**32)
    network = build_dense(train.inputs, classes, config)
    network.compile(
        optimizer=keras.optimizers.Adam(config.learning_rate),
        loss="sparse_categorical_crossentropy",
        weighted_metrics=["accuracy"],
    )
    history: History = {"step": []}

    def record(epoch: int, logs: dict[str, float]) -> None:
        figures = _named(logs)
        history["step"].append(epoch + 1)
        for name, value in figures.items():
            history.setdefault(name, []).append(value)
        tell(figures, epoch + 1)

    stopping = keras.callbacks.EarlyStopping(
        monitor="val_loss", patience=config.patience or config.epochs, restore_best_weights=True
    )
    network.fit(
        train.inputs,
        train.target,
        sample_weight=train.weight,
        validation_data=(validation.inputs, validation.target, validation.weight),
        epochs=config.epochs,
        batch_size=config.batch_size,
        callbacks=[stopping, keras.callbacks.LambdaCallback(on_epoch_end=record)],
        verbose=0,
    )
    return network, int(np.argmin(history["val_logloss"])) + 1, history


def build_dense(inputs: np.ndarray, classes: int, config: DenseConfig) -> Any:
    """The network; it standardises its inputs itself.

    Args:
        inputs: of the training events, shape (n, m).
        classes: how many.
        config: sizes.

    Returns:
        A Keras model with softmax outputs, shape (n, classes).
    """
    import keras

    first = keras.Input((inputs.shape[1],), name="features")
    mean, std = inputs.mean(axis=0, dtype=np.float64), inputs.std(axis=0, dtype=np.float64)
    scale = 1 / np.where(std > 0, std, 1)
    hidden = keras.layers.Rescaling(scale.tolist(), (-mean * scale).tolist(), name="scaling")(first)
    for i, units in enumerate(config.units):
        hidden = keras.layers.Dense(units, activation=config.activation, name=f"hidden_{i}")(hidden)
        if config.dropout:
            hidden = keras.layers.Dropout(config.dropout, name=f"dropout_{i}")(hidden)
    return keras.Model(first, keras.layers.Dense(classes, activation="softmax", name="classes")(hidden))


def _named(logs: dict[str, float]) -> dict[str, float]:
    """Figures under the names that the trees have too: losses, and the share of wrong answers."""
    found = {}
    for name, value in logs.items():
        prefix = "val_" if name.startswith("val_") else ""
        if name.endswith("loss"):
            found[f"{prefix}logloss"] = float(value)
        elif name.endswith("accuracy"):
            found[f"{prefix}error"] = 1 - float(value)
    return found
