import numpy as np
import pytest

from taumltools.training import figures as module
from taumltools.training.figures import Figures
from taumltools.training.losses import SCALE_FACTORS, WORKING_POINTS
from taumltools.training.metrics import row_values
from taumltools.training.points import ScoreHistograms

NAMES = ["Le", "tau_crossentropy_v2", "Wjet"]


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(5)
    types = rng.integers(0, 5, 1000)  # type 4: no truth
    y = np.eye(5, dtype=np.float32)[types, :4]
    p = rng.dirichlet([0.4] * 4, 1000).astype(np.float32)
    return y, p, np.maximum(rng.uniform(-0.1, 2, 1000), 0).astype(np.float32)


def made(**options):
    return Figures("tau_crossentropy_v2", NAMES, SCALE_FACTORS, WORKING_POINTS, **options)


def fed(figures, rows, sizes):
    for part in np.split(np.arange(len(rows[0])), np.cumsum(sizes)):
        figures.add(*(column[part] for column in rows))
    return figures


def test_means_with_and_without_weights(rows, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 300)
    found = fed(made(), rows, [100, 250, 7]).result()
    assert (rows[2] == 0).sum() > 10
    known = rows[0].sum(axis=1) > 0
    y, p, w = (column[known] for column in rows)
    values = row_values(NAMES, y, p)
    for name, row in zip(NAMES, values, strict=True):
        assert found[name] == pytest.approx(row[w > 0].mean(), rel=1e-5)
        assert found[f"weighted_{name}"] == pytest.approx(np.average(row, weights=w), rel=1e-5)
    right = p.argmax(1) == y.argmax(1)
    assert found["accuracy"] == pytest.approx(right[w > 0].mean())
    assert found["weighted_accuracy"] == pytest.approx(np.average(right, weights=w), rel=1e-6)
    assert found["pure_loss"] == pytest.approx((values[1] * w).mean(), rel=1e-5)
    assert set(found) == {"pure_loss", *(f"{w}{n}" for n in [*NAMES, "accuracy"] for w in ("", "weighted_"))}


def test_going_on_from_a_state_changes_no_bit(rows, monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 300)
    whole, first, second = (made(scores=ScoreHistograms()) for _ in range(3))
    fed(whole, rows, [130, 90, 200, 40, 111])
    for start, stop in [(0, 130), (130, 220)]:
        first.add(*(column[start:stop] for column in rows))
    second.restore({name: value.copy() for name, value in first.state().items()})
    for start, stop in [(220, 420), (420, 460), (460, 571), (571, 1000)]:
        second.add(*(column[start:stop] for column in rows))
    assert second.result() == whole.result()
    np.testing.assert_array_equal(second.state()["scores"], whole.state()["scores"])


def test_nothing_counted_is_not_a_perfect_fit():
    assert np.isnan(made().result()["weighted_accuracy"])
