from __future__ import annotations

import numpy as np
import pytest

from taumltools.production import candidates as pf


def test_masses_follow_the_kind(make_candidates):
    c = make_candidates([(kind, 0, 5.0, 0.0, 0.0) for kind in (1, 2, 3, 4, 5)])
    assert c.mass.tolist() == pytest.approx([0.13957, 0.000511, 0.10566, 0.0, 0.4976])


def test_charged_are_those_with_a_charge(make_candidates):
    c = make_candidates([(1, 1, 5.0, 0.0, 0.0), (4, 0, 5.0, 0.0, 0.0), (3, -1, 5.0, 0.0, 0.0)])
    assert c.charged.tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("dz", "vertex_z", "pileup", "expected"),
    [
        (0.05, 0.0, 0, True),
        (0.15, 0.0, 0, False),
        (-0.05, 0.0, 0, True),
        (0.05, 0.06, 1, False),
        (0.05, 0.2, 1, True),
        (0.05, 0.06, 2, True),
    ],
    ids=["near", "far", "near, other side", "own vertex", "own vertex farther", "own vertex not found"],
)
def test_association_to_the_signal_vertex(make_candidates, dz, vertex_z, pileup, expected):
    c = make_candidates([(1, 1, 5.0, 0.0, 0.0)], dz=[dz], vertex_z=[vertex_z], pileup=[pileup])
    assert c.from_primary(0.1).tolist() == [expected]


def test_neutrals_belong_to_no_vertex(make_candidates):
    assert make_candidates([(4, 0, 5.0, 0.0, 0.0)]).from_primary(0.1).tolist() == [False]


def test_kinds_are_the_codes_of_the_tuple():
    assert (pf.HADRON, pf.ELECTRON, pf.MUON, pf.PHOTON, pf.NEUTRAL) == (1, 2, 3, 4, 5)


def test_most_signal_tracks_are_associated_and_few_of_pileup(batch):
    c = batch.candidates
    hard = c.charged & (c.pt > 1.0) & (np.abs(c.dxy) < 0.02)
    assert batch.primary[hard & (c.pileup == 0)].mean() > 0.9
    assert batch.primary[hard & (c.pileup == 1)].mean() < 0.02
    assert batch.primary[hard & (c.pileup == 2)].mean() < 0.15
