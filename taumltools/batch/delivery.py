"""What a job sends back where no file system is shared: one tar file for each attempt.

In it are, in this order, ``MANIFEST.json`` with name, size and checksum of all members and its own,
``report.json``, and if the attempt made its product ``sidecar.json`` and ``product`` (a file)
or ``product/...`` (the files of a folder).  Nothing is taken over from a delivery before all
its checksums were found right.
"""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from taumltools.errors import InputError
from taumltools.store import publish, sidecar_path

FORMAT = "taumltools delivery 1"
CHUNK = 2**20


def _checksum(content: Mapping[str, Any]) -> str:
    """SHA-256 of JSON, whatever the order and the blanks."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Manifest:
    """What is in a delivery.

    Attributes:
        product: name of the product; None if the attempt failed.
        folders: folders of the product below ``product``, itself included; empty for a file.
        members: bytes and SHA-256 of each member by its name.
    """

    product: str | None
    folders: tuple[str, ...]
    members: dict[str, tuple[int, str]]

    def as_json(self) -> bytes:
        """The content of ``MANIFEST.json``."""
        members = [{"name": name, "bytes": size, "sha256": sha} for name, (size, sha) in self.members.items()]
        content = {"format": FORMAT, "product": self.product, "folders": self.folders, "members": members}
        return json.dumps(content | {"sha256": _checksum(content)}, indent=1).encode()

    @classmethod
    def parse(cls, data: bytes) -> Manifest:
        """Read ``MANIFEST.json``.

        Raises:
            ValueError: it is not a manifest, was damaged, or names something outside the product.
        """
        content = json.loads(data)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ValueError("MANIFEST.json has another format")
        if content.pop("sha256", None) != _checksum(content):
            raise ValueError("MANIFEST.json was damaged")
        try:
            folders = tuple(str(folder) for folder in content["folders"])
            members = {str(m["name"]): (int(m["bytes"]), str(m["sha256"])) for m in content["members"]}
            product = content["product"]
        except (KeyError, TypeError) as error:
            raise ValueError(f"MANIFEST.json lacks {error}") from error
        for name in (*folders, *members):
            path = PurePosixPath(name)
            if path.parts[:1] not in {("product",), ("report.json",), ("sidecar.json",)} or ".." in path.parts:
                raise ValueError(f"the member '{name}' is outside the product")
        return cls(product, folders, members)


# ---------------------------------------------------------------------- in the job


def pack_delivery(path: Path, report: Mapping[str, Any], product: Path | None) -> None:
    """Write what an attempt sends back; it appears at ``path`` whole or not at all.

    Args:
        path: where, e.g. ``$TAUML_DELIVERY``; a file that is there is replaced.
        report: how the attempt went, in JSON types.
        product: the published product, a file or a folder with its side-car beside it; None: the
            attempt failed, and only the report travels.

    Raises:
        InputError: the product or its side-car is missing, or a link or a device is in it.
        StoreError: the scratch folder is full or cannot be written to.
    """
    parts: dict[str, bytes | Path] = {"report.json": json.dumps(dict(report), indent=1).encode()}
    folders: list[str] = []
    if product is not None:
        for needed in (product, sidecar_path(product)):
            if not needed.exists():
                raise InputError(f"{needed} is missing: a product and its side-car travel together")
        parts["sidecar.json"] = sidecar_path(product).read_bytes()
        folders, files = _product_parts(product)
        parts |= files
    members = {name: _measured(part) for name, part in parts.items()}
    manifest = Manifest(product.name if product else None, tuple(folders), members).as_json()
    with (
        publish(path.absolute(), replace=True) as temporary,
        tarfile.open(temporary, "w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, part in {"MANIFEST.json": manifest, **parts}.items():
            _add(tar, name, part)


def _product_parts(product: Path) -> tuple[list[str], dict[str, Path]]:
    """Folders and files of a product, by their names in the delivery."""
    if product.is_file():
        return [], {"product": product}
    folders, files = ["product"], {}
    for path in sorted(product.rglob("*")):
        name = f"product/{path.relative_to(product).as_posix()}"
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise InputError(f"{path} is neither a file nor a folder; a product that travels has nothing else")
        if path.is_dir():
            folders.append(name)
        else:
            files[name] = path
    return folders, files


def _measured(part: bytes | Path) -> tuple[int, str]:
    """Bytes and SHA-256."""
    if isinstance(part, bytes):
        return len(part), hashlib.sha256(part).hexdigest()
    with part.open("rb") as file:
        return part.stat().st_size, hashlib.file_digest(file, "sha256").hexdigest()


def _add(tar: tarfile.TarFile, name: str, part: bytes | Path) -> None:
    info = tarfile.TarInfo(name)
    if isinstance(part, bytes):
        info.size = len(part)
        tar.addfile(info, io.BytesIO(part))
        return
    with part.open("rb") as file:
        info.size = part.stat().st_size
        tar.addfile(info, file)


# ---------------------------------------------------------------------- at the submitter


class _Delivery:
    """A delivery whose members are known and have the right sizes; checksums are compared when they are read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with tarfile.open(path, "r:") as tar:
                self.manifest = self._read_manifest(tar)
                self.offsets = self._find_members(tar)
        except (FileNotFoundError, NotADirectoryError):
            raise InputError(f"{path} is missing: the job sent nothing back; see its log") from None
        except (tarfile.TarError, ValueError, OverflowError, EOFError, OSError) as error:
            size = path.stat().st_size
            found = f"has {size} bytes and is not a whole delivery ({error})" if size else "is empty"
            raise InputError(f"{path} {found}: the job or the transfer did not end well; see the job's log") from error

    def _read_manifest(self, tar: tarfile.TarFile) -> Manifest:
        first = tar.next()
        if first is None or first.name != "MANIFEST.json" or (file := tar.extractfile(first)) is None:
            raise ValueError("it does not begin with MANIFEST.json")
        return Manifest.parse(file.read())

    def _find_members(self, tar: tarfile.TarFile) -> dict[str, int]:
        offsets: dict[str, int] = {}
        wanted = self.manifest.members
        while (info := tar.next()) is not None:
            if info.name not in wanted or info.name in offsets or info.type != tarfile.REGTYPE:
                raise ValueError(f"the member '{info.name}' does not belong there")
            if info.size != wanted[info.name][0]:
                raise ValueError(f"the member '{info.name}' has {info.size} bytes, expected {wanted[info.name][0]}")
            offsets[info.name] = info.offset_data
        missing = [name for name in ("report.json", *wanted) if name not in offsets]
        if missing:
            raise ValueError(f"the member '{missing[0]}' is missing")
        return offsets

    def chunks(self, name: str) -> Iterator[bytes]:
        """The content of a member, piece by piece."""
        with self.path.open("rb") as file:
            file.seek(self.offsets[name])
            left = self.manifest.members[name][0]
            while left:
                chunk = file.read(min(CHUNK, left))
                if not chunk:
                    raise InputError(f"{self.path} became shorter while it was read")
                left -= len(chunk)
                yield chunk

    def verify(self, name: str) -> None:
        """Compare a member with its checksum.

        Raises:
            InputError: they differ.
        """
        digest = hashlib.sha256()
        for chunk in self.chunks(name):
            digest.update(chunk)
        if digest.hexdigest() != self.manifest.members[name][1]:
            raise InputError(f"{self.path}: the member '{name}' was damaged on its way (its checksum is wrong)")

    def report(self) -> dict[str, Any]:
        """The report.

        Raises:
            InputError: it was damaged, or is not an object.
        """
        self.verify("report.json")
        report = json.loads(b"".join(self.chunks("report.json")))
        if not isinstance(report, dict):
            raise InputError(f"{self.path}: report.json is not an object")
        return report

    def unpack(self, target: Path) -> None:
        """Write the product to ``target``, which does not exist yet."""
        for folder in self.manifest.folders:
            (target / PurePosixPath(folder).relative_to("product")).mkdir(parents=True, exist_ok=True)
        for name in self.manifest.members:
            if name.startswith("product"):
                with (target / PurePosixPath(name).relative_to("product")).open("wb") as file:
                    for chunk in self.chunks(name):
                        file.write(chunk)


def read_report(path: Path) -> dict[str, Any] | None:
    """The report in a delivery, without reading its product.

    Args:
        path: the delivery.

    Returns:
        The report; None if the file is empty, missing, torn or not a delivery.
    """
    try:
        return _Delivery(path).report()
    except (InputError, ValueError):
        return None


def receive(path: Path, product: Path, validate: Callable[[Path], None]) -> dict[str, Any]:
    """Publish the product of a delivery, with its side-car.

    A product that is there already stays as it is.

    Args:
        path: the delivery.
        product: where the product shall be; absolute.
        validate: called with the unpacked product before it is published; raises if it is not good.

    Returns:
        The report.

    Raises:
        InputError: the delivery is missing, empty, truncated or damaged, has no product, or that of another branch.
        StoreError: the store is full or cannot be written to.
    """
    delivery = _Delivery(path)
    for name in delivery.manifest.members:
        delivery.verify(name)
    report = delivery.report()
    found = delivery.manifest.product
    if found is None:
        raise InputError(
            f"{path} has a report but no product: the attempt failed ({report.get('message') or 'no reason given'})"
        )
    if found != product.name or "sidecar.json" not in delivery.offsets:
        raise InputError(
            f"{path} has the product '{found}', expected '{product.name}' with its side-car: is it another branch's?"
        )
    if not product.exists():
        with publish(product, validate, lambda _: _write_sidecar(delivery, product)) as temporary:
            delivery.unpack(temporary)
    return report


def _write_sidecar(delivery: _Delivery, product: Path) -> None:
    with publish(sidecar_path(product), replace=True) as temporary:
        temporary.write_bytes(b"".join(delivery.chunks("sidecar.json")))
