import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.errors import ConfigError
from taumltools.features.expression import FUNCTIONS, conjuncts, delta_r, dphi, isnormal, parse

X = np.array([-2.0, 0.0, 3.0, np.nan], np.float32)
Y = np.array([1.0, 2.0, 0.0, 4.0], np.float32)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x + y * 2", X + Y * 2),
        ("-x ** 2", -(X**2)),
        ("y // 3 + y % 3", Y // 3 + Y % 3),
        ("abs(x) - minimum(x, y)", np.abs(X) - np.minimum(X, Y)),
        ("where(y > 1, y, 0)", np.where(Y > 1, Y, 0)),
        ("hypot(x, y)", np.hypot(X, Y)),
        ("cosh(y) + exp(-y)", np.cosh(Y) + np.exp(-Y)),
        ("maximum(y, 1.5) * pi", np.maximum(Y, np.float32(1.5)) * np.float32(np.pi)),
    ],
)
def test_arithmetic_matches_numpy(text, expected):
    np.testing.assert_allclose(parse(text).evaluate({"x": X, "y": Y}), expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x > 0", [False, False, True, False]),
        ("0 < y <= 2", [True, True, False, False]),
        ("x > 0 or y == 2", [False, True, True, False]),
        ("not x > 0 and y != 2", [True, False, False, True]),
        ("isfinite(x)", [True, True, True, False]),
        ("isnormal(x) and y >= 0", [True, False, True, False]),
    ],
)
def test_conditions_are_elementwise(text, expected):
    result = parse(text).evaluate({"x": X, "y": Y})
    assert result.dtype == bool
    assert result.tolist() == expected


def test_names_are_columns_only():
    assert parse("where(a > pi, dphi(b, a), 2 * c)").names == {"a", "b", "c"}


def test_float32_columns_stay_float32():
    assert parse("dphi(x, 2 * y) / 3 - pi").evaluate({"x": X, "y": Y}).dtype == np.float32


def test_division_by_zero_gives_infinity_without_warning():
    assert parse("x / (y - y)").evaluate({"x": X, "y": Y})[2] == np.inf


def test_constant_expression_is_a_scalar():
    assert parse(" 1 + 1 ").evaluate({}) == 2


@pytest.mark.parametrize(
    ("text", "column", "problem"),
    [
        ("__import__('os')", 1, "unknown function '__import__'"),
        ("a + open('x')", 5, "unknown function 'open'"),
        ("a.real", 1, "Attribute is not allowed"),
        ("a[0]", 1, "Subscript is not allowed"),
        ("a + 'x'", 5, "'x' is not a number"),
        ("True", 1, "True is not a number"),
        ("lambda: 1", 1, "Lambda is not allowed"),
        ("a if b else c", 1, "IfExp is not allowed; use arithmetic"),
        ("a & b", 1, "BitAnd is not allowed; conditions are joined by and, or, not"),
        ("~a", 1, "Invert is not allowed"),
        ("1 + (a in b)", 6, "comparison In is not allowed"),
        ("sqrt(a, b)", 1, "sqrt takes 1 argument(s), found 2"),
        ("where(a, b, *c)", 1, "where takes 3 argument(s), found 3"),
        ("log(x=a)", 1, "log takes 1 argument(s)"),
        ("2 * sqrt", 5, "'sqrt' is a function; write sqrt(...)"),
        ("a +", 4, "not a formula"),
        ("", 1, "not a formula"),
        ("x.sqrt(a)", 1, "unknown function 'x.sqrt'"),
    ],
)
def test_refused_with_owner_text_and_position(text, column, problem):
    with pytest.raises(ConfigError) as caught:
        parse(text, where="taus.f")
    message = str(caught.value)
    assert message.startswith(f'taus.f: "{text}", column {column}: ')
    assert problem in message


ANGLE = st.floats(-np.pi, np.pi)


@given(ANGLE, ANGLE)
def test_dphi_is_wrapped_and_the_same_angle(a, b):
    d = float(dphi(np.float64(a), np.float64(b)))
    assert -np.pi < d <= np.pi + 1e-12
    assert np.isclose(np.cos(d), np.cos(a - b), atol=1e-9)
    assert np.isclose(np.sin(d), np.sin(a - b), atol=1e-9)


def test_delta_r_across_the_seam():
    assert np.isclose(
        delta_r(np.float64(0.3), np.float64(3.1), np.float64(0.0), np.float64(-3.1)), np.hypot(0.3, 0.0832), atol=1e-4
    )


def test_isnormal_as_in_cpp():
    values = np.array([0.0, 1e-40, 1e-38, 1.2e-38, -1.0, np.nan, np.inf], np.float32)
    assert isnormal(values).tolist() == [False, False, False, True, True, False, False]


def test_blanks_in_front_are_shown_and_counted():
    with pytest.raises(ConfigError, match=r'taus\.f: "  a \^ b", column 3: operator BitXor is not allowed'):
        parse("  a ^ b", "taus.f")
    assert parse("  a + b").text == "a + b"


def test_division_of_whole_numbers_as_in_cpp():
    modes = {"m": np.array([-1.0, 0.0, 4.0, 5.0, 11.0, np.nan])}
    np.testing.assert_array_equal(parse("quotient(m, 5)").evaluate(modes), [0, 0, 0, 1, 2, np.nan])
    np.testing.assert_array_equal(parse("remainder(m, 5)").evaluate(modes), [-1, 0, 4, 0, 1, np.nan])


def test_float64_widens_what_follows():
    one = {"x": np.float32([1e-8])}
    assert parse("1 + x").evaluate(one).dtype == np.float32
    assert parse("1 + float64(x)").evaluate(one)[0] > 1


def test_conjuncts_hold_together_where_the_condition_does():
    whole = parse("a > 0 and (a < 1 or b > 0) and not b > 2")
    parts = conjuncts(whole)
    assert [part.text for part in parts] == ["a > 0", "a < 1 or b > 0", "not b > 2"]
    columns = dict(zip("ab", np.random.default_rng(1).normal(1, 2, (2, 100)), strict=True))
    both = np.logical_and.reduce([part.evaluate(columns) for part in parts])
    np.testing.assert_array_equal(both, whole.evaluate(columns))


def test_every_function_has_the_arity_it_claims():
    for function, arity in FUNCTIONS.values():
        assert np.shape(function(*[np.ones(3)] * arity)) == (3,)
