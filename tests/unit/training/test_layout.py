import json

import pytest

from taumltools.errors import InputError
from taumltools.training.layout import InputLayout


def test_layout_of_cells(grid_features):
    layout = InputLayout.of(grid_features, "cells")
    assert layout.form == "cells"
    assert layout.objects == {"ele": ("e",), "pf": ("pt", "kind")}
    assert layout.grids == {"inner": 9, "outer": 20}
    assert layout.names("leptons") == [("cell_features", "rho"), ("ele", "e"), ("pf", "pt"), ("pf", "kind")]
    assert list(layout.blocks()) == ["taus", "cell_features", "ele", "pf"]


def test_layout_of_sets_knows_no_cells(grid_features):
    layout = InputLayout.of(grid_features)
    assert (layout.form, layout.cell_features, layout.grids) == ("sets", (), {})
    assert list(layout.objects) == ["pf", "ele"]


@pytest.mark.parametrize("form", ["sets", "cells"])
def test_layout_survives_json(grid_features, form):
    layout = InputLayout.of(grid_features, form)
    assert InputLayout.from_dict(json.loads(json.dumps(layout.as_dict()))) == layout


@pytest.mark.parametrize(
    ("part", "columns", "message"),
    [
        ("taus", ["iso"], r"features \['tau_eta'\] of block 'taus'"),
        ("cell_features", ["x"], r"features \['rho'\] of block 'cell_features'"),
        ("objects/pf", None, r"needs the block 'pf', the flat tuples have \['ele'\]"),
        ("cells/outer", ["ele"], r"needs the grid 'outer' with cells of \['ele', 'pf'\], found \['ele'\]"),
        ("cells/inner", None, "grid 'inner' .* found no such grid"),
    ],
)
def test_what_flat_tuples_lack_is_named(grid_features, grid_flat, part, columns, message):
    layout = InputLayout.of(grid_features, "cells")
    found = grid_flat.layout()
    layout.check(found, "a.h5")
    changed = {name: names for name, names in found.items() if name != part} | ({part: columns} if columns else {})
    with pytest.raises(InputError, match="a.h5: .*" + message):
        layout.check(changed, "a.h5")
