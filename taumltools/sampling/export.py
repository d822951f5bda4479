"""Files that the CMS tools write beside the tuples: spectra, acceptance maps, hash tables."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from taumltools.config.sampling import SpectraConfig
from taumltools.errors import ConfigError, InputError
from taumltools.sampling.acceptance import AcceptancePlan
from taumltools.sampling.hashing import hash_name
from taumltools.sampling.roothist import (
    counter,
    edges_axis,
    histogram2d,
    read_histograms,
    uniform_axis,
    write_histograms,
)
from taumltools.sampling.spectra import Spectra
from taumltools.tuples.truth import TauType

PREFIX = "eta_pt_hist_"
"""Start of the names of the spectra; the truth type follows."""

NOT_VALID = "not_valid"
"""Name of the histogram that counts entries without a truth type."""


def write_spectra(path: Path, spectra: Spectra) -> None:
    """Write spectra as CreateSpectralHists does: a TH2D ``eta_pt_hist_<type>``, x = |η|, y = pt, per type.

    Contents, errors, numbers of entries and sums of weights are those of the CMS tool; the sums
    of values (from which ROOT shows means) come from bin centres.

    Args:
        path: the ROOT file.
        spectra: counts of a dataset.
    """
    bins = spectra.binning
    histograms: dict[str, Any] = {NOT_VALID: counter(NOT_VALID, spectra.not_valid)}
    for name, counts in spectra.counts.items():
        axes = uniform_axis("xaxis", bins.eta_bins, bins.eta_range), uniform_axis("yaxis", bins.pt_bins, bins.pt_range)
        histograms[PREFIX + name] = histogram2d(PREFIX.rstrip("_"), *axes, counts, counts)
    write_histograms(path, histograms)


def read_spectra(path: Path) -> Spectra:
    """Read spectra of CreateSpectralHists (or of :func:`write_spectra`).

    Args:
        path: the ROOT file of a dataset.

    Returns:
        The spectra; its entries are the typed ones and those of ``not_valid``.

    Raises:
        InputError: the file cannot be read, has no spectra, or one of them has an unknown type,
            other bins than the others, bins of different widths, or contents that are no counts.
    """
    stored = read_histograms(path)
    names = [name for name in stored if name.startswith(PREFIX)]
    if not names:
        raise InputError(f"{path}: has no histogram {PREFIX}<type>; it holds {sorted(stored) or 'none'}")
    if odd := [name for name in names if name.removeprefix(PREFIX) not in TauType.__members__]:
        raise InputError(f"{path}: {odd[0]} is of no known type; known are {', '.join(TauType.__members__)}")
    binnings = {name: _binning(stored[name], f"{path}: {name}") for name in names}
    for name, binning in binnings.items():
        if binning != binnings[names[0]]:
            raise InputError(f"{path}: {name} has other bins than {names[0]}: {binning} and {binnings[names[0]]}")
    types = sorted((name.removeprefix(PREFIX) for name in names), key=lambda name: TauType[name])
    counts = {name: _counts(stored[PREFIX + name], f"{path}: {PREFIX}{name}").T for name in types}
    not_valid = int(_counts(stored[NOT_VALID], f"{path}: {NOT_VALID}").sum()) if NOT_VALID in stored else 0
    entries = not_valid + sum(int(histogram.sum()) for histogram in counts.values())
    return Spectra(binnings[names[0]], entries, not_valid, counts)


def _binning(histogram: Any, where: str) -> SpectraConfig:
    x, y = (histogram.member(axis).members for axis in ("fXaxis", "fYaxis"))
    if len(x["fXbins"]) or len(y["fXbins"]):
        raise InputError(f"{where} has bins of different widths; count the spectra in uniform bins")
    try:
        return SpectraConfig(
            pt_bins=int(y["fNbins"]),
            pt_range=(float(y["fXmin"]), float(y["fXmax"])),
            eta_bins=int(x["fNbins"]),
            eta_range=(float(x["fXmin"]), float(x["fXmax"])),
        )
    except ValueError as error:
        raise InputError(f"{where} has bins that spectra cannot have: {error}") from error


def _counts(histogram: Any, where: str) -> np.ndarray:
    """Contents with under- and overflow as int64."""
    values = histogram.values(flow=True)
    counts = np.rint(values)
    if not np.array_equal(values, counts) or counts.min() < 0:
        raise InputError(f"{where} holds contents that are no counts; spectra must not be weighted or scaled")
    return counts.astype(np.int64)


def write_acceptance_map(path: Path, plan: AcceptancePlan, group: str, *, lastbin_takeall: bool) -> None:
    """Write a group's acceptance as ``<group>.root`` of ShuffleMergeSpectral: a TH2D ``<type>_prob`` per type.

    x = |η|, y = pt; P without the type probability.

    Args:
        path: the ROOT file.
        plan: the plan.
        group: name of the group.
        lastbin_takeall: as the plan was made; the maps then end below the last pt bin.
    """
    edges = plan.pt_edges[:-1] if lastbin_takeall else plan.pt_edges
    maps = {f"{name}_prob": values[: len(edges) - 1] for name, values in plan.groups[group].acceptance.items()}
    _write_maps(path, maps, edges, plan.eta_edges, counts=False)


def write_count_map(path: Path, plan: AcceptancePlan, group: str) -> None:
    """Write a group's candidates as ``<group>_n.root`` of ShuffleMergeSpectral: a TH2D ``<type>_entries`` per type.

    Only what is inside of the edges: a plan does not know under- and overflow, they are written as 0.

    Args:
        path: the ROOT file.
        plan: the plan.
        group: name of the group.
    """
    maps = {f"{name}_entries": values for name, values in plan.groups[group].counts.items()}
    _write_maps(path, maps, plan.pt_edges, plan.eta_edges, counts=True)


def _write_maps(
    path: Path, maps: dict[str, np.ndarray], pt_edges: Sequence[float], eta_edges: Sequence[float], *, counts: bool
) -> None:
    histograms = {}
    for name, values in maps.items():
        contents = np.pad(np.asarray(values, np.float64), 1)
        variances = contents if counts else np.zeros_like(contents)
        axes = edges_axis("xaxis", eta_edges), edges_axis("yaxis", pt_edges)
        histograms[name] = histogram2d(name, *axes, contents, variances)
    write_histograms(path, histograms)


def write_hashes(path: Path, names: Iterable[str], *, existing: Path | None = None, legacy: bool = False) -> None:
    """Write ``dataset_hash.json`` or ``datagroup_hash.json``: name to hash, as decimal text.

    Args:
        path: the JSON file.
        names: names of datasets or groups.
        existing: a file whose names are kept; None, or one that does not exist, for none.
        legacy: write a name with dots as nested objects, as the CMS tools do.

    Raises:
        InputError: ``existing`` is no such file, or states another hash for a name.
        ConfigError: with ``legacy``, a name is a part of another one, so that they cannot be told apart.
    """
    hashes = read_hashes(existing) if existing is not None and existing.exists() else {}
    hashes |= {name: hash_name(name) for name in names}
    content: dict[str, Any] = {}
    for name, value in hashes.items():
        *folders, last = name.split(".") if legacy else [name]
        inner = content
        for folder in folders:
            inner = inner.setdefault(folder, {})
            if not isinstance(inner, dict):
                break
        if not isinstance(inner, dict) or last in inner:
            raise ConfigError(f"'{name}' cannot be nested beside a name that is a part of it; use legacy=False")
        inner[last] = str(value)
    path.write_text(json.dumps(content, indent=4, ensure_ascii=False) + "\n", encoding="utf-8")


def read_hashes(path: Path) -> dict[str, int]:
    """Read a hash table, of this project or of the CMS tools.

    Args:
        path: the JSON file.

    Returns:
        Hash by name, in the order of the file; nested names are joined by dots.

    Raises:
        InputError: the file is missing or is no hash table, or a hash is not that of its name.
    """
    try:
        hashes = {name: int(value) for name, value in _flat(json.loads(path.read_text(encoding="utf-8")))}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: no usable hash table ({type(error).__name__}: {error}); make it again") from error
    for name, value in hashes.items():
        if value != hash_name(name):
            raise InputError(
                f"{path}: states the hash {value} for '{name}', libstdc++ makes {hash_name(name)}; the file comes from "
                "another compiler or was changed"
            )
    return hashes


def _flat(content: dict[str, Any], start: str = "") -> list[tuple[str, str]]:
    rows: list[tuple[str, str]] = []
    for name, value in content.items():
        rows += _flat(value, f"{start}{name}.") if isinstance(value, dict) else [(start + name, value)]
    return rows
