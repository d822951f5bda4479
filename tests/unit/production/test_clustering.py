from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from taumltools.production.clustering import cluster
from taumltools.production.geometry import cartesian, delta_r


def plain_anti_kt(p4, radius):
    """The textbook algorithm on lists of four-momenta; returns the constituents of each jet."""
    items = [(np.array(p), {i}) for i, p in enumerate(p4)]
    jets = []
    while items:
        pt2 = [p[0] ** 2 + p[1] ** 2 for p, _ in items]
        rapidity = [0.5 * np.log((p[3] + p[2]) / (p[3] - p[2])) for p, _ in items]
        phi = [np.arctan2(p[1], p[0]) for p, _ in items]
        best, pair = min((1 / x, (i, i)) for i, x in enumerate(pt2))
        for i in range(len(items)):
            for j in range(i):
                d = min(1 / pt2[i], 1 / pt2[j]) * float(delta_r(rapidity[i], phi[i], rapidity[j], phi[j])) ** 2
                if d / radius**2 < best:
                    best, pair = d / radius**2, (i, j)
        i, j = pair
        if i == j:
            jets.append(items.pop(i))
        else:
            merged = (items[i][0] + items[j][0], items[i][1] | items[j][1])
            items = [item for k, item in enumerate(items) if k not in pair] + [merged]
    return {frozenset(members): p for p, members in jets}


def test_agrees_with_the_textbook():
    rng = np.random.default_rng(5)
    n = 40
    p4 = cartesian(rng.exponential(10, n) + 1, rng.uniform(-1, 1, n), rng.uniform(-1.5, 1.5, n), np.full(n, 0.14))
    jets = cluster(np.array([0, n]), p4, radius=0.4, min_pt=0.0)
    found = {frozenset(jets.members[a:b].tolist()) for a, b in zip(jets.first, jets.last, strict=True)}
    expected = plain_anti_kt(np.stack(p4, axis=1), 0.4)
    assert found == set(expected)
    assert sorted(jets.pt) == pytest.approx(sorted(np.hypot(p[0], p[1]) for p in expected.values()))


@pytest.fixture
def two_events():
    pt, eta, phi = np.array([10.0, 40.0, 5.0, 30.0]), np.array([0.0, 1.0, 1.1, 0.0]), np.array([0.0, 1.0, 1.1, -3.0])
    return np.array([0, 3, 3, 4]), cartesian(pt, eta, phi, np.zeros(4))


def test_jets_are_sorted_and_know_their_members(two_events):
    jets = cluster(*two_events, radius=0.4, min_pt=8.0)
    assert jets.offsets.tolist() == [0, 2, 2, 3]
    assert np.all(np.diff(jets.pt[:2]) < 0)
    owner, rows = jets.owner
    assert list(zip(owner.tolist(), rows.tolist(), strict=True)) == [(0, 1), (0, 2), (1, 0), (2, 3)]


def test_soft_jets_are_dropped(two_events):
    assert cluster(*two_events, radius=0.4, min_pt=20.0).pt.round().tolist() == [45.0, 30.0]


def test_take_keeps_members_valid(two_events):
    jets = cluster(*two_events, radius=0.4, min_pt=8.0).take(np.array([False, True, True]))
    assert jets.offsets.tolist() == [0, 1, 1, 2]
    assert jets.owner[1].tolist() == [0, 3]


def test_events_without_particles():
    none = (np.zeros(0),) * 4
    jets = cluster(np.zeros(3, np.int64), none, radius=0.4, min_pt=1.0)
    assert len(jets) == 0
    assert jets.n_events == 2


def test_fastjet_prints_no_banner():
    script = (
        "import numpy as np; from taumltools.production.clustering import cluster;"
        "cluster(np.array([0, 1]), (np.ones(1), np.zeros(1), np.zeros(1), np.ones(1)), radius=0.4, min_pt=0.1);"
        "print('done')"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "done\n"
    assert "FastJet" not in done.stderr
