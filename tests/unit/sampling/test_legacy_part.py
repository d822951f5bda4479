from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from taumltools.config.sampling import SamplingConfig
from taumltools.errors import ConfigError
from taumltools.sampling.acceptance import make_plan
from taumltools.sampling.choose import AcceptedYields
from taumltools.sampling.gather import choose_part, write_part
from taumltools.sampling.partition import InputFile
from taumltools.sampling.sample import Sample, plan_of_part
from taumltools.tuples.io import open_tuples, write_tuples
from taumltools.tuples.mock import mock_tuples
from tests.unit.sampling.builders import counted_files

DATA = Path(__file__).parents[2] / "data/cms_tools/head"
CONFIG = SamplingConfig(
    pt_edges=(20, 40, 80, 1000),
    eta_edges=(0, 1.2, 2.4),
    lastbin_disbalance=0.5,
    enable_emptybin=True,
    n_jobs=1,
    rng="legacy",
    duplicates="keep",
    groups={"DY": {"types": ["jet", "e", "mu", "tau"], "datasets": ["DY"]}},
)


def chosen(files, config, job=0, plan=None, group=None):
    sample = Sample(files, config)
    plan = plan or make_plan(counted_files(files, config), config)
    return choose_part(sample, plan, job=job, group=group, rng=np.random.default_rng(0))


@pytest.mark.parametrize("take_all", [False, True])
def test_the_accepted_list_of_the_cms_tool_is_reproduced(take_all, tmp_path):
    """Entry by entry and in order, down to the file that is written."""
    config = replace(CONFIG, lastbin_takeall=take_all)
    part = chosen([InputFile(DATA / "input/DY/eventTuple_1.root", 200, "DY")], config)
    entries = write_part(tmp_path / "part.arrow", part, config, tmp_path)
    expected = json.loads((DATA / f"expected/acceptance_takeall_{str(take_all).lower()}/accepted.json").read_text())
    with open_tuples(tmp_path / "part.arrow") as file:
        found = file.read(list(expected))
    assert {name: found[name].tolist() for name in expected} == expected
    assert entries == part.yields.total == len(expected["evt"])
    assert part.yields.read == part.yields.total + part.yields.losses.total == 200


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder, out = tmp_path_factory.mktemp("legacy"), []
    for seed, (name, size) in enumerate({"a_0": 400, "a_1": 307, "b_0": 900}.items()):
        write_tuples(folder / f"{name}.arrow", mock_tuples(size, seed=seed))
        out.append(InputFile(folder / f"{name}.arrow", size, name[0]))
    return out


TWO = replace(
    CONFIG,
    groups={"a": {"types": ["tau", "jet"], "datasets": ["a"]}, "b": {"types": ["e", "mu"], "datasets": ["b"]}},
    n_jobs=3,
)


def test_jobs_lose_the_remainder_unless_the_last_takes_it(files):
    reads = [chosen(files, TWO, job).yields.read for job in range(3)]
    assert reads == [235 + 300] * 3
    with_rest = [chosen(files, replace(TWO, overflow_job=True), job).yields.read for job in range(3)]
    assert with_rest == [535, 535, 537]


def test_the_first_group_that_runs_out_ends_the_job(files):
    parts = [chosen(files, TWO, job) for job in range(3)]
    yields = AcceptedYields.merge([part.yields for part in parts])
    assert yields.losses.not_read > 0
    assert yields.read == yields.total + yields.losses.total
    for part in parts:
        assert sorted(part.places.tolist()) == list(range(part.yields.total))
        for group in ("a", "b"):  # within a group the order survives
            mine = [(p, c.where.file.path, r) for c, low in zip(part.chosen, cuts(part), strict=True) if c.group == group
                    for p, r in zip(part.places[low : low + len(c)], c.rows, strict=True)]  # fmt: skip
            assert [x[1:] for x in sorted(mine)] == [x[1:] for x in mine]


def cuts(part):
    return np.cumsum([0, *map(len, part.chosen)])[:-1].tolist()


def test_parity_is_decided_after_the_limit(files):
    config = replace(TWO, max_entries=40)
    assert chosen(files, config).yields.total == 40
    even, odd = (chosen(files, replace(config, parity=p)).yields for p in (0, 1))
    assert even.total + odd.total == 40
    assert even.losses.other_parity == odd.total
    assert even.read == even.total + even.losses.total


def test_other_seeds_give_other_lists(files):
    rows = [np.concatenate([c.rows for c in chosen(files, replace(TWO, seed=s)).chosen]).tolist() for s in (1, 2, 1)]
    assert rows[0] == rows[2] != rows[1]


def test_refill_and_separate_groups(files):
    config = replace(TWO, refill_spectrum=True)
    plan = plan_of_part(Sample(files, config), 1)
    assert sum(int(n.sum()) for n in plan.groups["a"].counts.values()) < 235
    part = chosen(files, config, 1, plan)
    assert part.yields.total > 0
    only = chosen(files, replace(TWO, mode="MergePerEntry"), group="b")
    assert {c.group for c in only.chosen} == {"b"}


def test_more_jobs_than_entries_are_refused(files):
    with pytest.raises(ConfigError, match="cannot be split into 5000 jobs"):
        chosen(files, replace(TWO, n_jobs=5000))
