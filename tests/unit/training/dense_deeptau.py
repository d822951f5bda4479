"""DeepTau as the original builds it: 1x1 convolutions over full grids of scaled values.

It is written without the package's building blocks, so that it can prove them right.
"""

from __future__ import annotations

import keras
from keras import layers


def _finish(values, name, k, drop, *, grid=False):
    values = layers.BatchNormalization(name=f"{name}_norm_{k}")(values)
    values = layers.PReLU(shared_axes=[1, 2] if grid else None, name=f"{name}_activation_{k}")(values)
    return layers.Dropout(drop, name=f"{name}_dropout_{k}")(values) if drop else values


def _dense(values, name, widths, drop):
    for k, width in enumerate(widths, 1):
        dense = layers.Dense(width, kernel_initializer="he_uniform", name=f"{name}_dense_{k}")
        values = _finish(dense(values), name, k, drop)
    return values


def _conv(values, name, widths, drop, size=1):
    for k, width in enumerate(widths, 1):
        window = [min(size, n) for n in values.shape[1:3]]
        conv = layers.Conv2D(width, window, kernel_initializer="he_uniform", name=f"{name}_conv_{k}")
        values = _finish(conv(values), name, k, drop, grid=True)
    return values


def dense_deeptau(grids, components, taus, widths, drop=0.2):
    """The network.

    Args:
        grids: (n_eta, n_phi) by grid.
        components: input width by component.
        taus: number of tau-level features.
        widths: widths of layers of ``tau``, ``merge``, ``dense`` and of each component.
        drop: dropout rate everywhere.
    """
    inputs = {"input_tau": keras.Input((taus,), name="input_tau")}
    parts = [_dense(inputs["input_tau"], "tau", widths["tau"], drop)]
    for grid, shape in grids.items():
        cells = []
        for component, width in components.items():
            name = f"input_{grid}_{component}"
            inputs[name] = keras.Input((*shape, width), name=name)
            cells.append(_conv(inputs[name], f"{grid}_{component}", widths[component], drop))
        merged = _conv(layers.Concatenate(name=f"{grid}_cell_concat")(cells), f"{grid}_all", widths["merge"], drop)
        number = -(-(max(shape) - 1) // 2)
        windows = _conv(merged, f"{grid}_all_3x3", [widths["merge"][-1]] * number, drop, size=3)
        parts.append(layers.Flatten(name=f"{grid}_cells_flatten")(windows))
    hidden = _dense(layers.Concatenate(name="features_concat")(parts), "final", widths["dense"], drop)
    last = layers.Dense(4, name="final_dense_last")(hidden)
    return keras.Model(inputs, layers.Softmax(name="main_output")(last), name="dense")


V2P5 = {
    "tau": [104, 74, 52],
    "egamma": [207, 129, 104],
    "muon": [154, 96, 77],
    "hadrons": [92, 57, 46],
    "merge": [227, 141, 88, 64],
    "dense": [200] * 4,
}
"""Widths of layers as tabulated for DeepTau v2.5."""


def dense_v2p5(drop=0.2):
    return dense_deeptau(
        {"inner": (11, 11), "outer": (21, 21)}, {"egamma": 86, "muon": 64, "hadrons": 38}, 43, V2P5, drop
    )
