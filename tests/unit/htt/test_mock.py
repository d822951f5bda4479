import numpy as np
import pytest
import uproot

from taumltools.errors import ConfigError
from taumltools.htt.mock import PROCESSES, UNDEFINED, mock_events, write_events


@pytest.mark.parametrize("process", PROCESSES)
@pytest.mark.parametrize("channel", ["tt", "em"])
def test_every_process_has_finite_events(process, channel):
    events = mock_events(process, 500, channel=channel)
    for name, values in events.items():
        assert len(values) == 500, name
        assert np.isfinite(values).all(), name
    assert len(np.unique(events["evt"])) == 500
    assert ("decayMode_1" in events) == (channel == "tt")


def test_what_does_not_exist_is_minus_ten():
    events = mock_events("TT", 1000)
    one = events["njets"] == 1
    assert (events["mjj"][one] == UNDEFINED).all()
    assert (events["jpt_1"][one] >= 30).all()
    assert (events["mjj"][events["njets"] > 1] > 0).all()


def test_the_same_seed_gives_the_same_events():
    first, again, other = (mock_events("ggH", 50, seed=seed) for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["m_sv"], other["m_sv"])


def test_unknown_process():
    with pytest.raises(ConfigError, match="no mock events of 'WH'; known are ggH"):
        mock_events("WH", 1)


def test_files_have_the_types_of_ntuples(tmp_path):
    write_events(tmp_path / "a.root", mock_events("ggH", 10))
    with uproot.open(tmp_path / "a.root") as file:
        types = {name: branch.typename for name, branch in file["TauCheck"].items()}
    assert types["evt"] == "uint64_t"
    assert types["run"] == "uint32_t"
    assert types["m_sv"] == "float"
