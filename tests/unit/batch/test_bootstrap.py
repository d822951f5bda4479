"""The job's script, run as HTCondor runs it: in a scratch folder, with an empty environment."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from dataclasses import replace
from pathlib import Path

import pytest

from taumltools.batch import bootstrap
from taumltools.batch.bootstrap import BOOTSTRAP_ERRORS, bundle_script, shared_script
from taumltools.batch.bundle import Bundle, pack_environment, pack_repository
from taumltools.batch.environment import SYSTEM_PREFIXES
from taumltools.errors import ConfigError

SHORT = f"{sys.version_info.major}.{sys.version_info.minor}"
BASE_PYTHON = str(Path(sys.base_prefix) / "bin" / f"python{SHORT}")

JOB = """
import json, os, signal, sys, time
import tiny
print("to standard error", file=sys.stderr)
spec = json.load(open(sys.argv[1]))
if spec.get("wait"):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(33))
    print("waiting", flush=True)
    time.sleep(30)
found = {"argv": sys.argv[1:], "prefix": sys.prefix, "base": sys.base_prefix, "cwd": os.getcwd(), "tiny": tiny.__file__,
         "environment": dict(os.environ), "path": sys.path, "job": __file__,
         "libpython": [line.split()[-1] for line in open("/proc/self/maps") if "/libpython" in line]}
print("JOB " + json.dumps(found), flush=True)
sys.exit(spec["exit"])
"""


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A project whose job tells what it sees."""
    root = tmp_path_factory.mktemp("checkout") / "project"
    for name, text in {
        "law.cfg": "",
        "tasks/__init__.py": "",
        "tasks/job.py": JOB,
        "taumltools/__init__.py": "",
        "configs/a.yaml": "",
    }.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A virtual environment with a package of its own."""
    prefix = tmp_path_factory.mktemp("environment") / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(prefix)], check=True)
    (prefix / "lib" / f"python{SHORT}" / "site-packages" / "tiny.py").write_text("VALUE = 42\n")
    return prefix


@pytest.fixture(scope="module")
def packed(repository, environment):
    """Both as bundles, without a Python."""
    folder = repository.parent
    return (
        pack_repository(repository, folder / "repository_1.tar.gz"),
        pack_environment(environment, folder / "environment_1.tar.gz", with_python=False),
    )


class Worker:
    """A scratch folder, and a script that is run in it."""

    def __init__(self, folder, spec=None):
        self.folder = folder
        folder.mkdir()
        self.spec = folder / "specification.json"
        self.spec.write_text(json.dumps(spec or {"exit": 0}))

    def command(self, script, *arguments, **variables):
        path = self.folder / "condor_exec.exe"
        path.write_text(script)
        bash = shutil.which("bash")
        return [shutil.which("env"), "-i", *(f"{k}={v}" for k, v in variables.items()), bash, path.name, *arguments]

    def run(self, script, *arguments, **variables):
        done = subprocess.run(
            self.command(script, *(arguments or ("3", "1")), **variables),
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.stderr == ""
        self.code, self.output = done.returncode, done.stdout
        told = [line for line in done.stdout.splitlines() if line.startswith("JOB ")]
        return json.loads(told[0].removeprefix("JOB ")) if told else None

    def fails(self, code, message, script, *arguments, **variables):
        assert self.run(script, *arguments, **variables) is None
        assert self.code == code, self.output
        assert code in BOOTSTRAP_ERRORS
        lines = [line for line in self.output.splitlines() if line.startswith("bootstrap: ")]
        assert len(lines) == 1
        assert lines[0] == self.output.splitlines()[-1]
        assert re.search(message, lines[0]), lines[0]


@pytest.fixture
def worker(tmp_path, packed):
    """A worker to which HTCondor sent the bundles and an input product."""
    made = Worker(tmp_path / "scratch")
    for bundle in packed:
        shutil.copy(bundle.path, made.folder)
    (made.folder / "demo" / "ProduceTuples").mkdir(parents=True)
    (made.folder / "demo" / "ProduceTuples" / "tuples_0.root").write_text("input")
    return made


@pytest.fixture
def script(packed):
    """Renders a bundle script with changes."""

    def render(**changes):
        repository, environment = packed
        usual = {
            "repository": repository,
            "environment": environment,
            "python": BASE_PYTHON,
            "variables": {},
            "setup": (),
        }
        return bundle_script(**usual | {"spec_name": "specification.json"} | changes)

    return render


# ---------------------------------------------------------------------- nothing shared


def test_bundle_job_sees_only_its_scratch_folder(worker, script):
    job = worker.run(script())
    assert worker.code == 0, worker.output
    here = str(worker.folder)
    assert job["argv"] == [f"{here}/specification.json", "3", "1"]
    assert job["cwd"] == here
    assert job["prefix"] == f"{here}/env"
    assert job["base"] == sys.base_prefix
    assert job["tiny"] == f"{here}/env/lib/python{SHORT}/site-packages/tiny.py"
    assert job["job"] == f"{here}/repo/tasks/job.py"
    assert {p for p in job["path"] if not p.startswith(sys.base_prefix)} == {
        f"{here}/repo",
        f"{here}/env/lib/python{SHORT}/site-packages",
    }


def test_bundle_job_has_the_variables_of_a_session(worker, script):
    variables = worker.run(script(variables={"OMP_NUM_THREADS": "4", "KERAS_BACKEND": "jax"}))["environment"]
    here = str(worker.folder)
    expected = {
        "HOME": here, "TAUML_STORE": here, "TAUML_BASE": f"{here}/repo", "PYTHONPATH": f"{here}/repo",
        "LAW_HOME": f"{here}/.law", "LAW_CONFIG_FILE": f"{here}/repo/law.cfg", "TAUML_DELIVERY": f"{here}/delivery.tar",
        "OMP_NUM_THREADS": "4", "KERAS_BACKEND": "jax", "DO_NOT_TRACK": "true",
    }  # fmt: skip
    assert expected.items() <= variables.items()
    assert variables["PATH"].split(":")[0] == f"{here}/env/bin"
    assert "/usr/bin" in variables["PATH"].split(":")


def test_defaults_are_those_of_setup_sh():
    session = (Path(__file__).resolve().parents[3] / "setup.sh").read_text()
    for name in set(bootstrap.DEFAULTS) - {"PYTHONUNBUFFERED"}:
        assert f"{name}=" in session
    for name in bootstrap.OWN_VARIABLES - {"TAUML_DELIVERY"}:
        assert f"{name}=" in session


def test_inputs_stay_and_bundles_go(worker, script):
    worker.run(script())
    assert {p.name for p in worker.folder.iterdir()} == {
        "condor_exec.exe",
        "delivery.tar",
        "demo",
        "env",
        "repo",
        "specification.json",
    }
    assert (worker.folder / "delivery.tar").read_bytes() == b""
    assert (worker.folder / "demo" / "ProduceTuples" / "tuples_0.root").read_text() == "input"


def test_inputs_of_a_spooled_job_are_unpacked_and_its_log_is_a_file(worker, script):
    with tarfile.open(worker.folder / "inputs_3.tar", "w") as tar:
        tar.add(worker.folder / "demo" / "ProduceTuples", "demo/a=b/ProduceTuples")
    assert worker.run(script(spooled=True)) is None
    assert worker.code == 0
    assert worker.output == ""  # of which HTCondor would keep nothing
    log = (worker.folder / "job.log").read_text()
    assert "JOB {" in log
    assert "to standard error" in log
    assert (worker.folder / "demo" / "a=b" / "ProduceTuples" / "tuples_0.root").read_text() == "input"
    assert not (worker.folder / "inputs_3.tar").exists()


@pytest.mark.parametrize(
    ("content", "code", "message"),
    [(None, 21, r"inputs_3\.tar is not in the scratch folder"), (b"x", 23, r"inputs_3\.tar cannot be unpacked")],
)
def test_inputs_of_a_spooled_job_that_are_missing_or_damaged_are_said(worker, script, content, code, message):
    if content:
        (worker.folder / "inputs_3.tar").write_bytes(content)
    assert worker.run(script(spooled=True)) is None
    assert worker.code == code
    assert re.search("bootstrap: " + message, (worker.folder / "job.log").read_text().splitlines()[-1])


def test_exit_code_and_both_outputs_are_kept(worker, script):
    worker.spec.write_text('{"exit": 61}')
    assert worker.run(script(), "0", "12")["argv"][1:] == ["0", "12"]
    assert worker.code == 61
    assert "to standard error\n" in worker.output


def test_home_of_the_worker_is_kept(worker, script):
    assert worker.run(script(), HOME="/somewhere")["environment"]["HOME"] == "/somewhere"


def test_signals_reach_the_task(worker, script):
    worker.spec.write_text('{"exit": 0, "wait": true}')
    job = subprocess.Popen(worker.command(script(), "3", "1"), cwd=worker.folder, stdout=subprocess.PIPE, text=True)
    for line in job.stdout:
        if line == "waiting\n":
            break
    started = time.monotonic()
    job.send_signal(signal.SIGTERM)
    job.communicate(timeout=20)
    assert job.returncode == 33
    assert time.monotonic() - started < 20


def test_names_of_the_store_do_not_hide_modules(worker, script):
    # the campaign may have any name, and its folder lies in the job's working folder
    for name in ("json", "tasks", "tiny"):
        (worker.folder / name).mkdir()
        (worker.folder / name / "__init__.py").write_text("raise RuntimeError('wrong module')\n")
    assert worker.run(script()) is not None
    assert worker.code == 0


def test_values_are_taken_literally(worker, script):
    value = "a 'b' \"c\" $HOME `date` \\ *\nsecond line"
    assert worker.run(script(variables={"TAUML_NOTE": value}))["environment"]["TAUML_NOTE"] == value


def test_environment_of_the_site_is_used_where_none_travels(worker, script, environment):
    job = worker.run(script(environment=None, python=str(environment / "bin" / "python")))
    assert job["prefix"] == str(environment)
    assert job["job"] == f"{worker.folder}/repo/tasks/job.py"
    assert job["environment"]["PATH"].split(":")[0] == str(environment / "bin")


# ---------------------------------------------------------------------- which Python


def tools(folder, *without):
    """A folder for PATH with what the script needs, and no Python."""
    folder.mkdir()
    for name in {"bash", "tar", "gzip", "sha256sum", "mkdir", "rm", "ln", "df", "awk", "tail"} - set(without):
        (folder / name).symlink_to(shutil.which(name))
    return folder


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)
    return path


def test_python_is_found_by_name(worker, script, tmp_path):
    folder = tools(tmp_path / "bin")
    program(folder / f"python{SHORT}", f'exec {BASE_PYTHON} "$@"')  # as pyenv does; not the Python itself
    job = worker.run(script(python="python-of-the-site"), PATH=str(folder))
    assert job["prefix"] == f"{worker.folder}/env"
    assert (worker.folder / "env" / "bin" / "python").readlink() == Path(BASE_PYTHON)
    assert f"Python {SHORT}" in worker.output.splitlines()[0]


def test_no_python_is_said(worker, script, tmp_path):
    folder = tools(tmp_path / "bin")
    worker.fails(
        24,
        rf"no Python {SHORT} on \S+; none is on the PATH \({folder}\)",
        script(python=f"python{SHORT}"),
        PATH=str(folder),
    )


def test_pythons_that_do_not_fit_are_named(worker, script, tmp_path):
    folder = tools(tmp_path / "bin")
    program(folder / f"python{SHORT}", "echo 'No module named _sqlite3' >&2; exit 1")
    program(folder / "python3", "echo 'it is Python 3.9' >&2; exit 1")
    told = rf"; python{SHORT}: No module named _sqlite3; python3: it is Python 3\.9\. Name one in the site's settings"
    worker.fails(24, told, script(python=f"python{SHORT}"), PATH=str(folder))


def test_another_version_of_python_is_refused(worker, packed, script, tmp_path):
    # the environment of another Python: the real one on the PATH does not fit
    name = tmp_path / "environment_9.tar.gz"
    (tmp_path / "lib" / "python3.99" / "site-packages").mkdir(parents=True)
    (tmp_path / "lib" / "python3.99" / "site-packages" / "tiny.py").write_text("")
    subprocess.run(["tar", "-czf", name.name, "lib"], cwd=tmp_path, check=True)
    shutil.copy(name, worker.folder)
    other = Bundle(name, hashlib.sha256(name.read_bytes()).hexdigest(), name.stat().st_size)
    worker.fails(24, rf"no Python 3\.99 on .*{BASE_PYTHON}: it is Python {SHORT}", script(environment=other))


def test_python_that_makes_no_environment_is_refused(worker, script, tmp_path):
    liar = program(tmp_path / "python", f"echo {shutil.which('false')}")
    worker.fails(25, "does not work as the Python of an environment", script(python=str(liar)))


def test_missing_python_of_the_site_is_said(worker, script):
    worker.fails(24, "the site's Python is not on", script(environment=None, python="python-of-the-site"))


def test_old_python_of_the_site_is_refused(worker, script, tmp_path):
    old = program(tmp_path / "python", "echo 'unknown option -P'; exit 2")
    worker.fails(24, "is too old", script(environment=None, python=str(old)))


def repack(environment, tmp_path, worker, text):
    """An environment bundle in which a Python of our making travels."""
    shutil.copytree(environment, tmp_path / "tree", symlinks=True)
    program(tmp_path / "tree" / "python" / "bin" / f"python{SHORT}", text)
    name = worker.folder / "environment_2.tar.gz"
    subprocess.run(["tar", "-czf", str(name), "lib", "python"], cwd=tmp_path / "tree", check=True)
    return Bundle(name, hashlib.sha256(name.read_bytes()).hexdigest(), name.stat().st_size)


def test_python_that_travels_comes_before_names_and_after_a_path(worker, script, environment, tmp_path):
    bundle = repack(environment, tmp_path, worker, f"echo travelled >>{tmp_path}/log; echo {BASE_PYTHON}")
    worker.run(script(environment=bundle, python=f"python{SHORT}"))
    assert worker.code == 0
    assert (tmp_path / "log").read_text() == "travelled\n"


def test_path_of_the_site_comes_before_the_python_that_travels(worker, script, environment, tmp_path):
    bundle = repack(environment, tmp_path, worker, f"echo travelled >>{tmp_path}/log; echo {BASE_PYTHON}")
    worker.run(script(environment=bundle))
    assert worker.code == 0
    assert not (tmp_path / "log").exists()


def test_libraries_that_travel_are_found_where_needed(worker, script, environment, tmp_path):
    bundle = repack(environment, tmp_path, worker, f'[ -n "$LD_LIBRARY_PATH" ] || exit 127; echo {BASE_PYTHON}')
    job = worker.run(script(environment=bundle, python=f"python{SHORT}"))
    assert job["environment"]["LD_LIBRARY_PATH"] == f"{worker.folder}/env/python/lib"


@pytest.fixture
def in_vain(worker, environment, tmp_path):
    """A bundle with a Python that this worker cannot run."""
    return repack(environment, tmp_path, worker, "echo 'GLIBC_2.99 not found' >&2; exit 1")


def test_python_that_travels_in_vain_is_named(worker, script, in_vain, tmp_path):
    folder = tools(tmp_path / "bin")
    told = rf"env/python/bin/python{SHORT}: GLIBC_2\.99 not found\. Name one"
    worker.fails(24, told, script(environment=in_vain, python="python"), PATH=str(folder))


def test_python_that_travels_in_vain_leaves_no_trace(worker, script, in_vain, tmp_path):
    folder = tools(tmp_path / "bin")
    (folder / f"python{SHORT}").symlink_to(BASE_PYTHON)
    job = worker.run(script(environment=in_vain, python="python"), PATH=str(folder))
    assert job["base"] == sys.base_prefix
    assert "LD_LIBRARY_PATH" not in job["environment"]


@pytest.mark.skipif(sys.base_prefix in SYSTEM_PREFIXES, reason="this Python belongs to the machine")
def test_real_python_travels(worker, script, environment, tmp_path):
    bundle = pack_environment(environment, worker.folder / "environment_2.tar.gz")
    job = worker.run(script(environment=bundle, python=f"python{SHORT}"), PATH=str(tools(tmp_path / "bin")))
    assert job["base"] == f"{worker.folder}/env/python"
    assert job["prefix"] == f"{worker.folder}/env"
    # a Python that is linked with its library must not take that of the machine
    assert all(path.startswith(f"{worker.folder}/env/python/lib/") for path in job["libpython"])


# ---------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("3",), "expected two arguments, branch and attempt, found 1"),
        (("3", "1", "2"), "expected two arguments, branch and attempt, found 3"),
        (("three", "1"), "branch and attempt are numbers, found 'three' and '1'"),
        (("3", "-1"), "are numbers, found '3' and '-1'"),
        (("", "1"), "are numbers, found '' and '1'"),
        (("3", ""), "are numbers, found '3' and ''"),
        (("3:4", "1"), "are numbers, found '3:4' and '1'"),
    ],
)
def test_wrong_arguments(worker, script, arguments, message):
    worker.fails(20, message, script(), *arguments)
    assert (worker.folder / "delivery.tar").exists()


@pytest.mark.parametrize("name", ["repository_1.tar.gz", "environment_1.tar.gz", "specification.json"])
def test_missing_file(worker, script, name):
    (worker.folder / name).unlink()
    worker.fails(21, f"{name} is not in the scratch folder; is it among the files to transfer", script())
    assert (worker.folder / "delivery.tar").exists()


@pytest.mark.parametrize("name", ["repository_1.tar.gz", "environment_1.tar.gz"])
def test_damaged_bundle(worker, script, name):
    content = bytearray((worker.folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (worker.folder / name).write_bytes(content)
    worker.fails(22, f"{name} has checksum [0-9a-f]{{64}}, expected [0-9a-f]{{64}}: the transfer damaged it", script())


def test_bundle_that_is_no_archive(worker, script, packed):
    (worker.folder / "repository_1.tar.gz").write_bytes(b"no archive")
    wrong = replace(packed[0], sha256=hashlib.sha256(b"no archive").hexdigest())
    worker.fails(23, r"repository_1.tar.gz cannot be unpacked into repo \(\d+ MB are free\)", script(repository=wrong))


def test_setup_line_that_fails(worker, script):
    worker.fails(26, "setup line failed: source /no/such/file", script(setup=["true", "source /no/such/file"]))
    assert (worker.folder / "delivery.tar").exists()


def test_scratch_folder_that_cannot_be_written_to(worker, script):
    (worker.folder / "delivery.tar").mkdir()
    worker.fails(28, f"{worker.folder} cannot be written to", script())


@pytest.mark.parametrize("name", ["sha256sum", "tar", "gzip"])
def test_missing_program(worker, script, tmp_path, name):
    folder = tools(tmp_path / "bin", name)
    worker.fails(29, rf"{name} is not on the PATH \({folder}\)", script(), PATH=str(folder))


def test_table_has_exactly_the_codes_of_the_scripts(script):
    rendered = script(setup=["true"]) + shared_script(
        base=Path("/b"), python=Path("/p"), environment={}, setup=(), spec=Path("/s")
    )
    used = {int(code) for code in re.findall(r"\bfail (\d+)", rendered)}
    assert used == set(BOOTSTRAP_ERRORS)
    assert used <= set(range(20, 30))


# ---------------------------------------------------------------------- setup lines and variables


def test_setup_lines_run_before_and_do_not_disturb(worker, script, tmp_path):
    (tmp_path / "site.sh").write_text(
        'export SEEN="$#" PYTHONPATH=/wrong PYTHONHOME=/wrong MODULE=loaded\nfalse\ntrue\n'
    )
    setup = (f"source {tmp_path}/site.sh", 'if [ "$MODULE" = loaded ]; then\n  export MORE="a b"\nfi')
    variables = worker.run(script(setup=setup, variables={"MODULE": "ours"}))["environment"]
    assert (variables["SEEN"], variables["MORE"], variables["MODULE"]) == ("0", "a b", "ours")
    assert variables["PYTHONPATH"] == f"{worker.folder}/repo"
    assert "PYTHONHOME" not in variables


@pytest.mark.parametrize("name", ["A-B", "1A", "", "A B", "A;B"])
def test_impossible_names_of_variables_are_refused(script, name):
    with pytest.raises(ConfigError, match=f"'{name}' cannot be the name of a variable"):
        script(variables={name: "1"})


def test_variables_that_the_script_sets_itself_are_refused(script):
    with pytest.raises(ConfigError, match="PYTHONPATH, TAUML_STORE cannot be set for a job that shares nothing"):
        script(variables={"TAUML_STORE": "/store", "PYTHONPATH": "/x", "OTHER": "1"})


# ---------------------------------------------------------------------- shared file system


@pytest.fixture
def shared(repository, environment, tmp_path):
    """Renders a script for a shared file system, for a specification elsewhere."""
    spec = tmp_path / "a folder" / "specification.json"
    spec.parent.mkdir()
    spec.write_text('{"exit": 5}')

    def render(**changes):
        usual = {
            "base": repository,
            "python": environment / "bin" / "python",
            "environment": {},
            "setup": (),
            "spec": spec,
        }
        return shared_script(**usual | changes)

    return render


def test_shared_job_uses_checkout_and_environment(tmp_path, shared, repository, environment):
    worker = Worker(tmp_path / "scratch")
    job = worker.run(
        shared(environment={"TAUML_STORE": "/store", "PYTHONPATH": f"/more:{repository}", "LAW_HOME": "/law"})
    )
    assert worker.code == 5
    assert job["argv"] == [str(tmp_path / "a folder" / "specification.json"), "3", "1"]
    assert (job["prefix"], job["cwd"]) == (str(environment), str(worker.folder))
    assert job["job"] == str(repository / "tasks" / "job.py")
    variables = job["environment"]
    assert variables["PYTHONPATH"] == f"{repository}:/more"
    assert (variables["TAUML_STORE"], variables["LAW_HOME"], variables["HOME"]) == (
        "/store",
        "/law",
        str(worker.folder),
    )
    assert variables["LAW_CONFIG_FILE"] == str(repository / "law.cfg")
    assert variables["PATH"].split(":")[0] == str(environment / "bin")
    assert "to standard error" in worker.output


def test_shared_job_without_settings_has_those_of_a_session(tmp_path, shared, repository):
    worker = Worker(tmp_path / "scratch")
    variables = worker.run(shared())["environment"]
    assert (variables["TAUML_STORE"], variables["PYTHONPATH"]) == (str(repository / "store"), str(repository))
    assert variables["LAW_HOME"] == str(worker.folder / ".law")
    assert bootstrap.DEFAULTS.items() <= variables.items()


def test_specification_that_the_worker_does_not_see(tmp_path, shared):
    Worker(tmp_path / "scratch").fails(
        21, r"/no/spec.json cannot be read on \S+: is its file system there", shared(spec=Path("/no/spec.json"))
    )


def test_checkout_that_the_worker_does_not_see(tmp_path, shared):
    Worker(tmp_path / "scratch").fails(
        27, "/no/checkout is not there on .*does the site share it", shared(base=Path("/no/checkout"))
    )


def test_environment_that_the_worker_does_not_see(tmp_path, shared):
    Worker(tmp_path / "scratch").fails(27, "/no/bin/python cannot be started on", shared(python=Path("/no/bin/python")))


def test_wrong_arguments_of_a_shared_job(tmp_path, shared):
    Worker(tmp_path / "scratch").fails(20, "found 1", shared(), "3")
