"""The CMS software behind one narrow adapter, with stand-ins for its programs."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import uproot

from taumltools.config.cmssw import CmsswConfig
from taumltools.config.datasets import DatasetConfig
from taumltools.errors import ConfigError, InputError, ServerError
from taumltools.production.cmssw.arguments import cms_arguments
from taumltools.production.cmssw.inputs import list_miniaod, parse_answer
from taumltools.production.cmssw.jobreport import JobReport, read_job_report
from taumltools.production.cmssw.produced import check_produced, read_summary
from taumltools.production.cmssw.tool import CmsRunError, CmsShell, cms_run, tail
from taumltools.tuples.io import open_tuples, write_tuples
from taumltools.tuples.mock import mock_tuples

STANDINS = Path(__file__).parents[2] / "standins"


@pytest.fixture
def shell(tmp_path):
    """A shell in which the stand-ins are found, set up as a site does it."""
    setup = (f"export PATH={STANDINS}:{Path(sys.executable).parent}:$PATH", f"export PYTHONPATH={STANDINS.parents[1]}")
    return CmsShell(CmsswConfig(setup=setup))


@pytest.fixture
def mini(tmp_path):
    """A configuration and three files of 10, 20 and 30 events."""
    (tmp_path / "Production.py").write_text("# configuration\n")
    for number in (1, 2, 3):
        with uproot.recreate(tmp_path / f"mini_{number}.root") as file:
            names = {"run": np.uint32, "luminosityBlock": np.uint32, "event": np.uint64}
            file["Events"] = {name: np.arange(10 * number, dtype=kind) for name, kind in names.items()}
    return tmp_path


def dataset(**more):
    return DatasetConfig(title="x", source="cmssw", files=("x",), config="Production.py", **more)


def run(shell, mini, files, events=None, **more):
    work = mini / "work"
    work.mkdir(exist_ok=True)
    arguments = cms_arguments(dataset(**more), [str(mini / name) for name in files], events)
    return cms_run(shell, str(mini / "Production.py"), arguments, work), work


# ---------------------------------------------------------------------- arguments


def test_only_what_differs_from_the_producers_defaults_is_said():
    assert cms_arguments(dataset(), ["/a/b.root"], None) == (
        "sampleType=MC", "inputFiles=file:/a/b.root", "maxEvents=-1", "output=eventTuple.root",
    )  # fmt: skip


def test_all_options_have_the_names_of_the_cms_configuration():
    told = cms_arguments(
        dataset(
            sample_type="Data", era="Run3_2022", require_gen_match=False, require_gen_or_reco_tau=True, reco_pt_sieve=True,
            selector="TauJetTag", enabled_branches=("tau_.*", "evt"), disabled_branches=("tau_sv_.*",),
            arguments={"triggers": "HLT_IsoMu24_v", "numberOfThreads": 4},
        ),
        ["/store/data/a.root", "root://host//b.root"], 500, "root://redirector.example/",
    )  # fmt: skip
    assert dict(word.split("=", 1) for word in told) == {
        "sampleType": "Data", "era": "Run3_2022", "selector": "TauJetTag", "requireGenMatch": "False",
        "requireGenORRecoTauMatch": "True", "applyRecoPtSieve": "True", "enabledBranches": "tau_.*,evt",
        "disabledBranches": "tau_sv_.*", "inputFiles": "root://redirector.example//store/data/a.root,root://host//b.root",
        "maxEvents": "500", "output": "eventTuple.root", "triggers": "HLT_IsoMu24_v", "numberOfThreads": "4",
    }  # fmt: skip


def test_older_configurations_get_their_own_sample_type():
    assert "sampleType=MC_18" in cms_arguments(dataset(arguments={"sampleType": "MC_18"}), ["/a.root"], None)


@pytest.mark.parametrize(
    ("arguments", "match"),
    [({"maxEvents": "5"}, "set for each branch"), ({"requireGenMatch": "False"}, "is the option 'require_gen_match'")],
)
def test_arguments_that_have_a_place_elsewhere_are_refused(arguments, match):
    with pytest.raises(ValueError, match=match):
        dataset(arguments=arguments)


def test_a_comma_is_refused_since_the_cms_parser_splits_there():
    with pytest.raises(ConfigError, match=r"enabledBranches: 'tau_\.\{1,3\}' has a comma"):
        cms_arguments(dataset(enabled_branches=("tau_.{1,3}",)), ["/a.root"], None)


def test_a_dataset_without_configuration_is_refused():
    with pytest.raises(ValueError, match="name the configuration that cmsRun is to run"):
        DatasetConfig(title="x", source="cmssw", files=("x",))


# ---------------------------------------------------------------------- running


def test_a_run_is_accounted_for(shell, mini):
    report, work = run(shell, mini, ["mini_1.root", "mini_3.root"])
    assert report == JobReport({f"file:{mini}/mini_1.root": 10, f"file:{mini}/mini_3.root": 30})
    produced = check_produced(work / "eventTuple.root", report, [*report.events], None)
    assert (produced.entries, produced.events, produced.seconds, produced.generation) == (80, 40, 7, "2025")
    with open_tuples(work / "eventTuple.root") as file:
        assert len(np.unique(file.read(["evt"])["evt"])) == 30  # the two files share numbers of events


def test_events_are_limited(shell, mini):
    report, work = run(shell, mini, ["mini_1.root", "mini_2.root"], events=12)
    assert sum(report.events.values()) == 12
    assert check_produced(work / "eventTuple.root", report, [], 12).entries == 24


@pytest.mark.parametrize(
    ("files", "more", "error", "match"),
    [
        (["gone.root"], {}, ServerError, r"FileOpenError \(8020\): Failed to open"),
        (["mini_1.root", "unreadable.root"], {}, ServerError, r"FileReadError \(8021\)"),
        (["mini_1.root"], {"arguments": {"colour": "red"}}, CmsRunError, "'colour' is not a valid option"),
        (["mini_1.root"], {"arguments": {"sampleType": "MC_18"}}, CmsRunError, "not one of MC, Data, Embedded"),
    ],
)
def test_failures_are_told_in_the_words_of_cmsrun(shell, mini, files, more, error, match):
    (mini / "unreadable.root").touch()
    with pytest.raises(error, match=match) as caught:
        run(shell, mini, files, **more)
    assert "Begin Fatal Exception" in str(caught.value)


def test_a_killed_run_says_so(shell, mini, monkeypatch):
    monkeypatch.setenv("STANDIN_CMSRUN", "kill")
    with pytest.raises(CmsRunError, match="killed by signal 9"):
        run(shell, mini, ["mini_1.root"])


@pytest.mark.parametrize(
    ("how", "match"),
    [
        ("cut", "no tree 'summary'.*the job was cut off"),
        ("nothing", "wrote no eventTuple.root, although it succeeded"),
        ("skip", "1 of 2 files were not read, e.g. file:.*mini_2.root"),
    ],
)
def test_output_that_is_not_complete_is_refused(shell, mini, monkeypatch, how, match):
    monkeypatch.setenv("STANDIN_CMSRUN", how)
    report, work = run(shell, mini, ["mini_1.root", "mini_2.root"])
    names = [f"file:{mini}/mini_{n}.root" for n in (1, 2)]
    with pytest.raises(InputError, match=match):
        check_produced(work / "eventTuple.root", report, names, None)


def test_more_events_than_were_read_cannot_be(shell, mini):
    report, work = run(shell, mini, ["mini_2.root"])
    fewer = JobReport(dict.fromkeys(report.events, 3))
    with pytest.raises(InputError, match="the producer counts 20 events, cmsRun read 3"):
        check_produced(work / "eventTuple.root", fewer, [*report.events], None)


def test_a_file_that_the_catalogue_resolved_counts_as_read(tmp_path):
    path = tmp_path / "eventTuple.root"
    write_tuples(path, mock_tuples(4))
    with uproot.update(path) as file:
        file["summary"] = {"exeTime": np.array([1], np.uint32), "numberOfProcessedEvents": np.array([2], np.uint64)}
    report = JobReport({"root://server.example//pnfs/site/store/mc/a.root": 2})
    assert check_produced(path, report, ["/store/mc/a.root"], None).entries == 4
    with pytest.raises(InputError, match="were not read"):
        check_produced(path, report, ["/store/mc/b.root"], None)


def test_summaries_of_merged_files_add_up(tmp_path):
    path = tmp_path / "merged.root"
    with uproot.recreate(path) as file:
        counts = {"exeTime": np.array([1, 5], np.uint32), "numberOfProcessedEvents": np.array([2, 40], np.uint64)}
        file["summary"] = counts
    assert read_summary(path) == (42, 6)


# ---------------------------------------------------------------------- the shell


def test_a_missing_program_names_the_settings(mini):
    with pytest.raises(ConfigError, match=r"there is no cmsRun: set cmssw.sandbox, cmssw.container or cmssw.setup"):
        run(CmsShell(CmsswConfig(), {"PATH": "/usr/bin:/bin"}), mini, ["mini_1.root"])


def test_a_setup_that_fails_is_not_taken_for_a_failure_of_cmsrun(mini):
    with pytest.raises(ConfigError, match=r"a line of cmssw.setup .* failed(.|\n)*no/such/file"):
        run(CmsShell(CmsswConfig(setup=("source /no/such/file",))), mini, ["mini_1.root"])


def test_the_container_gets_the_script(shell, mini):
    wrapper = mini / "container"
    wrapper.write_text('#!/bin/sh\necho "inside $1 $2" && shift && exec "$@"\n')
    wrapper.chmod(0o755)
    inside = CmsShell(CmsswConfig(container=(str(wrapper), "image.sif"), setup=shell.config.setup))
    _, work = run(inside, mini, ["mini_1.root"])
    assert (work / "cmsRun.log").read_text().startswith("inside image.sif bash")


def test_a_container_that_does_not_exist(mini):
    with pytest.raises(ConfigError, match="'no-such-container' cannot be started"):
        run(CmsShell(CmsswConfig(container=("no-such-container",))), mini, ["mini_1.root"])


def test_variables_in_the_name_of_the_configuration_are_those_of_the_shell(shell, mini):
    work = mini / "work"
    work.mkdir()
    there = CmsShell(CmsswConfig(setup=(*shell.config.setup, f"export CMSSW_BASE={mini}")))
    arguments = cms_arguments(dataset(), [str(mini / "mini_1.root")], None)
    assert sum(cms_run(there, "$CMSSW_BASE/Production.py", arguments, work).events.values()) == 10


def test_the_tail_is_the_end(tmp_path):
    (tmp_path / "log").write_text("".join(f"line {n}\n" for n in range(10000)))
    assert tail(tmp_path / "log", 2) == "line 9998\nline 9999"
    assert tail(tmp_path / "none") == ""


def test_sandbox_and_container_exclude_each_other():
    with pytest.raises(ValueError, match="give one of them"):
        CmsswConfig(sandbox="cmssw::CMSSW_13_0_13", container=("cmssw-el7",))
    with pytest.raises(ValueError, match="not of the form type::name"):
        CmsswConfig(sandbox="CMSSW_13_0_13")


# ---------------------------------------------------------------------- job reports


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<FrameworkJobReport><InputFile>",
        "<FrameworkJobReport><InputFile><EventsRead>x</EventsRead></InputFile></FrameworkJobReport>",
    ],
)
def test_a_broken_report_is_refused(tmp_path, text):
    (tmp_path / "r.xml").write_text(text)
    with pytest.raises(InputError, match="no usable job report"):
        read_job_report(tmp_path / "r.xml")


def test_a_file_opened_twice_counts_together(tmp_path):
    one = "<InputFile><PFN>a</PFN><EventsRead>3</EventsRead></InputFile>"
    (tmp_path / "r.xml").write_text(f"<FrameworkJobReport>{one}{one}</FrameworkJobReport>")
    assert read_job_report(tmp_path / "r.xml").events == {"a": 6}


# ---------------------------------------------------------------------- the catalogue


def catalogue(folder, monkeypatch, rows):
    (folder / "DY_Summer-v1_MINIAODSIM.json").write_text(json.dumps(rows))
    monkeypatch.setenv("STANDIN_DAS", str(folder))


def test_files_of_a_dataset_come_from_the_catalogue(shell, tmp_path, monkeypatch):
    rows = [{"name": f"/store/mc/{name}.root", "size": 5, "nevents": 7} for name in "bab"]
    catalogue(tmp_path, monkeypatch, [*rows, {"name": "/store/mc/bad.root", "is_file_valid": 0}])
    found = list_miniaod(["das:/DY/Summer-v1/MINIAODSIM"], shell)
    assert [file.path for file in found] == ["/store/mc/a.root", "/store/mc/b.root"]
    with pytest.raises(InputError, match="no valid file of /DY/Other/MINIAODSIM"):
        list_miniaod(["das:/DY/Other/MINIAODSIM"], shell)


def test_a_catalogue_that_does_not_answer(shell, tmp_path, monkeypatch):
    monkeypatch.setenv("STANDIN_DAS_DOWN", "1")
    with pytest.raises(ServerError, match=r"is the proxy valid\? It said:\nDAS ERROR: x509"):
        list_miniaod(["das:/DY/Summer-v1/MINIAODSIM instance=prod/phys03"], shell)


@pytest.mark.parametrize("name", ["das:DY", "das:/DY/x", "das:/DY/x/MINIAOD; rm -rf /"])
def test_what_is_no_dataset_is_not_asked_for(shell, name):
    with pytest.raises(InputError, match="is no dataset: expected das:/primary/processed/TIER"):
        list_miniaod([name], shell)


@pytest.mark.parametrize("text", ["", '{"data": 1}', '[{"dataset": []}]', '[{"file": [{"size": 1}]}]'])
def test_an_answer_that_is_not_understood(text):
    with pytest.raises(InputError, match="not understood"):
        parse_answer(text or "nothing", "/a/b/C")


def test_logical_names_local_files_and_lists_can_be_mixed(shell, mini):
    (mini / "names.txt").write_text("# of the site\n/store/mc/x.root\n/store/mc/y.root\n")
    found = list_miniaod(["/store/mc/a.root", str(mini / "names.txt"), str(mini / "mini_1.root")], shell)
    assert [os.path.basename(file.path) for file in found] == ["a.root", "x.root", "y.root", "mini_1.root"]
    assert [file.bytes is None for file in found] == [True, True, True, False]
    with pytest.raises(InputError, match="named by an earlier entry"):
        list_miniaod(["/store/mc/x.root", str(mini / "names.txt")], shell)
