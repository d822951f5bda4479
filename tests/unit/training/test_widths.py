import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.config.networks import StackConfig
from taumltools.errors import ConfigError
from taumltools.training.models.widths import evaluate_width, layer_widths

HALVING = StackConfig("2*n*(1+drop)", "n*(1+drop)")


@pytest.mark.parametrize(
    ("stack", "n", "widths"),
    [
        (StackConfig("2*n*(1+drop)", "n*(1+drop)", reduction=1.4), 43, [104, 74, 52]),
        (HALVING, 86, [207, 129, 104]),
        (HALVING, 64, [154, 96, 77]),
        (HALVING, 38, [92, 57, 46]),
        (StackConfig("n", 64), 227, [227, 141, 88, 64]),
        (StackConfig(200, 200, reduction=1.0, min_layers=4), 180, [200] * 4),
        (HALVING, 93, [224, 140, 112]),
        (HALVING, 70, [168, 105, 84]),
        (HALVING, 44, [106, 66, 53]),
        (StackConfig("0.6*n", 32, reduction=1.65), 249, [150, 90, 54, 32]),
        (StackConfig("n", 64, max_layers=2), 227, [227, 64]),
        (StackConfig(10, 20), 5, [10]),
    ],
)
def test_widths_as_tabulated(stack, n, widths):
    assert layer_widths(stack, n) == widths


@given(
    st.integers(1, 500),
    st.floats(0, 0.9),
    st.floats(1.05, 4),
    st.integers(0, 6),
)
def test_widths_fall_to_the_last_one(n, drop, reduction, least):
    stack = StackConfig("2*n*(1+drop)", "n*(1+drop)", reduction=reduction, dropout=drop, min_layers=least)
    widths = layer_widths(stack, n)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] == evaluate_width("n*(1+drop)", n, drop)
    assert len(widths) >= least


@pytest.mark.parametrize(
    "width",
    [
        "__import__('os').system('true')",
        "n.real",
        "n if drop else 1",
        "m*2",
        "n**n",
        "2*",
        "n/drop",
        "-n",
        "",
        "'a'*n",
        "True",
        "(" * 500 + "n" + ")" * 500,
    ],
)
def test_only_arithmetic_of_n_and_drop(width):
    with pytest.raises(ConfigError, match=r"width .*expected"):
        evaluate_width(width, n=10, drop=0.0)


def test_rule_without_end_is_refused():
    with pytest.raises(ConfigError, match="reduction 1 never leads from width 20 to 10"):
        layer_widths(StackConfig(20, 10, reduction=1.0), 5)
