"""setup.sh: quick when all is there, clear when something is not."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = Path(sys.prefix)
pytestmark = pytest.mark.integration


def source(*arguments, script="", environment=None, cwd=ROOT):
    """Source setup.sh in a fresh bash and run ``script`` after it."""
    clean = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": os.environ.get("HOME", "/")} | (environment or {})
    command = f'source "{ROOT}/setup.sh" "$@"; status=$?; {script}\nexit $status'
    return subprocess.run(
        ["/bin/bash", "-c", command, "setup", *arguments], env=clean, capture_output=True, text=True, cwd=cwd
    )


@pytest.fixture
def active():
    if not (ENVIRONMENT / "bin" / "activate").exists():
        pytest.skip("the tests do not run in a virtual environment")
    return {"VIRTUAL_ENV": str(ENVIRONMENT), "PATH": f"{ENVIRONMENT}/bin:/usr/bin:/bin"}


def test_active_environment_is_used_and_variables_are_set(active, tmp_path):
    done = source(script='which law; env | grep -E "^(TAUML|LAW|KERAS)"', environment=active, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert f"{ENVIRONMENT}/bin/law" in done.stdout
    assert f"TAUML_STORE={ROOT}/store" in done.stdout
    assert f"LAW_CONFIG_FILE={ROOT}/law.cfg" in done.stdout
    workers = re.search(r"LAW__luigi_core__workers=(\d+)", done.stdout)
    assert workers
    assert int(workers[1]) == len(os.sched_getaffinity(0))


def test_sourced_again_it_takes_under_a_second(active):
    assert source(environment=active).returncode == 0
    times = []
    for _ in range(3):  # the machine may be busy
        start = time.perf_counter()
        assert source(environment=active).returncode == 0
        times.append(time.perf_counter() - start)
    assert min(times) < 1


def test_variables_of_the_user_win(active):
    done = source(
        script='echo "$TAUML_STORE $LAW__luigi_core__workers"',
        environment=active | {"TAUML_STORE": "/data/store", "TAUML_WORKERS": "7"},
    )
    assert done.stdout.strip() == "/data/store 7"


def test_environment_of_another_place_is_used(active):
    done = source("--venv", str(ENVIRONMENT), script="which law")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"{ENVIRONMENT}/bin/law"


def test_active_environment_without_the_packages_is_refused_with_advice(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "bare")], check=True)
    done = source(environment={"VIRTUAL_ENV": str(tmp_path / "bare")})
    assert done.returncode == 1
    assert "law: 0.1.21 wanted, nothing installed" in done.stderr or "more" in done.stderr
    assert "--venv DIR" in done.stderr


def test_no_python_of_the_right_version_is_explained(tmp_path):
    for name in ("dirname", "sha256sum", "cut", "nproc", "find", "head", "touch", "grep"):
        (tmp_path / name).symlink_to(f"/usr/bin/{name}")
    done = source("--venv", str(tmp_path / "new"), environment={"PATH": str(tmp_path)})
    assert done.returncode == 1
    assert "no Python 3.11" in done.stderr
    assert "conda env create" in done.stderr


@pytest.mark.parametrize(("arguments", "message"), [(["--venv"], "needs a directory"), (["--nonsense"], "usage")])
def test_wrong_options_are_explained(arguments, message):
    done = source(*arguments)
    assert done.returncode == 2
    assert message in done.stderr


def test_arguments_of_a_script_that_sources_it_are_left_alone(active, tmp_path):
    (tmp_path / "job.sh").write_text(f'source "{ROOT}/setup.sh" || exit 3\necho "mine: $1"\n')
    done = subprocess.run(
        ["/bin/bash", str(tmp_path / "job.sh"), "--events=5"],
        env=active | {"HOME": "/"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "mine: --events=5"


def test_check_lists_differences():
    spec = importlib.util.spec_from_file_location("check", ROOT / "requirements" / "check.py")
    check = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(check)
    differences = check.differences
    import numpy

    assert differences(f"numpy=={numpy.__version__} \\\n    --hash=sha256:00") == []
    assert differences("numpy==0.0.1") == [f"numpy: 0.0.1 wanted, {numpy.__version__} installed"]
    assert differences("no-such-package==1") == ["no-such-package: 1 wanted, nothing installed"]
