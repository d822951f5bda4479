"""Texts in the client's format; states that it cannot be sure of are errors."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taumltools.errors import InputError
from taumltools.production.crab.status import JOB_STATES, Scheduler, Server, parse_status

HEAD = """\
CRAB project directory:\t\t/work/projects/crab_DY
Task name:\t\t\t211117_135111:me_crab_DY
Grid scheduler - Task Worker:\tcrab3@vocms0144.cern.ch - crab-prod-tw01
Status on the CRAB server:\t{server}
Task URL to use for HELP:\thttps://cmsweb.cern.ch/crabserver/ui/task/x
"""
JOBS = """\
Status on the scheduler:\tSUBMITTED

Jobs status:                    failed       \t\t 22.2% (2/9)
\t\t\t\tfinished     \t\t 33.3% (3/9)
\t\t\t\trunning      \t\t 44.4% (4/9)

No publication information (publication has been disabled in the CRAB configuration file)

Error Summary: (use crab status --verboseErrors for details about the errors)

2 jobs failed with exit code 8021

Warning: the average jobs CPU efficiency is less than 50%, please consider to improve the jobs splitting

Log file is /work/projects/crab_DY/crab.log
"""


def test_jobs_from_the_table():
    status = parse_status(HEAD.format(server="SUBMITTED") + JOBS)
    assert status.server is Server.SUBMITTED
    assert status.scheduler is Scheduler.SUBMITTED
    assert status.counts == {"failed": 2, "finished": 3, "running": 4}
    assert status.timestamp == "211117_135111"
    assert [warning[:30] for warning in status.warnings] == ["the average jobs CPU efficienc"]
    assert not status.at_end


def test_jobs_from_the_document():
    jobs = {
        "DagStatus": {"DagStatus": 6},
        "10": {"State": "finished", "Error": [8021, "of an earlier attempt", {}]},
        "2": {"State": "failed", "Error": [50660, "Application exceeded maxRSS", {}]},
        "2-1": {"State": "failed"},
        "0-1": {"State": "finished"},
        "3": {"State": ""},
    }
    text = HEAD.format(server="SUBMITTED") + "Status on the scheduler:\tFAILED\n" + json.dumps(jobs) + "\n"
    status = parse_status(text)
    assert status.of_state("failed") == ("2", "2-1")
    assert status.of_state("finished") == ("0-1", "10")
    assert status.exit_codes() == {50660: 1, None: 1}
    assert status.jobs["2"].message == "Application exceeded maxRSS"
    assert status.counts["unknown"] == 1
    assert status.at_end
    assert status.line().endswith("1 with exit code 50660, 1 with exit code unknown")


def test_the_scheduler_may_be_behind():
    text = (
        HEAD.format(server="SUBMITTED") + "Status on the scheduler:\tCOMPLETED\n" + '{"1": {"State": "transferring"}}\n'
    )
    assert not parse_status(text).at_end


@pytest.mark.parametrize(
    ("server", "more", "found"),
    [
        ("NEW on command SUBMIT", "", (Server.NEW, "SUBMIT", Scheduler.NONE)),
        ("TAPERECALL on command SUBMIT", "", (Server.TAPERECALL, "SUBMIT", Scheduler.NONE)),
        ("QUEUED on command RESUBMIT", JOBS, (Server.QUEUED, "RESUBMIT", Scheduler.SUBMITTED)),
        (
            "SUBMITTED",
            "Waiting for the Grid scheduler to bootstrap your task\n",
            (Server.SUBMITTED, "", Scheduler.BOOTSTRAP),
        ),
        ("SUBMITTED", "Task bootstrapped at 2024\nStatus information\n", (Server.SUBMITTED, "", Scheduler.BOOTSTRAP)),
        (
            "SUBMITTED",
            "The task failed to bootstrap on the Grid scheduler.\n",
            (Server.SUBMITTED, "", Scheduler.FAILED),
        ),
        ("\x1b[91mKILLED\x1b[0m", "Status on the scheduler:\tFAILED (KILLED)\n", (Server.KILLED, "", Scheduler.KILLED)),
    ],
)
def test_states(server, more, found):
    status = parse_status(HEAD.format(server=server) + more)
    assert (status.server, status.command, status.scheduler) == found


def test_the_servers_message_has_several_lines():
    text = (
        HEAD.format(server="SUBMITFAILED")
        + "Failure message from server:\tno such dataset\n\t\t\t\tin DBS\nLog file is x\n"
    )
    assert parse_status(text).failure == "no such dataset\nin DBS"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no task and no status on the server"),
        ("Traceback (most recent call last):\n  boom", "boom"),
        (HEAD.format(server="CONFUSED"), "the status on the CRAB server is 'CONFUSED', which is not known"),
        (HEAD.format(server="SUBMITTED") + "Status on the scheduler:\tDONE\n", "status on the scheduler is 'DONE'"),
        (HEAD.format(server="SUBMITTED") + "Jobs status:   levitating   10.0% (1/10)\n", "'levitating   10.0"),
        (HEAD.format(server="SUBMITTED") + '{"1": {"State": "levitating"}}', "job 1 is 'levitating'"),
        (HEAD.format(server="SUBMITTED") + '{"1": {"State": "fini', "cannot be read"),
        (HEAD.format(server="SUBMITTED") + '{"1": ["x"]}', "cannot be read"),
    ],
)
def test_what_is_not_known_is_an_error(text, message):
    with pytest.raises(InputError, match=message):
        parse_status(text)


@given(st.dictionaries(st.integers(1, 99).map(str), st.sampled_from(sorted(JOB_STATES)), min_size=1))
def test_every_job_is_counted_once(jobs):
    text = HEAD.format(server="SUBMITTED") + json.dumps({job: {"State": state} for job, state in jobs.items()})
    status = parse_status(text)
    assert sum(status.counts.values()) == len(jobs)
    assert status.of_state(*JOB_STATES) == tuple(sorted(jobs, key=int))


@given(st.text(max_size=60))
def test_no_text_is_taken_for_a_status(text):
    with pytest.raises(InputError):
        parse_status(text)
