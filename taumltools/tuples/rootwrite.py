"""Writing TauTuples as ROOT TTrees: the format at the boundary to CMS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from taumltools.tuples.columns import to_file
from taumltools.tuples.data import Collection, Tuples
from taumltools.tuples.rootread import BLOCK, counter_name
from taumltools.tuples.schema import TREE

BASKETS = 64
"""Room for baskets in the tree's header (960,000 entries); more costs one rewrite of it."""


class RootWriter:
    """Writes blocks of complete entries; one counter branch per collection."""

    block = BLOCK

    def __init__(self, path: Path, first: Tuples, compression: str) -> None:
        import uproot

        codecs = {"zstd": uproot.ZSTD(1), "lz4": uproot.LZ4(1), "zlib": uproot.ZLIB(1), "none": None}
        self._file = uproot.recreate(path, compression=codecs[compression])
        self._tree = self._file.mktree(
            TREE,
            _tree_types(first),
            title="tau candidates",
            counter_name=counter_name,
            field_name=lambda prefix, field: f"{prefix}_{field}",
            initial_basket_capacity=BASKETS,
        )

    def write(self, tuples: Tuples) -> None:
        """Append entries as one basket per branch."""
        columns = {name: to_file(column) for name, column in tuples.scalars.items()}
        self._tree.extend(columns | {prefix: _records(c) for prefix, c in tuples.collections.items()})

    def close(self) -> None:
        """Write the end of the file."""
        self._file.close()


def _tree_types(tuples: Tuples) -> dict[str, Any]:
    import awkward as ak

    types: dict[str, Any] = {name: column.dtype for name, column in tuples.scalars.items()}
    for prefix, collection in tuples.collections.items():
        fields = [ak.types.NumpyType(column.dtype.name) for column in collection.columns.values()]
        record = ak.types.RecordType(fields, list(collection.columns))
        types[prefix] = ak.types.ArrayType(ak.types.ListType(record), 0)
    return types


def _records(collection: Collection) -> Any:
    import awkward as ak

    fields = [ak.contents.NumpyArray(to_file(column)) for column in collection.columns.values()]
    record = ak.contents.RecordArray(fields, list(collection.columns), length=int(collection.offsets[-1]))
    return ak.Array(ak.contents.ListOffsetArray(ak.index.Index64(collection.offsets), record))
