"""Production of TauTuple entries by simulation: Pythia 8, a parametrised detector, hadrons plus strips."""

from __future__ import annotations
