"""From settings to checked formulas: what each feature computes and which branches it needs."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from taumltools.config.features import FeatureConfig, FeaturesConfig, ObjectBlock
from taumltools.errors import ConfigError
from taumltools.features.expression import Expression, parse
from taumltools.tuples.columns import nearest_names
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
    """

    label: str
    value: Expression
    valid: Expression | None

    @property
    def names(self) -> frozenset[str]:
        """Branches it needs."""
        return self.value.names | (self.valid.names if self.valid else frozenset())


@dataclass(frozen=True)
class Block:
    """A checked block of object features.

    Attributes:
        collection: prefix of the collection.
        select: which objects; None means all.
        order: sort key, largest first.
        max_objects: how many are kept.
        features: by name.
    """

    collection: str
    select: Expression | None
    order: Expression
    max_objects: int
    features: dict[str, Feature]

    @property
    def names(self) -> frozenset[str]:
        """Branches it needs."""
        used = [feature.names for feature in self.features.values()]
        selection = self.select.names if self.select else frozenset()
        return self.order.names | selection | frozenset().union(*used)


@dataclass(frozen=True)
class Definition:
    """All checked features of a configuration."""

    taus: dict[str, Feature]
    objects: dict[str, Block]

    @property
    def names(self) -> frozenset[str]:
        """Branches all features need."""
        parts: list[Feature | Block] = [*self.taus.values(), *self.objects.values()]
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
    taus = {name: _feature("taus", name, item, schema, "") for name, item in config.taus.items()}
    return Definition(taus, {name: _block(name, block, schema) for name, block in config.objects.items()})


def _block(name: str, block: ObjectBlock, schema: Schema) -> Block:
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
        select=select,
        order=_expression(order, f"{name}.order", schema, block.collection),
        max_objects=block.max_objects,
        features={f: _feature(name, f, item, schema, block.collection) for f, item in block.features.items()},
    )


def _feature(block: str, name: str, item: FeatureConfig, schema: Schema, collection: str) -> Feature:
    label = f"{block}.{name}"
    value = _expression(item.expression or name, label, schema, collection)
    valid = _expression(item.valid, f"{label}.valid", schema, collection) if item.valid else None
    return Feature(label, value, valid)


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
