"""Nadam against the same rule in plain numpy, in double precision, step by step."""

import keras
import numpy as np
import pytest
from keras import ops

from taumltools.training.fit_model import array_of
from taumltools.training.nadam import Nadam


class NumpyNadam:
    """The rule of Keras up to TensorFlow 2.10, written down from its description."""

    def __init__(self, shapes, rate, decay, beta_1=0.9, beta_2=0.999, epsilon=1e-7):
        self.rate, self.decay, self.b1, self.b2, self.epsilon = rate, decay, beta_1, beta_2, epsilon
        self.m, self.v = ([np.zeros(shape) for shape in shapes] for _ in range(2))
        self.step, self.cache = 0, 1.0

    def mu(self, t):
        return self.b1 * (1 - 0.5 * 0.96 ** (self.decay * t))

    def apply(self, gradients, values):
        self.step += 1
        t = self.step
        self.cache *= self.mu(t)
        following = self.cache * self.mu(t + 1)
        for i, (g, x) in enumerate(zip(gradients, values, strict=True)):
            self.m[i] = self.b1 * self.m[i] + (1 - self.b1) * g
            self.v[i] = self.b2 * self.v[i] + (1 - self.b2) * g**2
            bar = (1 - self.mu(t)) * g / (1 - self.cache) + self.mu(t + 1) * self.m[i] / (1 - following)
            x -= self.rate * bar / (np.sqrt(self.v[i] / (1 - self.b2**t)) + self.epsilon)


SHAPES = [(3, 2), (4,)]


def start(seed):
    rng = np.random.default_rng(seed)
    return rng, [rng.normal(size=shape) for shape in SHAPES]


def paths(optimizer, other, steps, seed=1):
    rng, values = start(seed)
    variables = [keras.Variable(v.astype(np.float32)) for v in values]
    for _ in range(steps):
        gradients = [rng.normal(0.3, 1.0, shape) for shape in SHAPES]
        optimizer.apply([ops.convert_to_tensor(g.astype(np.float32)) for g in gradients], variables)
        other.apply(gradients, values)
        yield [array_of(v) for v in variables], values


@pytest.mark.parametrize("decay", [0.0, 1e-4, 0.004, 1.0])
def test_steps_are_those_of_the_rule(decay):
    other = NumpyNadam(SHAPES, 1e-2, decay)
    for found, expected in paths(Nadam(1e-2, schedule_decay=decay), other, 60):
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_with_decay_one_it_is_nadam_of_keras():
    rng, values = start(2)
    ours, theirs = ([keras.Variable(v.astype(np.float32)) for v in values] for _ in range(2))
    a, b = Nadam(1e-2, schedule_decay=1.0), keras.optimizers.Nadam(1e-2)
    for _ in range(20):
        gradients = [ops.convert_to_tensor(rng.normal(size=shape).astype(np.float32)) for shape in SHAPES]
        a.apply(gradients, ours)
        b.apply(gradients, theirs)
    for x, y in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(array_of(x), array_of(y), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("step", "expected"), [(1, 0.45), (100_000, 0.60), (1_000_000, 0.89)])
def test_momentum_of_deeptau(step, expected):
    """Figures known for schedule_decay 1e-4; with 0 the momentum never rises."""
    assert float(Nadam(schedule_decay=1e-4).momentum(step)) == pytest.approx(expected, abs=0.005)
    assert float(Nadam(schedule_decay=0.0).momentum(step)) == pytest.approx(0.45)


def test_it_clips_and_is_saved_with_its_settings():
    copy = Nadam.from_config(Nadam(0.5, schedule_decay=0.25, global_clipnorm=1e-3).get_config())
    assert (copy.schedule_decay, copy.global_clipnorm, float(copy.learning_rate)) == (0.25, 1e-3, 0.5)
    variable = keras.Variable(np.zeros(2, np.float32))
    copy.apply([ops.convert_to_tensor(np.float32([3e4, 4e4]))], [variable])
    assert np.linalg.norm(array_of(copy._momentums[0])) == pytest.approx(0.1 * 1e-3, rel=1e-4)
