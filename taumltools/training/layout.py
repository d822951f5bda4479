"""Which features a network takes, in which order and form: what the loader and the network agree on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from taumltools.config.features import CELL_FEATURES, FeaturesConfig
from taumltools.errors import ConfigError, InputError
from taumltools.features.agreement import disagreements

Form = Literal["sets", "cells"]
"""How objects reach a network: as padded sets, or as the filled cells of grids."""

Layout = Mapping[str, Sequence[str]]
"""Feature names by block, in the order of the network's inputs; ``taus`` is one of the blocks."""


@dataclass(frozen=True)
class InputLayout:
    """The inputs of a network.

    Attributes:
        taus: features of the tau candidate.
        objects: features by block of objects; of form ``cells``, the blocks that feed cells.
        cell_features: values of the tau candidate that every filled cell repeats, in front of the others.
        components: blocks whose features one network sees together, by name; empty for form ``sets``.
        grids: number of cells by grid; empty for form ``sets``.
        set_sizes: places of the sets of a block, where they do not follow from the batch; empty for form ``cells``.

    Examples:
        >>> layout = InputLayout(("tau_pt",), {"pf": ("pt", "dxy")}, ("rho",), {"hadrons": ("pf",)}, {"inner": 121})
        >>> layout.form, layout.names("hadrons")
        ('cells', [('cell_features', 'rho'), ('pf', 'pt'), ('pf', 'dxy')])
    """

    taus: tuple[str, ...]
    objects: dict[str, tuple[str, ...]] = field(default_factory=dict)
    cell_features: tuple[str, ...] = ()
    components: dict[str, tuple[str, ...]] = field(default_factory=dict)
    grids: dict[str, int] = field(default_factory=dict)
    set_sizes: dict[str, int] = field(default_factory=dict)

    @staticmethod
    def of(features: FeaturesConfig, form: Form = "sets") -> InputLayout:
        """The inputs that a definition of features gives.

        Args:
            features: the definition; only enabled features count.
            form: what the network takes.

        Returns:
            The inputs.

        Raises:
            ConfigError: cells are asked of a definition without grids.
        """
        blocks = {block: tuple(names) for block, names in features.blocks().items()}
        if form == "sets":
            return InputLayout.of_sets(blocks, {name: b.set_size for name, b in features.objects.items() if b.set_size})
        cells = features.cells
        if cells is None:
            raise ConfigError(
                "features.cells: the model takes the cells of grids, these features define none; "
                "choose features with grids, or a model that takes sets of objects"
            )
        used = dict.fromkeys(name for component in cells.components.values() for name in component)
        return InputLayout(
            blocks["taus"],
            {name: blocks[name] for name in used},
            blocks.get(CELL_FEATURES, ()),
            {name: tuple(component) for name, component in cells.components.items()},
            {name: grid.n_cells for name, grid in cells.grids.items()},
        )

    @staticmethod
    def of_sets(blocks: Layout, set_sizes: Mapping[str, int] | None = None) -> InputLayout:
        """The inputs of form ``sets`` with the given feature names by block, ``taus`` among the blocks.

        Args:
            blocks: feature names by block.
            set_sizes: places of the sets of some blocks; the others follow from the batch.

        Returns:
            The inputs.
        """
        objects = {name: tuple(names) for name, names in blocks.items() if name not in {"taus", CELL_FEATURES}}
        sizes = {name: size for name, size in (set_sizes or {}).items() if name in objects}
        return InputLayout(tuple(blocks["taus"]), objects, set_sizes=sizes)

    @property
    def form(self) -> Form:
        """``cells`` if there are grids."""
        return "cells" if self.grids else "sets"

    def blocks(self) -> dict[str, tuple[str, ...]]:
        """Feature names by block: ``taus``, ``cell_features`` if there are any, the blocks of objects."""
        cells = {CELL_FEATURES: self.cell_features} if self.cell_features else {}
        return {"taus": self.taus, **cells, **self.objects}

    def names(self, component: str) -> list[tuple[str, str]]:
        """Block and feature of each column of a component's rows.

        Args:
            component: its name.

        Returns:
            (block, feature) of each column.
        """
        columns = [(CELL_FEATURES, name) for name in self.cell_features]
        return columns + [(block, name) for block in self.components[component] for name in self.objects[block]]

    def check(self, columns: Mapping[str, Sequence[str]], where: str) -> None:
        """Refuse flat tuples that do not have what the network takes.

        Args:
            columns: names by part, of :meth:`taumltools.features.table.FlatTuples.layout`.
            where: what is checked, for the message.

        Raises:
            InputError: blocks, grids or features are missing; all of them are named.
        """
        lacking = {}
        for block, names in self.blocks().items():
            part = block if block in {"taus", CELL_FEATURES} else f"objects/{block}"
            if part not in columns:
                found = sorted(name.removeprefix("objects/") for name in columns if name.startswith("objects/"))
                raise InputError(f"{where}: the network needs the block '{block}', the flat tuples have {found}")
            lacking[block] = [name for name in names if name not in columns[part]]
        for block, missing in lacking.items():
            if missing:
                raise InputError(
                    f"{where}: the network needs the features {missing} of block '{block}', the flat tuples do not "
                    "have them: make the flat tuples with the features the network was trained on"
                )
        for grid in self.grids:
            blocks = columns.get(f"cells/{grid}")
            if blocks is None or not set(self.objects) <= set(blocks):
                raise InputError(
                    f"{where}: the network needs the grid '{grid}' with cells of {sorted(self.objects)}, found "
                    f"{sorted(blocks) if blocks is not None else 'no such grid'}: make the flat tuples with these features"
                )

    def check_definition(self, known: FeaturesConfig | None, other: FeaturesConfig | None, where: str) -> None:
        """Refuse features that have the right names and other values.

        Args:
            known: the definition that the network was trained on; None if that is not known: then grids alone are compared.
            other: the definition of what it is given; None if that is not known.
            where: what is given, for the message.

        Raises:
            InputError: formulas, conditions, choices of objects or grids differ; up to five are named.
        """
        if other is None:
            return
        known_grids = known.cells.grids if known is not None and known.cells else {}
        given = other.cells.grids if other.cells else {}
        found = disagreements(self.blocks(), self.grids, known, other) if known is not None else []
        found += [
            f"grid '{name}': {given[name].n_cells} cells, not {number}"
            for name, number in self.grids.items()
            if name in given and name not in known_grids and given[name].n_cells != number
        ]
        if found:
            more = f"; and {len(found) - 5} more" if len(found) > 5 else ""
            raise InputError(
                f"{where}: not the features the network was trained on: {'; '.join(found[:5])}{more}: "
                "use the features of its training"
            )

    def as_dict(self) -> dict[str, Any]:
        """Plain types, as JSON has them."""
        return asdict(self)

    @staticmethod
    def from_dict(plain: Mapping[str, Any]) -> InputLayout:
        """What :meth:`as_dict` gave, also after a journey through JSON.

        Args:
            plain: of :meth:`as_dict`.

        Returns:
            An equal layout.
        """
        return InputLayout(
            tuple(plain["taus"]),
            {name: tuple(names) for name, names in plain["objects"].items()},
            tuple(plain["cell_features"]),
            {name: tuple(names) for name, names in plain["components"].items()},
            {name: int(cells) for name, cells in plain["grids"].items()},
            {name: int(size) for name, size in plain.get("set_sizes", {}).items()},
        )
