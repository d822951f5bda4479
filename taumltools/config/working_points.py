"""Settings of working points: target efficiencies, the taus that define thresholds, iterations."""

from __future__ import annotations

from dataclasses import field

from pydantic import model_validator

from taumltools.config.base import settings
from taumltools.config.discriminators import FAKE_TYPES
from taumltools.config.plots import Range


def default_targets() -> dict[str, dict[str, float]]:
    """Genuine-tau efficiencies of the DeepTau working points (JINST 17 (2022) P07023)."""
    names = ("VVVLoose", "VVLoose", "VLoose", "Loose", "Medium", "Tight", "VTight", "VVTight")
    return {
        "e": dict(zip(names, (0.995, 0.99, 0.98, 0.95, 0.90, 0.80, 0.70, 0.60), strict=True)),
        "mu": {"VLoose": 0.9995, "Loose": 0.999, "Medium": 0.998, "Tight": 0.995},
        "jet": dict(zip(names, (0.98, 0.95, 0.90, 0.80, 0.70, 0.60, 0.50, 0.40), strict=True)),
    }


@settings
class WorkingPointsConfig:
    """How thresholds are chosen.

    Attributes:
        targets: fake type to name to efficiency for genuine taus, loosest first.
        pt: range of tau_pt in GeV of the taus that define the thresholds, lower edge included.
        abs_eta: their upper limit of abs(tau_eta), excluded.
        abs_dz: their upper limit of abs(tau_dz) in cm, excluded.
        no_decay_modes: HPS decay modes that they do not have.
        fraction: fraction of events that define thresholds; the others measure efficiencies.
        required: fake type to working point that the other types' thresholds require; empty
            makes the types independent of each other.
        tolerance: largest change of a threshold in an iteration that counts as converged.
        max_iterations: most iterations.
        digits: decimal digits that thresholds are rounded down to (so that the efficiency is not
            below its target); null keeps them exact.
        luminosity: dataset to integrated luminosity, in any one unit: taus of these datasets
            alone define thresholds, and each dataset has the share of its luminosity, however
            many entries it has. Empty takes all taus as they are.
    """

    targets: dict[str, dict[str, float]] = field(default_factory=default_targets)
    pt: Range = (30.0, 80.0)
    abs_eta: float = 2.3
    abs_dz: float = 0.2
    no_decay_modes: tuple[int, ...] = (5, 6)
    fraction: float = 0.5
    required: dict[str, str] = field(default_factory=dict)
    tolerance: float = 1e-5
    max_iterations: int = 100
    digits: int | None = None
    luminosity: dict[str, float] = field(default_factory=dict)

    @model_validator(mode="after")
    def _consistent(self) -> WorkingPointsConfig:
        if not 0 < self.fraction < 1:
            raise ValueError(f"fraction must be between 0 and 1, found {self.fraction}")
        for vs, points in self.targets.items():
            self._check_targets(vs, points)
        for vs, name in self.required.items():
            if name not in self.targets.get(vs, {}):
                raise ValueError(f"required.{vs}: no working point '{name}' in targets.{vs}")
        for dataset, value in self.luminosity.items():
            if not value > 0:
                raise ValueError(f"luminosity.{dataset}: must be above 0, found {value}")
        if not self.tolerance > 0 or self.max_iterations < 2:
            raise ValueError("tolerance must be above 0 and max_iterations at least 2: a change needs two iterations")
        if self.digits is not None and self.digits < 1:
            raise ValueError(f"digits must be at least 1, or null, found {self.digits}")
        return self

    @staticmethod
    def _check_targets(vs: str, points: dict[str, float]) -> None:
        if vs not in FAKE_TYPES:
            raise ValueError(f"targets.{vs}: must be one of {', '.join(FAKE_TYPES)}")
        for name, target in points.items():
            if not 0 < target < 1:
                raise ValueError(f"targets.{vs}.{name}: an efficiency is between 0 and 1, found {target}")
        if list(points.values()) != sorted(points.values(), reverse=True):
            raise ValueError(f"targets.{vs}: the loosest working point, with the largest efficiency, comes first")
