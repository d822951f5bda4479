"""A file that a source cannot use: what it is, and which source can."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import uproot

from taumltools.config.datasets import SOURCES, DatasetConfig
from taumltools.config.production import ProductionConfig
from taumltools.errors import InputError
from taumltools.production.nanoaod import convert
from taumltools.production.pfnano import reconstruct
from taumltools.tuples.io import open_tuples, write_tuples
from taumltools.tuples.kinds import is_arrow, kind, told
from taumltools.tuples.mock import mock_tuples

DATA = Path(__file__).parents[2] / "data"
NANO, PFNANO = DATA / "nano/nano_dy.root", DATA / "nano/pfnano.root"
TUPLES = DATA / "cms_tools/head/input/DY/eventTuple_1.root"


def read(source, path):
    """As the source does, to the end."""
    if source == "tautuple":
        with open_tuples(path):
            return
    dataset = DatasetConfig(title="x", source=source, files=(str(path),))
    list(convert([path], dataset) if source == "nanoaod" else reconstruct([path], dataset, ProductionConfig()))


@pytest.mark.parametrize(
    ("source", "path", "message"),
    [
        ("pfnano", NANO, "lacks the branches PFCands_pt.*it is NanoAOD without .* candidates: .* source: nanoaod$"),
        ("pfnano", TUPLES, "there is no tree 'Events'.*it is a file of TauTuples: .* with source: tautuple$"),
        ("nanoaod", TUPLES, "there is no tree 'Events'.*it is a file of TauTuples: .* with source: tautuple$"),
        ("tautuple", NANO, "there is no TTree 'taus'.*it is NanoAOD without .*: use a dataset with source: nanoaod$"),
        ("tautuple", PFNANO, r"there is no TTree 'taus'.*it is NanoAOD with .* \(PFNano\): .* source: pfnano$"),
    ],
)
def test_file_of_another_source_was_refused_without_saying_what_it_is(source, path, message):
    with pytest.raises(InputError, match=message):
        read(source, path)


def test_arrow_file_is_named_too(tmp_path):
    write_tuples(tmp_path / "a.arrow", mock_tuples(3), ["evt", "tau_pt"])
    with pytest.raises(InputError, match="it is a file of TauTuples: use a dataset with source: tautuple"):
        read("nanoaod", tmp_path / "a.arrow")
    assert not is_arrow(tmp_path)


def test_pfnano_as_plain_nanoaod_lost_the_candidates_silently(caplog):
    """That is allowed, since it has the taus of CMS, too."""
    with caplog.at_level(logging.WARNING):
        read("nanoaod", PFNANO)
        read("nanoaod", NANO)
    assert caplog.messages == [f"{PFNANO} is PFNano: its particle-flow candidates are used by source: pfnano only"]


def test_other_files(tmp_path):
    assert kind(["Events", "MetaData"], ["EventAuxiliary", "recoX"])[1] == "cmssw"
    assert kind([], []) == ("", "")
    assert told("", "") == ""
    expected = "use a dataset with source: cmssw" if "cmssw" in SOURCES else "no source reads that yet"
    assert told("MiniAOD", "cmssw").endswith(expected)
    with uproot.recreate(tmp_path / "h.root") as file:
        file["h"] = np.histogram([1.0])
    with pytest.raises(InputError, match=r"it holds h \(TH1D\)$"):
        read("tautuple", tmp_path / "h.root")
