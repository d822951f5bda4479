"""Convolutions over a grid of cells until one cell is left."""

from __future__ import annotations

import math
from typing import Any

import keras

from taumltools.config.networks import WindowsConfig
from taumltools.training.models.blocks import INITIALIZERS, finish, regularizer


def window_stack(grid: Any, windows: WindowsConfig, name: str, pooling: int = 0) -> Any:
    """Windows without padding, each followed by normalisation, activation and dropout.

    Args:
        grid: shape (n, eta, phi, channels).
        windows: settings.
        name: of the stack, e.g. ``inner_all_3x3``.
        pooling: the layer, counted from 1, before which the grid is pooled; 0: none.

    Returns:
        Vectors, shape (n, channels).
    """
    k = 1
    while max(grid.shape[1:3]) > 1:
        if k == pooling:
            sizes = tuple(_pool_size(n) for n in grid.shape[1:3])
            grid = keras.layers.MaxPooling2D(sizes, name=f"{name}_pooling_{k}")(grid)
        else:
            grid = _window(grid, windows, f"{name}_conv_{k}")
        grid = finish(grid, windows, name, k, shared=True)
        k += 1
    return keras.layers.Flatten(name=f"{name.split('_')[0]}_cells_flatten")(grid)


def _window(grid: Any, windows: WindowsConfig, name: str) -> Any:
    n_eta, n_phi, channels = grid.shape[1:]
    size = (min(n_eta, windows.size), min(n_phi, windows.size))
    return keras.layers.Conv2D(
        _filters(windows, (n_eta, n_phi), size, channels),
        size,
        kernel_initializer=INITIALIZERS.get(windows.activation, "he_uniform"),
        kernel_regularizer=regularizer(windows.regularizer),
        name=name,
    )(grid)


def _filters(windows: WindowsConfig, cells: tuple[int, int], size: tuple[int, int], channels: int) -> int:
    """Channels of the next grid: what a grid holds in all shrinks by ``reduction``."""
    if windows.reduction is None:
        return channels
    growth = math.prod(n / (n - w + 1) for n, w in zip(cells, size, strict=True))
    return math.ceil(growth * channels / windows.reduction)


def _pool_size(n: int) -> int:
    """2 for an even number of cells that leaves an odd one, else 3; 1 where there is nothing to pool."""
    return min(2 if n % 2 == 0 and (n // 2) % 2 == 1 else 3, n)
