from __future__ import annotations

import json

import numpy as np
import pytest

from taumltools.errors import InputError
from taumltools.plotstyle import save_figure
from taumltools.sampling.acceptance import AcceptancePlan, GroupPlan
from taumltools.sampling.choose import AcceptedYields, Losses
from taumltools.sampling.yields import compare_yields, draw_yields

EDGES = ((20.0, 40.0, 100.0, 1000.0), (0.0, 1.2, 2.4))
COUNTS = np.array([[1000, 500], [100, 50], [10, 5]]) * 100


def plan(q=1.0):
    group = GroupPlan(("a",), {"tau": COUNTS}, {"tau": 500 / COUNTS}, {"tau": q}, int(COUNTS.sum()))
    return AcceptancePlan(*EDGES, {"g": group})


def achieved(counts, **losses):
    return AcceptedYields(int(COUNTS.sum()), Losses(**losses), {"tau": np.asarray(counts)})


def test_an_honest_sample_has_pulls_of_one():
    """Pulls of 300 samples: mean 0, width 1, and p-values that are uniform."""
    rng, p = np.random.default_rng(4), 500 / COUNTS * 0.5
    samples = [compare_yields([plan(0.5)], achieved(rng.binomial(COUNTS, p)), "spectral") for _ in range(300)]
    pulls = np.array([s.pulls("tau") for s in samples])
    assert abs(pulls.mean()) < 5 / np.sqrt(pulls.size)
    assert pulls.std() == pytest.approx(1, abs=0.08)
    values = np.array([s.chi_square("tau")[2] for s in samples])
    assert samples[0].chi_square("tau")[1] == 6
    assert np.abs(np.histogram(values, 5, (0, 1))[0] - 60).max() < 5 * np.sqrt(60)


def test_a_wrong_sample_is_seen():
    wrong = np.full((3, 2), 500) + np.array([[300, 0], [0, 0], [0, 0]])
    assert compare_yields([plan()], achieved(wrong), "spectral").chi_square("tau")[2] < 1e-9


@pytest.mark.parametrize(("method", "total"), [("quota", 3000), ("weight", int(COUNTS.sum()))])
def test_exact_methods_have_no_spread(method, total):
    counts = COUNTS if method == "weight" else np.full((3, 2), 500)
    yields = compare_yields([plan()], achieved(counts), method)
    assert np.isnan(yields.pulls("tau")).all()
    assert yields.chi_square("tau") == (0.0, 0, 1.0)
    assert yields.expected["tau"].sum() == pytest.approx(total)


def test_what_is_dropped_later_lowers_the_expectation():
    yields = compare_yields([plan()], achieved(np.full((3, 2), 250), surplus=1000, other_parity=500), "spectral")
    assert np.allclose(yields.expected["tau"], 250)


def test_plans_of_parts_add_up():
    yields = compare_yields([plan(), plan()], achieved(np.full((3, 2), 1000)), "spectral")
    assert np.allclose(yields.expected["tau"], 1000)


def test_other_types_are_refused():
    other = AcceptedYields(1, Losses(), {"jet": np.zeros((3, 2))})
    with pytest.raises(InputError, match=r"plan and parts differ in the types \['jet', 'tau'\]"):
        compare_yields([plan()], other, "spectral")


def test_json_and_plot(tmp_path):
    yields = compare_yields([plan()], achieved(np.full((3, 2), 490), rejected=7), "spectral")
    yields.save(tmp_path / "yields.json")
    content = json.loads((tmp_path / "yields.json").read_text())
    assert content["types"]["tau"]["achieved_total"] == 2940
    assert content["types"]["tau"]["expected_total"] == pytest.approx(3000)
    assert content["entries"]["rejected"] == 7
    assert content["pt_edges"] == list(EDGES[0])
    figure = draw_yields(yields)
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")] == ["genuine taus"]
    save_figure(figure, tmp_path / "yields.png")
    assert (tmp_path / "yields.png").read_bytes().startswith(b"\x89PNG")
