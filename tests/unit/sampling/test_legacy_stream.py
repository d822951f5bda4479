from __future__ import annotations

import time
from itertools import islice

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.sampling.legacy_stream import LegacyStream, cumulative_probabilities, sieve_uniform
from tests.unit.sampling.builders import mt19937_64

RAW = [18172760479972437302, 14149568821422186474, 12104403404723486933]
UNIFORM = [0.98514731962224178, 0.76704966279595466, 0.65618102340210704]


def test_check_values_of_the_engine():
    assert LegacyStream(1234567).raw(3).tolist() == RAW
    assert LegacyStream().uniform(3).tolist() == UNIFORM


def test_value_that_the_standard_prescribes():
    """[rand.predef]: the 10000th number of std::mt19937_64 with its default seed."""
    assert LegacyStream(5489).raw(10000)[-1] == 9981545732273789042


@given(st.integers(0, 2**64 - 1))
def test_engine_is_what_its_authors_wrote(seed):
    assert LegacyStream(seed).raw(700).tolist() == list(islice(mt19937_64(seed), 700))


@given(st.lists(st.integers(0, 700), max_size=6))
def test_numbers_do_not_depend_on_how_many_are_asked_for(steps):
    stream = LegacyStream()
    found = [number for n in steps for number in stream.raw(n).tolist()]
    assert found == LegacyStream().raw(sum(steps)).tolist()


def test_uniform_stays_below_one(monkeypatch):
    stream = LegacyStream()
    monkeypatch.setattr(stream, "raw", lambda n: np.array([2**64 - 1, 2**64 - 512, 2**64 - 2048, 0], np.uint64))
    assert stream.uniform(4).tolist() == [1 - 2**-53, 1 - 2**-53, 1 - 2**-53, 0.0]


def test_discrete_check_values():
    assert LegacyStream().discrete(cumulative_probabilities([1, 2, 3]), 8).tolist() == [2, 2, 2, 0, 0, 0, 1, 1]


def test_a_single_choice_draws_nothing():
    stream = LegacyStream()
    assert stream.discrete(cumulative_probabilities([5]), 4).tolist() == [0] * 4
    assert stream.raw(1).tolist() == RAW[:1]


def test_index_is_the_first_cumulative_probability_not_below():
    stream = LegacyStream()
    edge = np.array([UNIFORM[2], UNIFORM[1], 1.0])
    assert stream.discrete(edge, 3).tolist() == [2, 1, 0]


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=12).filter(any))
def test_cumulative_probabilities(weights):
    cumulative, total, running = cumulative_probabilities(weights), 0.0, 0.0
    for weight in weights:
        total += weight
    for i, weight in enumerate(weights[:-1]):
        running += weight / total
        assert cumulative[i] == running
    assert cumulative[-1] == 1.0


def integers(seed, count, n):
    """Lemire's rule in numbers without limit."""
    stream, out = mt19937_64(seed), []
    while len(out) < n:
        product = next(stream) * count
        if product % 2**64 >= 2**64 % count:
            out.append(product >> 64)
    return out


def test_integers_check_values():
    assert LegacyStream().integers(100, 5).tolist() == [98, 76, 65, 5, 8]


@given(st.integers(0, 99), st.one_of(st.integers(1, 10**9), st.integers(2**62, 2**64 - 1)), st.integers(0, 50))
def test_integers_follow_the_rule_and_skip_the_same_numbers(seed, count, n):
    """Near 2^64 up to a half of the numbers is skipped."""
    stream = LegacyStream(seed)
    assert stream.integers(count, n).tolist() == integers(seed, count, n)


def test_integers_skip_numbers():
    stream = LegacyStream(3)
    found = stream.integers(2**63 + 1, 100)
    used = int(np.flatnonzero(LegacyStream(3).raw(1000) == stream.raw(1)[0])[0])
    assert found.max() <= 2**63
    assert 150 < used < 260


def test_sieve_check_values():
    assert sieve_uniform(3).tolist() == [0.89015471328273787, 0.13070729405534817, 0.039759496502559354]


def test_sieve_draws_two_numbers_of_the_standard_engine():
    """[rand.predef]: the 10000th number of std::mt19937 with its default seed is 4123659995."""
    value = sieve_uniform(5000, seed=5489)[-1]
    assert int(value * 2**32) == 4123659995


@pytest.mark.parametrize("draw", [lambda s, n: s.raw(n), lambda s, n: s.uniform(n), lambda s, n: s.integers(1000, n)])
def test_a_million_draws_a_second(draw):
    stream, start = LegacyStream(), time.process_time()
    draw(stream, 10**6)
    assert time.process_time() - start < 1.0
