"""The submit file; HTCondor's own parser reads it where its bindings are installed."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from taumltools.batch.ledger import Attempt
from taumltools.batch.resources import Resources
from taumltools.batch.submit import Request, check_requirements, requirements, submit_file, submit_item, submit_text
from taumltools.config.site import SiteConfig, available_sites, load_site
from taumltools.errors import ConfigError

REQUEST = Request(
    workflow="0123abcd",
    submission="s1",
    batch_name="Training v1",
    executable=Path("/b/submissions/s1/job.sh"),
    event_log=Path("/b/events/s1.log"),
    initial_folder=Path("/b/submissions/s1"),
    labels={"task": "Training", "version": "v1", "campaign": "demo"},
)
RESOURCES = Resources(max_runtime=2.5, max_memory=3456, cpus=3, gpus=0, disk=789)
GPU = RESOURCES.with_(gpus=2)
TRANSFER = {"shared_filesystem": False}


def site(**changes):
    return SiteConfig(**({"title": "x", "submit": {"request_memory": "{memory_mb}"}} | changes))


def commands(text):
    lines = [line.partition(" = ") for line in text.splitlines()]
    assert all(separator for _, separator, _ in lines)
    names = [name.lower() for name, _, _ in lines]
    assert len(set(names)) == len(names), "a command is given twice"
    return {name: value for name, _, value in lines}


def item(
    branch=0, attempt=1, resources=RESOURCES, inputs=(), log="/b/logs/0.log", delivery="/b/deliveries/0.tar", **options
):
    made = Attempt(branch, attempt, "s1", resources, 0.0)
    return submit_item(made, resources, Path(log), Path(delivery), inputs, **options)


def filled(text, item):
    """The commands of one job, its variables filled in as HTCondor does."""
    known = commands(text)
    return {name: re.sub(r"\$\((\w+)\)", lambda match: item[match[1]], value) for name, value in known.items()}


# ---------------------------------------------------------------------- all sites


@pytest.mark.parametrize("name", available_sites())
def test_every_shipped_site_asks_for_what_the_job_needs(name):
    found = filled(submit_text(load_site(name), REQUEST, RESOURCES), item())
    by_lower = {command.lower().replace("_", ""): value for command, value in found.items()}
    assert by_lower["requestmemory"] == "3456"
    assert by_lower["requestcpus"] == "3"
    assert by_lower["requestdisk"] == str(789 * 1024)
    assert "9000" in found.values()  # seconds of wall time, under the site's own name


@pytest.mark.parametrize("name", available_sites())
def test_jobs_of_every_site_are_found_again(name):
    found = filled(submit_text(load_site(name), REQUEST, RESOURCES), item(branch=17, attempt=4))
    assert found["+TaumlWorkflow"] == '"0123abcd"'
    assert found["+TaumlSubmission"] == '"s1"'
    assert (found["+TaumlBranch"], found["+TaumlAttempt"]) == ("17", "4")
    assert found["arguments"] == "17 4"
    assert found["executable"] == "/b/submissions/s1/job.sh"
    assert found["output"] == found["error"] == "/b/logs/0.log"
    assert (found["log"], found["initialdir"], found["batch_name"]) == (
        "/b/events/s1.log",
        "/b/submissions/s1",
        "Training v1",
    )


@pytest.mark.parametrize("name", available_sites())
def test_graphics_processors_are_asked_for_only_where_needed(name):
    without = commands(submit_text(load_site(name), REQUEST, RESOURCES))
    gpu = filled(submit_text(load_site(name), REQUEST, GPU), item(resources=GPU))
    new = set(gpu) - set(without)
    assert {command.lower() for command in new} == {"request_gpus"}
    assert all(gpu[command] == "2" for command in new)


@pytest.mark.parametrize("name", available_sites())
@pytest.mark.parametrize("own", ["", "Memory > 1"])
def test_requirements_of_site_and_task_are_joined(name, own):
    config = load_site(name)
    found = commands(submit_text(config, REQUEST, RESOURCES.with_(requirements=own))).get("requirements", "")
    if config.requirements and own:
        assert found == f"({config.requirements}) && ({own})"
    else:
        assert found == config.requirements + own


def test_the_environment_of_the_session_does_not_leak_into_jobs():
    found = commands(submit_text(site(), REQUEST, RESOURCES))
    assert (found["getenv"], found["notification"]) == ("False", "Never")


def test_nothing_is_transferred_where_all_is_shared():
    found = commands(submit_text(site(), REQUEST, RESOURCES))
    assert found["should_transfer_files"] == "NO"
    assert not [name for name in found if name.startswith("transfer")]


def test_files_are_transferred_where_nothing_is_shared():
    found = filled(submit_text(site(**TRANSFER), REQUEST, RESOURCES), item(inputs=["/b/r.tar", "store/x=1/y.root"]))
    assert found["should_transfer_files"] == "YES"
    assert found["preserve_relative_paths"] == "True"
    assert found["transfer_input_files"] == "/b/r.tar,store/x=1/y.root"
    assert found["transfer_output_files"] == "delivery.tar"
    assert found["transfer_output_remaps"] == '"delivery.tar=/b/deliveries/0.tar"'


def test_spooled_jobs_write_their_own_log_and_need_no_folders():
    text = submit_text(site(**TRANSFER, spool=True), REQUEST, RESOURCES)
    found = filled(text, item(inputs=["/b/s1/inputs_0.tar"]))
    assert (found["output"], found["error"]) == ("/dev/null", "/dev/null")
    assert found["transfer_input_files"] == "/b/s1/inputs_0.tar"
    assert found["transfer_output_files"] == "delivery.tar,job.log"
    assert found["transfer_output_remaps"] == '"delivery.tar=/b/deliveries/0.tar;job.log=/b/logs/0.log"'
    assert "preserve_relative_paths" not in found


def test_spooled_output_goes_to_no_path_with_an_equals_sign():
    for where in ("log", "delivery"):
        with pytest.raises(ConfigError, match=r"the path '/b/a=1' has a '='.*TAUML_BATCH"):
            item(**{where: "/b/a=1"}, spool=True)
    assert item(inputs=["a=1"], spool=True)["inputs"] == "a=1"
    assert item(log="/b/a=1")["log_file"] == "/b/a=1"


def test_sites_can_use_all_fields():
    text = "{runtime_s} {runtime_h} {memory_mb} {cpus} {gpus} {disk_mb} {disk_kb} {task} {version} {campaign}"
    found = filled(submit_text(site(submit={"+X": text}), REQUEST, GPU), item(resources=GPU))
    assert found["+X"] == "9000 2.5 3456 3 2 789 807936 Training v1 demo"


def test_sites_can_change_commands_of_the_house():
    found = commands(submit_text(site(submit={"getenv": "HOME", "+JobFlavour": '"longlunch"'}), REQUEST, RESOURCES))
    assert found["getenv"] == "HOME"
    assert found["+JobFlavour"] == '"longlunch"'


# ---------------------------------------------------------------------- requirements


@pytest.mark.parametrize(
    ("expressions", "joined"),
    [
        ((), ""),
        (("",), ""),
        (("", ""), ""),
        (("a || b",), "a || b"),
        (("", "a || b", ""), "a || b"),
        (("a || b", "c"), "(a || b) && (c)"),
        (("a", "b", "c"), "(a) && (b) && (c)"),
    ],
)
def test_requirements(expressions, joined):
    assert requirements(*expressions) == joined


# ---------------------------------------------------------------------- items


def test_variables_of_a_job():
    assert item(5, 2, GPU, ["a", "b"]) == {
        "branch": "5", "attempt": "2", "runtime_s": "9000", "runtime_h": "2.5", "memory_mb": "3456", "cpus": "3",
        "gpus": "2", "disk_mb": "789", "disk_kb": "807936", "log_file": "/b/logs/0.log",
        "delivery": "/b/deliveries/0.tar", "inputs": "a,b",
    }  # fmt: skip


def test_each_job_asks_for_its_own_resources():
    text = submit_text(load_site("generic"), REQUEST, RESOURCES)
    grown = RESOURCES.with_(max_memory=9999, max_runtime=5)
    assert filled(text, item())["request_memory"] == "3456"
    assert filled(text, item(resources=grown))["request_memory"] == "9999"
    assert filled(text, item(resources=grown))["allowed_job_duration"] == "18000"


@pytest.mark.parametrize("bad", ["/a b/x", "/a,b/x", '/a"b/x', "/a\tb/x", "/a\nb/x", "/a;b/x"])
@pytest.mark.parametrize("where", ["log", "delivery", "inputs"])
def test_paths_that_submit_files_cannot_carry_are_refused(bad, where):
    with pytest.raises(ConfigError, match=r"cannot carry: use a store and labels without blanks") as caught:
        item(**{where: [bad] if where == "inputs" else bad})
    assert f"'{bad}'" in str(caught.value)


@pytest.mark.parametrize("good", ["/a=b/x", "/a-b_c.d+e/x@y", "/τ/x", "/a:b/x"])
def test_paths_that_submit_files_can_carry_pass(good):
    assert item(log=good, inputs=[good])["log_file"] == item(log=good, inputs=[good])["inputs"] == good


# ---------------------------------------------------------------------- the whole file


def test_submit_file():
    text = submit_file("a = 1\n", [{"x": "1", "inputs": "p,q"}, {"x": "2", "inputs": ""}])
    assert text == "a = 1\nqueue x,inputs from (\n  1 p,q\n  2 \n)\n"


def test_inputs_come_last_since_they_have_commas():
    assert list(item())[-1] == "inputs"


PARSER = """
    import json, sys
    import htcondor2
    found = []
    for text in json.load(sys.stdin):
        description = htcondor2.Submit(text)
        found.append([dict(description), list(description.itemdata())])
    json.dump(found, sys.stdout)
"""


def parsed(*texts):
    """Submit files as HTCondor's own parser reads them, in a process of its own."""
    if importlib.util.find_spec("htcondor2") is None:
        pytest.skip("HTCondor's Python bindings are not installed")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PARSER)],
        input=json.dumps(texts), capture_output=True, text=True, env=os.environ | {"CONDOR_CONFIG": os.devnull},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_htcondor_reads_the_submit_file_of_every_site():
    gpu = {"gpu": {"request_gpus": "{gpus}"}}
    configs = [load_site(name) for name in available_sites()]
    configs += [site(**TRANSFER, **gpu), site(**TRANSFER, **gpu, spool=True)]
    items = [item(3, 1, GPU, ["/b/r.tar", "store/x=1/y.root"]), item(1000, 12, GPU.with_(max_memory=9)), item(5)]
    texts = [submit_text(config, REQUEST, GPU.with_(requirements='Machine != "a b"')) for config in configs]
    for text, (found, rows) in zip(texts, parsed(*(submit_file(text, items) for text in texts)), strict=True):
        expected = {re.sub(r"^\+", "MY.", name).lower(): value for name, value in commands(text).items()}
        assert {name.lower(): value for name, value in found.items()} == expected
        assert rows == items


def test_gpus_at_a_site_that_does_not_say_how_are_refused():
    with pytest.raises(ConfigError, match="'x' do not say how GPUs are requested"):
        submit_text(site(), REQUEST, GPU)


@pytest.mark.parametrize("expression", ["Memory >", "(", 'A == "x'])
def test_requirements_that_cannot_be_parsed_are_refused(expression):
    check_requirements("Memory > 3")
    with pytest.raises(ConfigError, match="are no ClassAd expression"):
        check_requirements(expression)
