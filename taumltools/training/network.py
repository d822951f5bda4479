"""A trained network: load it, apply it to flat tuples."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.features import CELL_FEATURES
from taumltools.errors import InputError
from taumltools.features.table import FlatTuples
from taumltools.training.batches import Inputs, Samples
from taumltools.training.layout import InputLayout
from taumltools.tuples.truth import TAU_TYPES

MODEL_FILE = "model.keras"
"""Name of the network's file in a model directory."""


@dataclass(frozen=True)
class Network:
    """A network that takes raw values.

    Attributes:
        model: the ``keras.Model``, with the probabilities as its only output.
        layout: features it takes, in order, and the form of its inputs.
    """

    model: Any
    layout: InputLayout

    @staticmethod
    def of(model: Any) -> Network:
        """Wrap a model; its layers know the features.

        Raises:
            InputError: the model has no scaling layers, so it is not one of this project.
        """
        import keras

        layout = layout_of(model)
        inputs = {tensor.name: tensor for tensor in model.inputs}  # by name, however the model was made
        return Network(keras.Model(inputs, model.outputs[0], name=model.name), layout)  # without a second head

    def predict(self, flat: FlatTuples, batch_size: int = 2048) -> np.ndarray:
        """Class probabilities.

        Args:
            flat: entries, in raw values, with the features the network was trained on.
            batch_size: entries per step.

        Returns:
            float32, shape (n, 4), order e, mu, tau, jet; rows add up to one.

        Raises:
            InputError: a feature is missing, or a probability is not finite.
        """
        samples = Samples.of(flat, self.layout)
        parts = [self.predict_batch(batch.inputs) for batch in samples.batches(batch_size)]
        result = np.concatenate(parts) if parts else np.zeros((0, len(TAU_TYPES)), np.float32)
        bad = np.flatnonzero(~np.isfinite(result).all(axis=1))
        if len(bad):
            raise InputError(f"the network gives no finite probability for {len(bad)} entries, first in row {bad[0]}")
        return result

    def predict_batch(self, inputs: Inputs) -> np.ndarray:
        """Class probabilities of one padded batch, float32, shape (n, 4)."""
        return np.asarray(self.model.predict_on_batch(inputs), np.float32)


def layout_of(model: Any) -> InputLayout:
    """Features and form of a network's inputs, as its layers know them.

    Args:
        model: a ``keras.Model``.

    Raises:
        InputError: it has no scaling layers, so it is not one of this project.
    """
    from taumltools.training.layers import Scaling

    scaled = {layer.block: tuple(layer.features) for layer in model.layers if isinstance(layer, Scaling)}
    if "taus" not in scaled:
        raise InputError(f"model '{model.name}' has no scaling layer for taus: it was not trained with this project")
    taus = scaled.pop("taus")
    grids = cell_numbers(model)
    if not grids:
        places = {tensor.name: tensor.shape[1] for tensor in model.inputs if tensor.name in scaled}
        return InputLayout(taus, scaled, set_sizes={name: size for name, size in places.items() if size})
    first = next(iter(grids))
    components: dict[str, tuple[str, ...]] = {}
    blocks: dict[str, tuple[str, ...]] = {}
    for name, features in scaled.items():
        if name.startswith(f"{first}_"):
            columns = _by_block(features)
            blocks |= columns
            components[name.removeprefix(f"{first}_")] = tuple(block for block in columns if block != CELL_FEATURES)
    return InputLayout(taus, blocks, blocks.pop(CELL_FEATURES, ()), components, grids)


def cell_numbers(model: Any) -> dict[str, int]:
    """Cells of each grid that a network sees, by name of the grid."""
    from taumltools.training.layers_cells import CellGrid

    grids = [layer for layer in model.layers if isinstance(layer, CellGrid)]
    return {layer.name.removesuffix("_grid"): layer.n_eta * layer.n_phi for layer in grids}


def _by_block(columns: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Names of features by block, from columns called ``block.feature``."""
    found: dict[str, tuple[str, ...]] = {}
    for column in columns:
        block, _, name = column.partition(".")
        found[block] = (*found.get(block, ()), name)
    return found


def load_network(model_dir: Path | str) -> Network:
    """Load a trained network.

    Args:
        model_dir: the directory :func:`taumltools.training.fit.train` wrote, or a ``.keras`` file.

    Returns:
        The network, ready to predict.

    Raises:
        InputError: no such directory, no model in it, or not a readable one.
    """
    path = Path(model_dir) if Path(model_dir).suffix == ".keras" else Path(model_dir) / MODEL_FILE
    if not path.is_file():
        found = sorted(p.name for p in Path(model_dir).glob("*")) if Path(model_dir).is_dir() else "no such directory"
        raise InputError(f"{path}: no trained network there (found {found}); run the training first")
    import keras

    import taumltools.training.layers  # noqa: F401  # registers the layers of this project

    try:
        model = keras.saving.load_model(path, compile=False)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: not a readable Keras model ({error}); train again") from error
    return Network.of(model)
