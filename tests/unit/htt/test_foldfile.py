import subprocess
import sys

import h5py
import numpy as np
import pytest

from taumltools.errors import InputError
from taumltools.htt.foldfile import FoldFile, write_foldfile
from taumltools.htt.pandasfile import read_pandas, write_pandas
from taumltools.htt.table import EventTable
from tests.outside import LUMIN_PYTHON, needs_lumin, run_outside

LUMIN = """
import sys, warnings
warnings.simplefilter("ignore")
from lumin.nn.data.fold_yielder import FoldYielder
file = FoldYielder(sys.argv[1])
frame = file.get_df(inc_inputs=True, deprocess=False)
print(len(file), file.cont_feats, file.cat_feats, file.targ_feats, dict(file.cat_maps))
print(frame["m"].tolist(), frame["njets"].tolist(), frame["gen_target"].tolist())
print(file.get_column("evt").tolist())
"""


def events():
    return EventTable(
        {
            "m": np.array([0.5, 1.5, 2.5, 3.5, 4.5], np.float32),
            "njets": np.array([0, 1, 0, 1, 1], np.int16),
            "target": np.array([0, 1, 0, 1, 2]),
            "evt": np.array([2**63, 1, 2, 3, 4], np.uint64),
            "group_name": np.array([b"ggH"] * 5, "S64"),
        }
    )


def write(path, fold=(0, 1, 0, 1, 1)):
    write_foldfile(
        path, events(), np.array(fold), cont_features=["m"], cat_features=["njets"], categories={"njets": (0.0, 3.0)}
    )
    return path


def test_layout(tmp_path):
    with h5py.File(write(tmp_path / "a.hdf5")) as file:
        assert sorted(file) == ["fold_0", "fold_1", "meta_data"]
        assert file["fold_0/inputs"].dtype == np.float32
        assert file["fold_1/inputs"].shape == (3, 2)
        assert file["fold_1/targets"].shape == (3,)
        assert file["fold_0/evt"][0] == 2**63
        assert file["fold_0/group_name"].dtype == "S64"
        assert file["meta_data/cont_feats"][()] == b'["m"]'
        assert file["meta_data/targ_feats"][()] == b'"target"'
        assert file["meta_data/cat_maps"][()] == b'{"njets": {"0": 0.0, "1": 3.0}}'


def test_events_are_read_back(tmp_path):
    with FoldFile(write(tmp_path / "a.hdf5")) as file:
        found, few = file.read(), file.read_fold(1, ["evt"])
        assert len(file) == 5
        assert file.categories == {"njets": (0.0, 3.0)}
    order = [0, 2, 1, 3, 4]
    for name, values in events().columns.items():
        assert np.array_equal(found[name], values[order]), name
    assert set(few.columns) == {"m", "njets", "target", "evt"}


def test_empty_fold_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"fold 1 of a.hdf5 would be empty: lower htt.preprocess.n_folds"):
        write(tmp_path / "a.hdf5", fold=(0, 2, 0, 2, 2))


def test_other_files_are_refused(tmp_path):
    (tmp_path / "text").write_text("no")
    with pytest.raises(InputError, match="cannot be read as HDF5"):
        FoldFile(tmp_path / "text")
    with h5py.File(tmp_path / "b.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match="is no fold file"):
        FoldFile(tmp_path / "b.h5")


def test_missing_column_is_named(tmp_path):
    with FoldFile(write(tmp_path / "a.hdf5")) as file, pytest.raises(InputError, match="weight"):
        file.read(["weight"])


@needs_lumin
def test_lumin_reads_it(tmp_path):
    printed = run_outside(LUMIN_PYTHON, LUMIN, write(tmp_path / "a.hdf5"))
    assert [line for line in printed.splitlines() if "datapoints" not in line] == [
        "2 ['m'] ['njets'] target {'njets': {'0': 0.0, '1': 3.0}}",
        "[0.5, 2.5, 1.5, 3.5, 4.5] [0.0, 0.0, 1.0, 1.0, 1.0] [0, 0, 1, 1, 2]",
        "[9223372036854775808, 2, 1, 3, 4]",
    ]


def test_pandas_reads_the_other_layout(tmp_path):
    write_pandas(tmp_path / "a.h5", events(), ["m"], ["njets"])
    code = (
        "import pandas, sys\n"
        "parts = [pandas.read_hdf(sys.argv[1], k) for k in ('cont_features', 'cat_features', 'misc_features', 'targets')]\n"
        "print(pandas.concat(parts, axis=1).to_csv(index=False))"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.h5")], capture_output=True, text=True)
    assert done.stdout.splitlines()[:2] == ["m,njets,evt,group_name,target", "0.5,0,9223372036854775808,ggH,0"]
    frame = read_pandas(tmp_path / "a.h5")
    assert frame["m"].dtype == np.float32
    assert frame["target"].tolist() == [0, 1, 0, 1, 2]


def test_pandas_groups_with_different_events_are_refused(tmp_path):
    import pandas

    with pandas.HDFStore(tmp_path / "a.h5", "w") as store:
        store.put("cont_features", pandas.DataFrame({"m": [1.0, 2.0]}), track_times=False)
        store.put("targets", pandas.DataFrame({"target": [1]}), track_times=False)
    with pytest.raises(InputError, match="do not have the same events"):
        read_pandas(tmp_path / "a.h5")
