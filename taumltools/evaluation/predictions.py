"""Predictions: the table, its file format, and applying a network, under one name."""

from __future__ import annotations

from taumltools.evaluation.apply import apply_network
from taumltools.evaluation.table import Predictions, PredictionWriter

__all__ = ["PredictionWriter", "Predictions", "apply_network"]
