"""What the side-car of a tuple file says of how its entries came about, and whether there may be none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from taumltools.errors import InputError

LEFT_OUT: dict[str, str] = {
    "unmatched": "`require_gen_match`: reconstructed taus, and jets of `TagAndProbe`, without generated lepton or jet",
    "not_gen_tau_tau": "`selector: genTauTau`: entries of events without exactly two generated hadronic taus",
    "no_tau_jet_tag": "`selector: TauJetTag`: entries with neither generated lepton, nor generated jet, nor jet",
    "neither_gen_nor_reco_tau": "`require_gen_or_reco_tau`: entries with neither reconstructed nor generated hadronic tau",
    "sieved": "`reco_pt_sieve`: entries that the sieve left out",
    "no_mu_tau": "`selector: MuTau`: entries that are not the tau of a pair with the tag",
    "not_tag_and_probe": "`selector: TagAndProbe`: entries that are no probes",
}
"""Candidates that were left out, by the option that did it; an option looks only at what those above it left."""

COUNTED: dict[str, str] = {
    "entries": "entries that were written",
    "events": "events that were read or simulated",
    "taus": "`nanoaod`, `pfnano`: reconstructed taus in them",
    "unreconstructed": "`nanoaod`: generated leptons without reconstructed tau, before the selection",
    "jets": "`nanoaod` with `TagAndProbe`: entries of jets without tau, before anything was left out",
    "files": "`tautuple`: files of the chain",
    "generations": "`tautuple`: generations of the schema that the files follow",
    "left_out": "`tautuple`: branches that not all files have",
    "events_seen": "`cmssw`: events that reached the producer, fewer behind a trigger filter",
    "producer_s": "`cmssw`: seconds that the producer took",
    "generation": "`cmssw`: generation of the schema",
    "events_by_file": "`cmssw`: events read of each file",
    "arguments": "`cmssw`: arguments of the configuration",
}
"""What else is counted."""


def candidates(account: Mapping[str, Any]) -> int:
    """Tau candidates before anything was left out.

    Args:
        account: what the side-car says.

    Returns:
        Their number.

    Examples:
        >>> candidates({"events": 40, "entries": 3, "unmatched": 2, "sieved": 10})
        15
    """
    return int(account["entries"]) + sum(int(account.get(name, 0)) for name in LEFT_OUT)


def why_empty(account: Mapping[str, Any]) -> str:
    """What left no entry, if it was the selection.

    Args:
        account: what the side-car of a file without entries says.

    Returns:
        What people read; empty if there were no candidates from the start.

    Examples:
        >>> why_empty({"events": 40, "entries": 0, "unmatched": 2, "sieved": 10})
        'the selection left none of 12 candidates (unmatched 2, sieved 10)'
        >>> why_empty({"events": 40, "entries": 0, "unmatched": 0})
        ''
    """
    removed = {name: account[name] for name in LEFT_OUT if account.get(name)}
    if not removed:
        return ""
    parts = ", ".join(f"{name} {number}" for name, number in removed.items())
    return f"the selection left none of {candidates(account)} candidates ({parts})"


def refuse_empty_dataset(dataset: str, sample: str, entries: int) -> None:
    """Single files may be empty, a whole dataset has nothing to give.

    Args:
        dataset: its name.
        sample: the sample that takes it.
        entries: of all its files together.

    Raises:
        InputError: there are none.
    """
    if not entries:
        raise InputError(
            f"dataset '{dataset}' has no entries in sample '{sample}', its selection left nothing of any file: loosen the "
            f"selection, read more events, or take it out of samples.{sample}"
        )
