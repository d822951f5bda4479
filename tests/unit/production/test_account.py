"""What the side-car of a tuple file counts."""

from __future__ import annotations

from pathlib import Path

import pytest

from taumltools.config.datasets import DatasetConfig
from taumltools.config.production import ProductionConfig
from taumltools.errors import InputError
from taumltools.production.account import COUNTED, LEFT_OUT, candidates, refuse_empty_dataset, why_empty
from taumltools.production.nanoaod import convert
from taumltools.production.pfnano import reconstruct

NANO = Path(__file__).parents[2] / "data/nano"
DOCS = Path(__file__).parents[3] / "docs/sources.md"
OPTIONS = {"require_gen_or_reco_tau": True, "reco_pt_sieve": True}


@pytest.mark.parametrize("selector", ["", "genTauTau", "TauJetTag"])
@pytest.mark.parametrize("source", ["nanoaod", "pfnano"])
def test_every_candidate_is_written_or_left_out_for_a_reason(source, selector):
    """Matched taus and those that are not, and generated taus without one: the sum is the same without any selection."""

    def made(**options):
        dataset, account = DatasetConfig(title="x", source=source, files=("x",), **options), {}
        if source == "nanoaod":
            tables = convert([NANO / "nano_dy.root"], dataset, account=account)
        else:
            tables = reconstruct([NANO / "pfnano.root"], dataset, ProductionConfig(), events=5, account=account)
        return {"entries": sum(map(len, tables))} | account

    everything, chosen = made(require_gen_match=False), made(selector=selector, **OPTIONS)
    assert candidates(chosen) == candidates(everything) == everything["entries"] > 10
    assert set(chosen) <= set(LEFT_OUT) | set(COUNTED)


def test_why_a_file_is_empty():
    assert why_empty({"entries": 0, "events": 5, "taus": 0}) == ""
    told = why_empty({"entries": 0, "taus": 3, "unmatched": 3})
    assert told == "the selection left none of 3 candidates (unmatched 3)"


def test_empty_dataset_is_refused():
    refuse_empty_dataset("mine", "train", 1)
    with pytest.raises(InputError, match=r"take it out of samples\.train"):
        refuse_empty_dataset("mine", "train", 0)


def test_keys_of_the_sidecar_were_not_explained():
    text = DOCS.read_text(encoding="utf-8")
    for name, meaning in {**COUNTED, **LEFT_OUT}.items():
        assert f"| `{name}` | {meaning} |" in text
