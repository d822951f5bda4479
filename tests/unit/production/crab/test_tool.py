"""The adapter against small programs that stand for the client."""

from __future__ import annotations

import sys
import threading
import time
from pathlib import Path

import pytest

from taumltools.errors import CrabError, InputError
from taumltools.production.crab.tool import CrabClient


@pytest.fixture
def client(tmp_path):
    """A client that does what a line of Python says."""

    def make(code, timeout=20.0):
        return CrabClient((sys.executable, "-S", "-E", "-c", code), tmp_path / "crab.log", timeout)

    return make


@pytest.mark.parametrize(
    ("code", "kind", "message"),
    [
        ("import sys; sys.exit(127)", "missing", "does not run a CRAB client"),
        ("import sys; sys.exit(3013 % 256)", "proxy", "there is no valid grid proxy"),
        ("import sys; print('Impossible to retrieve proxy from myproxy'); sys.exit(1)", "proxy", "voms-proxy-init"),
        ("import sys; print('Error: proxy has expired'); sys.exit(1)", "proxy", "Error: proxy has expired"),
        ("import sys; print(\"Working area 'x' already exists \"); sys.exit(190)", "exists", "exists already"),
        (
            "import sys; print('Invalid CRAB configuration: no psetName'); sys.exit(192)",
            "refused",
            "exit code 192:\n  Invalid",
        ),
        ("print('all well')", "refused", "gave no name of a task"),
    ],
)
def test_errors_say_what_to_do(client, code, kind, message):
    with pytest.raises(CrabError, match=message) as caught:
        client(code).submit(Path("crabConfig.py"))
    assert caught.value.kind == kind


def test_a_call_that_takes_too_long_is_killed_with_all_it_started(client, tmp_path):
    code = (
        "import subprocess, sys, time\n"
        f'child = \'import time; time.sleep(2); open("{tmp_path / "late"}", "w")\'\n'
        "print('said', flush=True)\n"
        "subprocess.Popen([sys.executable, '-c', child]); time.sleep(60)"
    )
    began = time.monotonic()
    with pytest.raises(CrabError, match=r"no answer within 0\.5 s") as caught:
        client(code, 0.5).kill(Path("project"))
    assert caught.value.kind == "timeout"
    assert time.monotonic() - began < 10
    time.sleep(2.2)
    assert not (tmp_path / "late").exists()
    assert "said" in (tmp_path / "crab.log").read_text()


def test_everything_it_prints_is_kept(client, tmp_path):
    words = "import sys; print('Resubmit request sent to the server: out'); print('err', file=sys.stderr); print(sys.argv[1:])"
    once = client(words)
    once.kill(Path("p"))
    once.resubmit(Path("p"), ["1", "3"])
    text = (tmp_path / "crab.log").read_text()
    assert text.count("out\n") == text.count("err\n") == text.count("==== end: 0") == 2
    assert "['resubmit', '-d', 'p', '--jobids=1,3']" in text


def test_a_resubmission_that_the_server_does_not_want(client):
    with pytest.raises(CrabError, match="Server responded with: 'no'"):
        client("print(\"Server responded with: 'no'\")").resubmit(Path("p"))


@pytest.mark.parametrize("words", ["Error: Status information is unavailable, will not proceed", ""])
def test_a_client_that_sent_nothing_and_ended_with_0_was_taken_for_success(client, words):
    with pytest.raises(CrabError, match="crab resubmit -d p"):
        client(f"print({words!r})").resubmit(Path("p"))


def test_nothing_is_asked_of_the_terminal(client):
    with pytest.raises(CrabError, match="EOFError"):
        client("input('Enter GRID pass phrase:')").kill(Path("p"))


def test_tasks_are_found_by_name_and_time(client):
    names = ["270115_075950:me_crab_DY", "270115_080010:me_crab_DY_ext", "270114_075950:me_crab_DY"]
    listing = client(f"print('NAME'); [print(n + chr(10) + '   SUBMITTED') for n in {names}]")
    since = 1_800_000_000.0  # 2027-01-15 08:00:00
    assert listing.find("DY", since, since + 60) == names[0]
    assert listing.find("DY_ext", since, since + 60) == names[1]
    assert listing.find("TT", since, since + 60) == ""
    with pytest.raises(CrabError, match="several tasks that may be 'DY'"):
        listing.find("DY", since - 2 * 86400, since)


def report(*files):
    lines = [f"open(folder + '/{name}.json', 'w').write({text!r})" for name, text in files]
    return "import sys; folder = sys.argv[4].partition('=')[2]\n" + "\n".join(lines)


def test_a_report_without_files_is_no_report(client, tmp_path):
    with pytest.raises(CrabError, match="does not say what was to be processed"):
        client(report()).report(Path("p"), tmp_path / "a")


def test_files_that_contradict_each_other(client, tmp_path):
    files = [("lumisToProcess", '{"1": [[1, 4]]}'), ("processedLumis", '{"1": [[1, 2]]}')]
    account = client(report(*files, ("notFinishedLumis", '{"1": [[3, 4]]}'))).report(Path("p"), tmp_path / "a")
    assert account.left == {(1, 3), (1, 4)}
    with pytest.raises(InputError, match=r"notFinishedLumis\.json has 0 sections, but 2"):
        client(report(*files)).report(Path("p"), tmp_path / "b")
    with pytest.raises(InputError, match=r"processedLumis\.json: cannot be read"):
        client(report(files[0], ("processedLumis", "{"))).report(Path("p"), tmp_path / "c")


def test_a_client_of_an_earlier_command_is_waited_for(client, tmp_path):
    """It outlives a command that was killed, and may still be about to submit."""
    order = []
    slow = threading.Thread(target=lambda: (client("import time; time.sleep(1)").kill(Path("p")), order.append("slow")))
    slow.start()
    time.sleep(0.5)
    client("").settle()
    order.append("settled")
    slow.join()
    assert order[0] == "slow"
    held = threading.Thread(target=lambda: client("import time; time.sleep(2)").kill(Path("p")))
    held.start()
    time.sleep(0.5)
    with pytest.raises(CrabError, match="of an earlier command is still at work"):
        client("", 0.3).settle()
    held.join()
