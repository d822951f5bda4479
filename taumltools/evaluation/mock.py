"""Made-up predictions, for tests, examples and benchmarks: plausible, but no physics."""

from __future__ import annotations

import numpy as np

from taumltools.evaluation.table import Predictions
from taumltools.tuples.truth import TAU_TYPES


def mock_predictions(n: int, seed: int = 0, *, dataset: str = "mock", separation: float = 2.5) -> Predictions:
    """Predictions with all four types, candidates without type and candidates without score.

    Args:
        n: number of entries.
        seed: of the random numbers.
        dataset: name of the dataset.
        separation: distance of the true class from the others in logits; 0 is a guess.

    Returns:
        The predictions, with the columns that ``configs/evaluation/demo.yaml`` copies.

    Examples:
        >>> predictions = mock_predictions(1000)
        >>> len(predictions), predictions.outputs.shape
        (1000, (1000, 4))
    """
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, len(TAU_TYPES), n)
    logits = rng.normal(0, 1, (n, len(TAU_TYPES)))
    logits[np.arange(n), truth] += separation
    outputs = np.exp(logits)
    outputs /= outputs.sum(axis=1, keepdims=True)
    scored = rng.random(n) > 0.01
    outputs[~scored] = np.nan
    targets = (truth[:, None] == np.arange(len(TAU_TYPES))).astype(np.uint8)
    targets[rng.random(n) < 0.02] = 0
    return Predictions(
        outputs=outputs.astype(np.float32),
        targets=targets,
        scored=scored,
        columns=_columns(rng, truth),
        dataset=np.zeros(n, np.int32),
        datasets=(dataset,),
        model="mock",
        versions={"numpy": np.__version__},
    )


def _columns(rng: np.random.Generator, truth: np.ndarray) -> dict[str, np.ndarray]:
    n = len(truth)
    is_electron, is_muon, _, is_jet = (truth == code for code in range(len(TAU_TYPES)))
    isolation = np.where(rng.random(n) < np.where(is_jet, 0.15, 0.6), 0, rng.exponential(np.where(is_jet, 8, 2)))
    return {
        "run": np.ones(n, np.uint32),
        "lumi": 1 + np.arange(n, dtype=np.uint32) // 1000,
        "evt": np.arange(n, dtype=np.uint64),
        "tau_pt": (20 + rng.exponential(45, n)).astype(np.float32),
        "tau_eta": rng.uniform(-2.4, 2.4, n).astype(np.float32),
        "tau_phi": rng.uniform(-np.pi, np.pi, n).astype(np.float32),
        "tau_decayMode": rng.choice([0, 1, 2, 5, 10, 11], n).astype(np.int32),
        "tau_dz": rng.normal(0, 0.05, n).astype(np.float32),
        "tau_chargedIsoPtSum": isolation.astype(np.float32),
        "tau_e_ratio": np.clip(rng.normal(np.where(is_electron, 0.8, 0.3), 0.3), 0, 1).astype(np.float32),
        "leading_pfCand_rawCaloFraction": rng.exponential(np.where(is_muon, 0.1, 0.9)).astype(np.float32),
        "genEventWeight": np.ones(n, np.float32),
        "npu": rng.poisson(40, n).astype(np.float32),
    }
