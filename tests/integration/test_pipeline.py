"""The whole pipeline through ``law run Report``, as a user would, on a tiny campaign."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from taumltools.batch.journal import read_events
from taumltools.batch.ledger import Ledger
from tests.integration.compare import differences

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.integration, pytest.mark.slow, pytest.mark.timeout(1500)]


def law(
    store: Path, *arguments: str, workers: int = 2, more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """``law run`` with the tiny campaign, in an environment as setup.sh makes it."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("LAW_")}
    environment |= {
        "TAUML_STORE": str(store),
        "PYTHONPATH": str(ROOT),
        "LAW_HOME": str(store / ".law"),
        "LAW_CONFIG_FILE": str(ROOT / "law.cfg"),
        "LAW__luigi_core__workers": str(workers),
        "TF_CPP_MIN_LOG_LEVEL": "3",
    } | dict(more or {})
    executable = str(Path(sys.executable).with_name("law"))
    command = [executable, "run", *arguments, "--version", "v1", "--campaign", "tiny"]
    subprocess.run([executable, "index", "--quiet"], env=environment, cwd=ROOT, check=True, capture_output=True)
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A store in which the report of the tiny campaign has been made."""
    store = tmp_path_factory.mktemp("store")
    done = law(store, "Report")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return store, done


def products(store: Path, task: str, pattern: str, root: tuple[str, ...] = ("tiny",)) -> list[Path]:
    found = sorted(store.joinpath(*root, task).rglob(pattern))
    assert found, f"no {pattern} below {task}"
    return found


def test_it_says_where_the_report_is(finished):
    store, done = finished
    path = re.search(r"the report is at (\S+)", done.stdout + done.stderr)
    assert path
    assert Path(path[1]).is_file()
    assert store in Path(path[1]).parents


def test_htcondor_gives_the_same_products_byte_by_byte(finished, pool, tmp_path):
    """Times and names of runs aside; what is compared how is in compare.py."""
    store, _ = finished
    done = law(tmp_path, "Report", "--workflow", "htcondor", "--site", "local-pool", workers=6, more=pool.env)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    assert differences(store / "tiny", tmp_path / "tiny") == []
    journals = [Ledger.replay(read_events(path)) for path in (tmp_path / "_batch").rglob("journal.jsonl")]
    made = sum(len(ledger.products) for ledger in journals)
    assert made == len(list((tmp_path / "tiny").rglob("*.meta.json")))  # every product was made by a job
    assert pool.queue() == []


def test_second_call_does_nothing_and_says_so_in_seconds(finished):
    store, _ = finished
    before = {p: p.stat().st_mtime_ns for p in (store / "tiny").rglob("*")}
    start = time.perf_counter()
    done = law(store, "Report")
    assert time.perf_counter() - start < 20  # 3 to 4 s, on a busy machine more
    assert done.returncode == 0
    assert "the report is at" in done.stdout + done.stderr
    assert {p: p.stat().st_mtime_ns for p in (store / "tiny").rglob("*")} == before


def test_every_product_has_a_sidecar_and_nothing_else_lies_around(finished):
    store, _ = finished
    hidden = list((store / "tiny").rglob(".*"))
    assert not hidden
    for meta in (store / "tiny").rglob("*.meta.json"):
        content = json.loads(meta.read_text())
        assert meta.with_name(meta.name.removesuffix(".meta.json")).exists()
        assert content["wall_s"] >= 0
        assert content["packages"]["numpy"] == np.__version__


def test_tuples_have_the_whole_schema_and_unique_candidates(finished):
    from taumltools.sampling.duplicates import KEY
    from taumltools.tuples.io import open_tuples
    from taumltools.tuples.schema import tautuple_schema

    store, _ = finished
    rows = []
    for path in products(store, "ProduceTuples", "tuples_?.arrow"):
        with open_tuples(path) as file:
            assert file.branches == list(tautuple_schema().branches)
            assert file.entries > 0
            if "/train/" in str(path) and "/ztautau/" in str(path):
                tuples = file.read(KEY)
                rows += zip(*(tuples[name].tolist() for name in KEY), strict=True)
    assert len(rows) == len(set(rows)) > 0


def test_spectra_count_what_the_tuples_hold(finished):
    from taumltools.sampling.spectra import Spectra
    from taumltools.tuples.io import open_tuples
    from taumltools.tuples.truth import TAU_TYPES, TRUTH_BRANCHES, truth_type

    store, _ = finished
    for path in products(store, "CountSpectra", "spectra_*.json"):
        if path.name.endswith(".meta.json"):
            continue
        spectra = Spectra.load(path)
        source = json.loads(path.with_name(path.name + ".meta.json").read_text())["inputs"][0]["path"]
        with open_tuples(source) as reader:
            assert spectra.entries == reader.entries
            types = truth_type(reader.read(TRUTH_BRANCHES), "MC")
        for index, name in enumerate(TAU_TYPES):
            assert spectra.entries_by_type.get(name, 0) == int((types == index).sum())


def test_merged_parts_take_each_candidate_once_and_only_typed_ones(finished):
    from taumltools.tuples.io import open_tuples

    store, _ = finished
    keys = []
    for path in products(store, "ShuffleMergeSpectral", "part_*"):
        if path.name.endswith(".meta.json"):
            continue
        with open_tuples(path) as reader:
            names = ["dataset_id", "run", "lumi", "evt", "jet_index", "tau_index", "tauType"]
            part = reader.read(names)
        assert set(np.unique(part["tauType"])) <= {0, 1, 2, 3}
        assert np.all(part["tau_index"] >= 0)
        keys += list(zip(*(part[name] for name in names[:-1]), strict=True))
    assert len(keys) == len(set(keys)) > 50


def test_flat_tuples_scaling_and_model_fit_together(finished):
    from taumltools.config import load_campaign
    from taumltools.features.flat import FlatFile
    from taumltools.features.scaling import load_scaling
    from taumltools.training.network import load_network

    store, _ = finished
    load_scaling(products(store, "FeatureScaling", "scaling.json")[0], load_campaign("tiny").features)
    network = load_network(products(store, "Training", "model")[0])
    with FlatFile(products(store, "ProduceFlatTuples", "flat_0.h5")[0]) as flat:
        scores = network.predict(flat.read(0, flat.entries))
        assert scores.shape == (flat.entries, 4)
    np.testing.assert_allclose(scores.sum(axis=1), 1, atol=1e-5)


def test_predictions_have_one_row_per_entry_in_order(finished):
    from taumltools.evaluation.predictions import Predictions
    from taumltools.tuples.io import open_tuples

    store, _ = finished
    for path in products(store, "ApplyTraining", "predictions_*.h5"):
        meta = json.loads(path.with_name(path.name + ".meta.json").read_text())
        pt = []
        for source in meta["inputs"]:
            if "/tuples_" in source["path"]:
                with open_tuples(source["path"]) as reader:
                    pt.append(reader.read(["tau_pt"])["tau_pt"])
        predictions = Predictions.read(path)
        np.testing.assert_array_equal(predictions.columns["tau_pt"], np.concatenate(pt))
        assert np.array_equal(predictions.scored, np.isfinite(predictions.outputs).all(axis=1))


def test_performance_is_strict_json(finished):
    store, _ = finished
    folders = [p for p in products(store, "EvaluatePerformance", "performance_*") if p.is_dir()]
    assert len(folders) == 4
    for folder in folders:
        text = next(folder.glob("*.json")).read_text()
        json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is not JSON"))


def test_report_is_one_selfcontained_page(finished):
    store, _ = finished
    page = products(store, "Report", "report.html")[0]
    text = page.read_text()
    assert page.stat().st_size < 5_000_000
    assert "<html" in text

    class Loads(HTMLParser):
        """Collects what the page would load; code inside of scripts is no markup."""

        found: ClassVar[list[str]] = []

        def handle_starttag(self, tag, attrs):
            values = dict(attrs)
            if tag in {"script", "img", "iframe"} and values.get("src", "data:")[:5] != "data:":
                self.found.append(values["src"])
            if tag == "link" and values.get("href", "")[:5] != "data:":
                self.found.append(values.get("href", ""))

    Loads().feed(text)
    assert not Loads.found


@pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning")  # mlflow 3.17 itself
def test_a_report_was_not_made_without_the_mirror_of_its_store(finished, tmp_path):
    """It read the plan, parts, network and side-cars, but asked for the evaluation only."""
    server = shutil.copytree(finished[0], tmp_path / "server")
    place = {"TAUML_STORE": f"file://{server}", "TAUML_MIRROR": str(tmp_path / "mirror")}
    done = law(tmp_path / "home", "Report", "--overrides", "report.title=Again", more=place)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    (again,) = {*products(server, "Report", "report.html")} - {
        server / path.relative_to(finished[0]) for path in products(finished[0], "Report", "report.html")
    }
    assert "Again" in again.read_text()


def test_mlflow_knows_the_run(finished):
    import mlflow

    store, _ = finished
    model = products(store, "Training", "model")[0]
    run = json.loads((model / "run.json").read_text())["mlflow"]
    client = mlflow.tracking.MlflowClient(f"sqlite:///{store}/mlflow/mlflow.db")
    experiment = client.get_experiment_by_name(run["experiment"])
    tag = f"tags.`tauml.run_id` = '{run['run_id']}'"
    (stored,) = client.search_runs([experiment.experiment_id], tag)
    assert stored.info.status == "FINISHED"
    assert stored.data.params
    assert stored.data.metrics


def content(store: Path, task: str, pattern: str) -> dict[str, bytes]:
    """Relative path to bytes of all products of a task."""
    return {str(p.relative_to(store)): p.read_bytes() for p in products(store, task, pattern)}


def test_number_of_workers_does_not_change_the_content(finished, tmp_path):
    from taumltools.tuples.io import open_tuples

    store, _ = finished
    # everything but one dataset is taken over: that one, and all that is made from it, is made again by one worker
    for task in ("ProducePileup", "ProduceTuples"):
        shutil.copytree(store / "tiny" / task, tmp_path / "tiny" / task, ignore=shutil.ignore_patterns("zee"))
    done = law(tmp_path, "FeatureScaling", workers=1)
    assert done.returncode == 0, done.stderr[-4000:]
    (again,) = products(tmp_path / "tiny" / "ProduceTuples" / "train", "zee", "tuples_0.arrow", root=())
    with open_tuples(again) as new, open_tuples(store / again.relative_to(tmp_path)) as old:
        first, second = new.read(), old.read()
    for name in first.branches:
        np.testing.assert_array_equal(first[name], second[name], err_msg=name)
    for task, pattern in (("CountSpectra", "spectra_?.json"), ("PlanSampling", "plan.json")):
        made = content(tmp_path, task, pattern)
        assert made.items() <= content(store, task, pattern).items()
    assert content(store, "FeatureScaling", "scaling.json") == content(tmp_path, "FeatureScaling", "scaling.json")


def test_truncated_tuple_is_named_and_leaves_no_target(finished, tmp_path):
    _store, _ = finished
    done = law(tmp_path, "ProduceTuples", "--dataset", "zee", "--branch", "0")
    assert done.returncode == 0, done.stderr[-3000:]
    broken = products(tmp_path, "ProduceTuples", "tuples_0.arrow")[0]
    broken.write_bytes(broken.read_bytes()[: broken.stat().st_size // 3])
    start = time.perf_counter()
    done = law(tmp_path, "CountSpectra", "--dataset", "zee")
    assert time.perf_counter() - start < 100, "a failure must end the call, not wait for a retry"
    assert done.returncode != 0
    assert str(broken) in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout
    assert not list((tmp_path / "tiny" / "CountSpectra").rglob("*.json"))


def test_type_that_does_not_occur_is_named(finished, tmp_path):
    done = law(
        tmp_path, "PlanSampling", "--overrides",
        "~samples.train.zee ~samples.train.zprime_ee ~samples.train.ttbar ~samples.train.wjets ~samples.train.ztautau "
        "~samples.train.htautau ~samples.train.zprime_tautau ~samples.train.qcd ~samples.train.zprime_mumu",
    )  # fmt: skip
    assert done.returncode != 0
    assert "ConfigError" in done.stderr or "InputError" in done.stderr


def test_killed_branch_leaves_no_target(tmp_path):
    environment = os.environ | {
        "TAUML_STORE": str(tmp_path), "PYTHONPATH": str(ROOT), "LAW_HOME": str(tmp_path / ".law"),
        "LAW_CONFIG_FILE": str(ROOT / "law.cfg"),
    }  # fmt: skip
    code = (
        "from tasks.production import ProducePileup, ProduceTuples\n"
        "pool = ProducePileup(version='v1', campaign='tiny', branch=0); pool.run()\n"
        "ProduceTuples(version='v1', campaign='tiny', dataset='zee', branch=0, "
        "overrides='samples.train.zee.events=200000').run()\n"
    )
    # the second task has its own identity: its pool is the same as the first one's
    process = subprocess.Popen([sys.executable, "-c", code], env=environment, cwd=ROOT)
    deadline = time.time() + 120
    while not list(tmp_path.rglob("pileup.npz")) and time.time() < deadline and process.poll() is None:
        time.sleep(0.1)
    time.sleep(3)
    assert process.poll() is None, "it ended before it could be killed"
    process.kill()
    process.wait()
    assert not list(tmp_path.rglob("tuples_*.arrow"))
