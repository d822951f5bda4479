"""Atomic publish: a result appears under its name whole and validated, or not at all.

A product is written to a hidden sibling in the destination folder, validated, flushed to
disk and renamed.  A killed process leaves a hidden file, never a target; of two processes
that make the same product the first wins, since both have the same content; nobody deletes or
replaces a published product.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import socket
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from taumltools.errors import StoreError

log = logging.getLogger(__name__)


def temporary_sibling(path: Path) -> Path:
    """A hidden unique name beside ``path`` with the same suffix (writers choose formats by it)."""
    unique = f"{socket.gethostname().split('.')[0]}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
    return path.with_name(f".{path.stem}.tmp-{unique}{path.suffix}")


def remove_temporaries(folder: Path) -> int:
    """Remove what killed processes left of unfinished products.

    Call it only when nobody writes to the folder any more: a temporary in use would be lost.

    Args:
        folder: folder of products; it may not exist.

    Returns:
        How many were removed.
    """
    left = [path for path in folder.glob(".*.tmp-*") if not path.is_symlink()]
    for path in left:
        _remove(path)
    return len(left)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _flush_tree(path: Path) -> None:
    if path.is_dir():
        for child in path.rglob("*"):
            if child.is_file():
                _flush(child)
    _flush(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
        return
    # the error that brought us here is the one to report, e.g. that the folder cannot exist
    with suppress(OSError):
        path.unlink(missing_ok=True)


def _explain(error: OSError, path: Path) -> StoreError:
    advice = {
        errno.ENOSPC: "the disk is full: free space, or set TAUML_STORE to another disk",
        errno.EDQUOT: "the disk quota is used up: free space, or set TAUML_STORE to another disk",
        errno.EFBIG: "the file is larger than this system allows: use more, smaller parts",
        errno.EROFS: "the store is read-only: set TAUML_STORE to a folder you may write to",
        errno.EACCES: "no permission to write there: set TAUML_STORE to a folder you may write to",
        errno.ENOTDIR: "a file stands where a folder is needed: remove it, or set TAUML_STORE elsewhere",
    }.get(error.errno or 0)
    return StoreError(f"cannot publish {path}: {error.strerror or error}; {advice or 'nothing was left behind'}")


@contextmanager
def publish(
    path: Path,
    validate: Callable[[Path], None] | None = None,
    before_rename: Callable[[Path], None] | None = None,
    *,
    replace: bool = False,
) -> Iterator[Path]:
    """Write a file or a folder so that it appears at ``path`` complete or not at all.

    Args:
        path: where the product shall be; absolute.
        validate: called with the temporary path; raises if the product is not good.
        before_rename: called with the temporary path after validation, e.g. to write a side-car.
        replace: whether a file of that name is replaced, e.g. a side-car left by a killed process.

    Yields:
        The temporary path to write to (same suffix, same folder); it does not exist yet.

    Raises:
        StoreError: relative path, nothing written, disk full, store read-only.

    Examples:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with publish(folder / "answer.txt") as tmp:
        ...     _ = tmp.write_text("42")
        >>> sorted(p.name for p in folder.iterdir())
        ['answer.txt']
    """
    if not path.is_absolute():
        raise StoreError(f"'{path}' is a relative path; results need an absolute one (check TAUML_STORE)")
    temporary = temporary_sibling(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        if not temporary.exists():
            raise StoreError(f"nothing was written for {path}")
        if validate:
            validate(temporary)
        _flush_tree(temporary)
        if path.exists() and not replace:
            log.info("%s was published by another process meanwhile; keeping that one", path)
            return
        if before_rename:
            before_rename(temporary)
        _rename(temporary, path, replace)
    except OSError as error:
        if _is_about(error, path.parent):
            raise _explain(error, path) from error
        raise
    finally:
        _remove(temporary)


def _is_about(error: OSError, folder: Path) -> bool:
    """True for errors of the store itself, not of some input that could not be opened."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG}:
        return True
    return error.filename is not None and Path(os.fsdecode(error.filename)).is_relative_to(folder)


def _rename(temporary: Path, path: Path, replace: bool) -> None:
    """Rename; what a twin published first stays, since both have the same content."""
    try:
        if replace or temporary.is_dir():
            os.replace(temporary, path)
        else:
            _link(temporary, path)
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST} and path.exists():
            log.info("%s was published by another process meanwhile; keeping that one", path)
        else:
            raise
    _flush(path.parent)


def _link(temporary: Path, path: Path) -> None:
    """Give a file its name, unless it is taken: a link refuses that, a rename does not."""
    try:
        os.link(temporary, path)
    except OSError as error:
        if error.errno not in {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK, errno.EACCES}:
            raise
        if path.exists():  # a file system without links, e.g. EOS: of twins in the same instant the second stays
            raise FileExistsError(errno.EEXIST, "published meanwhile", str(path)) from error
        os.replace(temporary, path)
