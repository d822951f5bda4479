"""Widths of layers from formulas, as the settings of DeepTau give them."""

from __future__ import annotations

import ast
import math
import operator
from collections.abc import Callable, Mapping

from taumltools.config.networks import StackConfig, Width
from taumltools.errors import ConfigError

OPERATORS: dict[type[ast.operator], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
}


def evaluate_width(width: Width, n: int, drop: float) -> int:
    """A width that is given as a number or as a formula.

    Args:
        width: a number, or a formula of ``n`` and ``drop`` with + - * / and brackets.
        n: number of inputs.
        drop: dropout rate.

    Returns:
        The value, rounded up.

    Raises:
        ConfigError: not such a formula, or no positive number.

    Examples:
        >>> evaluate_width("2*n*(1+drop)", n=43, drop=0.2)
        104
    """
    try:
        value = _value(ast.parse(str(width).strip(), mode="eval").body, {"n": n, "drop": drop})
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError) as error:
        raise ConfigError(f"width '{width}': expected a formula of n and drop with + - * / ( ), {error}") from error
    if not 1 <= value < 100_000:
        raise ConfigError(f"width '{width}' is {value} for n={n}, drop={drop}: expected 1 to 100000")
    return math.ceil(value)


def _value(node: ast.expr, names: Mapping[str, float]) -> float:
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return float(node.value)  # type: ignore[arg-type]
    if isinstance(node, ast.Name) and node.id in names:
        return names[node.id]
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        return OPERATORS[type(node.op)](_value(node.left, names), _value(node.right, names))
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_value(node.operand, names)
    raise ValueError(f"found '{ast.unparse(node)}'")


def layer_widths(stack: StackConfig, n: int) -> list[int]:
    """Widths of all layers of a stack.

    Each layer is ``reduction`` times narrower than the one before, down to the last width, which
    is repeated until there are ``min_layers``.

    Args:
        stack: the rule.
        n: number of inputs.

    Returns:
        One width per layer.

    Raises:
        ConfigError: a formula makes no sense.

    Examples:
        >>> layer_widths(StackConfig(first="2*n*(1+drop)", last="n*(1+drop)", reduction=1.4), n=43)
        [104, 74, 52]
    """
    widths = [evaluate_width(stack.first, n, stack.dropout)]
    last = evaluate_width(stack.last, n, stack.dropout)
    if widths[0] > last and stack.reduction == 1.0 and not stack.max_layers:
        raise ConfigError(f"reduction 1 never leads from width {widths[0]} to {last}: give max_layers, or one width")
    while widths[-1] > last:
        final = stack.max_layers and len(widths) + 1 >= stack.max_layers
        widths.append(last if final else max(last, int(widths[-1] / stack.reduction)))
    return widths + [widths[-1]] * (stack.min_layers - len(widths))
