"""Jobs that see nothing of the submitter: neither checkout, nor environment, nor store.

HTCondor starts each job through a script that puts empty file systems over these folders, in a
mount namespace of the job's own.  What a job saw is in the side-car of its product.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.condor.flow import ROOT, Flow, Home, kill_session
from tests.condor.slim import BINDINGS, copy_checkout, install, make_environment

pytestmark = [pytest.mark.condor, pytest.mark.integration]

SYSTEM = {"/", "/usr", "/usr/local"}

WRAPPER = """\
#!/bin/bash
# in a namespace of its own, a job sees empty folders in place of the submitter's
[ -n "$IN_NAMESPACE" ] || IN_NAMESPACE=1 exec /usr/bin/unshare --mount --map-root-user "$0" "$@"
for place in {places}; do
    [ ! -d "$place" ] || mount -t tmpfs none "$place" || exit 99
done
unset IN_NAMESPACE HOME
exec "$@"
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Home:
    base = tmp_path_factory.mktemp("submitter")
    checkout, python = copy_checkout(base / "checkout"), make_environment(base / "env")
    look = (ROOT / "law.cfg", Path(sys.prefix) / "bin", checkout / "law.cfg", python, base / "store")
    return Home(python, checkout, base / "store", install(BINDINGS, base / "bindings"), tuple(map(str, look)))


@pytest.fixture(scope="module")
def pool(pool_factory, home, tmp_path_factory):
    """A pool whose jobs see nothing of the home."""
    wrapper = tmp_path_factory.mktemp("wrapper") / "isolate.sh"
    places = [home.store.parent, ROOT, Path(sys.prefix)]
    # a Python that is not the system's has to travel
    places += [] if sys.base_prefix in SYSTEM else [Path(sys.base_prefix)]
    wrapper.write_text(WRAPPER.format(places=shlex.join(map(str, places))))
    wrapper.chmod(0o755)
    one = pool_factory(extra=f"USER_JOB_WRAPPER = {wrapper}\n")
    try:
        one.script("run", "unshare", "--mount", "--map-root-user", "mount", "-t", "tmpfs", "none", str(wrapper.parent))
    except RuntimeError as error:
        reason = f"jobs cannot have mount namespaces of their own here: {error}"
        if os.environ.get("TAUML_REQUIRE_CONDOR") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONDOR_CONFIG", one.env["CONDOR_CONFIG"])
        import htcondor2

        htcondor2.reload_config()
        yield one


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Write the settings of a site like this pool, without a shared file system; the path of the file."""
    folder = tmp_path_factory.mktemp("sites")
    shared = (ROOT / "configs" / "site" / "local-pool.yaml").read_text()
    assert "shared_filesystem: true" in shared

    def make(spool: bool) -> str:
        path = folder / f"spool_{spool}.yaml"
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        more = f"shared_filesystem: false\nspool: {str(spool).lower()}\npython: python{version}"
        path.write_text(shared.replace("shared_filesystem: true", more))
        return str(path)

    return make


@pytest.fixture
def flow(pool, home, site, tmp_path):
    def make(n=3, plan=None, *, spool=False, home=home, **options):
        return Flow(pool, tmp_path, n, plan, site(spool), home, **options)

    yield make
    pool.remove_all()


def assert_isolated(work: Flow, branch: int) -> None:
    """The job that made this branch saw nothing of the submitter, and used what travelled."""
    details = work.sidecar(branch)["details"]
    assert details["sees"] == []
    scratch = details["scratch"]
    assert scratch.startswith(str(work.pool.folder))
    assert (details["home"], details["store"]) == (scratch, scratch)
    assert (details["python"], details["code"]) == (f"{scratch}/env", f"{scratch}/repo")
    assert details["base_python"] == f"{scratch}/env/python" or sys.base_prefix in SYSTEM


def wait_gone(work: Flow) -> None:
    """Wait until the queue has none of the workflow's jobs."""
    work.pool.wait_until(lambda: not work.jobs(), 60, "the jobs to leave the queue")


def bundles(home: Home) -> dict[str, int]:
    """Time of change of the bundles, by name."""
    return {path.name: path.stat().st_mtime_ns for path in home.store.glob("_bundles/*.tar.gz")}


# ---------------------------------------------------------------------- file transfer


@pytest.mark.parametrize("spool", [False, True])
def test_dry_run_needs_no_bundles_and_makes_none(flow, home, tmp_path, spool):
    work = flow(4, home=replace(home, store=tmp_path / "elsewhere"), spool=spool)
    done = work.run("--dry-run")
    assert done.returncode == 0, done.stdout
    assert "4 of 4 branches would be submitted" in done.stdout
    assert "sent to each job: repository_" in done.stdout
    assert done.stdout.count("(to be packed first)") == 2
    assert "transfer_input_files = $(inputs)" in done.stdout
    assert ("inputs_0.tar" in done.stdout) == spool
    assert not work.store.exists()


def test_branches_are_delivered_though_nothing_is_shared(flow, home):
    assert all(Path(file).exists() or file == str(home.store) for file in home.look)
    work = flow(2, {"1": ["raise a bad day", "kill"]})
    done = work.run()
    assert done.returncode == 0, done.stdout
    work.assert_delivered()
    for branch in range(2):
        assert_isolated(work, branch)
        assert work.sidecar(branch)["code"]["commit"]  # of the checkout; the worker's copy has none
    assert work.causes(0) == ["done"]
    assert work.causes(1) == ["exception in the task", "killed by a signal", "done"]
    failed, killed, repeated = work.ledger.attempts[1]
    assert failed.ending.message == "RuntimeError: a bad day"  # from the report that travelled
    assert failed.ending.code == 60
    for attempt in (failed, killed, repeated):
        assert attempt.ending.memory_mb > 20
        assert attempt.ending.host
    for attempt in (failed, repeated):
        assert attempt.ending.runtime_s > 0
    # of a job without a report HTCondor counts whole seconds, and this one may have been killed in its first
    assert killed.ending.runtime_s is None or killed.ending.runtime_s >= 1
    logs = [work.layout.log(1, n).read_text() for n in (1, 2, 3)]
    assert "RuntimeError: a bad day" in logs[0]
    assert "RuntimeError" not in logs[1] + logs[2]
    assert all("environment ready after" in log for log in logs)

    # the same command does nothing more
    before, journal = bundles(home), work.layout.journal.read_text()
    assert sorted(name.split("_")[0] for name in before) == ["environment", "repository"]
    assert work.run().returncode == 0
    assert bundles(home) == before
    assert work.layout.journal.read_text() == journal


def test_driver_killed_deliveries_damaged_and_the_checkout_edited(flow, home):
    work = flow(3, {"*": ["sleep 1"]})
    driver = work.start()
    work.wait_running(0, 1, 2)
    work.pool.wait_until(lambda: all(attempt.job for attempt in work.ledger.all()))  # the submission is on record
    kill_session(driver)
    wait_gone(work)
    assert list(work.store.glob(f"tiny/Payload/*/{work.version}/*/*")) == []  # nobody was there to publish
    torn, changed, good = (work.layout.delivery(branch, 1) for branch in range(3))
    content = torn.read_bytes()
    torn.write_bytes(content[: len(content) // 2])
    content = changed.read_bytes()
    changed.write_bytes(content.replace(b"branch 1 ", b"branch 7 "))
    assert good.stat().st_size > 0

    before = bundles(home)
    payload = home.root / "tests" / "condor" / "payload.py"
    original = payload.read_text()
    try:
        payload.write_text(original.replace('return {"turn"', 'return {"edited": True, "turn"'))
        done = work.run()
    finally:
        payload.write_text(original)
    assert done.returncode == 0, done.stdout
    work.assert_delivered()
    assert [work.causes(b) for b in range(3)] == [["no valid output", "done"]] * 2 + [["done"]]
    assert "exit code 0 but without a valid product" in work.ledger.attempts[0][0].ending.message
    assert "the member 'product' was damaged on its way" in work.ledger.attempts[1][0].ending.message

    # the repeated branches ran the code as it was then
    assert [work.sidecar(b)["details"].get("edited", False) for b in range(3)] == [True, True, False]
    assert [work.sidecar(b)["code"]["dirty"] for b in range(3)] == [True, True, False]
    assert before.items() <= bundles(home).items()
    assert [name.split("_")[0] for name in set(bundles(home)) - set(before)] == ["repository"]


def test_product_that_is_read_travels(flow, home):
    work = flow(1, family="Reader")
    done = work.run()
    assert done.returncode == 0, done.stdout
    work.assert_delivered()
    assert_isolated(work, 0)
    sidecar = work.sidecar(0)
    assert sidecar["details"]["read"] == "source 0\n"
    (source,) = (Path(each["path"]) for each in sidecar["inputs"])
    assert source.is_dir()  # in the submitter's store
    assert source.is_relative_to(home.store)
    place = source.relative_to(home.store)
    assert sidecar["details"]["from"] == f"{sidecar['details']['scratch']}/{place}"


def test_products_come_from_and_go_to_a_remote_store(flow, home, tmp_path):
    work = flow(2, family="Reader")
    url = f"file://{tmp_path}/server"  # of the submitter, which jobs do not see
    work.env |= {"TAUML_STORE": url, "TAUML_MIRROR": str(home.store)}
    work.make_source()
    (source,) = (tmp_path / "server/tiny/Source").iterdir()
    shutil.rmtree(home.store / "tiny/Source" / source.name)
    done = work.run()
    assert done.returncode == 0, done.stdout
    work.assert_delivered()
    sidecar = work.sidecar(1)
    assert sidecar["details"]["read"] == "source 1\n"
    assert [each["path"].startswith(url) for each in sidecar["inputs"]] == [True]
    made = sorted(path.name for path in (tmp_path / "server/tiny/Reader").rglob("product_*.txt"))
    assert made == ["product_0.txt", "product_1.txt"]


# ---------------------------------------------------------------------- spooled

KILLED_BEFORE_SPOOLING = """\
import os, signal, sys
import htcondor2
htcondor2.Schedd.spool = lambda *_: os.killpg(0, signal.SIGKILL)
from law.cli import run
sys.argv[0] = "law"
sys.exit(run())
"""


def test_spooled_branches_are_delivered(flow):
    work = flow(1, {"0": ["raise a bad day"]}, family="Reader", spool=True)
    work.make_source()
    done = work.run()
    assert done.returncode == 0, done.stdout
    work.assert_delivered()
    assert work.causes(0) == ["exception in the task", "done"]
    assert_isolated(work, 0)
    assert work.sidecar(0)["details"]["read"] == "source 0\n"
    assert "RuntimeError: a bad day" in work.layout.log(0, 1).read_text()
    assert "done after" in work.layout.log(0, 2).read_text()
    assert all(attempt.ending.memory_mb for attempt in work.ledger.all())


def test_driver_of_spooled_jobs_killed_again_and_again(flow):
    work = flow(1, {"*": ["ok", "sleep 1"]}, spool=True)
    # between submission and spooling
    killed = subprocess.run(
        [str(work.home.python), "-P", "-c", KILLED_BEFORE_SPOOLING, *work.command()[1:]],
        env=work.env, cwd=work.root, timeout=60, capture_output=True, start_new_session=True,
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL
    (orphan,) = work.jobs()
    assert (orphan["JobStatus"], orphan["HoldReasonCode"]) == (5, 16)

    # while the job runs that was submitted in its place
    driver = work.start()
    work.wait_running(0)
    kill_session(driver)
    work.pool.wait_until(lambda: {job["JobStatus"] for job in work.jobs()} == {4}, 60, "the job to complete")

    # what it left waits in the queue; at first, it cannot be fetched
    folder = work.layout.delivery(0, 2).parent
    folder.rmdir()
    folder.write_text("in the way")
    driver = work.start()
    work.pool.wait_until(lambda: "cannot be fetched from the scheduler" in work.output.read_text(), 60)
    folder.unlink()
    folder.mkdir()
    assert work.finish(driver) == 0
    work.assert_delivered()
    assert [str(attempt.ending.cause) for attempt in work.ledger.attempts[0]] == ["not submitted", "done"]
    assert "done after" in work.layout.log(0, 2).read_text()
