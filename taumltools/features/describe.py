"""A definition file as a page for people.

python -m taumltools.features.describe deeptau_v2p5 > docs/features_v2p5.md
"""

from __future__ import annotations

import sys

from taumltools.config.features import CELL_FEATURES, FeatureConfig, FeaturesConfig, ScalingRule

_HEAD = """\
# {title}: the features

Made by `python -m taumltools.features.describe {name}` from `configs/features/{name}.yaml`; do not edit
this page. How to read formulas and what the kinds of scaling do: [features](features.md). *Number* is the
position among the inputs of the block; features without one are switched off. Where *valid* is
false the feature is not defined: NaN in flat tuples, 0 after scaling.
"""

CAMPAIGN = "tiny"
"""The campaign whose settings the definition is put into; features do not depend on it."""


def describe(name: str, config: FeaturesConfig) -> str:
    """All blocks of a definition, as Markdown.

    Args:
        name: name of the file in ``configs/features``.
        config: the features.

    Returns:
        The page, ending with a newline.
    """
    lines = [_HEAD.format(title=config.title or name, name=name)]
    lines += _cells(config)
    declared = {"taus": config.taus, **({CELL_FEATURES: config.cells.features} if config.cells is not None else {})}
    declared |= {block: item.features for block, item in config.objects.items()}
    for block, features in declared.items():
        enabled = sum(feature.enabled for feature in features.values())
        lines.append(f"## {block}\n")
        lines.append(f"{_about(config, block)} {len(features)} features, {enabled} of them enabled.\n")
        lines.append("| number | feature | formula | valid | scaling |")
        lines.append("|---|---|---|---|---|")
        lines += _rows(features)
        lines.append("")
    return "\n".join(lines)


def _about(config: FeaturesConfig, block: str) -> str:
    if block == "taus":
        return "One value per tau candidate."
    if block == CELL_FEATURES:
        return "Values of the tau candidate that each of its filled cells repeats."
    item = config.objects[block]
    condition = f" with `{item.select}`" if item.select else ""
    most = f", at most {item.max_objects}" if item.max_objects else ""
    return f"Objects of `{item.collection}`{condition}, by descending `{item.order or item.collection + '_pt'}`{most}."


def _cells(config: FeaturesConfig) -> list[str]:
    if config.cells is None:
        return []
    lines = ["## Cells\n", "| grid | cells | width of a cell | cone |", "|---|---|---|---|"]
    for name, grid in config.cells.grids.items():
        cone = f"{grid.cone:g}" if grid.cone else "signal cone"
        without = f", without that of {grid.without}" if grid.without else ""
        lines.append(f"| {name} | {grid.n_eta} × {grid.n_phi} | {grid.size:g} | {cone}{without} |")
    lines += ["", "| component | first input of each block | inputs |", "|---|---|---|"]
    widths = {block: len(features) for block, features in config.blocks().items()}
    for component, blocks in config.cells.components.items():
        first, position = [], 0
        for block in ([CELL_FEATURES] if CELL_FEATURES in widths else []) + list(blocks):
            first.append(f"{block} {position}")
            position += widths[block]
        lines.append(f"| {component} | {', '.join(first)} | {position} |")
    return [*lines, ""]


def _rows(features: dict[str, FeatureConfig]) -> list[str]:
    rows, position = [], 0
    for name, feature in features.items():
        number = str(position) if feature.enabled else ""
        position += feature.enabled
        formula = feature.expression or name
        valid = f"`{feature.valid}`" if feature.valid else ""
        rows.append(f"| {number} | `{name}` | `{formula}` | {valid} | {_scaling(feature.scaling)} |")
    return rows


def _scaling(rule: ScalingRule) -> str:
    if rule.grids:
        return "linear, " + ", ".join(f"{grid} {low:g} to {high:g}" for grid, (low, high) in rule.grids.items())
    if rule.type == "linear":
        return f"linear, {rule.min:g} to {rule.max:g}"
    return f"normal, {rule.lo:g} to {rule.hi:g}" if rule.type == "normal" else rule.type


def page(name: str) -> str:
    """The page of a file of ``configs/features``.

    Args:
        name: of the file, without suffix.

    Returns:
        Markdown.
    """
    from taumltools.config import load_campaign

    return describe(name, load_campaign(CAMPAIGN, f"features={name}").features)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("give the name of one file of configs/features, e.g. deeptau_v2p5")
    sys.stdout.write(page(sys.argv[1]))
