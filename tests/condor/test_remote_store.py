"""Products of jobs in a remote store, a real xrootd server."""

from __future__ import annotations

import shutil
import threading

import pytest

from tests.condor.flow import Flow, kill_session


@pytest.fixture
def flow(pool, tmp_path, xrootd_server):
    """A workflow whose store is on the server; where local ones have their store, it has its mirror."""

    def make(n, plan=None):
        work = Flow(pool, tmp_path, n, plan)
        work.env |= {"TAUML_STORE": xrootd_server.url("store"), "TAUML_MIRROR": str(work.store)}
        return work

    return make


def there(server, pattern="product_*.txt"):
    return sorted(path.name for path in (server.data / "store").rglob(pattern))


def test_jobs_publish_on_the_server(flow, xrootd_server):
    work = flow(3)
    done = work.run()
    assert done.returncode == 0, done.stdout
    work.assert_delivered()
    assert there(xrootd_server) == ["product_0.txt", "product_1.txt", "product_2.txt"]
    assert there(xrootd_server, "*.meta.json") == [f"product_{n}.txt.meta.json" for n in range(3)]


def test_what_the_server_has_is_not_made_again_though_the_mirror_is_lost(flow, xrootd_server):
    work = flow(2)
    assert work.run().returncode == 0
    before = next((xrootd_server.data / "store").rglob("product_0.txt")).read_text()
    shutil.rmtree(work.store / "tiny")
    assert work.run().returncode == 0
    assert next((xrootd_server.data / "store").rglob("product_0.txt")).read_text() == before
    assert sorted((work.diary / "published").read_text().split()) == ["0", "1"]


def test_a_server_that_is_away_for_a_while(flow, xrootd_server):
    """Neither the driver nor the jobs take that for missing products, and none is made twice."""
    work = flow(3, {"*": ["gate"]})
    driver = work.start()
    work.pid(0)
    xrootd_server.kill()
    (work.diary / "open").touch()
    timer = threading.Timer(6.0, xrootd_server.start)
    timer.start()
    assert work.finish(driver, 240) == 0, work.output.read_text()
    timer.join()
    work.assert_delivered()
    assert there(xrootd_server) == ["product_0.txt", "product_1.txt", "product_2.txt"]


def test_driver_killed_while_jobs_publish(flow, xrootd_server):
    work = flow(3, {"*": ["gate"]})
    driver = work.start()
    work.pid(2)
    kill_session(driver)
    code, output = work.take_over()
    assert code == 0, output
    work.assert_delivered()
    assert there(xrootd_server) == ["product_0.txt", "product_1.txt", "product_2.txt"]
