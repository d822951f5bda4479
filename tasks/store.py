"""Where products are: a local folder, or a remote store with a local mirror."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import law

DEFAULT = Path(__file__).resolve().parents[1] / "store"
"""The store of whoever names none."""


def store_url() -> str:
    """Address of the store if ``$TAUML_STORE`` names a remote one; else empty."""
    given = os.environ.get("TAUML_STORE", "")
    return given if "://" in given else ""


def store_root() -> Path:
    """The local folder of all outputs.

    ``$TAUML_STORE``, or ``store`` beside the package; for a remote store its mirror: ``$TAUML_MIRROR``, or a folder named
    after the address below ``store/_mirror`` beside the package.
    """
    url = store_url()
    if not url:
        return Path(os.environ.get("TAUML_STORE") or DEFAULT).expanduser().absolute()
    if given := os.environ.get("TAUML_MIRROR"):
        return Path(given).expanduser().absolute()
    from taumltools.store.mirror import mirror_name

    return DEFAULT / "_mirror" / mirror_name(url)


def store_variables() -> dict[str, str]:
    """Variables by which another process, e.g. a job, finds the same store."""
    url = store_url()
    return {"TAUML_STORE": url, "TAUML_MIRROR": str(store_root())} if url else {"TAUML_STORE": str(store_root())}


def mirror() -> Any:
    """The mirror of the remote store, a :class:`taumltools.store.mirror.Mirror`; None if the store is local."""
    url = store_url()
    if not url:
        return None
    from taumltools.store.mirror import Mirror

    return Mirror(url, store_root())


def present(paths: Mapping[int, Path]) -> dict[int, tuple[int, int]]:
    """The products that exist in the store, see :func:`taumltools.store.present`."""
    from taumltools import store

    remote = mirror()
    found: dict[int, tuple[int, int]] = remote.present(paths) if remote else store.present(paths)
    return found


def has(path: Path) -> bool:
    """Whether a product exists in the store."""
    remote = mirror()
    return bool(remote.has(path)) if remote else path.exists()


def bring(paths: Iterable[Path]) -> None:
    """See that products can be read here; does nothing for a local store.

    Raises:
        FileNotFoundError: the server does not have one of them.
        ServerError: the server does not answer.
    """
    if remote := mirror():
        for path in paths:
            remote.bring(path)


def bring_sidecars(paths: Iterable[Path]) -> None:
    """See that the side-cars of products can be read here, without the products; does nothing for a local store.

    Raises:
        FileNotFoundError: the server does not have one of them.
        ServerError: the server does not answer.
    """
    if remote := mirror():
        for path in paths:
            remote.bring_sidecar(path)


def publish(path: Path, validate: Any, before_rename: Any) -> AbstractContextManager[Path]:
    """Write a product so that it appears in the store complete or not at all, see :func:`taumltools.store.publish`."""
    from taumltools import store

    remote = mirror()
    context: AbstractContextManager[Path] = (remote.publish if remote else store.publish)(path, validate, before_rename)
    return context


def put_aside(path: Path, name: str) -> None:
    """Give a product another name in its folder.

    Raises:
        FileNotFoundError: there is none.
        OSError, StoreError: the file system or the server refuses.
    """
    if remote := mirror():
        remote.put_aside(path, name)
    else:
        os.rename(path, path.with_name(name))


def forget(path: Path) -> None:
    """Remove the copy of a product that the remote store does not have; nothing for a local store."""
    if remote := mirror():
        remote.forget(path)


def send(path: Path) -> None:
    """Put a product that was made elsewhere and lies in the mirror into the remote store; nothing for a local one."""
    if remote := mirror():
        remote.send(path)


def clean(folder: Path) -> None:
    """Remove what killed processes left of unfinished products, once nobody writes there any more."""
    from taumltools.store.publish import remove_temporaries

    remove_temporaries(folder)
    if remote := mirror():
        remote.clean(folder)


def address(path: Path) -> str:
    """What people call a product: its path, or its address on the server."""
    remote = mirror()
    return remote.address(path) if remote and remote.holds(path) else str(path)


@contextmanager
def names_copies() -> Iterator[None]:
    """Errors that name a file of the mirror say what it is a copy of: removing the copy mends nothing."""
    remote = mirror()
    try:
        yield
    except Exception as error:
        if remote and str(remote.root) in str(error):
            error.add_note(
                f"files below {remote.root} are copies of those below {remote.url}: what is damaged has to be removed there"
            )
        raise


def target(path: Path) -> Any:
    """The product as a target of law."""
    is_file = path.suffix and path.suffix != ".d"
    if store_url():
        return (RemoteFileTarget if is_file else RemoteFolderTarget)(str(path))
    return (law.LocalFileTarget if is_file else law.LocalDirectoryTarget)(str(path))


class OnServer:
    """A target of a remote store: exists if the server has it."""

    abspath: str

    def exists(self, **_: Any) -> bool:
        """Ask the server."""
        return has(Path(self.abspath))


class RemoteFileTarget(OnServer, law.LocalFileTarget):
    """A file of a remote store."""


class RemoteFolderTarget(OnServer, law.LocalDirectoryTarget):
    """A folder of a remote store."""
