"""Every production ends, and no input is lost or processed twice: with a server that does what it wants."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from taumltools.production.crab.decide import Do, Limits, decide, left_before
from taumltools.production.crab.history import History, Outcome, replay
from taumltools.production.crab.jobs import CrabJob
from taumltools.production.crab.lumis import to_mask
from taumltools.production.crab.status import JobStatus, Scheduler, Server, TaskStatus
from taumltools.production.crab.tool import Account

LIMITS = Limits(resubmissions=2, hours=1.0, settle=60.0, kills=2)
TASK = "211117_135111:me_crab_DY"


def job(recoveries=0):
    return CrabJob("DY", "/A/B/C", splitting="FileBased", units_per_job=4, max_recoveries=recoveries)


def status(server=Server.SUBMITTED, scheduler=Scheduler.NONE, command="", **states):
    return TaskStatus(TASK, server, command, scheduler, jobs={n[1:]: JobStatus(s) for n, s in states.items()})


def submitted(**more):
    events = [{"event": "intended", "number": 0, "request": "DY", "time": 0.0}]
    events.append({"event": "submitted", "number": 0, "task": TASK, "time": 0.0})
    return replay(events).changed(0, **more) if more else replay(events)


def kind(history, seen=None, now=10.0, recoveries=0, limits=LIMITS):
    return decide(job(recoveries), history, seen, limits, now).do


def test_before_the_first_answer():
    assert kind(History()) is Do.SUBMIT
    intended = replay([{"event": "intended", "number": 0, "request": "DY", "time": 0.0}])
    assert kind(intended) is Do.FIND
    assert kind(intended.changed(0, state="refused")) is Do.SUBMIT
    assert kind(submitted()) is Do.LOOK


def test_what_the_server_says():
    table = [
        (status(Server.NEW, command="SUBMIT"), Do.WAIT),
        (status(Server.TAPERECALL, command="SUBMIT"), Do.WAIT),
        (status(scheduler=Scheduler.BOOTSTRAP), Do.WAIT),
        (status(scheduler=Scheduler.SUBMITTED, j1="failed", j2="running"), Do.WAIT),
        (status(scheduler=Scheduler.FAILED, j1="failed", j2="transferring"), Do.WAIT),
        (status(scheduler=Scheduler.FAILED, j1="failed", j2="finished"), Do.RESUBMIT),
        (status(Server.RESUBMITFAILED, Scheduler.FAILED, j1="failed"), Do.RESUBMIT),
        (status(Server.SUBMITFAILED), Do.RESUBMIT),
        (status(scheduler=Scheduler.COMPLETED, j1="finished"), Do.REPORT),
        (status(Server.KILLED, Scheduler.KILLED, j1="killed", j2="unsubmitted"), Do.REPORT),
        (status(Server.KILLED, Scheduler.SUBMITTED, j1="running"), Do.WAIT),
        (status(Server.KILLED), Do.FAILED),
        (status(scheduler=Scheduler.FAILED), Do.FAILED),
        (status(Server.FAILED), Do.FAILED),
    ]
    for seen, expected in table:
        assert kind(submitted(), seen) is expected, seen.line()


def test_a_resubmission_is_given_time_to_show():
    failed = status(scheduler=Scheduler.FAILED, j1="failed")
    again = submitted(resubmissions=1, acted=100.0)
    assert kind(again, failed, now=130.0) is Do.WAIT
    assert kind(again, failed, now=170.0) is Do.RESUBMIT
    assert kind(submitted(resubmissions=2, acted=100.0), failed, now=170.0) is Do.REPORT
    assert kind(submitted(resubmissions=2, acted=100.0), status(Server.SUBMITFAILED), now=170.0) is Do.FAILED


def test_patience_ends_with_a_kill_and_kills_end_too():
    running = status(scheduler=Scheduler.SUBMITTED, j1="running")
    assert kind(submitted(), running, now=3601.0) is Do.KILL
    assert kind(submitted(kills=1, acted=3601.0), running, now=3610.0) is Do.WAIT
    assert kind(submitted(kills=1, acted=3601.0), running, now=3700.0) is Do.KILL
    assert kind(submitted(kills=2, acted=3601.0), running, now=3700.0) is Do.FAILED
    killed = status(Server.KILLED, Scheduler.KILLED, j1="killed")
    assert kind(submitted(kills=1, by_user=True), killed) is Do.FAILED


def test_what_was_resubmitted_after_a_kill_was_killed_again():
    events = [
        {"event": "intended", "number": 0, "request": "DY", "time": 0.0},
        {"event": "submitted", "number": 0, "task": TASK, "time": 0.0},
        {"event": "killing", "number": 0, "by_user": True, "time": 1.0},
        {"event": "resubmitting", "number": 0, "time": 2.0},
    ]
    running = status(scheduler=Scheduler.SUBMITTED, j1="running")
    assert kind(replay(events), running, now=1000.0) is Do.WAIT
    assert kind(replay(events[:-1]), running, now=1000.0) is Do.FAILED


def outcome(to_process, processed, duplicates=(), complete=False):
    account = Account(frozenset(to_process), frozenset(processed), frozenset(duplicates))
    return Outcome(account, ("1",) if processed else (), complete)


A, B, C = (1, 1), (1, 2), (1, 3)


def test_after_the_report():
    assert kind(submitted(outcome=outcome([A, B], [A, B], complete=True))) is Do.COLLECT
    half = submitted(outcome=outcome([A, B], [A]))
    assert kind(half) is Do.FAILED
    assert kind(half, recoveries=1) is Do.REST
    assert kind(half, recoveries=3) is Do.SUBMIT
    assert decide(job(3), half, None, LIMITS, 0.0).sections == {B}
    assert kind(half, limits=Limits(accept_missing=True)) is Do.COLLECT
    assert kind(submitted(outcome=outcome([A, B], [])), limits=Limits(accept_missing=True)) is Do.FAILED
    assert kind(submitted(outcome=outcome([A, B], [A], [A])), recoveries=3) is Do.FAILED
    assert kind(submitted(outcome=outcome([A, B], [A, B])), recoveries=3) is Do.FAILED  # jobs failed, nothing is left


def test_jobs_that_finished_without_reading_all_are_recovered():
    """COMPLETED is not the same as processed."""
    assert kind(submitted(outcome=outcome([A, B], [A], complete=True)), recoveries=3) is Do.SUBMIT


def test_what_two_tasks_processed_is_never_collected():
    events = [{"event": "intended", "number": n, "request": f"DY{n}", "time": 0.0} for n in (0, 1)]
    events += [{"event": "submitted", "number": n, "task": TASK, "time": 0.0} for n in (0, 1)]
    history = (
        replay(events)
        .changed(0, outcome=outcome([A, B, C], [A]))
        .changed(1, outcome=outcome([A, B, C], [A, B, C], complete=True))
    )
    assert kind(history) is Do.FAILED
    assert kind(history, limits=Limits(accept_missing=True)) is Do.FAILED


class Simulation:
    """A server of pure caprice, for files with one section each; events as a worker writes them."""

    def __init__(self, files, recoveries, draw):
        self.files = frozenset((1, n) for n in range(1, files + 1))
        self.job, self.draw, self.now, self.events = job(recoveries), draw, 0.0, []
        self.tasks: list[dict] = []
        self.troubles = (
            5  # submissions that do not arrive; each of them ends a command, so that a person decides to go on
        )

    def note(self, event, **values):
        self.events.append({"event": event, "time": self.now, **values})

    def look(self):
        task = self.tasks[-1]
        kinds = ["pending", "boot", "running", "end", "lost", "killed-outside"]
        what = "killed" if task["killed"] else self.draw(st.sampled_from(kinds))
        if task["jobs"] is None:
            task["jobs"] = {str(n): None for n, _ in enumerate(task["files"], 1)}
        if what == "lost" and not task["began"]:
            return status(Server.SUBMITFAILED)
        if what in ("pending", "lost"):
            return status(Server.NEW, command="SUBMIT")
        task["began"] = True
        if what == "boot":
            return status(scheduler=Scheduler.BOOTSTRAP)
        if what == "running":
            states = {f"j{n}": "finished" if done else "running" for n, done in task["jobs"].items()}
            return status(scheduler=Scheduler.SUBMITTED, **states)
        for n, done in task["jobs"].items():
            task["jobs"][n] = done or (what == "end" and self.draw(st.booleans()))
        states = {
            f"j{n}": "finished" if done else ("failed" if what == "end" else "killed")
            for n, done in task["jobs"].items()
        }
        if what != "end":
            return status(Server.KILLED, Scheduler.KILLED, **states)
        good = all(task["jobs"].values())
        return status(scheduler=Scheduler.COMPLETED if good else Scheduler.FAILED, **states)

    def done(self, task):
        return frozenset(file for file, (n, ok) in zip(task["files"], (task["jobs"] or {}).items(), strict=False) if ok)

    def perform(self, step, seen):
        if step.do is Do.SUBMIT:
            self.note("intended", number=step.number, request=f"DY_{step.number}")
            if not self.troubles or self.draw(st.booleans()):
                files = sorted(self.files if step.sections is None else step.sections)
                self.tasks.append({"files": files, "jobs": None, "killed": False, "began": False})
                if self.draw(st.booleans()):
                    self.note("submitted", number=step.number, task=TASK)
            else:
                self.troubles -= 1
                if self.draw(st.booleans()):
                    self.note("refused", number=step.number)
        elif step.do is Do.FIND:
            there = len(self.tasks) == step.number + 1
            self.note(**({"event": "submitted", "task": TASK} if there else {"event": "refused"}), number=step.number)
        elif step.do is Do.RESUBMIT:
            self.note("resubmitting", number=step.number)
            self.tasks[-1]["began"] = False
        elif step.do is Do.KILL:
            self.note("killing", number=step.number, by_user=False)
            self.tasks[-1]["killed"] = self.draw(st.booleans())
        elif step.do is Do.REPORT:
            processed = self.done(self.tasks[-1])
            whole = frozenset(self.tasks[-1]["files"]) if processed else frozenset()
            self.note(
                "reported", number=step.number, finished=seen.of_state("finished"), duplicates={},
                complete=seen.scheduler is Scheduler.COMPLETED, processed=to_mask(processed), to_process=to_mask(whole),
            )  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.data(), st.integers(1, 5), st.integers(0, 4))
def test_every_production_ends_and_nothing_is_lost_or_done_twice(data, files, recoveries):
    world = Simulation(files, recoveries, data.draw)
    seen = None
    for _ in range(400):
        history = replay(world.events)
        step = decide(world.job, history, seen, LIMITS, world.now)
        world.now += 300.0
        if step.do in {Do.COLLECT, Do.FAILED, Do.REST}:
            break
        seen = world.look() if step.do in {Do.LOOK, Do.WAIT} else world.perform(step, seen)
    else:
        raise AssertionError("it does not end")
    done = [world.done(task) for task in world.tasks]
    assert sum(map(len, done)) == len(frozenset().union(*done))  # no file twice
    assert len(world.tasks) <= max(recoveries, 1)
    processed = frozenset().union(*done)
    if step.do is Do.COLLECT:
        assert processed == world.files
    if step.do is Do.REST:
        left = left_before(replay(world.events), step.number)
        assert (world.files if left is None else left) == world.files - processed == (step.sections or world.files)
