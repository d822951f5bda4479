"""What both formats promise: the same interface, exact round trips, no half-written files."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from taumltools.errors import InputError
from taumltools.tuples import arrowio, rootwrite
from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.io import COMPRESSIONS, TupleWriter, open_tuples, write_tuples
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.schema import tautuple_schema

FORMATS = tuple(COMPRESSIONS)
SCHEMA = tautuple_schema()
FEW = ["run", "evt", "tau_index", "tau_pt", "tau_byDeepTau2018v2p5VSjet", "tauSpinnerWTEven", "nsv"]
FEW += [
    "pfCand_pt",
    "pfCand_charge",
    "pfCand_dz_error",
    "photon_hasPixelSeed",
    "muon_type",
    "genParticle_mother",
    "sv_x",
]


def assert_same(found, expected, branches=None):
    for name in branches or expected.branches:
        a, b = found[name], expected[name]
        assert a.dtype == b.dtype, name
        assert np.array_equal(a, b, equal_nan=a.dtype.kind == "f"), name
    for prefix, collection in found.collections.items():
        assert np.array_equal(collection.offsets, expected.collections[prefix].offsets), prefix


@pytest.fixture(scope="module")
def taus():
    return mock_tuples(50, seed=11)


@pytest.fixture(params=FORMATS)
def suffix(request):
    return request.param


@pytest.fixture
def few(taus, suffix, tmp_path):
    path = tmp_path / f"few{suffix}"
    write_tuples(path, taus, FEW)
    return path


def test_round_trip_of_the_whole_schema(taus, suffix, tmp_path):
    path = tmp_path / f"taus{suffix}"
    assert write_tuples(path, taus) == 50
    with open_tuples(path) as file:
        assert file.entries == 50
        assert file.branches == list(SCHEMA.branches)
        assert file.other_branches == []
        assert_same(file.read(), taus)


@pytest.mark.parametrize(("suffix", "compression"), [(s, c) for s in FORMATS for c in COMPRESSIONS[s]], ids=str)
def test_every_compression(taus, suffix, compression, tmp_path):
    path = tmp_path / f"taus{suffix}"
    write_tuples(path, taus, FEW, compression)
    with open_tuples(path) as file:
        assert_same(file.read(), taus, FEW)


def test_a_higher_level_makes_smaller_files_of_the_same_content(taus, suffix, tmp_path):
    many = Tuples.concatenate([taus] * 20)
    sizes = []
    for level in (1, 15):
        path = tmp_path / f"{level}{suffix}"
        write_tuples(path, many, FEW, "zstd", level)
        with open_tuples(path) as file:
            assert_same(file.read(), many, FEW)
        sizes.append(path.stat().st_size)
    assert sizes[1] < sizes[0]


def columns(dtype, size):
    if dtype.kind == "f":
        numbers = st.floats(width=8 * dtype.itemsize, allow_infinity=False)
        return hnp.arrays(dtype, size, elements=numbers)
    return hnp.arrays(dtype, size)


@st.composite
def small_tuples(draw):
    """Any numbers, NaN and the extremes of every integer type included; empty tables too."""
    counts = np.array(draw(st.lists(st.integers(0, 3), max_size=4)), np.int64)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    scalars, jagged = {}, {}
    for name in FEW:
        branch = SCHEMA[name]
        column = draw(columns(branch.dtype, int(offsets[-1]) if branch.collection else len(counts)))
        if branch.collection:
            jagged.setdefault(branch.collection, {})[branch.field] = column
        else:
            scalars[name] = column
    return Tuples(scalars, {prefix: Collection(offsets, fields) for prefix, fields in jagged.items()})


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tuples=small_tuples())
def test_round_trip_is_exact(tuples, suffix, tmp_path):
    path = tmp_path / f"any{suffix}"
    assert write_tuples(path, tuples, FEW) == len(tuples)
    with open_tuples(path) as file:
        found = file.read()
    if suffix == ".root":  # the lowest float is the one number ROOT files cannot tell from "missing"
        lowest = np.finfo(np.float32).min
        tuples = Tuples(
            {n: np.where(x == lowest, np.nan, x) if x.dtype.kind == "f" else x for n, x in tuples.scalars.items()},
            tuples.collections,
        )
        for collection in tuples.collections.values():
            for column in collection.columns.values():
                if column.dtype.kind == "f":
                    column[column == lowest] = np.nan
    assert_same(found, tuples, FEW)


def test_read_a_range_of_chosen_branches(few, taus):
    with open_tuples(few) as file:
        part = file.read(["pfCand_charge", "tau_pt"], 10, 17)
    assert set(part.branches) == {"tau_pt", "pfCand_charge"}
    assert_same(part, taus.slice(10, 17), part.branches)


@pytest.mark.parametrize("step", [1, 7, 50, 1000])
def test_iterate_gives_every_entry_once(few, taus, step):
    with open_tuples(few) as file:
        chunks = list(file.iterate(FEW, step))
    assert [len(c) for c in chunks] == [min(step, 50 - i) for i in range(0, 50, step)]
    assert_same(Tuples.concatenate(chunks), taus, FEW)


@pytest.mark.parametrize("block", [1, 8, 50, 64])
def test_blocks_do_not_change_the_content(taus, suffix, block, tmp_path, monkeypatch):
    monkeypatch.setattr(rootwrite, "BLOCK", block)
    monkeypatch.setattr(arrowio, "BLOCK", block)
    path = tmp_path / f"taus{suffix}"
    with TupleWriter(path, FEW) as file:
        for start in range(0, 50, 7):
            file.append(taus.slice(start, min(start + 7, 50)))
    assert file.entries == 50
    with open_tuples(path) as file:
        assert_same(file.read(), taus, FEW)
        assert_same(file.read(None, 5, 43), taus.slice(5, 43), FEW)
        assert_same(file.read(None, 20, 20), taus.slice(20, 20), FEW)


def test_branches_that_the_entries_lack_are_missing_in_the_file(suffix, tmp_path):
    path = tmp_path / f"taus{suffix}"
    write_tuples(path, Tuples({"tau_pt": np.array([25.0], "f4")}), ["tau_pt", "tau_eta", "tau_index", "pfCand_pt"])
    with open_tuples(path) as file:
        found = file.read()
    assert np.isnan(found["tau_eta"]).tolist() == [True]
    assert found["tau_index"].tolist() == [-1]
    assert found.collections["pfCand"].counts.tolist() == [0]


def test_foreign_branches_are_read_only_when_named(taus, suffix, tmp_path):
    path = tmp_path / f"taus{suffix}"
    pf = taus.collections["pfCand"]
    tuples = Tuples(
        {"score": np.arange(50.0)},
        {"pfCand": Collection(pf.offsets, {"pt": pf.columns["pt"], "mine": pf.columns["eta"]})},
    )
    write_tuples(path, tuples, ["score", "pfCand_pt", "pfCand_mine"])
    with open_tuples(path) as file:
        assert file.branches == ["pfCand_pt"]
        assert file.other_branches == ["score", "pfCand_mine"]
        assert file.read().branches == ["pfCand_pt"]
        found = file.read(["score", "pfCand_mine"])
    assert_same(found, tuples, ["score", "pfCand_mine"])


def test_a_file_without_entries(suffix, tmp_path):
    path = tmp_path / f"none{suffix}"
    assert write_tuples(path, [], FEW) == 0
    with open_tuples(path) as file:
        assert file.entries == 0
        assert list(file.iterate()) == []
        empty = file.read()
    assert set(empty.branches) == set(FEW)
    assert empty["pfCand_pt"].dtype == np.float32
    assert empty.collections["pfCand"].offsets.tolist() == [0]


def test_missing_branch_names_file_branch_and_neighbours(few):
    with open_tuples(few) as file, pytest.raises(InputError) as caught:
        file.read(["tau_pt", "tau_ptt"])
    text = str(caught.value)
    assert str(few) in text
    assert "no branch 'tau_ptt'" in text
    assert "nearest names are tau_pt" in text


@pytest.mark.parametrize(("start", "stop"), [(-1, 5), (0, 51), (9, 8), (51, None)])
def test_ranges_outside_are_refused(few, start, stop):
    with open_tuples(few) as file, pytest.raises(InputError, match="the file has 50"):
        file.read(["tau_pt"], start, stop)


def test_chunks_must_be_positive(few):
    with open_tuples(few) as file, pytest.raises(InputError, match="chunks of 0 entries"):
        list(file.iterate(["tau_pt"], 0))


def test_no_branches_read_nothing(few):
    with open_tuples(few) as file:
        assert file.read([]).branches == []


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_values_are_refused_and_leave_no_file(taus, suffix, value, tmp_path):
    path = tmp_path / f"taus{suffix}"
    dz = taus["tau_dz"].copy()
    dz[4] = value
    with pytest.raises(InputError, match=r"entries from 50 cannot be written: branch 'tau_dz' has 1 infinite"):
        write_tuples(path, [taus, taus.with_scalars({"tau_dz": dz})], [*FEW, "tau_dz"])
    assert not path.exists()


def test_failure_in_the_middle_leaves_no_file(taus, suffix, tmp_path, monkeypatch):
    monkeypatch.setattr(rootwrite, "BLOCK", 10)
    monkeypatch.setattr(arrowio, "BLOCK", 10)
    path = tmp_path / f"taus{suffix}"

    def parts():
        yield taus
        raise RuntimeError("generator died")

    with pytest.raises(RuntimeError, match="generator died"):
        write_tuples(path, parts(), FEW)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["taus.hdf5", "taus"])
def test_unknown_suffix(name, tmp_path):
    for action in (open_tuples, TupleWriter):
        with pytest.raises(InputError, match=r"no tuple format; use one of .root, .arrow"):
            action(tmp_path / name)


def test_writer_arguments(suffix, tmp_path):
    with pytest.raises(InputError, match=rf"a{suffix}: compression 'bzip2' is unknown; use one of"):
        TupleWriter(tmp_path / f"a{suffix}", compression="bzip2")
    with pytest.raises(InputError, match=rf"a{suffix}: compression 'zstd' has levels 1 to 22, found 30"):
        TupleWriter(tmp_path / f"a{suffix}", compression="zstd", level=30)
    with pytest.raises(InputError, match="list of branches to write is empty"):
        TupleWriter(tmp_path / f"a{suffix}", branches=[])


def test_what_is_no_file_at_all(suffix, tmp_path):
    (tmp_path / f"part_1{suffix}").touch()
    (tmp_path / f"folder{suffix}").mkdir()
    with pytest.raises(InputError, match="no such file; near names in that directory: part_1"):
        open_tuples(tmp_path / f"part_2{suffix}")
    with pytest.raises(InputError, match=r"the file is empty \(0 bytes\)"):
        open_tuples(tmp_path / f"part_1{suffix}")
    with pytest.raises(InputError, match="is a directory, expected one file"):
        open_tuples(tmp_path / f"folder{suffix}")
    with pytest.raises(InputError, match="no such file"):
        open_tuples(tmp_path / "nowhere" / f"x{suffix}")


def test_foreign_content(suffix, tmp_path):
    path = tmp_path / f"text{suffix}"
    path.write_text("this is a text and no tuple file, whatever its name says")
    with pytest.raises(InputError, match="it begins with b'this"):
        open_tuples(path)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.7, 0.99])
def test_truncated_files(few, share):
    content = few.read_bytes()
    few.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=rf"{few.name}: truncated"):
        open_tuples(few)


def test_damaged_content(few):
    """A hole of zeros inside is found when the entries are read, if not before."""
    content = bytearray(few.read_bytes())
    content[len(content) // 4 : len(content) // 2] = bytes(len(content) // 2 - len(content) // 4)
    few.write_bytes(bytes(content))
    with pytest.raises(InputError, match=rf"{few.name}: .*damaged"), open_tuples(few) as file:
        file.read()


@pytest.mark.parametrize("suffix", FORMATS)
def test_full_disk_raises_and_leaves_no_file(suffix, tmp_path):
    """A file-size limit stands in for a full disk: the system refuses to write on."""
    script = f"""
        import resource, sys
        from pathlib import Path
        import awkward, pyarrow, uproot
        from taumltools.tuples.io import write_tuples
        from taumltools.tuples.mock import mock_tuples
        path = Path({str(tmp_path)!r}) / "taus{suffix}"
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))
        try:
            write_tuples(path, mock_tuples(3000), ["tau_pt", "pfCand_pt", "pfCand_eta"], compression="none")
        except OSError as error:
            sys.exit(3 if not path.exists() else f"left behind: {{path.stat().st_size}} bytes ({{error}})")
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
