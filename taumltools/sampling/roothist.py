"""Histograms as ROOT objects: making them to be written by uproot, and reading their axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.errors import InputError


def uniform_axis(name: str, bins: int, limits: tuple[float, float]) -> Any:
    """A TAxis with bins of one width.

    Args:
        name: ``"xaxis"`` or ``"yaxis"``.
        bins: number of bins.
        limits: first and last edge.

    Returns:
        The axis.
    """
    from uproot.writing.identify import to_TAxis

    return to_TAxis(name, "", bins, *map(float, limits))


def edges_axis(name: str, edges: Sequence[float]) -> Any:
    """A TAxis with the given edges; arguments as for :func:`uniform_axis`."""
    from uproot.writing.identify import to_TAxis

    return to_TAxis(name, "", len(edges) - 1, float(edges[0]), float(edges[-1]), np.array(edges, np.float64))


def edges_of(axis: Any) -> np.ndarray:
    """Edges of a TAxis, float64, shape (bins + 1,)."""
    stored = np.asarray(axis.member("fXbins"), np.float64)
    if len(stored):
        return stored
    return np.linspace(axis.member("fXmin"), axis.member("fXmax"), axis.member("fNbins") + 1)


def histogram2d(title: str, x_axis: Any, y_axis: Any, contents: np.ndarray, variances: np.ndarray) -> Any:
    """A TH2D with stored errors.

    The sums from which ROOT computes means and widths are those of all bins inside of the axes,
    with each bin's centre for the values in it: what ROOT itself does where it has bins only.

    Args:
        title: title of the histogram.
        x_axis: from :func:`uniform_axis` or :func:`edges_axis`.
        y_axis: likewise.
        contents: shape (y bins + 2, x bins + 2), with under- and overflow.
        variances: squared errors, same shape.

    Returns:
        What uproot can write; the name is that of the key it is written under.
    """
    from uproot.writing.identify import to_TH2x

    inside = contents[1:-1, 1:-1]
    x, y = ((edges[1:] + edges[:-1]) / 2 for edges in (edges_of(x_axis), edges_of(y_axis)))
    along_x, along_y = inside.sum(axis=0), inside.sum(axis=1)
    return to_TH2x(
        None,
        title,
        np.asarray(contents, np.float64).ravel(),
        fEntries=float(contents.sum()),
        fTsumw=float(inside.sum()),
        fTsumw2=float(variances[1:-1, 1:-1].sum()),
        fTsumwx=float(np.sum(along_x * x)),
        fTsumwx2=float(np.sum(along_x * x**2)),
        fTsumwy=float(np.sum(along_y * y)),
        fTsumwy2=float(np.sum(along_y * y**2)),
        fTsumwxy=float(np.sum(y[:, None] * inside * x)),
        fSumw2=np.asarray(variances, np.float64).ravel(),
        fXaxis=x_axis,
        fYaxis=y_axis,
    )


def counter(title: str, value: int) -> Any:
    """A TH1D of one bin from 0 to 2 that was filled ``value`` times with 1."""
    from uproot.writing.identify import to_TH1x

    contents, total = np.array([0.0, value, 0.0]), float(value)
    sums = {"fEntries": total, "fTsumw": total, "fTsumw2": total, "fTsumwx": total, "fTsumwx2": total}
    return to_TH1x(None, title, contents, fSumw2=contents.copy(), fXaxis=uniform_axis("xaxis", 1, (0, 2)), **sums)


def write_histograms(path: Path, histograms: Mapping[str, Any]) -> None:
    """Write a ROOT file, ZLIB level 9 as those of the CMS tools.

    Args:
        path: the file.
        histograms: objects by key.
    """
    import uproot

    with uproot.recreate(path, compression=uproot.ZLIB(9)) as file:
        for name, histogram in histograms.items():
            file[name] = histogram


def read_histograms(path: Path) -> dict[str, Any]:
    """Histograms of a ROOT file.

    Args:
        path: the file.

    Returns:
        uproot's objects by name, in the order of the file.

    Raises:
        InputError: the file cannot be read.
    """
    import uproot

    try:
        with uproot.open(path) as file:
            kinds = file.classnames(recursive=False, cycle=False).items()
            names = [name for name, kind in kinds if kind.startswith(("TH1", "TH2"))]
            return {name: file[name] for name in names}
    except Exception as error:  # a damaged file makes uproot fail in many ways
        raise InputError(f"{path}: no readable ROOT file ({type(error).__name__}: {error})") from error
