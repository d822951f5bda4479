"""The journal: whatever is torn off, what was whole before stays readable."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import textwrap
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taumltools.batch.journal import Journal, is_closed, read_events
from taumltools.errors import InputError

EVENTS = [
    {"event": "opened", "command": "law run X --y 'a b'", "branches": [0, 1]},
    {"event": "intended", "submission": "s", "attempts": [[0, 1, 0]], "resources": [{"max_memory": 2000}]},
    {
        "event": "ended",
        "branch": 0,
        "attempt": 1,
        "cause": "exception in the task",
        "message": 'τ → "x"\nline two\\',
        "code": 60,
    },
    {"event": "removed", "jobs": {"1.0": "why"}},
]


def bare(events):
    return [{key: value for key, value in event.items() if key != "time"} for event in events]


def test_no_journal_has_no_events(tmp_path):
    assert list(read_events(tmp_path / "none.jsonl")) == []
    assert list(tmp_path.iterdir()) == []


def test_what_is_written_is_read(tmp_path):
    journal = Journal(tmp_path / "deep" / "folder" / "journal.jsonl")
    before = time.time()
    first = journal.write("opened", command="x")
    written = [first, *journal.write_all(EVENTS)]
    assert list(read_events(journal.path)) == written
    assert bare(written) == [{"event": "opened", "command": "x"}, *EVENTS]
    assert all(before - 0.01 <= event["time"] <= time.time() + 0.01 for event in written)


def test_one_event_is_one_line(tmp_path):
    journal = Journal(tmp_path / "j")
    journal.write_all(EVENTS)
    lines = journal.path.read_bytes().split(b"\n")
    assert lines.pop() == b""
    assert [json.loads(line)["event"] for line in lines] == [event["event"] for event in EVENTS]


def test_nothing_to_write_writes_nothing(tmp_path):
    journal = Journal(tmp_path / "j")
    assert journal.write_all([]) == []
    assert list(read_events(journal.path)) == []


def test_reopening_a_whole_journal_changes_nothing(tmp_path):
    Journal(tmp_path / "j").write_all(EVENTS)
    content = (tmp_path / "j").read_bytes()
    Journal(tmp_path / "j")
    assert (tmp_path / "j").read_bytes() == content


def test_a_given_time_stays(tmp_path):
    Journal(tmp_path / "j").write_all([{"event": "opened", "time": 5.0}])
    assert next(read_events(tmp_path / "j"))["time"] == 5.0


def test_truncation_at_any_byte_keeps_all_whole_events_and_can_be_continued(tmp_path):
    written = Journal(tmp_path / "whole").write_all(EVENTS)
    content = (tmp_path / "whole").read_bytes()
    path = tmp_path / "torn"
    for length in range(len(content) + 1):
        path.write_bytes(content[:length])
        whole = written[: content[:length].count(b"\n")]
        assert list(read_events(path)) == whole, f"{length} bytes"
        new = Journal(path).write("removed", jobs={})
        assert list(read_events(path)) == [*whole, new], f"continued after {length} bytes"


@given(
    st.lists(
        st.dictionaries(st.text(), st.one_of(st.text(), st.integers(), st.booleans(), st.none())),
        min_size=1,
        max_size=5,
    ),
    st.data(),
)
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_truncation_of_any_events(tmp_path, events, data):
    path = tmp_path / "j"
    path.unlink(missing_ok=True)
    written = Journal(path).write_all([event | {"event": "opened", "time": 1.5} for event in events])
    content = path.read_bytes()
    length = data.draw(st.integers(0, len(content)))
    path.write_bytes(content[:length])
    assert list(read_events(path)) == written[: content[:length].count(b"\n")]


@pytest.mark.parametrize("tail", [b"{", b'{"event":"opened"}', b"\x00" * 100, b"\xff\xfe", b'{"event":"\xe2\x86'])
def test_anything_after_the_last_line_feed_is_dropped(tmp_path, tail):
    written = Journal(tmp_path / "j").write_all(EVENTS)
    with (tmp_path / "j").open("ab") as file:
        file.write(tail)
    assert list(read_events(tmp_path / "j")) == written
    new = Journal(tmp_path / "j").write("removed", jobs={})
    assert list(read_events(tmp_path / "j")) == [*written, new]


@pytest.mark.parametrize(
    "damage",
    [b"{", b"", b"\x00" * 30, b"\xff\xfe\xfd", b"null", b"[1]", b'"text"', b"5", b'{"event":"a"}{"event":"b"}'],
)
def test_damage_in_the_middle_is_an_error_that_names_the_line(tmp_path, damage):
    path = tmp_path / "journal.jsonl"
    Journal(path).write_all(EVENTS)
    lines = path.read_bytes().split(b"\n")
    lines[2] = damage
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(
        InputError, match=r"journal\.jsonl, line 3 is damaged.*expected one JSON object; move the file away"
    ) as caught:
        list(read_events(path))
    assert str(tmp_path) in str(caught.value)


def test_a_damaged_last_line_with_its_line_feed_is_an_error(tmp_path):
    (tmp_path / "j").write_bytes(b'{"event":"opened"}\n{"ev\n')
    with pytest.raises(InputError, match="line 2 is damaged"):
        list(read_events(tmp_path / "j"))


@pytest.mark.parametrize(
    ("events", "closed"),
    [
        ([], True),  # never had jobs
        ([{"event": "opened"}], False),
        ([{"event": "opened"}, {"event": "closed"}], True),
        ([{"event": "closed"}, {"event": "opened", "command": "x" * 1000}], False),
        ([{"event": "opened", "command": "x" * 1000}, {"event": "closed"}], True),
        ([{"event": "ended", "message": '"event":"closed"'}], False),
    ],
)
def test_whether_the_last_driver_came_to_its_end(tmp_path, events, closed):
    for event in events:
        Journal(tmp_path / "j").write_all([event])
    assert is_closed(tmp_path / "j") is closed


@pytest.mark.parametrize("torn", [b"", b'{"time":1.0,"event":"ope'])
def test_an_empty_or_torn_journal_is_not_closed(tmp_path, torn):
    path = tmp_path / "j"
    path.write_bytes(torn)
    assert not is_closed(path)
    path.unlink()
    Journal(path).write("closed")
    path.write_bytes(path.read_bytes() + torn)
    assert is_closed(path) is (torn == b"")


WRITER = """
    import sys
    from pathlib import Path
    from taumltools.batch.journal import Journal
    journal = Journal(Path(sys.argv[1]))
    for number in range(int(sys.argv[2])):
        journal.write("removed", number=number, who=sys.argv[3], filling="x" * 300)
        print(number, flush=True)
"""


def start(path, count, who="a"):
    command = [sys.executable, "-c", textwrap.dedent(WRITER), str(path), str(count), who]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_what_a_killed_driver_had_written_is_there(tmp_path):
    with start(tmp_path / "j", 1_000_000) as writer:
        said = [int(writer.stdout.readline()) for _ in range(20)]
        writer.send_signal(signal.SIGKILL)
        said += [int(line) for line in writer.stdout if line.endswith("\n")]
    numbers = [event["number"] for event in read_events(tmp_path / "j")]
    assert numbers == list(range(len(numbers)))
    assert said == numbers[: len(said)]  # what it went on from is on disk


def test_two_writers_mix_lines_but_not_bytes(tmp_path):
    path = tmp_path / "j"
    writers = [start(path, 60, who) for who in "ab"]
    for writer in writers:
        assert writer.communicate(timeout=60)[0].split() == [str(n) for n in range(60)]
    events = list(read_events(path))
    for who in "ab":
        assert [event["number"] for event in events if event["who"] == who] == list(range(60))


LIMITED = """
    import resource, signal, sys
    from pathlib import Path
    from taumltools.batch.journal import Journal
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, 5_000))
    journal = Journal(Path(sys.argv[1]))
    for number in range(100):
        journal.write("removed", number=number, filling="x" * 300)
        print(number, flush=True)
"""


def test_a_full_disk_is_an_error_and_the_journal_can_be_continued(tmp_path):
    path = tmp_path / "j"
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(LIMITED), str(path)], capture_output=True, text=True)
    assert done.returncode == 1
    assert "OSError" in done.stderr
    assert path.stat().st_size == 5_000  # a part of the last event was taken
    whole = [event["number"] for event in read_events(path)]
    assert whole == [int(word) for word in done.stdout.split()]
    Journal(path).write("removed", number=100)
    assert [event["number"] for event in read_events(path)] == [*whole, 100]
