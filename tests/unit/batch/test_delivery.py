"""What a job sends back: whole and unchanged, or refused."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.batch.delivery import FORMAT, Manifest, pack_delivery, read_report, receive
from taumltools.errors import InputError, StoreError
from taumltools.store import read_sidecar, sidecar_path

REPORT = {"cause": "done", "message": "", "code": 0, "runtime_s": 1.5}


def accept(path):
    """A validation that finds nothing."""


def make(folder, name="flat_3.h5", content=b"content", sidecar=None):
    """A product with its side-car in a job's store; ``content`` is bytes, or a dict for a folder (None: empty folder)."""
    folder.mkdir(parents=True, exist_ok=True)
    product = folder / name
    if isinstance(content, bytes):
        product.write_bytes(content)
    else:
        product.mkdir()
        for part, data in content.items():
            path = product / part
            path.parent.mkdir(parents=True, exist_ok=True)
            if data is None:
                path.mkdir(exist_ok=True)
            else:
                path.write_bytes(data)
    sidecar_path(product).write_text(json.dumps(sidecar or {"task": "Made"}))
    return product


def read(product):
    """The content of a product in the form that ``make`` takes."""
    if product.is_file():
        return product.read_bytes()
    paths = {p.relative_to(product).as_posix(): p for p in product.rglob("*")}
    return {name: None if path.is_dir() else path.read_bytes() for name, path in paths.items()}


@pytest.fixture
def delivery(tmp_path):
    path = tmp_path / "job" / "delivery.tar"
    pack_delivery(path, REPORT, make(tmp_path / "job" / "demo"))
    return path


@pytest.fixture
def target(tmp_path):
    return tmp_path / "store" / "demo" / "flat_3.h5"


NAME = st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=30).filter(
    lambda name: name not in {".", ".."} and len(name.encode()) < 120
)
FOLDER = st.dictionaries(
    NAME, st.none() | st.binary(max_size=2000) | st.dictionaries(NAME, st.binary(max_size=50), max_size=2), max_size=4
)


def flat(tree):
    """A nested folder as ``read`` gives it."""
    found = {}
    for name, value in tree.items():
        found[name] = None if isinstance(value, dict) else value
        if isinstance(value, dict):
            found |= {f"{name}/{inner}": data for inner, data in value.items()}
    return found


@given(
    content=st.binary(max_size=5000) | FOLDER.map(flat),
    report=st.dictionaries(st.text(), st.text() | st.integers(), max_size=3),
)
@settings(max_examples=80, deadline=None)
def test_what_is_packed_is_received(tmp_path_factory, content, report):
    folder = tmp_path_factory.mktemp("delivery")
    product = make(folder / "job", "product.d", content, {"task": "Made", "seed": "1"})
    pack_delivery(folder / "delivery.tar", report, product)
    target = folder / "store" / "deep" / "product.d"
    assert read_report(folder / "delivery.tar") == report
    assert receive(folder / "delivery.tar", target, accept) == report
    assert read(target) == read(product) == content
    assert read_sidecar(target) == {"task": "Made", "seed": "1"}
    assert {p.name for p in target.parent.iterdir()} == {"product.d", "product.d.meta.json"}


SMALL = {"weights": b"0123456789", "a/b": b"", "empty": None, "é" * 60: b"long name"}


@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_damage_is_refused_or_harmless(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("delivery")
    path = folder / "delivery.tar"
    product = make(folder / "job", "model", SMALL)
    pack_delivery(path, REPORT, product)
    whole = bytearray(path.read_bytes())
    position = data.draw(st.integers(0, len(whole) - 1))
    whole[position] ^= data.draw(st.integers(1, 255))
    path.write_bytes(whole)
    target = folder / "store" / "model"
    assert read_report(path) in (None, REPORT)
    problem = ""
    try:
        assert receive(path, target, accept) == REPORT
    except InputError as error:
        problem = str(error)
    if problem:
        assert str(path) in problem
        assert not target.parent.exists()
    else:
        # the byte is one that nobody reads, e.g. between two members
        assert read(target) == read(product)
        assert sidecar_path(target).read_bytes() == sidecar_path(product).read_bytes()


def test_every_damaged_byte_of_content_is_refused(delivery, target):
    whole = delivery.read_bytes()
    with tarfile.open(delivery) as tar:
        places = [range(m.offset_data, m.offset_data + m.size) for m in tar if m.name != "MANIFEST.json"]
    for position in (p for places_of_one in places for p in places_of_one):
        delivery.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        with pytest.raises(InputError, match="was damaged on its way"):
            receive(delivery, target, accept)
    assert not target.parent.exists()


def test_every_truncation_is_refused_or_harmless(delivery, target):
    whole = delivery.read_bytes()
    with tarfile.open(delivery) as tar:
        last = tar.getmembers()[-1]
    end = last.offset_data + last.size
    for size in [*range(0, end, 37), end - 1]:
        delivery.write_bytes(whole[:size])
        assert read_report(delivery) is None
        with pytest.raises(InputError, match=r"delivery\.tar"):
            receive(delivery, target, accept)
    assert not target.parent.exists()


def test_failed_attempt_sends_its_report_only(tmp_path, target):
    path = tmp_path / "delivery.tar"
    pack_delivery(path, {"cause": "disk full", "message": "no space"}, None)
    assert read_report(path) == {"cause": "disk full", "message": "no space"}
    with pytest.raises(InputError, match=r"delivery.tar has a report but no product: the attempt failed \(no space\)"):
        receive(path, target, accept)


def test_manifest_comes_first_and_describes_the_rest(tmp_path):
    path = tmp_path / "delivery.tar"
    pack_delivery(path, REPORT, make(tmp_path / "job", "model", {"b": b"bb", "a/c": b"c"}))
    with tarfile.open(path) as tar:
        sizes = [(m.name, m.size) for m in tar]
        manifest = json.load(tar.extractfile("MANIFEST.json"))
    assert [name for name, _ in sizes] == ["MANIFEST.json", "report.json", "sidecar.json", "product/a/c", "product/b"]
    assert [(m["name"], m["bytes"]) for m in manifest["members"]] == sizes[1:]
    assert (manifest["product"], manifest["folders"]) == ("model", ["product", "product/a"])


def test_packing_replaces_the_empty_file_at_once(tmp_path):
    path = tmp_path / "delivery.tar"
    path.touch()
    assert read_report(path) is None
    pack_delivery(path, REPORT, None)
    assert read_report(path) == REPORT
    assert [p.name for p in tmp_path.iterdir()] == ["delivery.tar"]


def test_report_that_cannot_be_written_leaves_the_empty_file(tmp_path):
    path = tmp_path / "delivery.tar"
    path.touch()
    with pytest.raises(TypeError, match="not JSON serializable"):
        pack_delivery(path, {"error": object()}, None)
    assert [(p.name, p.stat().st_size) for p in tmp_path.iterdir()] == [("delivery.tar", 0)]


@pytest.mark.parametrize("missing", ["flat_3.h5", "flat_3.h5.meta.json"])
def test_product_and_sidecar_travel_together(tmp_path, missing):
    product = make(tmp_path)
    (tmp_path / missing).unlink()
    with pytest.raises(InputError, match=f"{missing} is missing: a product and its side-car travel together"):
        pack_delivery(tmp_path / "delivery.tar", REPORT, product)


def test_links_in_a_product_are_refused(tmp_path):
    product = make(tmp_path, "model", {"a": b""})
    (product / "link").symlink_to("a")
    with pytest.raises(InputError, match="link is neither a file nor a folder"):
        pack_delivery(tmp_path / "delivery.tar", REPORT, product)


# ---------------------------------------------------------------------- receiving


def test_missing_delivery_is_said(tmp_path, target):
    assert read_report(tmp_path / "delivery.tar") is None
    with pytest.raises(InputError, match=r"delivery.tar is missing: the job sent nothing back; see its log"):
        receive(tmp_path / "delivery.tar", target, accept)


def test_empty_delivery_is_said(delivery, target):
    delivery.write_bytes(b"")
    with pytest.raises(InputError, match=r"delivery.tar is empty: the job or the transfer did not end well"):
        receive(delivery, target, accept)


def test_folder_in_place_of_a_delivery_is_refused(tmp_path, target):
    assert read_report(tmp_path) is None
    with pytest.raises(InputError, match="is not a whole delivery"):
        receive(tmp_path, target, accept)


def test_product_of_another_branch_is_refused(delivery, target):
    with pytest.raises(InputError, match=r"has the product 'flat_3.h5', expected 'flat_4.h5'.*another branch"):
        receive(delivery, target.with_name("flat_4.h5"), accept)
    assert not target.parent.exists()


def test_product_that_is_there_stays(delivery, target):
    make(target.parent, content=b"first", sidecar={"task": "First"})
    assert receive(delivery, target, accept) == REPORT
    assert (target.read_bytes(), read_sidecar(target)) == (b"first", {"task": "First"})


def test_product_that_comes_meanwhile_stays(delivery, target):
    receive(delivery, target, lambda _: make(target.parent, content=b"first", sidecar={"task": "First"}))
    assert (target.read_bytes(), read_sidecar(target)) == (b"first", {"task": "First"})
    assert len(list(target.parent.iterdir())) == 2


def test_invalid_product_is_not_published(delivery, target):
    seen = []

    def refuse(path):
        seen.append((path.suffix, path.read_bytes()))
        raise InputError("no entries")

    with pytest.raises(InputError, match="no entries"):
        receive(delivery, target, refuse)
    assert seen == [(".h5", b"content")]
    assert list(target.parent.iterdir()) == []


def test_left_over_sidecar_is_replaced(delivery, target):
    target.parent.mkdir(parents=True)
    sidecar_path(target).write_text("{torn")
    receive(delivery, target, accept)
    assert read_sidecar(target) == {"task": "Made"}


def test_relative_target_is_refused(delivery, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="relative path"):
        receive(delivery, sidecar_path(delivery).relative_to(tmp_path).with_name("flat_3.h5"), accept)


# ---------------------------------------------------------------------- foreign files


def forge(path, members, manifest=None):
    """Write a tar file with these members, and a manifest that fits them."""
    known = Manifest("flat_3.h5", (), {name: (len(data), "0" * 64) for name, data in members.items()}).as_json()
    with tarfile.open(path, "w") as tar:
        for name, data in {"MANIFEST.json": known if manifest is None else manifest, **members}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def sealed(content):
    """A manifest with the right format and checksum."""
    content = {"format": FORMAT} | content
    sha256 = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return json.dumps(content | {"sha256": sha256}).encode()


@pytest.mark.parametrize("name", ["../evil", "/product/evil", "product/../../evil", "evil", "product2/a", "."])
def test_members_outside_the_product_are_refused(tmp_path, target, name):
    forge(tmp_path / "d.tar", {"report.json": b"{}", name: b"x"})
    with pytest.raises(InputError, match=r"d.tar .*the member '.*' is outside the product"):
        receive(tmp_path / "d.tar", target, accept)
    assert not list(tmp_path.rglob("evil"))


def test_folders_outside_the_product_are_refused():
    content = Manifest("a", ("product", "product/../.."), {}).as_json()
    with pytest.raises(ValueError, match="outside the product"):
        Manifest.parse(content)


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (b"{}", "MANIFEST.json has another format"),
        (b"[]", "MANIFEST.json has another format"),
        (b"{", "not a whole delivery"),
        (b"\xff", "not a whole delivery"),
        (sealed({"product": None, "folders": []}), "MANIFEST.json lacks 'members'"),
        (sealed({"product": None, "folders": [], "members": [1]}), "MANIFEST.json lacks"),
        (Manifest(None, (), {}).as_json().replace(b"null", b'"a"'), "MANIFEST.json was damaged"),
        (Manifest(None, (), {}).as_json(), "member 'report.json' does not belong there"),
        (Manifest(None, (), {"report.json": (3, "0")}).as_json(), "'report.json' has 2 bytes, expected 3"),
        (Manifest(None, (), {"report.json": (2, "0"), "product": (1, "0")}).as_json(), "'product' is missing"),
        (Manifest(None, (), {"report.json": (2, "0")}).as_json(), "'report.json' was damaged"),
    ],
)  # fmt: skip
def test_manifest_that_does_not_fit_is_refused(tmp_path, target, manifest, message):
    forge(tmp_path / "d.tar", {"report.json": b"{}"}, manifest)
    assert read_report(tmp_path / "d.tar") is None
    with pytest.raises(InputError, match=f"d.tar.*{message}"):
        receive(tmp_path / "d.tar", target, accept)


def test_tar_file_of_somebody_else_is_refused(tmp_path, target):
    with tarfile.open(tmp_path / "d.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("readme"))
    with pytest.raises(InputError, match=r"does not begin with MANIFEST.json"):
        receive(tmp_path / "d.tar", target, accept)


def test_link_as_a_member_is_refused(tmp_path, target):
    known = Manifest("flat_3.h5", (), {"report.json": (0, "0")}).as_json()
    with tarfile.open(tmp_path / "d.tar", "w") as tar:
        first, second = tarfile.TarInfo("MANIFEST.json"), tarfile.TarInfo("report.json")
        first.size = len(known)
        second.type, second.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(first, io.BytesIO(known))
        tar.addfile(second)
    with pytest.raises(InputError, match=r"'report.json' does not belong there"):
        receive(tmp_path / "d.tar", target, accept)


def test_report_that_is_no_object_is_refused(tmp_path, target):
    content = b"[1]"
    forge(
        tmp_path / "d.tar",
        {"report.json": content},
        Manifest(None, (), {"report.json": (3, hashlib.sha256(content).hexdigest())}).as_json(),
    )
    assert read_report(tmp_path / "d.tar") is None
    with pytest.raises(InputError, match=r"report.json is not an object"):
        receive(tmp_path / "d.tar", target, accept)
