"""Formulas over columns: arithmetic, comparisons and a few functions, nothing else.

A formula is Python syntax, read with :mod:`ast` and evaluated on numpy arrays.  ``and``,
``or`` and ``not`` work element by element.  It knows which columns it needs, so that only
those are read, and it cannot do anything but compute.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from taumltools.errors import ConfigError


def dphi(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Difference of two azimuthal angles in rad, wrapped into (-π, π].

    Args:
        first: angles in rad, within ±π.
        second: angles in rad, within ±π.

    Returns:
        ``first - second``, wrapped, in the dtype of the arguments.

    Examples:
        >>> round(float(dphi(np.float64(3.0), np.float64(-3.0))), 4)
        -0.2832
    """
    difference = np.subtract(first, second)
    difference = np.where(difference > np.pi, difference - 2 * np.pi, difference)
    return np.where(difference <= -np.pi, difference + 2 * np.pi, difference)


def delta_r(eta1: np.ndarray, phi1: np.ndarray, eta2: np.ndarray, phi2: np.ndarray) -> np.ndarray:
    """Distance in (eta, phi) of two directions, in float64 as that of cells; angles in rad.

    Args:
        eta1: of the first direction.
        phi1: in rad.
        eta2: of the second direction.
        phi2: in rad.

    Returns:
        float64, of the same shape.
    """
    return np.hypot(np.subtract(eta1, eta2, dtype=np.float64), dphi(float64(phi1), phi2))


def float64(value: np.ndarray) -> np.ndarray:
    """The value in double precision, and so all that is computed from it.

    Args:
        value: any numbers.

    Returns:
        float64, of the same shape.
    """
    return np.asarray(value, np.float64)


def quotient(value: np.ndarray, divisor: np.ndarray) -> np.ndarray:
    """Quotient of whole numbers, rounded towards zero as ``/`` of C++ does.

    Args:
        value: whole numbers.
        divisor: whole numbers; 0 gives infinity or NaN.

    Returns:
        Whole numbers as floats, shape as of numpy's division.

    Examples:
        >>> quotient(np.array([11.0, -1.0]), 5).tolist()
        [2.0, -0.0]
    """
    return np.trunc(np.true_divide(value, divisor))


def isnormal(value: np.ndarray) -> np.ndarray:
    """True where a float32 is finite, not zero and not subnormal (``std::isnormal`` of C++).

    Args:
        value: any numbers.

    Returns:
        bool, of the same shape.
    """
    return np.isfinite(value) & (np.abs(value) >= np.finfo(np.float32).tiny)


FUNCTIONS: dict[str, tuple[Callable[..., np.ndarray], int]] = {
    "abs": (np.abs, 1),
    "cosh": (np.cosh, 1),
    "delta_r": (delta_r, 4),
    "dphi": (dphi, 2),
    "exp": (np.exp, 1),
    "float64": (float64, 1),
    "hypot": (np.hypot, 2),
    "isfinite": (np.isfinite, 1),
    "isnormal": (isnormal, 1),
    "log": (np.log, 1),
    "maximum": (np.maximum, 2),
    "minimum": (np.minimum, 2),
    "quotient": (quotient, 2),
    "remainder": (np.fmod, 2),
    "sqrt": (np.sqrt, 1),
    "where": (np.where, 3),
}
"""Functions an expression may call, with their number of arguments."""

CONSTANTS = {"pi": float(np.pi)}
"""Names that are numbers, not columns."""

_BINARY: dict[type, Callable] = {
    ast.Add: np.add,
    ast.Sub: np.subtract,
    ast.Mult: np.multiply,
    ast.Div: np.true_divide,
    ast.FloorDiv: np.floor_divide,
    ast.Mod: np.mod,
    ast.Pow: np.power,
}
_COMPARE: dict[type, Callable] = {
    ast.Eq: np.equal,
    ast.NotEq: np.not_equal,
    ast.Lt: np.less,
    ast.LtE: np.less_equal,
    ast.Gt: np.greater,
    ast.GtE: np.greater_equal,
}
_UNARY: dict[type, Callable] = {ast.USub: np.negative, ast.UAdd: np.positive, ast.Not: np.logical_not}
_BOOLEAN: dict[type, Callable] = {ast.And: np.logical_and, ast.Or: np.logical_or}


@dataclass(frozen=True)
class Expression:
    """A checked formula.

    Attributes:
        text: the formula as written.
        names: columns it needs.
        tree: its syntax tree.

    Examples:
        >>> rel_pt = parse("pfCand_pt / tau_pt")
        >>> sorted(rel_pt.names)
        ['pfCand_pt', 'tau_pt']
        >>> rel_pt.evaluate({"pfCand_pt": np.array([5.0, 20.0]), "tau_pt": np.array([40.0, 40.0])})
        array([0.125, 0.5  ])
    """

    text: str
    names: frozenset[str]
    tree: ast.expr

    def evaluate(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """The value for each row.

        Args:
            columns: arrays of equal length by name; all of ``names`` must be there.

        Returns:
            The value, in the dtype that follows from the columns (bool for conditions);
            a scalar if the formula uses no column. 0/0 gives NaN, 1/0 infinity, without warning.
        """
        with np.errstate(all="ignore"):
            return np.asarray(_value(self.tree, columns))


def parse(text: str, where: str = "") -> Expression:
    """Read a formula.

    Args:
        text: the formula, e.g. ``"abs(tau_dxy) / tau_dxy_error"``.
        where: whose formula it is, for messages, e.g. ``"taus.tau_dxy_sig"``.

    Returns:
        The checked formula.

    Raises:
        ConfigError: not a formula, or it uses something that is not allowed.

    Examples:
        >>> parse("open('x')", where="taus.bad")
        Traceback (most recent call last):
        taumltools.errors.ConfigError: taus.bad: "open('x')", column 1: unknown function 'open'; ...
    """
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError) as error:
        column = getattr(error, "offset", None) or len(text.strip()) + 1  # Python says 0 for "ends too early"
        raise _error(text, where, column, f"not a formula ({getattr(error, 'msg', error)})") from error
    names: set[str] = set()
    _check(tree, text, where, names)
    return Expression(text.strip(), frozenset(names), tree)


def conjuncts(expression: Expression) -> tuple[Expression, ...]:
    """Conditions that together are the given one: what its outermost ``and`` joins.

    Args:
        expression: a condition.

    Returns:
        The parts; the expression itself if it is no ``and``.

    Examples:
        >>> [part.text for part in conjuncts(parse("pfCand_pt > 1 and (pfCand_dz < 0 or pfCand_dz > 1)"))]
        ['pfCand_pt > 1', 'pfCand_dz < 0 or pfCand_dz > 1']
    """
    tree = expression.tree
    if not (isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And)):
        return (expression,)
    return tuple(part for value in tree.values for part in conjuncts(parse(ast.unparse(value))))


def _error(text: str, where: str, column: int, problem: str) -> ConfigError:
    return ConfigError(f'{where or "expression"}: "{text}", column {column}: {problem}')


def _check(node: ast.expr, text: str, where: str, names: set[str]) -> None:
    """Walk through the tree, collect names, refuse what is not whitelisted."""

    def fail(problem: str) -> ConfigError:
        before = len(text) - len(text.lstrip())  # positions in the tree do not count blanks in front
        return _error(text, where, before + node.col_offset + 1, problem)

    if isinstance(node, ast.Constant):
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            raise fail(f"{node.value!r} is not a number")
        return
    if isinstance(node, ast.Name):
        if node.id in FUNCTIONS:
            raise fail(f"'{node.id}' is a function; write {node.id}(...)")
        names |= {node.id} - set(CONSTANTS)
        return
    if isinstance(node, ast.Call):
        _check_call(node, fail)
    elif isinstance(node, ast.BinOp | ast.UnaryOp):
        if type(node.op) not in _BINARY and type(node.op) not in _UNARY:
            raise fail(f"operator {type(node.op).__name__} is not allowed; conditions are joined by and, or, not")
    elif isinstance(node, ast.Compare):
        odd = [type(op).__name__ for op in node.ops if type(op) not in _COMPARE]
        if odd:
            raise fail(f"comparison {odd[0]} is not allowed; use < <= > >= == !=")
    elif not isinstance(node, ast.BoolOp):
        raise fail(f"{type(node).__name__} is not allowed; use arithmetic, comparisons, and/or/not and functions")
    for child in _operands(node):
        _check(child, text, where, names)


def _check_call(node: ast.Call, fail: Callable[[str], ConfigError]) -> None:
    name = node.func.id if isinstance(node.func, ast.Name) else ast.unparse(node.func)
    if name not in FUNCTIONS:
        raise fail(f"unknown function '{name}'; known are {', '.join(FUNCTIONS)}")
    expected = FUNCTIONS[name][1]
    if node.keywords or len(node.args) != expected or any(isinstance(a, ast.Starred) for a in node.args):
        raise fail(f"{name} takes {expected} argument(s), found {len(node.args) + len(node.keywords)}")


def _operands(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.Call):
        return node.args
    if isinstance(node, ast.Compare):
        return [node.left, *node.comparators]
    return [child for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]


def _value(node: ast.expr, columns: Mapping[str, np.ndarray]) -> np.ndarray:
    if isinstance(node, ast.Constant):
        return node.value  # type: ignore[return-value]  # a Python number does not widen float32
    if isinstance(node, ast.Name):
        return CONSTANTS[node.id] if node.id in CONSTANTS else columns[node.id]  # type: ignore[return-value]
    values = [_value(child, columns) for child in _operands(node)]
    if isinstance(node, ast.Call):
        return FUNCTIONS[node.func.id][0](*values)  # type: ignore[attr-defined]
    if isinstance(node, ast.BinOp):
        return _BINARY[type(node.op)](*values)
    if isinstance(node, ast.UnaryOp):
        return _UNARY[type(node.op)](*values)
    if isinstance(node, ast.Compare):
        pairs = zip(node.ops, values, values[1:], strict=False)
        return _all([_COMPARE[type(op)](left, right) for op, left, right in pairs])
    combine = _BOOLEAN[type(node.op)]  # type: ignore[attr-defined]
    result = values[0]
    for value in values[1:]:
        result = combine(result, value)
    return result


def _all(conditions: list[np.ndarray]) -> np.ndarray:
    result = conditions[0]
    for condition in conditions[1:]:
        result = np.logical_and(result, condition)
    return result
