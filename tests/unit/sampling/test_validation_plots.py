from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from taumltools.config.validation import AxisConfig
from taumltools.sampling import validation_plots
from taumltools.sampling.validation_plots import draw_validation, plot_chunks, plot_p_values
from tests.unit.sampling.validation_samples import NAMES, SMALL, honest, verdict_of


@pytest.fixture(scope="module")
def parts():
    return honest(np.random.default_rng(1), parts=3, n=6000)


@pytest.fixture(scope="module")
def shifted(parts):
    moved = parts[1].with_scalars({"tau_pt": parts[1]["tau_pt"] * np.float32(1.2)})
    config = replace(SMALL, formats=("png",), max_plots=2)
    return verdict_of([parts[0], moved, parts[2]], config)


def test_every_plot_is_written(shifted, tmp_path):
    paths = draw_validation(shifted, NAMES, tmp_path)
    assert {path.name for path in paths} == {
        "p_values.png",
        "chunks.png",
        "composition_dataset_id.png",
        "composition_dataset_group_id.png",
        "composition_tauType.png",
        "spectrum_tau_pt.png",
        "spectrum_tau_eta.png",
        "failed_0.png",
        "failed_1.png",
    }
    for path in paths:
        assert path.read_bytes()[:4] == b"\x89PNG"
        assert path.stat().st_size > 10_000


def test_formats(parts, tmp_path):
    config = replace(SMALL, chunks=2, formats=("pdf", "svg"))
    paths = draw_validation(verdict_of(parts[:1], config), NAMES, tmp_path)
    assert {path.name for path in paths} == {f"{n}.{x}" for n in ("p_values", "chunks") for x in ("pdf", "svg")}
    assert paths[0].read_bytes()[:4] == b"%PDF"
    assert b"<svg" in paths[1].read_bytes()[:400]


def test_p_values_show_thresholds_and_failures(shifted):
    axes = plot_p_values(shifted).axes[0]
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    failed = shifted.families["part: spectra"].failed
    assert any(label.startswith("part: spectra") and label.endswith(f"{failed} fail") for label in labels)
    assert len(labels) == sum(family.tests > 0 for family in shifted.families.values())
    assert [text.get_text() for text in axes.texts] == ["18,000 entries in 3 parts", "failed"]


def test_chunks_show_where(parts):
    sorted_part = parts[2].take(np.argsort(parts[2]["dataset_id"], kind="stable"))
    figure = plot_chunks(verdict_of([parts[0], parts[1], sorted_part]))
    shown = np.asarray(figure.axes[0].images[0].get_array())
    assert shown.shape == (3, 4)
    assert (shown[:2] > 0).all()
    assert (shown[2] < -6).all()
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["part_0", "part_1", "part_2"]


def test_many_parts_are_numbered(parts):
    small = [parts[row % 3].slice(200 * row, 200 * row + 200) for row in range(25)]
    figure = plot_chunks(verdict_of(small))
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()][:3] == ["0", "2", "4"]


@pytest.mark.parametrize("axis", [AxisConfig(bins=10, limits=(1, 100), log=True), AxisConfig(bins=10, limits=(-1, 1))])
def test_merged_bins_keep_all_entries(axis):
    counts = np.array([[0, 0, 5, 9, 0, 1, 1, 1, 0, 0, 0, 0]])
    merged, edges = validation_plots._merged(counts, axis, 4)
    fine = validation_plots._edges(axis)
    assert merged.sum() == counts.sum()
    assert len(edges) == merged.shape[1] + 1
    assert (edges[0], edges[-1]) == (fine[2], fine[8])
    assert fine[1] == pytest.approx(axis.limits[0])
    assert fine[-2] == pytest.approx(axis.limits[1])
    assert (np.diff(edges) > 0).all()
