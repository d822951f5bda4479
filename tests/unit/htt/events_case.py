"""Simulated events that tests share: few of each process, made once."""

from __future__ import annotations

from functools import cache

import numpy as np

from taumltools.config import load_campaign
from taumltools.htt.events import Setup, simulate_events
from taumltools.production.pileup import PileupPool, generate_pileup

POOL = "production.pileup.pool_events=200 "


@cache
def make_setup(channel: str) -> Setup:
    """Settings of the demo channel with a small pool."""
    campaign = load_campaign("demo", f"{POOL}htt=demo_{channel}")
    return Setup(channel, campaign.htt.simulation, campaign.production, make_pool())


@cache
def make_pool() -> PileupPool:
    """A small pool of soft collisions."""
    return generate_pileup(load_campaign("demo", POOL).production, np.random.SeedSequence(1))


@cache
def make_events(channel: str, sample: str, events: int) -> tuple[dict[str, np.ndarray], dict[str, float]]:
    """One chunk of a sample, and its account."""
    return simulate_events(sample, make_setup(channel), events=events, seed=np.random.SeedSequence(5))
