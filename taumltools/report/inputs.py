"""What a report is made from: plain paths and settings that the task layer hands over."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from taumltools.config.campaign import CampaignConfig
from taumltools.errors import InputError


@dataclass(frozen=True)
class ReportInputs:
    """Everything a report may show; what is left out is named in its section.

    Attributes:
        campaign: name of the campaign.
        version: version label.
        config: all settings.
        train_spectra: spectra files (JSON) by dataset of the training sample.
        test_spectra: the same of the test sample.
        plan: acceptance plan (JSON).
        merged: mixed training tuples.
        flat: flat tuples (HDF5) of the training sample.
        scaling: feature scaling (JSON).
        training: folder of the trained network: ``history.json``, ``metrics.json``, ``run.json``.
        performance: performance files (JSON), or folders with one, a discriminator each; the
            first network among them leads.
        resources: side-cars of all products.
        baseline: performance files of another version, to which this one is compared; empty: none.
        baseline_name: what that version is called.
        runs: trainings, a row each, see :func:`taumltools.report.runs.read_runs`.
        tracking_uri: the store of mlflow, as mlflow names it; empty if it is not known.
        tracking_command: how one looks at that store.
    """

    campaign: str
    version: str
    config: CampaignConfig
    train_spectra: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    test_spectra: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    plan: Path | None = None
    merged: Sequence[Path] = ()
    flat: Sequence[Path] = ()
    scaling: Path | None = None
    training: Path | None = None
    performance: Sequence[Path] = ()
    resources: Sequence[Mapping[str, Any]] = ()
    baseline: Sequence[Path] = ()
    baseline_name: str = ""
    runs: Sequence[Mapping[str, Any]] = ()
    tracking_uri: str = ""
    tracking_command: str = ""


def read_json(path: Path) -> Any:
    """Content of a JSON file.

    Raises:
        InputError: it is missing or not JSON.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; the report was told to show it") from None
    except json.JSONDecodeError as error:
        raise InputError(f"{path} is not JSON ({error}); run the task that makes it again") from error
