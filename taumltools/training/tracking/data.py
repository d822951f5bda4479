"""What a run was trained on, in a few words that identify it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from taumltools.errors import InputError


def data_identity(name: str, paths: Sequence[Path]) -> dict[str, Any]:
    """Identify files by what their side-cars say.

    Args:
        name: what the data set is called.
        paths: its files.

    Returns:
        ``name``; ``digest``: 16 hex digits over names, sizes and identities of the files; ``source``: the identity, code
        and number of entries, and the files.
    """
    from taumltools.store import read_sidecar

    files: list[list[Any]] = []
    source: dict[str, Any] = {"folder": str(paths[0].parent), "files": [path.name for path in paths]}
    for path in paths:
        try:
            sidecar = read_sidecar(path)
        except InputError:  # files from elsewhere have none
            sidecar = {}
        identity = sidecar.get("identity")
        files.append([path.name, path.stat().st_size if path.is_file() else 0, identity])
        source |= {"identity": identity, "code": sidecar.get("code", {}).get("commit")}
        entries = sidecar.get("details", {}).get("entries")
        if isinstance(entries, int):
            source["entries"] = source.get("entries", 0) + entries
    return {"name": name, "digest": hashlib.sha256(json.dumps(files).encode()).hexdigest()[:16], "source": source}
