"""How results reach the store: atomically, validated, with their provenance beside them."""

from __future__ import annotations

from taumltools.store.listing import present
from taumltools.store.provenance import Record, Usage, files_of, measure, read_sidecar, sidecar_path
from taumltools.store.publish import publish

__all__ = ["Record", "Usage", "files_of", "measure", "present", "publish", "read_sidecar", "sidecar_path"]
