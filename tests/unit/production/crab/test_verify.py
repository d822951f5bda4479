"""Whether outputs are still there, as they were."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest

from taumltools.errors import InputError
from taumltools.production.crab.verify import adler32, check_outputs, folders_of, read_checksums


def test_checksums_of_files_larger_than_a_block(tmp_path, monkeypatch):
    monkeypatch.setattr("taumltools.production.crab.verify.BLOCK", 7)
    path = tmp_path / "x"
    path.write_bytes(bytes(range(256)) * 3)
    assert adler32(path) == f"{zlib.adler32(path.read_bytes()):08x}"


@pytest.fixture
def files(tmp_path):
    made = [tmp_path / f"{n}.root" for n in range(3)]
    for path in made:
        path.write_text("content")
    return made


def test_files_as_they_were(files):
    check_outputs(files, {str(path): 7 for path in files}, {str(path): adler32(path) for path in files})
    check_outputs(files, {})


def test_all_that_is_wrong_is_named(files):
    sizes, sums = {str(path): 7 for path in files}, {str(path): adler32(path) for path in files}
    files[0].unlink()
    files[1].write_text("longer content")
    files[2].write_text("CONTENT")
    with pytest.raises(InputError, match="2 of 3 outputs are not as they were collected") as caught:
        check_outputs(files, sizes)
    assert f"{files[0]}: is not there any more" in str(caught.value)
    assert f"{files[1]}: has 14 bytes, and had 7 when it was collected" in str(caught.value)
    with pytest.raises(InputError, match=r"2\.root: its adler32 is \w{8}, and was \w{8} when it was reported"):
        check_outputs(files, sizes, sums)


def test_reports_that_cannot_be_read(tmp_path):
    path = tmp_path / "prodReport_DY.json"
    assert read_checksums(path) == {}
    path.write_text(json.dumps({"outputs": [{"file": "/a", "adler32": "00000001", "size": 1}]}))
    assert read_checksums(path) == {"/a": "00000001"}
    for text in ("{", "{}", '{"outputs": [1]}'):
        path.write_text(text)
        with pytest.raises(InputError, match=r"prodReport_DY\.json: cannot be read as a report"):
            read_checksums(path)


def test_many_folders_are_not_all_named():
    assert folders_of([Path(f"/{n}/x.root") for n in range(5)]) == "/0, /1, /2, 2 more"
    assert folders_of([]) == "no folder"
