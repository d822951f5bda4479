"""The status of workflows, read from journals, snapshots and products as drivers leave them."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from taumltools.batch.causes import Cause
from taumltools.batch.decide import GiveUp
from taumltools.batch.journal import Journal
from taumltools.batch.layout import Layout
from taumltools.batch.ledger import Ending
from taumltools.batch.lock import driver_lock
from taumltools.batch.resources import Resources
from taumltools.batch.snapshot import Snapshot
from taumltools.batch.states import State
from taumltools.batch.status import Queue, find_workflows, nothing_found, read_overview, read_status
from taumltools.batch.status_data import Counts
from taumltools.errors import InputError

SMALL = Resources(max_runtime=2.0, max_memory=2000)
COMMAND = "law run Training --version v1 --workflow htcondor"
HEADER = dict.fromkeys(("task", "label", "version", "campaign", "identity", "workflow", "command"), "x")


class Workflow:
    """Files of one workflow, written as a driver writes them."""

    def __init__(self, root, branches, *, parts=("demo", "Training", "v1", "12345678")):
        self.folder = root.joinpath("_batch", *parts)
        self.store = root.joinpath(*parts)
        self.branches = list(branches)
        self.layout = Layout(self.folder)
        self.journal = Journal(self.layout.journal)
        self.journal.write(
            "opened",
            task=parts[1], label=" ".join(parts[1:-1]), version=parts[-2], campaign=parts[0], identity=parts[-1],
            site="local-pool", command=COMMAND, workflow="".join(parts), branches=self.branches,
            products=[str(self.store / f"part_{b}.txt") for b in self.branches],
        )  # fmt: skip

    def submit(self, *attempts, resources=SMALL, known=True):
        """Submit ``(branch, number)`` each."""
        entries = [[branch, number, 0] for branch, number in attempts]
        self.journal.write("intended", submission="s", attempts=entries, resources=[resources.plain()])
        if known:
            self.journal.write("submitted", submission="s", jobs=[[b, n, f"{n}.{b}"] for b, n in attempts])

    def end(self, branch, number, cause, message="", **usage):
        ending = Ending(cause, message, **usage)
        self.journal.write("ended", branch=branch, attempt=number, **ending.plain())

    def fail(self, branch, number, cause=Cause.TASK, message="", resources=SMALL, **usage):
        self.submit((branch, number), resources=resources)
        self.end(branch, number, cause, message, **usage)

    def finish(self, branch, number=1, resources=SMALL, **usage):
        """An attempt that makes its product."""
        self.submit((branch, number), resources=resources)
        self.publish(branch)
        self.end(branch, number, Cause.DONE, **usage)

    def publish(self, branch):
        self.store.mkdir(parents=True, exist_ok=True)
        (self.store / f"part_{branch}.txt").write_text("x")

    def look(self, states=None, given_up=None):
        """The driver's look of now."""
        Snapshot(self.layout.snapshot).write(time.time(), states or {}, given_up or {})

    def write_log(self, branch, number, text):
        path = self.layout.log(branch, number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def status(self, states=None, asked=None):
        """The status; ``states`` is what the queue says, if it was asked."""
        queue = Queue(asked or time.time(), {"".join(self.folder.parts[-4:]): states}) if states is not None else None
        return read_status(self.folder, queue)


@pytest.fixture
def workflow(tmp_path):
    return Workflow(tmp_path, range(4))


def numbers(status):
    """Counts that are not zero."""
    return {name: n for name, n in asdict(status.counts).items() if n}


# ---------------------------------------------------------------------- counts


def test_every_standing_is_counted(tmp_path):
    workflow = Workflow(tmp_path, range(9))
    workflow.finish(0)
    workflow.submit(*((b, 1) for b in range(1, 6)))
    workflow.fail(6, 1, Cause.TASK)
    workflow.look(
        {1: State.RUNNING, 2: State.IDLE, 3: State.HELD, 4: State.LEAVING, 5: State.COMPLETED},
        {6: GiveUp(Cause.TASK, "broken")},
    )
    status = workflow.status()
    assert status.counts == Counts(branches=9, done=1, running=1, idle=1, held=1, ending=2, failed=1, unsubmitted=2)
    assert not status.finished
    assert status.open


def test_a_product_counts_whatever_is_said_of_its_job(workflow):
    workflow.submit((0, 1), (1, 1))
    workflow.look({0: State.RUNNING}, {1: GiveUp(Cause.TASK, "broken")})
    workflow.publish(0)
    workflow.publish(1)
    assert numbers(workflow.status({0: State.RUNNING})) == {"branches": 4, "done": 2, "unsubmitted": 2}


def test_a_temporary_file_and_a_side_car_are_no_product(workflow):
    workflow.store.mkdir(parents=True)
    (workflow.store / ".part_0.tmp-vm-1-abc.txt").write_text("x")
    (workflow.store / "part_0.txt.meta.json").write_text("{}")
    assert workflow.status().counts.done == 0


def test_a_folder_is_a_product_too(workflow):
    (workflow.store / "part_2.txt").mkdir(parents=True)
    assert workflow.status().counts.done == 1


def test_products_in_several_folders_are_found(tmp_path):
    workflow = Workflow(tmp_path, [0, 1])
    paths = [tmp_path / "a" / "x.txt", tmp_path / "b" / "x.txt"]
    workflow.journal.write("opened", **HEADER, branches=[0, 1], products=[str(p) for p in paths])
    paths[1].parent.mkdir()
    paths[1].write_text("x")
    assert workflow.status().counts.done == 1


def test_an_attempt_that_ended_after_the_look_is_not_running(workflow):
    workflow.submit((0, 1))
    workflow.look({0: State.RUNNING})
    assert workflow.status().counts.running == 1
    time.sleep(0.01)
    workflow.end(0, 1, Cause.NODE)
    assert numbers(workflow.status()) == {"branches": 4, "unsubmitted": 4}


def test_jobs_submitted_since_the_last_look_are_idle(workflow):
    workflow.look()
    workflow.submit((0, 1), (1, 1))
    assert workflow.status().counts.idle == 2
    assert workflow.status({}, asked=time.time() - 60).counts.idle == 2


def test_jobs_that_may_never_have_been_submitted_are_to_submit(workflow):
    workflow.submit((0, 1), known=False)
    assert numbers(workflow.status()) == {"branches": 4, "unsubmitted": 4}


def test_the_queue_counts_more_than_the_last_look(workflow):
    workflow.submit((0, 1), (1, 1), (2, 1))
    workflow.look({0: State.IDLE, 1: State.IDLE, 2: State.RUNNING})
    status = workflow.status({0: State.RUNNING, 1: State.IDLE})
    assert numbers(status) == {"branches": 4, "running": 1, "idle": 1, "ending": 1, "unsubmitted": 1}
    assert status.jobs_from == "queue"
    assert status.jobs_time == pytest.approx(time.time(), abs=10)


def test_an_answer_about_other_workflows_changes_nothing(workflow):
    workflow.submit((0, 1))
    workflow.look({0: State.RUNNING})
    status = read_status(workflow.folder, Queue(time.time(), {"another": {}}))
    assert status.counts.running == 1
    assert status.jobs_from == "last look"


def test_a_job_that_the_journal_does_not_know_is_seen(workflow):
    assert workflow.status({3: State.RUNNING}).counts.running == 1


def test_without_a_look_and_without_attempts_all_is_to_submit(workflow):
    status = workflow.status()
    assert numbers(status) == {"branches": 4, "unsubmitted": 4}
    assert status.driver.last_look is None
    assert status.jobs_time is None
    assert not status.driver.at_work


def test_only_branches_of_the_last_driver_count(tmp_path):
    workflow = Workflow(tmp_path, range(8))
    workflow.fail(7, 1, Cause.TASK, memory_mb=9000.0)
    workflow = Workflow(tmp_path, [0, 1])  # the same folder, opened again
    status = workflow.status()
    assert status.counts.branches == 2
    assert status.attempts == 0
    assert status.memory_mb.maximum is None


ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["submit", "intend", "end", "publish", "look", "forgive"]),
        st.integers(0, 3),
        st.sampled_from(list(Cause)),
        st.dictionaries(st.integers(0, 5), st.sampled_from(list(State))),
    ),
    max_size=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(actions=ACTIONS, queue=st.none() | st.dictionaries(st.integers(0, 5), st.sampled_from(list(State))))
def test_every_branch_counts_once_whatever_happened(tmp_path_factory, actions, queue):
    workflow = Workflow(tmp_path_factory.mktemp("any"), range(4))
    made = Counter()
    for action, branch, cause, states in actions:
        if action in {"submit", "intend"}:
            made[branch] += 1
            workflow.submit((branch, made[branch]), known=action == "submit")
        elif action == "end" and made[branch]:
            workflow.end(branch, made[branch], cause)
        elif action == "publish":
            workflow.publish(branch)
        elif action == "look":
            workflow.look(states, {branch: GiveUp(cause, "m")})
        elif action == "forgive":
            workflow.journal.write("forgiven", branches=[branch])
    status = workflow.status(queue)
    counts = asdict(status.counts)
    assert counts.pop("branches") == 4
    assert sum(counts.values()) == 4
    assert status.counts.done == len(list(workflow.store.glob("part_*")))
    assert status.repeated <= max(0, status.attempts - 1)
    assert sum(len(group.branches) for group in status.failures) == status.counts.failed
    assert bool(status.next_command) != status.finished  # nobody is at work here


# ---------------------------------------------------------------------- failures


def test_failures_for_good_are_grouped_by_cause_with_an_example(tmp_path):
    workflow = Workflow(tmp_path, range(6))
    for branch in (1, 4):
        workflow.fail(branch, 1, Cause.NODE, "lost")
        workflow.fail(branch, 2, Cause.TASK, "ValueError: bad file")
    workflow.fail(5, 1, Cause.INPUT, "no such file")
    given_up = {b: GiveUp(Cause.TASK, f"exception in the task (1 attempts): {b}") for b in (1, 4)}
    workflow.look({}, given_up | {5: GiveUp(Cause.INPUT, "missing input")})
    log = workflow.write_log(1, 2, "\n".join(f"line {i}" for i in range(50)) + "\nValueError: bad file\n")
    tasks, inputs = workflow.status().failures
    assert (tasks.cause, tasks.branches, tasks.attempts) == ("exception in the task", (1, 4), 4)
    assert (tasks.example.branch, tasks.example.attempt, tasks.example.log) == (1, 2, log)
    assert tasks.example.message == "exception in the task (1 attempts): 1"
    assert tasks.example.tail[-1] == "ValueError: bad file"
    assert len(tasks.example.tail) < 20
    assert "traceback" in tasks.advice
    assert inputs.branches == (5,)
    assert inputs.example.tail == ()  # its log is missing


def test_failed_attempts_are_counted_whatever_came_after(workflow):
    workflow.journal.clock = lambda: 1.7e9  # several attempts end within one tick of the clock
    workflow.fail(0, 1, Cause.NODE, "first")
    workflow.fail(1, 1, Cause.NODE, "second")
    workflow.fail(0, 2, Cause.MEMORY, "too much")
    workflow.fail(2, 1, Cause.SUPERSEDED)
    workflow.fail(2, 2, Cause.NOT_SUBMITTED)
    workflow.finish(0, 3)
    status = workflow.status()
    assert status.failures == ()
    assert [(g.cause, g.attempts, g.branches) for g in status.failed_attempts] == [
        ("node or network", 2, (0, 1)),
        ("out of memory", 1, (0,)),
    ]
    assert status.failed_attempts[0].example.message == "second"  # the last of its kind
    assert status.failed_attempts[0].example.log == workflow.layout.log(1, 1)


def test_forgiven_failures_do_not_count_as_failed_for_good(workflow):
    workflow.fail(0, 1, Cause.TASK, "ValueError")
    workflow.look({}, {0: GiveUp(Cause.TASK, "broken")})
    assert workflow.status().counts.failed == 1
    workflow.journal.write("forgiven", branches=[0])
    status = workflow.status()
    assert status.counts.failed == 0
    assert status.counts.unsubmitted == 4
    assert status.failed_attempts[0].attempts == 1  # it happened all the same


# ---------------------------------------------------------------------- attempts and resources


def test_attempts_beyond_the_first_are_counted(workflow):
    workflow.fail(0, 1, Cause.NODE)
    workflow.fail(0, 2, Cause.NODE)
    workflow.finish(0, 3)
    workflow.finish(1)
    workflow.fail(2, 1, Cause.NOT_SUBMITTED)  # never was a job
    workflow.submit((2, 2))
    status = workflow.status()
    assert status.attempts == 5
    assert status.repeated == 2


def test_memory_and_runtime_of_attempts_that_ended(workflow):
    more = SMALL.with_(max_memory=3000, max_runtime=4.0)
    too_much = SMALL.with_(max_memory=9000)
    workflow.fail(0, 1, Cause.MEMORY, memory_mb=2100.0, runtime_s=60.0)
    workflow.finish(0, 2, resources=more, memory_mb=2500.0, runtime_s=600.0)
    workflow.finish(1, memory_mb=500.0, runtime_s=30.0)
    workflow.fail(2, 1, Cause.TASK, resources=too_much)  # nothing was measured
    workflow.submit((3, 1), resources=too_much)
    status = workflow.status()
    assert (status.memory_mb.median, status.memory_mb.maximum) == (2100.0, 2500.0)
    assert status.memory_mb.needed == 3000
    assert (status.runtime_s.median, status.runtime_s.maximum) == (60.0, 600.0)
    assert status.runtime_s.needed == 4 * 3600


def test_jobs_found_in_the_queue_have_no_known_request(workflow):
    workflow.journal.write("adopted", branch=0, attempt=2, submission="s", job="5.0")
    workflow.publish(0)
    workflow.end(0, 2, Cause.DONE, memory_mb=80.0)
    status = workflow.status()
    assert status.memory_mb.maximum == 80.0
    assert status.memory_mb.needed is None


# ---------------------------------------------------------------------- driver and next command


def test_a_driver_at_work_is_seen(workflow):
    workflow.look()
    with driver_lock(workflow.layout.lock, "x", 0.1):
        status = workflow.status()
        assert status.driver.at_work
        assert status.driver.holder.startswith("process ")
    assert not workflow.status().driver.at_work
    assert workflow.status().driver.holder == status.driver.holder  # who it was stays known
    assert status.driver.last_look == pytest.approx(time.time(), abs=10)


def test_looking_leaves_no_trace(workflow):
    workflow.look()
    before = {p: p.stat().st_mtime_ns for p in workflow.folder.rglob("*")}
    workflow.status()
    assert {p: p.stat().st_mtime_ns for p in workflow.folder.rglob("*")} == before


def test_next_is_nothing_when_all_is_done(workflow):
    for branch in range(4):
        workflow.finish(branch)
    status = workflow.status()
    assert status.finished
    assert status.next_command == ""


def test_next_is_the_command_when_nobody_is_at_work(workflow):
    assert workflow.status().next_command == COMMAND
    workflow.submit(*((b, 1) for b in range(4)))
    workflow.look(dict.fromkeys(range(4), State.RUNNING))
    assert workflow.status().next_command == COMMAND


def test_next_is_nothing_while_a_driver_is_at_work(workflow):
    with driver_lock(workflow.layout.lock, "x", 0.1):
        assert workflow.status().next_command == ""


@pytest.mark.parametrize(
    ("cause", "asked", "options"),
    [
        (Cause.TASK, SMALL, ""),
        (Cause.MEMORY, SMALL.with_(max_memory=8000), " --max-memory 12000"),
        (Cause.MEMORY, SMALL.with_(max_memory=1001), " --max-memory 1600"),
        (Cause.RUNTIME, SMALL.with_(max_runtime=0.4), " --max-runtime 1"),
        (Cause.RUNTIME, SMALL.with_(max_runtime=12.0), " --max-runtime 24"),
    ],
)
def test_next_gives_branches_that_failed_for_good_what_they_lacked(workflow, cause, asked, options):
    workflow.fail(0, 1, cause, resources=asked)
    workflow.look({}, {0: GiveUp(cause, "broken")})
    assert workflow.status().next_command == f"{COMMAND}{options} --retry-failed"


def test_next_joins_the_options_of_several_causes(workflow):
    workflow.fail(0, 1, Cause.MEMORY, resources=SMALL.with_(max_memory=4000))
    workflow.fail(1, 1, Cause.MEMORY, resources=SMALL.with_(max_memory=6000))
    workflow.fail(2, 1, Cause.RUNTIME)
    verdicts = {0: Cause.MEMORY, 1: Cause.MEMORY, 2: Cause.RUNTIME}
    workflow.look({}, {branch: GiveUp(cause, "broken") for branch, cause in verdicts.items()})
    assert workflow.status().next_command == f"{COMMAND} --max-memory 9000 --max-runtime 4 --retry-failed"


# ---------------------------------------------------------------------- damage


def test_a_damaged_journal_is_named(workflow):
    with workflow.layout.journal.open("a") as file:
        file.write("{not json\n")
    workflow.journal.write("forgiven", branches=[])
    with pytest.raises(InputError, match=r"journal\.jsonl, line 2 is damaged"):
        workflow.status()


def test_a_torn_last_line_is_no_damage(workflow):
    with workflow.layout.journal.open("a") as file:
        file.write('{"event": "end')
    assert workflow.status().counts.branches == 4


def test_a_journal_without_header_is_named(tmp_path):
    Journal(tmp_path / "journal.jsonl").write("forgiven", branches=[])
    with pytest.raises(InputError, match=r"does not say task, label.*expected an 'opened' event"):
        read_status(tmp_path)


def test_products_that_do_not_fit_the_branches_are_named(workflow):
    workflow.journal.write("opened", **HEADER, branches=[0, 1], products=["x"])
    with pytest.raises(InputError, match="does not name one product for each branch"):
        workflow.status()


@pytest.mark.parametrize(
    "event",
    [
        {"event": "ended", "branch": 0, "attempt": 1, "cause": "a cause of tomorrow"},
        {"event": "intended", "submission": "s", "attempts": [[0, 2, 0]], "resources": [{"max_volume": 1}]},
        {"event": "product"},
        {"event": "danced"},
    ],
)
def test_events_of_another_version_are_named(workflow, event):
    workflow.submit((0, 1))
    workflow.journal.write_all([event])
    with pytest.raises(InputError, match=r"journal\.jsonl: .*version"):
        workflow.status()


@pytest.mark.parametrize(
    "content",
    [
        '{"time": "yesterday"}',
        '{"states": {"0": "dancing"}}',
        '{"states": []}',
        '{"given_up": {"0": {"cause": "held"}}}',
    ],
)
def test_a_foreign_snapshot_is_named(workflow, content):
    workflow.layout.snapshot.write_text(content)
    with pytest.raises(InputError, match=r"snapshot\.json is not a snapshot of this version"):
        workflow.status()


# ---------------------------------------------------------------------- several workflows


@pytest.fixture
def several(tmp_path):
    """Workflows of two campaigns, three tasks and two versions."""
    parts = [
        ("demo", "ProduceTuples", "train", "zee", "v1", "aaaaaaaa"),
        ("demo", "ProduceTuples", "train", "zee", "v2", "bbbbbbbb"),
        ("demo", "Training", "v1", "cccccccc"),
        ("tiny", "Training", "v2", "dddddddd"),
    ]
    made = [Workflow(tmp_path, range(3), parts=p) for p in parts]
    for workflow in made:
        workflow.write_log(0, 1, "x")
    return made


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, "abcd"),
        ({"campaign": "demo"}, "abc"),
        ({"family": "Training"}, "cd"),
        ({"version": "v1"}, "ac"),
        ({"family": "ProduceTuples", "version": "v2"}, "b"),
        ({"campaign": "tiny", "family": "Training", "version": "v2"}, "d"),
        ({"family": "Train"}, ""),
        ({"version": "1"}, ""),
        ({"campaign": "dem"}, ""),
        ({"family": "train"}, ""),
    ],
)
def test_workflows_are_found_by_what_is_asked(tmp_path, several, asked, found):
    folders = find_workflows(tmp_path / "_batch", **asked)
    assert [folder.name[0] for folder in folders] == list(found)


def test_nothing_is_found_where_nothing_is(tmp_path):
    assert find_workflows(tmp_path / "missing") == []
    assert nothing_found(tmp_path / "missing") == (
        f"no workflow has run on HTCondor yet: there is no journal below {tmp_path / 'missing'}"
    )


def test_the_message_about_nothing_names_what_there_is(tmp_path, several):
    text = nothing_found(tmp_path / "_batch", family="Trainig", version="v1")
    assert text.splitlines() == [
        f"no workflow with task 'Trainig' and version 'v1' has run on HTCondor; below {tmp_path / '_batch'} there are",
        "  campaign demo: ProduceTuples v1, v2; Training v1",
        "  campaign tiny: Training v2",
    ]


def overview(root, folders, ask=None, why_not=""):
    return read_overview(root, [w.folder for w in folders], ask, why_not)


def test_a_journal_that_cannot_be_read_does_not_hide_the_others(tmp_path, several):
    several[1].layout.journal.write_text("{}}\n")
    found = overview(tmp_path, several)
    assert [w.identity[0] for w in found.workflows] == ["a", "c", "d"]
    assert len(found.unreadable) == 1
    assert str(several[1].layout.journal) in found.unreadable[0]


def test_the_queue_is_asked_once_for_what_may_have_jobs(tmp_path, several):
    for branch in range(3):
        several[0].finish(branch)
        several[1].fail(branch, 1)
    several[1].look({}, {b: GiveUp(Cause.TASK, "broken") for b in range(3)})
    asked = []

    def ask(workflows):
        asked.append(workflows)
        return Queue(time.time(), {"".join(several[2].folder.parts[-4:]): {1: State.RUNNING}}, "one did not answer")

    found = overview(tmp_path, several, ask)
    assert asked == [{"local-pool": ["demoTrainingv1cccccccc", "tinyTrainingv2dddddddd"]}]
    assert [w.counts.running for w in found.workflows] == [0, 0, 1, 0]
    assert [w.jobs_from for w in found.workflows] == ["last look", "last look", "queue", "last look"]
    assert found.queue_problem == "one did not answer"


def test_the_queue_is_not_asked_when_all_is_done(tmp_path, several):
    for branch in range(3):
        several[0].finish(branch)
    found = overview(tmp_path, several[:1], ask=lambda workflows: pytest.fail("asked"))
    assert found.workflows[0].finished


def test_the_reason_for_not_asking_is_kept(tmp_path, several):
    assert overview(tmp_path, several, why_not="no pool here").queue_problem == "no pool here"


# ---------------------------------------------------------------------- speed


def big_workflow(root, branches=1000, attempts=3):
    """A finished workflow of many branches that each took several attempts, opened by many drivers."""
    workflow = Workflow(root, range(branches))
    opened = workflow.layout.journal.read_text()
    with workflow.layout.journal.open("a") as file:
        file.write(opened * 20)
    for number in range(1, attempts + 1):
        workflow.submit(*((b, number) for b in range(branches)))
        cause = Cause.DONE if number == attempts else Cause.NODE
        ending = Ending(cause, "lost", memory_mb=100.0, runtime_s=7.0, host="vm").plain()
        workflow.journal.write_all(
            [{"event": "ended", "branch": b, "attempt": number, **ending} for b in range(branches)]
        )
    for branch in range(branches - 1):
        workflow.publish(branch)
    workflow.look()
    return workflow


def test_a_thousand_branches_are_read_quickly(tmp_path):
    workflow = big_workflow(tmp_path)
    start = time.process_time()
    status = workflow.status()
    assert time.process_time() - start < 5  # 0.1 s on a quiet machine
    assert numbers(status) == {"branches": 1000, "done": 999, "unsubmitted": 1}
    assert (status.attempts, status.repeated) == (3000, 2000)
