"""Formulas, sums and flat files against slow references on random input."""

import itertools
import json
import math
import operator
import re
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taumltools.config.features import FeatureConfig, FeaturesConfig, ObjectBlock, ScalingRule
from taumltools.errors import ConfigError, InputError
from taumltools.features.definition import define
from taumltools.features.exact_sums import ExactSums
from taumltools.features.expression import FUNCTIONS, parse
from taumltools.features.flat import FlatFile, FlatTuples, make_flat, required_branches, write_flat
from taumltools.features.scaling import make_scaling, sum_features
from taumltools.tuples.data import Collection
from taumltools.tuples.mock import mock_tuples

COLUMNS = ("a", "b", "c")
SCALAR = {
    "abs": abs,
    "maximum": max,
    "minimum": min,
    "sqrt": math.sqrt,
    "where": lambda condition, x, y: x if condition else y,
}
small = st.integers(-9, 9).map(str) | st.sampled_from(["0.5", "2.25", "-1.5", "pi"])


def formulas():
    """Numbers, and conditions within where, of the grammar; powers and divisions stay tame."""

    def grow(inner):
        compare = st.tuples(inner, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), inner)
        condition = compare.map(lambda c: f"({c[0]} {c[1]} {c[2]})")
        condition |= st.tuples(condition, st.sampled_from(["and", "or"]), condition).map(lambda c: f"({' '.join(c)})")
        condition |= condition.map(lambda c: f"(not {c})")
        return st.one_of(
            st.tuples(inner, st.sampled_from("+-*"), inner).map(lambda o: f"({o[0]} {o[1]} {o[2]})"),
            st.tuples(inner, st.sampled_from(["/", "//", "%"]), inner).map(
                lambda o: f"({o[0]} {o[1]} (abs({o[2]}) + 1))"
            ),
            inner.map(lambda x: f"(-{x})"),
            inner.map(lambda x: f"sqrt(abs({x}))"),
            inner.map(lambda x: f"{x} ** 2"),
            st.tuples(st.sampled_from(["minimum", "maximum"]), inner, inner).map(lambda f: f"{f[0]}({f[1]}, {f[2]})"),
            st.tuples(condition, inner, inner).map(lambda w: f"where({w[0]}, {w[1]}, {w[2]})"),
        )

    return st.recursive(st.sampled_from(COLUMNS) | small, grow, max_leaves=8)


rows = st.lists(st.tuples(*[st.floats(-20, 20)] * 3), min_size=1, max_size=4)


@settings(deadline=None, max_examples=150, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(formulas(), rows)
def test_formulas_mean_what_python_means(text, values):
    """Row by row, plain Python gives the same number: precedence, brackets, sign of remainders.

    Only functions that both round in the same way: one bit less can turn a remainder over.
    """
    expression = parse(text)
    assert expression.names == set(re.findall(r"\b[abc]\b", text))
    columns = {name: np.array([row[k] for row in values]) for k, name in enumerate(COLUMNS)}
    found = np.broadcast_to(expression.evaluate(columns), len(values))
    for row, value in zip(values, found, strict=True):
        scope = {"__builtins__": {}, "pi": math.pi, **SCALAR, **dict(zip(COLUMNS, row, strict=True))}
        try:
            expected = eval(text, scope)
        except OverflowError:
            continue
        assert value == pytest.approx(expected, rel=1e-9, abs=1e-9)


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=30) | st.text("ab1.+-*/%()<>=!,[]:'\\ andornotsqrtwhere", max_size=20))
def test_any_text_is_a_formula_or_a_clear_refusal(text):
    """Nothing but ConfigError comes out, whatever a user types, and what is taken only computes."""
    try:
        expression = parse(text, "taus.x")
    except ConfigError as error:
        refusal = str(error)
    else:
        refusal = f'taus.x: "{text}"'
        assert expression.names.isdisjoint(FUNCTIONS)
    assert refusal.startswith(f'taus.x: "{text}"')


finite = st.floats(width=32, allow_nan=False, allow_infinity=False)


@settings(deadline=None)
@given(st.lists(st.lists(finite, max_size=12), min_size=1, max_size=6), st.randoms())
def test_moments_are_those_of_fractions_for_any_partition(parts, random):
    values = [Fraction(v) for part in parts for v in part]
    random.shuffle(parts)
    total = sum((ExactSums.of(np.array(part, np.float32)) for part in parts), ExactSums())
    if not values:
        assert math.isnan(total.mean)
        return
    mean = sum(values) / len(values)
    variance = sum((v - mean) ** 2 for v in values) / len(values)
    assert total.count == len(values)
    assert total.mean == float(mean)
    assert total.mean_square == float(sum(v * v for v in values) / len(values))
    # never negative under the root, and exact to rounding even if all digits cancel
    assert total.std == pytest.approx(math.sqrt(variance), rel=1e-12)


@settings(deadline=None)
@given(st.integers(-100, 100), st.lists(st.floats(0.5, 2.0, width=32), min_size=2, max_size=10))
def test_sums_scale_with_powers_of_two(power, values):
    array = np.array(values, np.float32)
    scaled = np.ldexp(array, power)
    one, two = ExactSums.of(array), ExactSums.of(scaled)
    shift = operator.lshift if power >= 0 else operator.rshift
    assert two.total == shift(one.total, abs(power))
    assert two.squares == shift(one.squares, 2 * abs(power))


counts = st.lists(st.integers(0, 3), min_size=0, max_size=12)


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts, st.lists(st.integers(0, 12), max_size=3), st.integers(0, 12), st.integers(0, 12))
def test_flat_files_return_any_range_of_any_parts(tmp_path, numbers, cuts, a, b):
    """Also entries without objects, parts without entries, and blocks that are empty as a whole."""
    n = len(numbers)
    offsets = np.concatenate([[0], np.cumsum(numbers)]).astype(np.int64)
    objects = {"x": np.arange(offsets[-1], dtype=np.float32), "y": np.full(offsets[-1], np.nan, np.float32)}
    none = Collection(np.zeros(n + 1, np.int64), {"z": np.zeros(0, np.float32)})
    flat = FlatTuples(
        {"entry": np.arange(n)},
        {"t": np.arange(n, dtype=np.float32)},
        {"some": Collection(offsets, objects), "none": none},
    )
    edges = [0, *sorted(min(c, n) for c in cuts), n]
    parts = [flat.slice(low, high) for low, high in itertools.pairwise(edges)]
    assert write_flat(tmp_path / "x.h5", parts) == n
    start, stop = sorted((min(a, n), min(b, n)))
    with FlatFile(tmp_path / "x.h5") as file:
        assert file.object_counts() == {"some": offsets[-1], "none": 0}
        found = file.read(start, stop)
    expected = flat.slice(start, stop)
    np.testing.assert_array_equal(found.index["entry"], expected.index["entry"])
    np.testing.assert_array_equal(found.taus["t"], expected.taus["t"])
    for block, collection in expected.objects.items():
        np.testing.assert_array_equal(found.objects[block].offsets, collection.offsets)
        for name, column in collection.columns.items():
            np.testing.assert_array_equal(found.objects[block].columns[name], column)


@pytest.fixture
def features():
    return FeaturesConfig(
        taus={"pt": FeatureConfig(expression="tau_pt", scaling=ScalingRule(type="normal"))},
        objects={
            "pf": ObjectBlock(
                collection="pfCand",
                max_objects=5,
                select="pfCand_charge != 0 and pfCand_pt > 1",
                features={
                    "pt": FeatureConfig(expression="pfCand_pt"),
                    "share": FeatureConfig(expression="pfCand_pt / tau_pt"),
                },
            )
        },
    )


def test_features_of_a_part_are_the_part_of_the_features(features):
    """An entry's features do not depend on what else is in the table."""
    tuples = mock_tuples(120, seed=6)
    whole = make_flat(tuples, features)
    parts = [make_flat(tuples.slice(a, b), features, first_entry=a) for a, b in ((0, 1), (1, 60), (60, 60), (60, 120))]
    joined = FlatTuples.concatenate(parts)
    assert joined.dropped == whole.dropped
    for name, column in {**whole.index, **whole.taus}.items():
        np.testing.assert_array_equal({**joined.index, **joined.taus}[name], column)
    np.testing.assert_array_equal(joined.objects["pf"].offsets, whole.objects["pf"].offsets)
    np.testing.assert_array_equal(joined.objects["pf"].columns["share"], whole.objects["pf"].columns["share"])


def test_objects_are_the_hardest_selected_ones(features):
    tuples = mock_tuples(80, seed=8)
    flat = make_flat(tuples, features)
    pf, block = tuples.collections["pfCand"], flat.objects["pf"]
    cut = 0
    for k, entry in enumerate(flat.index["entry"]):
        here = slice(pf.offsets[entry], pf.offsets[entry + 1])
        pt, charge = pf.columns["pt"][here], pf.columns["charge"][here]
        expected = np.sort(pt[(charge != 0) & (pt > 1)])[::-1]
        cut += len(expected) > 5
        np.testing.assert_array_equal(block.columns["pt"][block.offsets[k] : block.offsets[k + 1]], expected[:5])
    assert cut > 5


def test_only_required_branches_are_needed(features):
    tuples = mock_tuples(40, seed=3)
    wanted = required_branches(features)
    assert define(features).names <= set(wanted)
    for missing in ("pfCand_pt", "tau_pt", "genLepton_kind"):
        assert missing in wanted
        scalars = {name: column for name, column in tuples.scalars.items() if name != missing}
        collections = {
            prefix: Collection(c.offsets, {f: v for f, v in c.columns.items() if f"{prefix}_{f}" != missing})
            for prefix, c in tuples.collections.items()
        }
        with pytest.raises(InputError, match=missing):
            make_flat(type(tuples)(scalars, collections), features)


def test_scaled_training_sample_has_mean_zero_and_width_one(tmp_path, features):
    flat = make_flat(mock_tuples(300, seed=4), features)
    write_flat(tmp_path / "a.h5", [flat])
    scaling = make_scaling(sum_features(tmp_path / "a.h5", features), features)
    entry = scaling["taus"]["pt"]["global"]
    scaled = (flat.taus["pt"].astype(float) - entry["mean"]) / entry["std"]
    assert scaled.mean() == pytest.approx(0.0, abs=1e-9)
    assert scaled.std() == pytest.approx(1.0, abs=1e-9)
    assert json.loads(json.dumps(scaling)) == scaling
