"""Shuffle and merge as tasks: options, tuples from outside, samples of groups, exports."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import uproot

from tasks.sampling import ExportLegacy, PlanSampling, SamplingYields, ShuffleMergeSpectral, ValidateShuffle
from tasks.sampling_inputs import CountSpectra, CountTuples, CreateSpectralHists, FindDuplicates, ListTuples
from tasks.sampling_options import OPTIONS
from taumltools.config.sampling import GroupConfig
from taumltools.errors import ConfigError, InputError
from taumltools.sampling.choose import AcceptedYields
from taumltools.sampling.hashing import hash_name
from taumltools.store import read_sidecar
from taumltools.tuples.data import Tuples
from taumltools.tuples.io import open_tuples, write_tuples
from taumltools.tuples.mock import mock_tuples
from tests.tasks.making import forget_tasks, make

WIDE = {"pt_bins": ("20", "40", " 100", "1000"), "eta_bins": ("0", "1.2", "2.4"), "enable_emptybin": True}
SIZES = {"DY/a_1.arrow": 900, "DY/a_2.root": 500, "TT/b_1.arrow": 700}


@pytest.fixture(scope="module")
def outside(tmp_path_factory):
    """Tuples of somebody else: two datasets, three files; ten candidates of DY occur twice."""
    folder = tmp_path_factory.mktemp("outside")
    for seed, (name, size) in enumerate(SIZES.items()):
        (folder / name).parent.mkdir(exist_ok=True)
        tuples = mock_tuples(size, seed=seed)
        if name == "DY/a_2.root":
            tuples = Tuples.concatenate([tuples.slice(0, size - 10), mock_tuples(900, seed=0).slice(50, 60)])
        write_tuples(folder / name, tuples, ["sampleType", *mock_tuples(1).scalars, "pfCand_pt"])
    return folder


def task(task_class, **options):
    return task_class(version="v1", campaign="tiny", **options)


def mixed(outside, **options):
    return make(task(ShuffleMergeSpectral, input=str(outside), **(WIDE | options)))


def accounts(workflow):
    return [AcceptedYields.from_json(read_sidecar(path)["details"]["yields"]) for path in workflow.paths()]


def test_every_option_reaches_its_setting(tmp_path):
    (tmp_path / "groups.cfg").write_text("A: dir=DY.* file=a_.* types=tau,jet\nB: dir=TT types=e,mu\n")
    given = {
        "cfg": str(tmp_path / "groups.cfg"), "pt_bins": ("20", "50", "1000"), "eta_bins": ("0", "2.4"),
        "tau_ratio": ("tau:2", " jet:1", "e:1", "mu:-1"), "lastbin_takeall": True, "lastbin_disbalance": 3.5,
        "refill_spectrum": True, "enable_emptybin": True, "overflow_job": True, "parity": 1, "max_entries": 9,
        "seed": 7, "disabled_branches": "photon_.*, tau_pt", "compression_algo": "ZLIB", "compression_level": 9,
        "n_jobs": 5, "mode": "MergePerEntry", "method": "spectral", "duplicates": "keep", "rng": "legacy",
        "output_format": "root", "unused_datasets": "ignore",
    }  # fmt: skip
    assert set(given) == set(OPTIONS)
    config = task(ShuffleMergeSpectral, **given).sampling
    assert config.groups["A"] == GroupConfig(types=("tau", "jet"), datasets=("DY.*",), files="a_.*")
    assert config.tau_ratio == {"tau": 2, "jet": 1, "e": 1, "mu": -1}
    assert config.pt_edges == (20, 50, 1000)
    assert config.disabled_branches == ("photon_.*", "tau_pt")
    assert (config.compression_algo, config.compression_level, config.n_jobs) == ("zlib", 9, 5)
    plain = {n: getattr(config, OPTIONS[n][0]) for n in given if n not in ("cfg", "tau_ratio", "pt_bins", "eta_bins")}
    simple = {n: v for n, v in given.items() if n in plain and n not in ("disabled_branches", "compression_algo")}
    assert {n: plain[n] for n in simple} == simple


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"parity": 2}, r"^--parity of the command line: parity: Input should be 0, 1 or 3"),
        ({"mode": "Merge"}, "MergePerEntry"),
        ({"pt_bins": ("20", "x")}, "--pt-bins and --eta-bins are numbers separated by commas"),
        ({"tau_ratio": ("tau=1",)}, "'tau=1' is not of the form type:number"),
        ({"cfg": "none.cfg"}, "none.cfg: cannot be read"),
        ({"parity": 2, "n_jobs": 3}, r"^--parity of the command line: parity: Input should be 0, 1 or 3"),
        ({"compression_algo": "gzip"}, "format 'arrow', --compression-algo .*'gzip' is unknown; use one of lz4"),
        ({"output_format": "root", "compression_level": 99}, "'zstd' has levels 1 to 22, found 99"),
        ({"rng": "legacy"}, "--rng of the command line: .*keeps duplicates"),
    ],
)
def test_options_that_do_not_fit_are_refused_by_name(options, message):
    with pytest.raises(ConfigError, match=message):
        task(ShuffleMergeSpectral, **options).identity  # noqa: B018 - the property is what is tested


def test_wrong_type_in_a_cfg_file_is_named_with_the_file(tmp_path):
    (tmp_path / "groups.cfg").write_text("DY: dir=DY.* file=.* types=taus\n")
    with pytest.raises(ConfigError, match=r"groups\.cfg: .*taus"):
        task(ShuffleMergeSpectral, cfg=str(tmp_path / "groups.cfg")).identity  # noqa: B018 - the property is tested


def test_a_folder_is_the_same_by_whatever_name_it_is_called(outside, monkeypatch):
    """A relative name was the identity: another folder of that name took over the products of the first."""
    monkeypatch.chdir(outside.parent)
    same = {task(ListTuples, input=name).folder for name in (str(outside), f"{outside}/", outside.name)}
    assert len(same) == 1
    (outside.parent / "other" / outside.name).mkdir(parents=True)
    monkeypatch.chdir(outside.parent / "other")
    forget_tasks()
    assert task(ListTuples, input=outside.name).folder not in same


def test_options_move_what_depends_on_them_and_nothing_else():
    plain = task(ShuffleMergeSpectral)
    for options, moved in (
        ({"n_jobs": 3}, {ShuffleMergeSpectral}),
        ({"method": "quota"}, {ShuffleMergeSpectral}),
        ({"lastbin_disbalance": 2.0}, {PlanSampling, ShuffleMergeSpectral}),
        ({"duplicates": "keep"}, {PlanSampling, ShuffleMergeSpectral}),
        ({"seed": 3}, {ShuffleMergeSpectral}),
    ):
        changed = task(ShuffleMergeSpectral, **options)
        for key, task_class in (("plan", PlanSampling), ("duplicates", FindDuplicates)):
            same = changed.upstream()[key].folder == plain.upstream()[key].folder
            assert same == (task_class not in moved), (options, key)
        assert changed.folder != plain.folder
    memory = task(ShuffleMergeSpectral, overrides="sampling.memory_mb=123")
    assert memory.folder == plain.folder


def test_tuples_from_outside_are_listed_counted_and_mixed(outside):
    workflow = mixed(outside, n_jobs=3)
    listed = json.loads(workflow.upstream()["files"].path.read_text())["files"]
    assert [Path(file["path"]).relative_to(outside).as_posix() for file in listed] == list(SIZES)
    assert [file["dataset"] for file in listed] == ["DY", "DY", "TT"]
    total = AcceptedYields.merge(accounts(workflow))
    assert total.read == sum(SIZES.values()) == total.total + total.losses.total
    assert total.duplicates == 10 == total.losses.repeated + np.count_nonzero(untyped(outside))
    for path in workflow.paths():
        with open_tuples(path) as file:
            found = file.read(["dataset_id", "tauType"])
        assert {int(i) for i in found["dataset_id"]} == {hash_name("DY"), hash_name("TT")}


def untyped(outside):
    from taumltools.tuples.truth import truth_type

    return truth_type(mock_tuples(900, seed=0).slice(50, 60)) < 0


def test_a_list_with_wrong_numbers_is_refused_before_anything_is_mixed(outside, tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("x/DY/a_1.arrow 900\nx/DY/a_2.root 501\n")
    with pytest.raises(InputError, match=r"a_2.root: the list states 501 entries, the file has 500"):
        make(task(CountTuples, input=str(path), prefix=str(outside)))
    path.write_text("x/DY/a_1.arrow 900\nx/DY/a_2.root 500\n")
    forget_tasks()  # another call: the list is read again
    workflow = make(task(CountTuples, input=str(path), prefix=str(outside)))
    listed = [json.loads((folder / "files.json").read_text())["files"] for folder in workflow.paths()]
    assert sorted(file["entries"] for files in listed for file in files) == [500, 900]


def test_listing_needs_a_source():
    with pytest.raises(ConfigError, match="name a folder or a list by --input"):
        task(ListTuples, branch=0).run()


def test_the_campaign_counts_its_own_tuples():
    assert {type(t) for t in task(PlanSampling).upstream()["spectra"]} == {CountSpectra}
    assert "samples.train" in task(PlanSampling).reads()
    assert "samples.train" not in task(PlanSampling, input="/data").reads()


def test_a_sample_for_each_group(outside, tmp_path):
    (tmp_path / "groups.cfg").write_text("hadrons: dir=.* types=tau,jet\nleptons: dir=DY types=e,mu\n")
    workflow = mixed(outside, cfg=str(tmp_path / "groups.cfg"), mode="MergePerEntry", n_jobs=2, output_format="root")
    assert [path.name for path in workflow.paths()] == [
        "hadrons_0.root",
        "hadrons_1.root",
        "leptons_0.root",
        "leptons_1.root",
    ]
    for path in workflow.paths():
        with open_tuples(path) as file:
            found = file.read(["tauType", "dataset_group_id"])
        assert set(found["tauType"]) == ({0, 1} if path.name.startswith("leptons") else {2, 3})
        assert {int(i) for i in found["dataset_group_id"]} == {hash_name(path.name.split("_")[0])}


@pytest.mark.parametrize("refill", [False, True])
def test_samples_of_groups_are_compared_and_validated_one_by_one(outside, tmp_path, refill):
    """Parts of groups with other types were taken for parts of one sample: never alike, or of another plan."""
    (tmp_path / "groups.cfg").write_text("hadrons: dir=.* types=tau,jet\nleptons: dir=DY types=e,mu\n")
    options = {"cfg": str(tmp_path / "groups.cfg"), "mode": "MergePerEntry", "n_jobs": 2, "input": str(outside)}
    yields = make(task(SamplingYields, **options, **WIDE, refill_spectrum=refill))
    content = json.loads((yields.path / "yields.json").read_text())
    assert set(content["types"]) == {"tau", "jet", "e", "mu"}
    assert all(found["p"] > 1e-6 for found in content["types"].values())
    if not refill:
        workflow = make(task(ValidateShuffle, **options, **WIDE))
        for group in ("hadrons", "leptons"):
            verdict = json.loads((workflow.path / group / "verdict.json").read_text())
            assert verdict["passed"]
            assert list(verdict["parts"]) == [f"{group}_0.arrow", f"{group}_1.arrow"]


@pytest.mark.parametrize("method", ["spectral", "quota", "weight"])
@pytest.mark.parametrize("refill", [False, True])
def test_yields_compare_plan_and_parts(outside, method, refill):
    if refill and method == "quota":
        pytest.skip("refused: quotas belong to the whole sample")
    options = {"input": str(outside), "method": method, "refill_spectrum": refill, **WIDE}
    workflow = make(task(SamplingYields, **options))
    content = json.loads((workflow.path / "yields.json").read_text())
    for name, found in content["types"].items():
        spread = 5 * np.sqrt(found["expected_total"]) if method == "spectral" else 0.5 + 1e-6
        assert abs(found["achieved_total"] - found["expected_total"]) <= spread, name
        if method == "weight" or (method == "quota"):
            assert np.abs(np.array(found["achieved"]) - found["expected"]).max() <= 1
        assert found["p"] > 1e-6
    assert content["entries"]["read"] == sum(SIZES.values())
    for name in ("yields.pdf", "yields.png"):
        assert (workflow.path / name).stat().st_size > 5000


def test_spectra_and_lists_are_those_of_the_cms_tool(outside):
    workflow = make(
        task(CreateSpectralHists, input=str(outside), pt_hist=("490", " 10", " 500"), eta_hist=("25", "0", "2.5"))
    )
    lines = [line.split() for line in (workflow.path / "filelist.txt").read_text().splitlines()]
    assert [(Path(path).relative_to(outside).as_posix(), int(n)) for path, n in lines] == list(SIZES.items())
    with uproot.open(workflow.path / "DY.root") as file:
        counts, eta, pt = file["eta_pt_hist_tau"].to_numpy()
    assert counts.shape == (25, 490)
    assert (eta[0], eta[-1], pt[0], pt[-1]) == (0, 2.5, 10, 500)
    assert (workflow.path / "TT.txt").read_text().split()[-1] == "700"


def test_fine_bins_reach_all_that_count_and_plan(outside):
    options = {"pt_hist": ("90", "10", "1000"), "input": str(outside), **WIDE, "pt_bins": ("10", "43", "1000")}
    plan = make(task(PlanSampling, **options))
    assert json.loads(plan.path.read_text())["pt_edges"] == [10, 43, 1000]
    assert plan.folder != task(PlanSampling, **(options | {"pt_hist": ("990", "10", "1000")})).folder
    campaign = task(CreateSpectralHists, eta_hist=("10", "0", "5")).upstream()["spectra"][0]
    assert campaign.fine_bins.eta_range == (0, 5)


@pytest.mark.parametrize("values", [("980",), ("1.5", "20", "1000"), ("a", "b", "c")])
def test_wrong_fine_bins_are_named(values):
    with pytest.raises(ConfigError, match=r"--pt-hist .*: expected number of bins, first and last edge"):
        task(CreateSpectralHists, pt_hist=values).identity  # noqa: B018 - the property is what is tested


def test_files_and_folders_can_be_left_out(outside):
    options = {"exclude_list": ("a_1.arrow",), "exclude_dir_list": (" TT",)}
    listed = make(task(ListTuples, input=str(outside), **options)).path
    assert [Path(file["path"]).name for file in json.loads(listed.read_text())["files"]] == ["a_2.root"]


def test_legacy_export_is_readable_by_the_documented_layout(outside):
    workflow = make(task(ExportLegacy, input=str(outside), **WIDE))
    folder = workflow.path
    assert json.loads((folder / "dataset_hash.json").read_text()) == {n: str(hash_name(n)) for n in ("DY", "TT")}
    assert json.loads((folder / "datagroup_hash.json").read_text()) == {"all": str(hash_name("all"))}
    with uproot.open(folder / "all.root") as file:
        assert set(file.keys(cycle=False)) == {f"{t}_prob" for t in ("e", "mu", "tau", "jet")}
    assert (workflow.upstream()["spectra"].path / "DY.root").is_file()


V1 = Path(__file__).parents[1] / "data/cms_tools/v1/input"


@pytest.mark.parametrize("rng", [{}, {"rng": "legacy", "duplicates": "keep"}])
def test_files_of_2020_are_mixed_with_all_of_their_branches(rng):
    """121 of 386 branches were lost without a word, and with the legacy stream the files could not be read."""
    workflow = mixed(V1, output_format="root", pt_bins=("20", "40", "80", "1000"), eta_bins=("0", "1.15", "2.3"), **rng)
    with open_tuples(V1 / "DY/eventTuple_1.root") as file:
        before = {*file.branches, *file.other_branches}
    for path in workflow.paths():
        with open_tuples(path) as file:
            assert file.generation == "2020"
            assert before <= {*file.branches, *file.other_branches}
            found = file.read(["tauType", "lepton_gen_match", "sampleType"])
        assert set(found["tauType"][found["lepton_gen_match"] == 5].tolist()) <= {2}
        assert set(found["tauType"][found["lepton_gen_match"] == 6].tolist()) <= {3}


def test_mixture_of_generations_says_what_it_leaves_out(outside, tmp_path, caplog):
    for name, source in (("new", outside / "DY"), ("old", V1 / "QCD")):
        (tmp_path / "in" / name).mkdir(parents=True)
        for path in source.iterdir():
            (tmp_path / "in" / name / path.name).symlink_to(path)
    mixed(tmp_path / "in", pt_bins=("20", "40", "80", "1000"), eta_bins=("0", "1.15", "2.3"))
    assert "branches that only the files of 2020 have are left out" in caplog.text
