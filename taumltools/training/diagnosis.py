"""When a fit breaks down: which values of the batch, or which weights, are the likely reason."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from taumltools.training.batches import Batch
from taumltools.training.layout import InputLayout

NAMED = 5
"""Features that a message names at most."""

LARGE = 1e4
"""Scaled values are of order one; beyond this they are suspicious."""


def column_names(layout: InputLayout, name: str, width: int) -> list[str]:
    """What the columns of a network's input are called, ``<block>.<feature>``.

    Args:
        layout: of the network.
        name: of the input, e.g. ``taus``, a block, or ``inner_egamma``.
        width: number of its columns.

    Returns:
        One name per column; numbered where names are not known.
    """
    if name in layout.blocks():
        names = [f"{name}.{feature}" for feature in layout.blocks()[name]]
    else:
        component = name.partition("_")[2]
        columns = layout.names(component) if component in layout.components else []
        names = [f"{name}: {block}.{feature}" for block, feature in columns]
    return names if len(names) == width else [f"{name}[{i}]" for i in range(width)]


def suspects(network: Any, batch: Batch, layout: InputLayout) -> str:
    """Say what is wrong with a batch after which the loss is not finite.

    Args:
        network: the network, after the step.
        batch: inputs, targets and weights of the step.
        layout: of the network's inputs.

    Returns:
        One clause for an error message, naming features.
    """
    if not np.isfinite(batch.weight).all():
        return f"{np.sum(~np.isfinite(batch.weight))} weights of candidates are not finite"
    infinite, large = [], []
    for name, values in batch.inputs.items():
        if not np.issubdtype(values.dtype, np.floating) or values.ndim < 2 or name.endswith("_mask"):
            continue
        columns = values.reshape(-1, values.shape[-1])
        scaled = _scaled(network, name, columns)
        for i, title in enumerate(column_names(layout, name, columns.shape[1])):
            if n := int(np.isinf(columns[:, i]).sum()):
                infinite.append(f"{title} ({n} of {len(columns)})")
            elif (top := float(np.nanmax(np.abs(scaled[:, i]), initial=0.0))) > LARGE:
                large.append((top, f"{title} (up to {top:.3g} after scaling)"))
    if infinite:
        return f"infinite values in {_some(infinite)}"
    if large:
        return f"very large values in {_some([text for _, text in sorted(large, reverse=True)])}"
    return "all features of that batch are in range"


def _scaled(network: Any, name: str, columns: np.ndarray) -> np.ndarray:
    """The values behind the scaling layer of an input, as far as there is one; raw ones otherwise."""
    from keras import ops

    for layer in network.layers:
        if getattr(layer, "block", None) == name and len(getattr(layer, "features", ())) == columns.shape[1]:
            return np.asarray(ops.convert_to_numpy(layer(ops.convert_to_tensor(columns))), np.float64)
    return columns.astype(np.float64)


def _some(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - NAMED} more" if len(texts) > NAMED else ""
    return ", ".join(texts[:NAMED]) + more
