"""What attributes of jobs mean; the attributes are as a real pool (HTCondor 23.9) and sites give them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.batch.causes import ANSWERS, Answer, Cause
from taumltools.batch.states import ATTRIBUTES, HOLD_CAUSES, JOB_STATUS, LAST_SIGNAL, Job, State, held, left

BASE = {
    "ClusterId": 12, "ProcId": 3, "JobStatus": 1, "TaumlBranch": 7, "TaumlAttempt": 2, "TaumlSubmission": "s1",
    "QDate": 1_700_000_000, "RequestMemory": 2000,
}  # fmt: skip

STALE = {"ExitBySignal": True, "ExitSignal": 15}
"""What a vacated, held or removed job keeps of the signal it was stopped with."""

BOOTSTRAP = {20: "wrong arguments", 23: "the environment could not be unpacked"}


def ad(**attributes):
    return BASE | attributes


# ---------------------------------------------------------------------- states of the queue


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (0, State.IDLE),
        (1, State.IDLE),
        (2, State.RUNNING),
        (3, State.LEAVING),
        (4, State.COMPLETED),
        (5, State.HELD),
        (6, State.RUNNING),
        (7, State.IDLE),
    ],
)
def test_every_job_status(status, state):
    assert Job.from_ad(ad(JobStatus=status)).state is state


def test_table_has_no_status_that_is_not_tested():
    assert set(JOB_STATUS) == set(range(8))


def test_job_is_read_from_its_attributes():
    job = Job.from_ad(ad(JobStatus=2))
    assert (job.id, job.branch, job.attempt, job.submission) == ("12.3", 7, 2, "s1")
    assert job.ad["RequestMemory"] == 2000


def test_unknown_status_counts_as_idle_so_that_the_job_is_waited_for():
    assert Job.from_ad(ad(JobStatus=99)).state is State.IDLE


@pytest.mark.parametrize("status", [1, 2])
def test_stale_exit_of_a_restarted_job_does_not_change_its_state(status):
    restarted = ad(JobStatus=status, **STALE, ExitCode=0, NumShadowStarts=2, LastHoldReasonCode=16)
    assert Job.from_ad(restarted).state is JOB_STATUS[status]


def test_all_attributes_that_are_read_are_asked_for():
    read = {
        "ClusterId", "ProcId", "JobStatus", "TaumlBranch", "TaumlAttempt", "TaumlSubmission", "HoldReasonCode",
        "HoldReasonSubCode", "HoldReason", "RemoveReason", "ExitCode", "ExitBySignal", "ExitSignal",
        "ResidentSetSize_RAW", "RequestMemory", "RemoteHost", "LastRemoteHost", "RemoteWallClockTime",
    }  # fmt: skip
    assert read <= set(ATTRIBUTES)
    assert "ExitStatus" not in ATTRIBUTES  # always 0


# ---------------------------------------------------------------------- holds

MISSING = "(errno 2) No such file or directory"
HOLDS = [
    # seen on the pool
    (1, 77, "R (by user daemon)", Cause.HELD),
    (1, 0, "", Cause.HELD),
    (3, 5, "own text", Cause.HELD),
    (6, 2, "Error from slot1_1@node: Failed to execute '/nonexistent/prog': (errno=2: 'No such file or directory')", Cause.NODE),
    (7, 2, f"Error from slot1_1@node: Failed to open '/x/y.log' as standard output: {MISSING}", Cause.SUBMISSION),
    (12, 2, f"Transfer output files failure at execution point slot1_1@node. Details: reading from file o.txt: {MISSING}", Cause.TRANSFER),
    (13, 2, f"Transfer input files failure at access point node. Details: reading from file /nonexistent/x: {MISSING}", Cause.TRANSFER),
    (15, None, "submitted on hold at user's request", Cause.HELD),
    (16, None, "Spooling input data files", Cause.NOT_SUBMITTED),
    (21, 102, "Error from slot1_1@node: memory usage exceeded request_memory", Cause.MEMORY),
    (46, 0, "The job exceeded allowed job duration of 00:03", Cause.RUNTIME),
    (47, 0, "The job exceeded allowed execute duration of 00:03", Cause.RUNTIME),
    # as sites write them
    (34, 0, "Error from slot1_7@b9p12: Job has gone over cgroup memory limit of 2000 megabytes. Last measured usage: 2017 megabytes. Consider resubmitting with a higher request_memory.", Cause.MEMORY),
    (34, 104, "Error from slot1_7@b9p12: disk usage exceeded request_disk", Cause.DISK),
    (34, 0, "", Cause.MEMORY),
    (26, 0, "SYSTEM_PERIODIC_HOLD: memory usage exceeded request_memory", Cause.MEMORY),
    (26, 0, "The system macro SYSTEM_PERIODIC_HOLD expression 'RemoteWallClockTime > 259200' evaluated to TRUE", Cause.RUNTIME),
    (26, 0, "job's wall time exceeded allowed max", Cause.RUNTIME),
    (26, 0, "too many starts", Cause.HELD),
    (26, 0, "scratch use above 20 GB", Cause.DISK),
    (3, 0, "The job attribute PeriodicHold expression 'MemoryUsage > RequestMemory' evaluated to TRUE", Cause.MEMORY),
    (21, 0, "The X.509 proxy of the job has expired", Cause.PROXY),
    (4, 0, "Proxy file is corrupt", Cause.PROXY),
    (5, 0, "The job attribute PeriodicHold expression 'x' evaluated to UNDEFINED", Cause.SUBMISSION),
    (8, 2, MISSING, Cause.TRANSFER),
    (9, 2, MISSING, Cause.TRANSFER),
    (10, 2, MISSING, Cause.TRANSFER),
    (11, 0, "invalid transfer ack", Cause.NODE),
    (14, 2, "Cannot access initial working directory /x/y: No such file or directory", Cause.NODE),
    (17, 0, "mismatch", Cause.NODE),
    (18, 0, "invalid go-ahead", Cause.NODE),
    (19, 0, "hook failed", Cause.NODE),
    (22, 0, "Failed to initialize user log to /x/y.log", Cause.SUBMISSION),
    (23, 0, "no account", Cause.NODE),
    (24, 0, "no shadow", Cause.NODE),
    (27, 0, "SYSTEM_PERIODIC_HOLD evaluated to UNDEFINED", Cause.HELD),
    (32, 0, "input sandbox of 20 GB is above the limit", Cause.SUBMISSION),
    (33, 0, "output sandbox of 20 GB is above the limit", Cause.DISK),
    (35, 0, "no such image", Cause.SUBMISSION),
    (45, 0, "Singularity test failed", Cause.NODE),
]  # fmt: skip


@pytest.mark.parametrize(("code", "subcode", "reason", "cause"), HOLDS)
def test_holds(code, subcode, reason, cause):
    attributes = ad(JobStatus=5, HoldReasonCode=code, HoldReason=reason, **STALE)
    if subcode is not None:
        attributes["HoldReasonSubCode"] = subcode
    ending = held(attributes)
    assert ending.cause is cause
    assert ending.message == f"held: {reason or 'no reason given'} (code {code})"
    assert ending.code is None  # the signal it was stopped with is not its own


def test_every_hold_of_the_table_is_tested():
    assert set(HOLD_CAUSES) <= {code for code, *_ in HOLDS}


@pytest.mark.parametrize("code", sorted(set(range(60)) - set(HOLD_CAUSES)))
def test_holds_that_are_not_in_the_table_are_repeated(code):
    ending = held(ad(JobStatus=5, HoldReasonCode=code, HoldReason="whatever memory"))
    assert ending.cause is Cause.HELD
    assert ANSWERS[ending.cause] is Answer.AGAIN


@given(st.integers(0, 100), st.one_of(st.none(), st.integers(-300, 70000)), st.text())
@settings(deadline=None)
def test_no_hold_is_success_or_stops_the_driver(code, subcode, reason):
    ending = held(ad(JobStatus=5, HoldReasonCode=code, HoldReasonSubCode=subcode, HoldReason=reason, ExitCode=0))
    assert ANSWERS[ending.cause] is not Answer.NONE


def test_hold_without_any_attribute_is_told_as_such():
    assert held({}) == held({"HoldReason": None, "HoldReasonCode": 0})
    assert held({}).message == "held: no reason given (code 0)"


@pytest.mark.parametrize("code", [8, 12, 13])
@pytest.mark.parametrize(
    ("subcode", "details", "cause"),
    [
        (2, "(errno 2) No such file or directory", Cause.TRANSFER),
        (5, "(errno 5) Input/output error", Cause.NODE),
        (110, "(errno 110) Connection timed out", Cause.NODE),
        (None, "connection closed", Cause.NODE),
        (28, "(errno 28) No space left on device", Cause.DISK),
        (122, "(errno 122) Disk quota exceeded", Cause.DISK),
        (256, "plug-in: the proxy has expired", Cause.PROXY),
    ],
)
def test_transfers_fail_for_good_only_if_a_file_is_missing(code, subcode, details, cause):
    reason = f"Transfer files failure at access point node. Details: {details}"
    assert held(ad(HoldReasonCode=code, HoldReasonSubCode=subcode, HoldReason=reason)).cause is cause


@pytest.mark.parametrize("folder", ["memory_study", "runtime", "long_duration"])
def test_words_in_the_path_of_a_file_are_no_lack_of_memory_or_time(folder):
    reason = (
        f"Transfer input files failure. Details: reading from file /eos/{folder}/a.root: (errno 5) Input/output error"
    )
    assert held(ad(HoldReasonCode=13, HoldReasonSubCode=5, HoldReason=reason)).cause is Cause.NODE
    assert held(ad(HoldReasonCode=13, HoldReasonSubCode=2, HoldReason=reason)).cause is Cause.TRANSFER


def test_what_was_measured_before_the_hold_is_kept():
    ending = held(
        ad(
            JobStatus=5, HoldReasonCode=21, HoldReason="memory usage exceeded request_memory", ResidentSetSize_RAW=316284,
            RemoteWallClockTime=12.0, LastRemoteHost="slot1_1@node7.site",
        )
    )  # fmt: skip
    assert ending.memory_mb == pytest.approx(308.87, abs=0.01)
    assert ending.runtime_s == 12.0
    assert ending.host == "node7.site"


@pytest.mark.parametrize("nothing", [{}, {"ResidentSetSize_RAW": 0, "RemoteWallClockTime": 0.0, "RemoteHost": ""}])
def test_zero_is_not_a_measurement(nothing):
    ending = held(ad(HoldReasonCode=1, **nothing))
    assert (ending.memory_mb, ending.runtime_s, ending.host) == (None, None, "")


def test_present_host_goes_before_the_last_one():
    assert held(ad(RemoteHost="slot1@new", LastRemoteHost="slot1@old")).host == "new"
    assert held(ad(RemoteHost="machine")).host == "machine"


# ---------------------------------------------------------------------- removals


@pytest.mark.parametrize(
    ("reason", "cause"),
    [
        ("via condor_rm (by user daemon)", Cause.REMOVED),
        ("R (by user daemon)", Cause.REMOVED),
        ("Python-initiated action (by user daemon)", Cause.REMOVED),
        ("The job attribute PeriodicRemove expression 'NumJobStarts > 3' evaluated to TRUE", Cause.REMOVED),
        (None, Cause.REMOVED),
        ("", Cause.REMOVED),
        ("runtime over 3 s", Cause.RUNTIME),
        ("Job removed by SYSTEM_PERIODIC_REMOVE due to wall time exceeded allowed max.", Cause.RUNTIME),
        ("wall clock limit reached", Cause.RUNTIME),
        ("run time limit", Cause.RUNTIME),
        ("memory over the limit", Cause.MEMORY),
    ],
)
def test_removals(reason, cause):
    ending = left(ad(JobStatus=3, RemoveReason=reason, **STALE), BOOTSTRAP)
    assert ending.cause is cause
    assert ending.message == f"removed: {reason or 'no reason given'}"
    assert ending.code is None


@pytest.mark.parametrize("stale", [{"ExitCode": 0}, {"ExitCode": 20}, {"ExitBySignal": True, "ExitSignal": 9}])
def test_exit_of_a_removed_job_is_not_believed(stale):
    ending = left(ad(JobStatus=3, RemoveReason="via condor_rm (by user x)", HoldReasonCode=34, **stale), BOOTSTRAP)
    assert (ending.cause, ending.code) == (Cause.REMOVED, None)


# ---------------------------------------------------------------------- exits


@pytest.mark.parametrize(
    ("code", "cause", "words"),
    [
        (0, Cause.NO_OUTPUT, "exit code 0 but without a valid product"),
        (1, Cause.TASK, "exit code 1"),
        (3, Cause.TASK, "exit code 3"),
        (60, Cause.TASK, "exit code 60"),
        (20, Cause.SETUP, "wrong arguments"),
        (23, Cause.BOOTSTRAP, "could not be unpacked"),
        (126, Cause.BOOTSTRAP, "could not be started"),
        (127, Cause.BOOTSTRAP, "could not be started"),
        (128, Cause.TASK, "exit code 128"),
        (129, Cause.KILLED, "a process of the job was killed by signal 1"),
        (137, Cause.KILLED, "signal 9"),
        (134, Cause.CRASHED, "signal 6"),
        (139, Cause.CRASHED, "signal 11"),
        (143, Cause.KILLED, "signal 15"),
        (128 + LAST_SIGNAL, Cause.KILLED, "signal 64"),
        (129 + LAST_SIGNAL, Cause.TASK, "exit code 193"),
        (255, Cause.TASK, "exit code 255"),
    ],
)
def test_exit_codes(code, cause, words):
    ending = left(ad(JobStatus=4, ExitBySignal=False, ExitCode=code), BOOTSTRAP)
    assert ending.cause is cause
    assert words in ending.message
    assert ending.code == (128 - code if cause in {Cause.KILLED, Cause.CRASHED} else code)


def test_codes_of_the_script_go_before_those_of_a_shell():
    assert left(ad(JobStatus=4, ExitCode=127), {127: "no python"}).message == "no python"


@pytest.mark.parametrize("signal", [1, 6, 9, 11, 15])
def test_end_by_a_signal_is_never_success(signal):
    ending = left(ad(JobStatus=4, ExitBySignal=True, ExitSignal=signal), BOOTSTRAP)
    assert ending.cause is (Cause.CRASHED if signal in {6, 11} else Cause.KILLED)
    assert ending.code == -signal
    assert f"the job was killed by signal {signal}" in ending.message


def test_signal_goes_before_an_exit_code_of_an_earlier_run():
    assert left(ad(JobStatus=4, ExitBySignal=True, ExitSignal=9, ExitCode=0), {}).cause is Cause.KILLED


@pytest.mark.parametrize(
    ("used", "requested", "cause"),
    [
        (2000, 2000, Cause.MEMORY),
        (1801, 2000, Cause.MEMORY),
        (1799, 2000, Cause.KILLED),
        (0, 2000, Cause.KILLED),
        (5000, None, Cause.KILLED),
    ],
)
@pytest.mark.parametrize("end", [{"ExitBySignal": True, "ExitSignal": 9}, {"ExitBySignal": False, "ExitCode": 137}])
def test_killed_with_its_memory_full_is_out_of_memory(used, requested, cause, end):
    ending = left(ad(JobStatus=4, ResidentSetSize_RAW=used * 1024, RequestMemory=requested, **end), {})
    assert ending.cause is cause
    assert ending.code == -9
    if cause is Cause.MEMORY:
        assert f"{used} of {requested} MB" in ending.message


def test_other_signals_are_not_out_of_memory():
    full = {"ResidentSetSize_RAW": 2000 * 1024, "RequestMemory": 2000}
    assert left(ad(JobStatus=4, ExitBySignal=True, ExitSignal=15, **full), {}).cause is Cause.KILLED


@pytest.mark.parametrize("nothing", [{}, {"ExitCode": None}, {"ExitCode": "UNDEFINED"}])
def test_end_without_an_exit_code_is_not_success(nothing):
    assert left(ad(JobStatus=4) | nothing, BOOTSTRAP).cause is Cause.KILLED


def test_attributes_of_an_earlier_hold_are_not_believed():
    completed = ad(JobStatus=4, ExitCode=3, HoldReasonCode=34, HoldReason="memory", LastHoldReasonCode=16)
    assert left(completed, {}).cause is Cause.TASK


@given(
    st.dictionaries(st.sampled_from(["ExitBySignal", "ExitCode", "ExitSignal"]), st.integers(0, 300)),
    st.sampled_from([3, 4]),
)
@settings(deadline=None)
def test_what_left_the_queue_without_a_product_always_counts(attributes, status):
    """Whatever the attributes say: no product is no success, and the repetitions are counted."""
    assert ANSWERS[left(ad(JobStatus=status, **attributes), BOOTSTRAP).cause] is not Answer.NONE


QUOTED = "The system macro SYSTEM_PERIODIC_REMOVE expression '(JobStatus == 5 && x) || {}' evaluated to TRUE"


@pytest.mark.parametrize(
    ("expression", "more", "cause"),
    [
        ("MemoryUsage > RequestMemory", {}, Cause.REMOVED),
        ("MemoryUsage > 1", {"ResidentSetSize_RAW": 1990 * 1024, "RequestMemory": 2000}, Cause.MEMORY),
        ("MemoryUsage > 1 || wall time > 3", {"ResidentSetSize_RAW": 10 * 1024, "RequestMemory": 2000}, Cause.REMOVED),
        ("RemoteWallClockTime > MaxRuntime", {}, Cause.RUNTIME),
        ("NumJobStarts > 10", {}, Cause.REMOVED),
    ],
)
def test_words_of_a_quoted_policy_are_no_reason_by_themselves(expression, more, cause):
    """Any job that a policy with the word memory in it removed was given more memory up to the cap."""
    assert left(ad(JobStatus=3, RemoveReason=QUOTED.format(expression), **more), {}).cause is cause
