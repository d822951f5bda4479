from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.sampling.legacy_merge import LegacyDraws, legacy_places
from taumltools.sampling.legacy_stream import LegacyStream

QUOTAS = st.lists(st.lists(st.integers(0, 12), min_size=1, max_size=3), min_size=1, max_size=5)


def literal(quotas, stop_early, stream):
    """The CMS tool's loop as the reference describes it."""

    def draw(total):
        return int(stream.integers(total, 1)[0])

    def locate(number, sizes):
        return next(i for i in range(len(sizes)) if number < sum(sizes[: i + 1]))

    sizes = [sum(sources) for sources in quotas]
    left = [list(sources) for sources in quotas]
    order = []
    while any(map(sum, left)):
        i = locate(draw(sum(sizes)), sizes)
        while not sum(left[i]):
            i = locate(draw(sum(sizes)), sizes)
        j = locate(draw(sizes[i]), quotas[i])
        while not left[i][j]:
            j = locate(draw(sizes[i]), quotas[i])
        left[i][j] -= 1
        order.append((i, j))
        if stop_early and not sum(left[i]):
            break
    return order


def order_of(places):
    flat = [(int(p), i, j) for i, sources in enumerate(places) for j, part in enumerate(sources) for p in part]
    return [(i, j) for _, i, j in sorted(flat)]


@settings(deadline=None)
@given(QUOTAS, st.booleans(), st.integers(0, 2**64 - 1))
def test_same_draws_as_the_loop_of_the_cms_tool(quotas, stop_early, seed):
    places = legacy_places(quotas, stop_early=stop_early, draws=LegacyDraws(LegacyStream(seed)))
    assert order_of(places) == literal(quotas, stop_early, LegacyStream(seed))


@settings(deadline=None)
@given(QUOTAS)
def test_every_entry_has_one_place(quotas):
    places = legacy_places(quotas, stop_early=False, draws=LegacyDraws(LegacyStream()))
    flat = np.sort(np.concatenate([part for sources in places for part in sources]))
    assert flat.tolist() == list(range(sum(map(sum, quotas))))
    assert [[len(part) for part in sources] for sources in places] == quotas
    assert all(np.all(np.diff(part) > 0) for sources in places for part in sources)


@settings(deadline=None)
@given(QUOTAS.filter(lambda quotas: any(map(sum, quotas))))
def test_ensure_uniformity_stops_when_the_first_bin_is_empty(quotas):
    places = legacy_places(quotas, stop_early=True, draws=LegacyDraws(LegacyStream()))
    taken = [sum(map(len, sources)) for sources in places]
    exhausted = [i for i, sources in enumerate(quotas) if sum(sources) and taken[i] == sum(sources)]
    assert len(exhausted) == 1
    last = max(part[-1] for part in places[exhausted[0]] if len(part))
    assert last == sum(taken) - 1


def test_a_first_sequence_by_hand():
    # raw numbers of seed 1234567 scaled by 2^-64: 0.985, 0.767, 0.656, ...: bin 1, source 1 of 2, bin 1, ...
    places = legacy_places([[50], [25, 25]], stop_early=False, draws=LegacyDraws(LegacyStream(1234567)))
    u = LegacyStream(1234567).uniform(4)
    assert order_of(places)[:2] == [(int(u[0] >= 0.5), int(u[1] >= 0.5)), (int(u[2] >= 0.5), int(u[3] >= 0.5))]


@pytest.mark.parametrize("count", [1, 2, 3, 100, 2**63 + 1, 2**64 - 1])
def test_draws_are_those_of_the_stream(count):
    draws = LegacyDraws(LegacyStream(7))
    assert [draws.integer(count) for _ in range(50)] == LegacyStream(7).integers(count, 50).tolist()


def test_how_much_of_120_even_bins_is_lost():
    # the reason why the default is a permutation: with 100 entries in each of 120 bins a quarter is never written
    quotas = [[100]] * 120
    places = legacy_places(quotas, stop_early=True, draws=LegacyDraws(LegacyStream()))
    written = sum(len(part) for sources in places for part in sources)
    assert 0.65 < written / 12_000 < 0.9
