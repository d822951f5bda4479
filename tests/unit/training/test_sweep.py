import csv
import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.errors import ConfigError, InputError
from taumltools.training.sweep import Scan, parse_space, sweep

SPACE = "training.learning_rate=log(1e-4,1e-1) model.dropout=uniform(0,0.5) training.batch_size=choice(64,128)"


def run(answer, trials=12, parallel=3, seed=1, rounds=None):
    """Questions of a sweep that is answered by a function of the overrides."""
    asking, asked = sweep(parse_space(SPACE), trials, parallel, seed, "minimize"), []
    questions = next(asking)
    while True:
        asked.append(questions)
        if len(asked) == rounds:
            return asked
        try:
            questions = asking.send([answer(line) for line in questions])
        except StopIteration:
            return asked


def rate(line):
    return float(dict(word.split("=") for word in line.split())["training.learning_rate"])


def answer(line):
    return (math.log10(rate(line)) + 2) ** 2


def test_sweep_comes_closer_to_the_best():
    asked = [line for round_ in run(answer, trials=40, parallel=4) for line in round_]
    assert len(asked) == 40
    first, last = (sum(map(answer, part)) / 10 for part in (asked[:10], asked[-10:]))
    assert last < 0.5 * first


def test_interrupted_sweep_is_asked_the_same_again():
    assert run(answer, rounds=3) == run(answer)[:3]
    assert run(answer) != run(answer, seed=2)
    assert [len(questions) for questions in run(answer, trials=7, parallel=3)] == [3, 3, 1]


def test_trial_without_value_does_not_end_the_sweep():
    assert len(run(lambda line: math.nan if rate(line) > 1e-2 else 1.0)) == 4


@settings(max_examples=20, deadline=None)
@given(st.floats(1e-6, 1), st.floats(1.5, 100), st.integers(0, 5), st.integers(6, 20))
def test_what_is_asked_lies_in_the_ranges(low, factor, few, many):
    space = parse_space(f"a=log({low},{low * factor}) b=int({few},{many}) c=choice(x,'[1,2]')")
    for line in next(sweep(space, 4, 4, 1, "maximize")):
        words = dict(word.split("=", 1) for word in line.replace("'", "").split())
        assert low * (1 - 1e-9) <= float(words["a"]) <= low * factor * (1 + 1e-9)
        assert few <= int(words["b"]) <= many
        assert words["c"] in {"x", "[1,2]"}


@pytest.mark.parametrize(
    "text",
    ["", "a", "a=1,2", "a=log(0,1)", "a=uniform(2,1)", "a=int(1,x)", "a=choice()", "a=uniform(1)", "a=int(1,2.5)"],
)
def test_ranges_that_are_none(text):
    with pytest.raises(ConfigError, match=r"no range of a setting|no setting is to be swept"):
        parse_space(text)


@pytest.fixture
def trained(tmp_path):
    folders = []
    for number, loss in enumerate((0.5, 0.25, math.nan)):
        folder = tmp_path / f"model{number}"
        folder.mkdir()
        (folder / "metrics.json").write_text(
            json.dumps({"val_loss": loss, "val_auc_jet": 1 - loss, "entries": {"x": 1}})
        )
        folders.append(folder)
    return folders


def test_table_and_best(trained, tmp_path):
    lines = ["training.epochs=1", "training.epochs=2 model=mini", "training.epochs=3"]
    best = Scan("val_loss", "minimize", lines, trained).write(tmp_path / "scan.d")
    assert best == {"training": 1, "overrides": lines[1], "value": 0.25, "folder": str(trained[1])}
    assert Scan("val_auc_jet", "maximize", lines, trained).best() == 1
    rows = list(csv.DictReader((tmp_path / "scan.d" / "scan.csv").read_text().splitlines()))
    assert rows[1]["training.epochs"] == "2"
    assert (rows[1]["model"], rows[0]["model"]) == ("mini", "")
    assert float(rows[0]["val_loss"]) == 0.5
    assert json.loads((tmp_path / "scan.d" / "scan.json").read_text())["best"] == best
    assert "<table>" in (tmp_path / "scan.d" / "scan.html").read_text()


def test_figure_that_is_not_there_is_named(trained, tmp_path):
    with pytest.raises(InputError, match=r"has no figure 'loss' to compare trainings by; it has val_auc_jet, val_loss"):
        Scan("loss", "minimize", ["a=1"], trained[:1]).best()
    with pytest.raises(InputError, match=r"metrics.json cannot be read"):
        Scan("loss", "minimize", ["a=1"], [tmp_path / "none"]).best()
