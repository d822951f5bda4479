"""Friend trees in ROOT itself, by position and by index, as tools for datacards take them; ntuples that ROOT wrote."""

from __future__ import annotations

import json

import numpy as np
import pytest
import uproot

from taumltools.errors import InputError
from taumltools.htt.friend import write_friend
from taumltools.htt.mock import mock_events, write_events
from taumltools.htt.ntuples import iterate_events
from taumltools.htt.preprocess import TRANSFORM, preprocess_prediction
from taumltools.htt.transform import Transform
from tests.outside import ROOT_PYTHON, needs_root, run_outside

WRITE = """
import sys, warnings
warnings.simplefilter("ignore")
import ROOT
source, target = sys.argv[1:]
frame = ROOT.RDataFrame("TauCheck", source)
frame = frame.Define("wide", "double(m_vis)").Define("good", "m_vis > 60").Define("more", "std::vector<float>{1, 2}")
options = ROOT.RDF.RSnapshotOptions()
options.fCompressionAlgorithm, options.fCompressionLevel = ROOT.RCompressionSetting.EAlgorithm.kLZMA, 5
frame.Snapshot("TauCheck", target, "", options)
"""

READ = """
import json, sys, warnings
warnings.simplefilter("ignore")
import ROOT
friend_file, how, *files = sys.argv[1:]
events = ROOT.TChain("TauCheck")
for path in files:
    events.Add(path)
file = ROOT.TFile(friend_file)
assert not file.TestBit(ROOT.TFile.kRecovered)
friend = file.Get("TauCheck")
if how == "index":
    assert friend.BuildIndex("run", "evt") == friend.GetEntries()
events.AddFriend(friend, "scores")
rows = []
for i in range(events.GetEntries()):
    assert events.GetEntry(i) > 0
    numbers = [events.GetLeaf(name).GetValueLong64() for name in ("run", "evt", "scores.run", "scores.evt")]
    rows.append([*numbers, events.GetLeaf("scores.pred_class_1_proba").GetValue()])
frame = ROOT.RDataFrame(events)
count = frame.Filter("run == scores.run && evt == scores.evt").Count()
total = frame.Sum("scores.pred_class_1_proba")
branches = len(friend.GetListOfBranches())
print(json.dumps({"rows": rows, "same": count.GetValue(), "sum": total.GetValue(), "branches": branches}))
"""


@needs_root
def test_ntuples_that_root_wrote_are_read_as_they_are(tmp_path):
    """With doubles, truth values and, unread, vectors, compressed in another way."""
    events = mock_events("ggH", 5000)
    write_events(tmp_path / "ours.root", events)
    run_outside(ROOT_PYTHON, WRITE, tmp_path / "ours.root", tmp_path / "root.root")
    names = [*events, "wide", "good"]
    chunks = [chunk.columns for chunk in iterate_events([tmp_path / "root.root"], "TauCheck", names, 2000)]
    found = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in names}
    for name, values in events.items():
        np.testing.assert_array_equal(found[name], values)
        assert found[name].dtype == values.dtype
    assert (found["wide"] == events["m_vis"]).all()
    assert (found["good"] == (events["m_vis"] > 60)).all()
    with pytest.raises(InputError, match="branch 'more' is not one number per event"):
        list(iterate_events([tmp_path / "root.root"], "TauCheck", ["more"], 2000))


@pytest.fixture
def sample(trained, tmp_path):
    """Two ntuples with events in no order and large numbers, and the friend tree of their chain."""
    order = np.random.default_rng(5).permutation(400)
    events = {name: values[order] for name, values in mock_events("ggH", 400).items()}
    events["run"] = np.random.default_rng(6).integers(355_000, 360_000, 400).astype(np.uint32)
    events["evt"] = events["evt"] + np.uint64(2**52)  # ROOT compares by doubles: above 2**53 its index finds others
    files = [tmp_path / "a.root", tmp_path / "b.root"]
    write(files, events)
    transform = Transform.load(trained.folder / f"events/{TRANSFORM}")
    preprocess_prediction(trained.config, "ggH", files, transform, tmp_path / "ggH.hdf5")
    friend = tmp_path / "ggH_pred.root"
    write_friend(files, tmp_path / "ggH.hdf5", trained.ensemble, friend, tree="TauCheck", misc=["weight"])
    return events, files, friend


def write(files, events):
    for path, part in zip(files, (slice(0, 150), slice(150, None)), strict=True):
        write_events(path, {name: values[part] for name, values in events.items()})


@needs_root
@pytest.mark.parametrize("how", ["position", "index", "index of another order"])
def test_root_takes_it_as_a_friend(sample, how):
    events, files, friend = sample
    if how == "index of another order":
        again = np.random.default_rng(9).permutation(400)
        events = {name: values[again] for name, values in events.items()}
        write(files, events)
    found = json.loads(run_outside(ROOT_PYTHON, READ, friend, how.split()[0], *files))
    assert found["same"] == 400
    with uproot.open(friend) as file:
        scores = file["TauCheck"].arrays(library="np")
    by_number = {(r, e): s for r, e, s in zip(scores["run"], scores["evt"], scores["pred_class_1_proba"], strict=True)}
    assert found["branches"] == len(scores)
    assert found["sum"] == pytest.approx(float(scores["pred_class_1_proba"].sum()), rel=1e-6)
    for i, (run, evt, friend_run, friend_evt, score) in enumerate(found["rows"]):
        assert (run, evt) == (friend_run, friend_evt) == (events["run"][i], events["evt"][i])
        assert score == by_number[run, evt]
