from __future__ import annotations

import logging
import math

import numpy as np
import pytest

from taumltools.config.sampling import SamplingConfig
from taumltools.errors import ConfigError, InputError
from taumltools.sampling import gather as module
from taumltools.sampling.acceptance import make_plan
from taumltools.sampling.choose import AcceptedYields
from taumltools.sampling.gather import ADDED, InputFile, enabled_branches, gather_part
from taumltools.sampling.hashing import hash_name
from taumltools.sampling.spectra import SPECTRA_BRANCHES, Spectra, count_spectra
from taumltools.tuples import arrowio, rootread
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import write_tuples
from taumltools.tuples.mock import mock_tuples
from taumltools.tuples.schema import tautuple_schema
from taumltools.tuples.truth import TauType, truth_type

KEY = ("run", "lumi", "evt", "jet_index", "tau_index")
STORED = [*dict.fromkeys([*SPECTRA_BRANCHES, *KEY, "tauType", "jet_pt", "pfCand_pt", "pfCand_charge", "muon_pt"])]
SIZES = {"a_0": 700, "a_1": 500, "b_0": 900}
CONFIG = SamplingConfig(
    pt_edges=(20, 40, 100, 1000), eta_edges=(0, 1.2, 2.4), lastbin_takeall=True, lastbin_disbalance=10
)
GROUPED = SamplingConfig(
    pt_edges=(20, 40, 100, 1000),
    eta_edges=(0, 1.2, 2.4),
    groups={"leptons": {"types": ["e", "mu"]}, "taus": {"types": ["tau", "jet"], "datasets": ["a", "b"]}},
)


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder, files = tmp_path_factory.mktemp("gather"), []
    for seed, (name, size) in enumerate(SIZES.items()):
        path = folder / f"{name}.{'root' if name == 'a_1' else 'arrow'}"
        write_tuples(path, mock_tuples(size, seed=seed), STORED)
        files.append(InputFile(path, size, name[0]))
    return files


def plan_of(inputs, config=CONFIG):
    spectra = {}
    for dataset in ("a", "b"):
        parts = [count_spectra(f.path, config.spectra) for f in inputs if f.dataset == dataset]
        spectra[dataset] = Spectra.merge(parts)
    return make_plan(spectra, config)


@pytest.fixture(scope="module")
def plan(inputs):
    return plan_of(inputs)


def part(inputs, plan, job=0, n_jobs=1, seed=0, **options):
    return gather_part(inputs, plan, job=job, n_jobs=n_jobs, rng=np.random.default_rng([seed, job]), **options)


def keys(tuples):
    return list(zip(*(tuples[name].tolist() for name in KEY), strict=True))


def by_key():
    """Everything that was put in, by key."""
    rows = {}
    for seed, (name, size) in enumerate(SIZES.items()):
        tuples = mock_tuples(size, seed=seed)
        types = truth_type(tuples)
        for i, key in enumerate(keys(tuples)):
            rows[key] = (name[0], tuples, i, types[i])
    return rows


@pytest.mark.parametrize("config", [CONFIG, GROUPED], ids=["one group", "two groups"])
def test_candidates_arrive_whole(inputs, config):
    """Scalars, objects, type and ids of each accepted candidate are those of its input."""
    found = part(inputs, plan_of(inputs, config)).tuples
    source, pf = by_key(), found.collections["pfCand"]
    assert len(set(keys(found))) == len(found) > 300
    for row, key in enumerate(keys(found)):
        dataset, tuples, i, tau_type = source[key]
        assert found["tauType"][row] == tau_type
        assert found["dataset_id"][row] == hash_name(dataset)
        assert found["tau_pt"][row] == tuples["tau_pt"][i]
        mine, theirs = pf.slice(row, row + 1), tuples.collections["pfCand"].slice(i, i + 1)
        assert np.array_equal(mine.columns["pt"], theirs.columns["pt"])
        assert np.array_equal(mine.columns["charge"], theirs.columns["charge"])


def test_group_ids(inputs):
    found = part(inputs, plan_of(inputs, GROUPED)).tuples
    leptons = np.isin(found["tauType"], [TauType.e, TauType.mu])
    assert np.all(found["dataset_group_id"][leptons] == hash_name("leptons"))
    assert np.all(found["dataset_group_id"][~leptons] == hash_name("taus"))
    assert found["dataset_group_id"].dtype == np.uint64
    assert found["tauType"].dtype == np.int32


@pytest.mark.parametrize("n_jobs", [1, 2, 3, 7])
@pytest.mark.parametrize("config", [CONFIG, GROUPED], ids=["one group", "two groups"])
def test_parts_read_everything_once(inputs, config, n_jobs):
    plan = plan_of(inputs, config)
    parts = [part(inputs, plan, job, n_jobs) for job in range(n_jobs)]
    yields = AcceptedYields.merge([p.yields for p in parts])
    assert yields.read == sum(SIZES.values()) * len(plan.groups)
    everything = [key for p in parts for key in keys(p.tuples)]
    assert len(set(everything)) == len(everything) == yields.total
    expected = sum(plan.expected_total.values())
    assert abs(yields.total - expected) < 5 * math.sqrt(expected)


def test_all_candidates_of_the_last_bin_are_there(inputs, plan):
    q = plan.type_probability
    sure = next(name for name, value in q.items() if value == 1.0)
    accepted = part(inputs, plan).yields.accepted[sure][-1]
    assert np.array_equal(accepted, plan.groups["all"].counts[sure][-1])


def test_yields_describe_the_tuples(inputs, plan):
    gathered = part(inputs, plan)
    for name, counts in gathered.yields.accepted.items():
        mine = gathered.tuples["tauType"] == TauType[name]
        pt, eta = gathered.tuples["tau_pt"][mine], np.abs(gathered.tuples["tau_eta"][mine])
        assert np.array_equal(np.histogram2d(pt, eta, bins=[plan.pt_edges, plan.eta_edges])[0], counts)


def test_order_is_a_permutation_over_all_files(inputs, plan):
    """Not sorted by dataset, nor neighbours of the input next to each other."""
    found = part(inputs, plan).tuples
    in_a = found["dataset_id"] == hash_name("a")
    share = [half.mean() for half in np.array_split(in_a, 4)]
    assert max(share) - min(share) < 0.25
    monotonic = np.mean(np.diff(found["evt"].astype(int)) > 0)
    assert 0.4 < monotonic < 0.6


def same(a, b):
    return a.branches == b.branches and all(
        np.array_equal(a[n], b[n], equal_nan=a[n].dtype.kind == "f") for n in a.branches
    )


def test_result_depends_on_arguments_only(inputs, plan, monkeypatch):
    expected = part(inputs, plan, 1, 3).tuples
    part(inputs, plan, 0, 3)
    assert same(part(inputs, plan, 1, 3).tuples, expected)
    assert not same(part(inputs, plan, 1, 3, seed=1).tuples, expected)
    monkeypatch.setattr(arrowio.ArrowReader, "block", 77)
    monkeypatch.setattr(rootread.RootReader, "block", 33)
    assert same(part(inputs, plan, 1, 3).tuples, expected)


def test_branches_restrict_the_output(inputs, plan):
    found = part(inputs, plan, branches=enabled_branches(["pfCand_.*", "genLepton_.*"])).tuples
    assert "pfCand" not in found.collections
    assert "genLepton_kind" not in found
    assert {"tauType", "dataset_id", "muon_pt", "jet_pt"} <= set(found.branches)


def test_default_is_what_the_files_have(inputs, plan):
    assert set(part(inputs, plan).tuples.branches) == {*STORED, *ADDED}


def test_branch_that_one_file_lacks_is_missing_there(inputs, plan, tmp_path):
    write_tuples(tmp_path / "b.arrow", mock_tuples(900, seed=2), [n for n in STORED if n not in ("jet_pt", "muon_pt")])
    files = [*inputs[:2], InputFile(tmp_path / "b.arrow", 900, "b")]
    found = part(files, plan).tuples
    in_b = found["dataset_id"] == hash_name("b")
    assert np.isnan(found["jet_pt"][in_b]).all()
    assert not np.isnan(found["jet_pt"][~in_b]).all()
    assert found.collections["muon"].counts[in_b].sum() == 0


def test_unknown_branch(inputs, plan):
    with pytest.raises(
        InputError, match="branch 'tau_ptt' is neither in the schema nor in a file; the nearest names are tau_pt"
    ):
        part(inputs, plan, branches=["tau_ptt"])


def test_enabled_branches():
    every = enabled_branches([])
    assert every == list(tautuple_schema().branches)
    assert len(enabled_branches(["tau_.*"])) == 711 - sum(n.startswith("tau_") for n in every)
    assert len(enabled_branches(["tau_pt"])) == 710
    with pytest.raises(ConfigError, match="'tau_p' matches no branch; it must match a whole name"):
        enabled_branches(["tau_p"])
    with pytest.raises(ConfigError, match=r"matches \['dataset_id', 'dataset_group_id'\], which sampling itself fills"):
        enabled_branches(["dataset_.*"])


def test_memory_budget_is_kept_with_advice(inputs, plan):
    needed = module.COPIES * part(inputs, plan).tuples.nbytes / 1e6
    part(inputs, plan, memory_mb=1.3 * needed)
    with pytest.raises(
        ConfigError, match=r"needs about .* MB, sampling.memory_mb allows 0; set sampling.n_jobs to \d+ or more"
    ):
        part(inputs, plan, memory_mb=0.2 * needed)


def test_files_and_plan_must_fit(inputs, plan):
    with pytest.raises(ConfigError, match=r"the plan has the datasets \['a', 'b'\], the files \['a'\]"):
        part(inputs[:2], plan)


def test_an_empty_part_is_refused(inputs, plan):
    with pytest.raises(InputError, match=r"part 3 of 20000 accepts none of its \d entries; use fewer parts"):
        part(inputs, plan, 3, 20000)


def test_duplicates_are_reported(inputs, plan, tmp_path, caplog):
    write_tuples(tmp_path / "copy.arrow", mock_tuples(900, seed=2), STORED)
    files = [*inputs, InputFile(tmp_path / "copy.arrow", 900, "b")]
    with caplog.at_level(logging.WARNING):
        gathered = part(files, plan)
    assert gathered.yields.duplicates == np.count_nonzero(truth_type(mock_tuples(900, seed=2)) >= 0)
    assert f"{gathered.yields.duplicates} candidates occur more than once" in caplog.text
    assert part(inputs, plan).yields.duplicates == 0


def test_same_file_twice_is_refused(inputs, plan):
    with pytest.raises(InputError, match="listed more than once"):
        part([*inputs, inputs[0]], plan)


def test_output_can_be_written_and_typed_again(inputs, plan, tmp_path):
    found = part(inputs, plan).tuples
    assert write_tuples(tmp_path / "part.arrow", found) == len(found)
    assert np.array_equal(truth_type(found), found["tauType"])
    assert isinstance(found, Tuples)


def test_every_part_holds_its_share_of_every_dataset(inputs, plan):
    """Files of all datasets laid end to end gave one part most taus and the other most jets."""
    for job in range(2):
        ids = part(inputs, plan, job=job, n_jobs=2).tuples["dataset_id"]
        assert {int(i) for i in ids} == {hash_name("a"), hash_name("b")}
    reads = [part(inputs, plan, job=job, n_jobs=2).yields.read for job in range(2)]
    assert reads == [1050, 1050]
