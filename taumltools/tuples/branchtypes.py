"""How the values of a branch are stored: their type, and whether an entry has several."""

from __future__ import annotations

from typing import Any

import numpy as np

from taumltools.tuples.ttree_header import LEAVES, VECTORS

VECTOR_HEADER = 10
"""Bytes in front of the values of a ``std::vector``: byte count, version, number of values."""

SINGLE = -1
"""Stands in place of the bytes of a header for branches with one value per entry."""

_VECTORS = {kind: np.dtype(code).newbyteorder(">") for code, (kind, _) in VECTORS.items()}
_LEAVES = {f"TLeaf{letter}": np.dtype(code).newbyteorder(">") for code, letter in LEAVES.items() if letter.isupper()}


def stored_type(branch: Any) -> tuple[np.dtype, int] | None:
    """Type of the values of a branch, big-endian, and the bytes in front of those of an entry.

    The few kinds that TauTuples have are told from the branch itself; for others uproot is
    asked, which reads the class descriptions of the file and takes 0.2 ms per branch.

    Args:
        branch: an uproot ``TBranch``.

    Returns:
        The type with :data:`VECTOR_HEADER`, 0 (arrays with a counter branch) or
        :data:`SINGLE`; None for anything but numbers and vectors of numbers.
    """
    return _known(branch) or _asked(branch)


def vector_type(kind: str, stored_as: tuple[int, int]) -> tuple[np.dtype, int] | None:
    """Type of the vectors in a branch of objects.

    Args:
        kind: class of its objects, ``fClassName``.
        stored_as: its ``fType`` and ``fStreamerType``; (0, -1) if the objects are stored whole.

    Returns:
        As :func:`stored_type`; None for anything else than vectors of numbers.

    Examples:
        >>> vector_type("vector<float>", (0, -1)), vector_type("vector<string>", (0, -1))
        ((dtype('>f4'), 10), None)
    """
    plain = stored_as == (0, -1)
    dtype = _VECTORS.get(kind) if plain else None
    return (dtype, VECTOR_HEADER) if dtype else None


def number_type(leaf: str, unsigned: bool) -> tuple[np.dtype, int] | None:
    """Type of the numbers in a branch with one of them per entry.

    Args:
        leaf: class of its only leaf.
        unsigned: whether that says that the numbers have no sign.

    Returns:
        As :func:`stored_type`; None for anything else than the numbers that TauTuples have.

    Examples:
        >>> number_type("TLeafI", unsigned=True)
        (dtype('>u4'), -1)
    """
    dtype = _LEAVES.get(leaf)
    if dtype is None:
        return None
    return np.dtype(dtype.str.replace("i", "u")) if unsigned else dtype, SINGLE


def _known(branch: Any) -> tuple[np.dtype, int] | None:
    if len(branch.member("fLeaves")) != 1 or len(branch.branches):
        return None
    if branch.classname == "TBranchElement":
        return vector_type(str(branch.member("fClassName")), (branch.member("fType"), branch.member("fStreamerType")))
    leaf = branch.member("fLeaves")[0]
    if leaf.member("fLen") != 1 or leaf.member("fLeafCount") is not None:
        return None
    return number_type(leaf.classname, leaf.member("fIsUnsigned"))


def _asked(branch: Any) -> tuple[np.dtype, int] | None:
    import uproot

    kind = branch.interpretation
    jagged = isinstance(kind, uproot.AsJagged)
    content = kind.content if jagged else kind
    if type(content) is not uproot.AsDtype or content.inner_shape or content.from_dtype.kind not in "iufb":
        return None
    header = kind.header_bytes if jagged else SINGLE
    return (content.from_dtype, header) if header in (SINGLE, 0, VECTOR_HEADER) else None
