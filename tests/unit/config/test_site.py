"""Settings of sites."""

from __future__ import annotations

import dataclasses

import pytest
import yaml

from taumltools.config.cmssw import CmsswConfig
from taumltools.config.compose import CONFIG_DIR
from taumltools.config.site import SUBMIT_FIELDS, SiteConfig, available_sites, load_site
from taumltools.errors import ConfigError

MINIMAL = {"title": "My site", "submit": {"request_memory": "{memory_mb}"}}


@pytest.fixture
def load(tmp_path):
    """Write a site's file and load it; a dict becomes YAML, text is taken as it is."""

    def write_and_load(content):
        (tmp_path / "site").mkdir()
        (tmp_path / "site" / "mine.yaml").write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return load_site("mine", tmp_path)

    return write_and_load


# ---------------------------------------------------------------------- shipped sites


def test_sites_that_are_shipped():
    assert {"generic", "lxplus", "naf", "local-pool"} <= set(available_sites())
    assert available_sites() == sorted(available_sites())


@pytest.mark.parametrize("name", available_sites())
def test_every_shipped_site_loads(name):
    config = load_site(name)
    assert config.title
    assert config.poll_interval >= 1
    assert config.memory_cap >= 4000  # what the training asks for to begin with
    assert config.runtime_cap >= 8


@pytest.mark.parametrize("name", available_sites())
def test_every_shipped_site_says_how_runtime_memory_and_graphics_processors_are_asked_for(name):
    config = load_site(name)
    values = " ".join(config.submit.values())
    assert "{runtime_s}" in values or "{runtime_h}" in values
    assert "{memory_mb}" in values
    assert "{cpus}" in values
    assert "{gpus}" in " ".join(config.gpu.values())
    assert "{gpus}" not in values


@pytest.mark.parametrize(
    ("name", "commands"),
    [
        ("lxplus", {"+MaxRuntime": "{runtime_s}", "request_memory": "{memory_mb}"}),
        ("naf", {"+RequestRuntime": "{runtime_s}", "RequestMemory": "{memory_mb}"}),
        ("generic", {"allowed_job_duration": "{runtime_s}", "request_memory": "{memory_mb}"}),
        ("local-pool", {"+MaxRuntime": "{runtime_s}", "request_memory": "{memory_mb}"}),
    ],
)
def test_words_of_the_shipped_sites(name, commands):
    assert commands.items() <= load_site(name).submit.items()


@pytest.mark.parametrize("name", available_sites())
def test_shipped_files_say_where_they_come_from(name):
    assert (CONFIG_DIR / "site" / f"{name}.yaml").read_text(encoding="utf-8").startswith("# ")


# ---------------------------------------------------------------------- own sites


def test_a_new_site_needs_a_file_and_no_code(load):
    config = load(MINIMAL)
    assert config == SiteConfig(**MINIMAL)
    assert (config.shared_filesystem, config.spool, config.gpu, config.setup) == (True, False, {}, ())
    assert (config.submission_limit, config.queue_limit) == (0, 0)


def test_a_site_with_everything(load):
    everything = MINIMAL | {
        "gpu": {"request_gpus": "{gpus}"}, "requirements": 'Arch == "X86_64"', "shared_filesystem": False,
        "python": "/opt/python3", "setup": ["source /cvmfs/x.sh", "module load y"], "spool": True, "schedd": "s@h",
        "collector": "c:9618", "poll_interval": 5, "submission_limit": 100, "queue_limit": 500, "memory_cap": 1000,
        "runtime_cap": 2, "retry_delay": 0, "settle_time": 7, "cmssw": {"redirector": "root://x/"}, "crab": {},
    }  # fmt: skip
    assert set(everything) == {field.name for field in dataclasses.fields(SiteConfig)}
    config = load(everything)
    assert config.setup == ("source /cvmfs/x.sh", "module load y")
    nested = {"setup": config.setup, "cmssw": CmsswConfig(redirector="root://x/")}
    nested["crab"] = config.crab
    assert {name: getattr(config, name) for name in everything} == everything | nested


@pytest.mark.parametrize("field", SUBMIT_FIELDS)
def test_all_fields_may_be_used(load, field):
    assert load(MINIMAL | {"submit": {"+X": f'"a {{{field}}} b"'}}).submit == {"+X": f'"a {{{field}}} b"'}


def test_unknown_site_is_named_with_the_known_ones():
    with pytest.raises(ConfigError, match=r"unknown site 'lxpuls'.*generic, .*lxplus.*--site or TAUML_SITE"):
        load_site("lxpuls")


def test_the_name_of_a_site_is_no_path(tmp_path):
    (tmp_path / "site").mkdir()
    (tmp_path / "outside.yaml").write_text(yaml.safe_dump(MINIMAL))
    with pytest.raises(ConfigError, match="unknown site"):
        load_site("../outside", tmp_path)


def test_site_file_of_ones_own_is_named_by_its_path(tmp_path):
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(MINIMAL | {"title": "Mine"}))
    assert load_site(str(tmp_path / "mine.yaml")).title == "Mine"
    with pytest.raises(ConfigError, match=r"unknown site '.*yours\.yaml'"):
        load_site(str(tmp_path / "yours.yaml"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"walltime": 3}, r"walltime: unknown setting"),
        ({"title": None}, r"title: .*string.*found None"),
        ({"submit": "request_memory"}, r"submit: .*dictionary"),
        ({"submit": {"request_cpus": 1}}, r"submit\.request_cpus: .*string.*found 1"),
        ({"poll_interval": 0}, r"poll_interval: .*greater than 0"),
        ({"submission_limit": -1}, r"submission_limit: .*greater than or equal to 0"),
        ({"queue_limit": -1}, r"queue_limit: .*greater than or equal to 0"),
        ({"memory_cap": 0}, r"memory_cap: .*greater than 0"),
        ({"runtime_cap": "long"}, r"runtime_cap: .*number.*'long'"),
        ({"retry_delay": -1}, r"retry_delay: .*greater than or equal to 0"),
        (
            {"submit": {"+X": "{runtime}"}},
            r"submit: .*'\+X: \{runtime\}' has '\{runtime\}'; known are runtime_s, .*campaign",
        ),
        ({"gpu": {"request_gpus": "{gpu}"}}, r"gpu: .*has '\{gpu\}'; known are"),
        ({"submit": {"+X": "{}"}}, r"submit: .*has '\{\}'"),
        ({"submit": {"+X": "{0}"}}, r"submit: .*has '\{0\}'"),
        ({"submit": {"+X": "{cpus.real}"}}, r"submit: .*has '\{cpus\.real\}'"),
        ({"submit": {"+X": "{cpus"}}, r"submit: .*expected '}'"),
        ({"spool": True}, r"spool: .*needs shared_filesystem: false"),
        ({"spool": True, "shared_filesystem": True}, r"spool: .*needs shared_filesystem: false"),
        (
            {"submit": {"Requirements": "x"}},
            r"submit: .*'Requirements' cannot be set here: use the site's requirements",
        ),
        ({"gpu": {"requirements": "x"}}, r"gpu: .*'requirements' cannot be set here"),
        ({"submit": {"queue": "3"}}, r"submit: .*'queue' cannot be set here"),
        ({"submit": {"+TaumlBranch": "3"}}, r"submit: .*'\+TaumlBranch' cannot be set here: jobs are found by"),
        ({"submit": {"MY.taumlWorkflow": "3"}}, r"submit: .*'MY\.taumlWorkflow' cannot be set here"),
    ],
)
def test_wrong_settings_are_named(load, changes, message):
    with pytest.raises(ConfigError, match=message) as caught:
        load(MINIMAL | changes)
    assert "site 'mine' has wrong settings" in str(caught.value)


def test_all_wrong_settings_are_named_at_once(load):
    with pytest.raises(ConfigError) as caught:
        load({"poll_interval": 0, "colour": "red"})
    assert all(word in str(caught.value) for word in ("title", "poll_interval", "colour"))


@pytest.mark.parametrize("content", ["", "- a\n- b\n", "just words"])
def test_a_file_without_settings_is_named(load, content):
    with pytest.raises(ConfigError, match="site 'mine' has wrong settings"):
        load(content)


@pytest.mark.parametrize("content", ["title: [", "a: b: c", "title: ${nothing.of.this}", "\tx: 1"])
def test_a_file_that_is_no_yaml_is_named(load, content):
    with pytest.raises(ConfigError, match=r"mine\.yaml cannot be read"):
        load(content)


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        load_site("generic").title = "x"
