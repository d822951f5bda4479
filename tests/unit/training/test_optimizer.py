import keras
import numpy as np
import pytest

from taumltools.config.training import TrainingConfig
from taumltools.training.nadam import Nadam
from taumltools.training.optimizer import learning_rate, make_optimizer


def rates(steps, **settings):
    config = TrainingConfig(learning_rate=0.1, **settings)
    return np.array([learning_rate(config, step, steps) for step in range(steps)])


def test_cosine_rises_then_falls_to_zero():
    rate = rates(1000)
    assert rate.argmax() in {49, 50}
    assert rate.max() == pytest.approx(0.1)
    assert rate[0] == pytest.approx(0.1 / 50)
    assert (np.diff(rate[:50]) > 0).all()
    assert (np.diff(rate[50:]) < 0).all()
    assert rate[50 + 475] == pytest.approx(0.05, rel=1e-6)
    assert 0 < rate[-1] < 1e-5


def test_constant_stays():
    assert set(rates(10, schedule="constant")) == {0.1}


def test_step_decay_halves_at_every_epoch_that_it_divides():
    rate = rates(60, schedule="step", step_epochs=2, epochs=6)
    np.testing.assert_allclose(rate.reshape(6, 10), 0.1 * np.array([1, 1, 0.5, 0.5, 0.25, 0.25])[:, None] * np.ones(10))


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_shortest_fits_have_a_rate(steps):
    rate = rates(steps)
    assert rate[0] == pytest.approx(0.1)
    assert (rate > 0).all()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("adam", keras.optimizers.Adam), ("adamw", keras.optimizers.AdamW), ("nadam", Nadam)],
)
def test_named_optimizer(name, kind):
    optimizer = make_optimizer(TrainingConfig(optimizer=name, learning_rate=0.25, clip_norm=2.0, weight_decay=0.5))
    assert type(optimizer) is kind
    assert float(optimizer.learning_rate) == 0.25
    assert optimizer.global_clipnorm == 2.0
    assert optimizer.weight_decay == (0.5 if name == "adamw" else None)


def test_clipping_is_optional():
    assert make_optimizer(TrainingConfig(clip_norm=0)).global_clipnorm is None


def test_nadam_takes_the_decay_of_its_momentum_from_the_settings():
    assert make_optimizer(TrainingConfig(optimizer="nadam", schedule_decay=0.5)).schedule_decay == 0.5
