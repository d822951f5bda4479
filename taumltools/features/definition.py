"""From settings to checked formulas: what each feature computes and which branches it needs."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from taumltools.config.features import CELL_FEATURES, FeatureConfig, FeaturesConfig, GridConfig, ObjectBlock
from taumltools.errors import ConfigError, nearest_names
from taumltools.features.expression import Expression, conjuncts, parse
from taumltools.tuples.schema import Schema, tautuple_schema

TRUTH_GROUPS = frozenset({"genLepton", "genParticle", "genJet", "tauSpinner"})
"""Groups of branches that data does not have: a network must not see them."""

TRUTH_NAMES = frozenset(
    {
        *("tauType", "sampleType", "genEventWeight", "trainingWeight", "npu", "genmet_pt", "genmet_phi"),
        *("tagObj_genkind", "tagObj_genpt", "tagObj_geneta", "tagObj_genphi", "tagObj_genmass"),
        *("jet_partonFlavour", "jet_hadronFlavour", "fatJet_partonFlavour", "fatJet_hadronFlavour"),
        *("dataset_id", "dataset_group_id", "run", "lumi", "evt", "entry_index", "total_entries"),
    }
)
"""Further branches that tell the truth or the origin of an entry."""


@dataclass(frozen=True)
class Feature:
    """A checked feature.

    Attributes:
        label: ``<block>.<feature>``, for messages.
        value: its formula.
        valid: where it is defined; None means everywhere.
        limited: its scaling has limits, so that the network can bear an infinite value.
    """

    label: str
    value: Expression
    valid: Expression | None
    limited: bool = False

    @property
    def names(self) -> frozenset[str]:
        """Branches it needs."""
        return self.value.names | (self.valid.names if self.valid else frozenset())


@dataclass(frozen=True)
class Block:
    """A checked block of object features.

    Attributes:
        collection: prefix of the collection.
        select: which objects: conditions that must all hold, in the order in which they are tried.
        order: sort key, largest first.
        max_objects: how many are kept.
        features: by name.
    """

    collection: str
    select: tuple[Expression, ...]
    order: Expression
    max_objects: int
    features: dict[str, Feature]

    @property
    def names(self) -> frozenset[str]:
        """Branches it needs."""
        used = [feature.names for feature in self.features.values()]
        return self.order.names.union(*(condition.names for condition in self.select), *used)


@dataclass(frozen=True)
class CellsDefinition:
    """What is needed to fill cells.

    Attributes:
        grids: by name.
        blocks: blocks of objects that feed them.
        features: values of the tau candidate that every filled cell repeats.
        directions: branches with the directions of tau candidates and objects.
    """

    grids: dict[str, GridConfig]
    blocks: tuple[str, ...]
    features: dict[str, Feature]
    directions: frozenset[str]

    @property
    def names(self) -> frozenset[str]:
        """Branches cells need."""
        return self.directions.union(*(feature.names for feature in self.features.values()))


@dataclass(frozen=True)
class Definition:
    """All checked features of a configuration.

    Attributes:
        taus: tau-level features.
        objects: blocks of objects.
        cells: what cells need; None without grids.
        require: what entries for training must fulfil; None: nothing.
    """

    taus: dict[str, Feature]
    objects: dict[str, Block]
    cells: CellsDefinition | None = None
    require: Expression | None = None

    @property
    def names(self) -> frozenset[str]:
        """Branches all features need."""
        parts: list[Feature | Block | CellsDefinition] = [*self.taus.values(), *self.objects.values()]
        parts += [self.cells] if self.cells is not None else []
        return frozenset().union(*(part.names for part in parts))


def define(config: FeaturesConfig) -> Definition:
    """Check all formulas of a configuration against the TauTuple schema.

    Args:
        config: the features.

    Returns:
        The formulas.

    Raises:
        ConfigError: a formula is wrong, uses an unknown branch, the branch of another
            collection, or truth; the message names feature, formula and position.
    """
    schema = tautuple_schema()
    blocks = config.blocks()
    require = config.selection.require
    return Definition(
        taus={name: _feature("taus", name, item, schema, "") for name, item in blocks["taus"].items()},
        objects={name: _block(name, block, blocks[name], schema) for name, block in config.objects.items()},
        cells=_cells(config, schema),
        require=_expression(require, "selection.require", schema, "") if require else None,
    )


def _cells(config: FeaturesConfig, schema: Schema) -> CellsDefinition | None:
    if config.cells is None:
        return None
    directions = {"tau_pt", "tau_eta", "tau_phi"}
    for name in config.cells.blocks:
        prefix = config.objects[name].collection
        directions |= {f"{prefix}_eta", f"{prefix}_phi"}
        if f"{prefix}_eta" not in schema or f"{prefix}_phi" not in schema:
            raise ConfigError(f"cells: block '{name}': '{prefix}' has no eta and phi, its objects have no cell")
    repeated = config.blocks().get(CELL_FEATURES, {})
    features = {name: _feature(CELL_FEATURES, name, item, schema, "") for name, item in repeated.items()}
    return CellsDefinition(config.cells.grids, config.cells.blocks, features, frozenset(directions))


def _block(name: str, block: ObjectBlock, features: dict[str, FeatureConfig], schema: Schema) -> Block:
    fields = schema.collections.get(block.collection)
    if fields is None:
        known = ", ".join(schema.collections)
        raise ConfigError(f"{name}.collection: no collection '{block.collection}' in TauTuple; known are {known}")
    if not block.order and "pt" not in fields:
        raise ConfigError(f"{name}.order: '{block.collection}' has no pt; say what to sort by")
    order = block.order or f"{block.collection}_pt"
    select = _expression(block.select, f"{name}.select", schema, block.collection) if block.select else None
    return Block(
        collection=block.collection,
        select=conjuncts(select) if select is not None else (),
        order=_expression(order, f"{name}.order", schema, block.collection),
        max_objects=block.max_objects,
        features={f: _feature(name, f, item, schema, block.collection) for f, item in features.items()},
    )


def _feature(block: str, name: str, item: FeatureConfig, schema: Schema, collection: str) -> Feature:
    label = f"{block}.{name}"
    value = _expression(item.expression or name, label, schema, collection)
    valid = _expression(item.valid, f"{label}.valid", schema, collection) if item.valid else None
    return Feature(label, value, valid, item.scaling.type in {"linear", "normal"})


def _expression(text: str, where: str, schema: Schema, collection: str) -> Expression:
    expression = parse(text, where)
    for name in sorted(expression.names):
        _check_branch(name, expression, where, schema, collection)
    return expression


def _check_branch(name: str, expression: Expression, where: str, schema: Schema, collection: str) -> None:
    place = f'{where}: "{expression.text}", column {_position(expression, name)}'
    if name not in schema:
        raise ConfigError(f"{place}: '{name}' is not a branch of TauTuple{nearest_names(name, schema.branches)}")
    branch = schema[name]
    if branch.collection not in {"", collection}:
        inside = f"in a block of {collection}" if collection else "for a tau-level feature"
        raise ConfigError(f"{place}: '{name}' belongs to the collection {branch.collection} and has no value {inside}")
    if branch.group in TRUTH_GROUPS or name in TRUTH_NAMES:
        raise ConfigError(f"{place}: '{name}' is truth or origin of the entry, a network must not see it")


def _position(expression: Expression, name: str) -> int:
    columns = [n.col_offset for n in ast.walk(expression.tree) if isinstance(n, ast.Name) and n.id == name]
    return min(columns) + 1
