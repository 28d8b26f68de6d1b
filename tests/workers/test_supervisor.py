"""The supervisor with real forks: what dies is started again, what is stopped is stopped in order."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from app.processes.child import Child, ChildSpec
from tests.process_checks import is_alive, is_zombie
from tests.workers.programs import Program, eventually

Start = Callable[[str], Program]

THREE = """
def idle(): time.sleep(1000)
def tidy():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    time.sleep(1000)
sys.exit(Supervisor([
    ChildSpec("last", tidy, stop_order=2),
    ChildSpec("first", tidy, stop_order=0),
    ChildSpec("second", tidy, stop_order=1),
], PrintedLog()).run())
"""

FAMILY = """
def family():
    from app.processes.parent_death import die_with_parent
    me = os.getpid()
    if os.fork() == 0:
        os.setpgrp()
        die_with_parent(me)
        time.sleep(1000)
    time.sleep(1000)
sys.exit(Supervisor([ChildSpec("family", family)], PrintedLog()).run())
"""


def test_killed_child_is_started_again_and_its_death_is_logged_by_name(program: Start) -> None:
    up = program(THREE)
    pid = up.pid_of("second")
    os.kill(pid, signal.SIGKILL)
    assert up.pid_of("second", start=2) != pid
    (death,) = up.events("child_died")
    assert (death["child"], death["how"], death["starts_again_in_s"]) == ("second", "SIGKILL", 0.2)


def test_child_that_keeps_dying_is_started_ever_more_slowly(program: Start) -> None:
    up = program('Supervisor([ChildSpec("bad", lambda: sys.exit(7))], PrintedLog()).run()')
    deaths = eventually(lambda: (d := up.events("child_died")) and len(d) >= 4 and d)
    assert [d["starts_again_in_s"] for d in deaths[:4]] == [0.2, 0.4, 0.8, 1.6]
    assert deaths[0]["how"] == "exit 7"


def test_sigterm_stops_children_in_order_and_exits_0(program: Start) -> None:
    up = program(THREE)
    for name in ("last", "first", "second"):
        up.pid_of(name)
    time.sleep(0.3)  # their handlers
    up.send(signal.SIGTERM)
    assert up.wait() == 0
    assert [event["child"] for event in up.events("child_stopped")] == ["first", "second", "last"]
    assert up.orphans() == []


def test_ctrl_c_reaches_the_supervisor_only_and_exits_130_in_order(program: Start) -> None:
    up = program(THREE)
    up.pid_of("second")
    time.sleep(0.3)
    up.descendants()
    os.killpg(up.process.pid, signal.SIGINT)  # as a terminal does
    assert up.wait() == 130
    assert up.events("child_died") == []
    stopped = [(event["child"], event["how"]) for event in up.events("child_stopped")]
    assert stopped == [("first", "exit 0"), ("second", "exit 0"), ("last", "exit 0")]


def test_second_signal_kills_at_once_what_is_still_draining(program: Start) -> None:
    up = program(
        """
        def deaf():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            Path(sys.argv[0]); print("{\\"event\\": \\"deaf\\"}", flush=True)
            time.sleep(1000)
        sys.exit(Supervisor([ChildSpec("deaf", deaf, grace_s=60)], PrintedLog()).run())
        """
    )
    eventually(lambda: up.events("deaf"))
    up.send(signal.SIGTERM)
    time.sleep(0.5)
    assert up.process.poll() is None
    up.send(signal.SIGTERM)
    assert up.wait(3) == 1
    assert up.orphans() == []


def test_two_signals_in_one_instant_are_one_wish(program: Start) -> None:
    up = program(THREE)
    up.pid_of("second")
    time.sleep(0.3)
    # Both are pending when it goes on: one instant for it, however busy the machine is.
    for one in (signal.SIGSTOP, signal.SIGINT, signal.SIGTERM, signal.SIGCONT):
        up.process.send_signal(one)
    assert up.wait() == 130
    assert up.events("stopping_at_once") == []


def test_child_that_outlasts_its_grace_is_killed_and_the_exit_is_not_clean(program: Start) -> None:
    up = program(
        """
        def deaf():
            signal.signal(signal.SIGTERM, signal.SIG_IGN)
            print("{\\"event\\": \\"deaf\\"}", flush=True)
            time.sleep(1000)
        sys.exit(Supervisor([ChildSpec("deaf", deaf, grace_s=0.3)], PrintedLog()).run())
        """
    )
    eventually(lambda: up.events("deaf"))
    up.send(signal.SIGTERM)
    assert up.wait(5) == 1
    assert up.events("child_stopped")[0]["how"] == "SIGKILL"


def test_killed_supervisor_takes_children_and_grandchildren_with_it(program: Start) -> None:
    up = program(FAMILY)
    eventually(lambda: len(up.descendants()) == 2)
    up.process.kill()
    eventually(lambda: not up.orphans(), within_s=5)


def test_killed_child_takes_its_group_with_it_before_it_is_started_again(program: Start) -> None:
    up = program(
        """
        def family():
            os.fork()
            time.sleep(1000)
        Supervisor([ChildSpec("family", family)], PrintedLog()).run()
        """
    )
    pid = up.pid_of("family")
    (member,) = eventually(lambda: psutil.Process(pid).children())
    os.kill(pid, signal.SIGKILL)
    up.pid_of("family", start=2)
    eventually(lambda: not is_alive(member))


def test_where_the_kernel_cannot_tie_lives_a_thread_notices_the_parents_death(program: Start) -> None:
    up = program(
        """
        from app.processes.parent_death import die_with_parent
        me = os.getpid()
        if os.fork() == 0:
            os.setpgrp()
            die_with_parent(me, by_polling=True)
        time.sleep(1000)
        """
    )
    eventually(lambda: len(up.descendants()) == 1)
    time.sleep(0.2)
    up.process.kill()
    up.wait()
    eventually(lambda: not up.orphans(), within_s=5)


def test_children_wait_for_the_one_before_them_to_be_ready(program: Start, tmp_path: Path) -> None:
    flag = tmp_path / "ready"
    up = program(
        f"""
        def idle(): time.sleep(1000)
        Supervisor([
            ChildSpec("base", idle, is_ready=Path({str(flag)!r}).exists),
            ChildSpec("next", idle),
        ], PrintedLog()).run()
        """
    )
    up.pid_of("base")
    time.sleep(0.4)
    assert [event["child"] for event in up.events("child_started")] == ["base"]
    flag.touch()
    up.pid_of("next")


def test_child_that_is_never_ready_holds_the_others_back_only_for_a_while(program: Start) -> None:
    up = program(
        """
        def idle(): time.sleep(1000)
        Supervisor([
            ChildSpec("base", idle, is_ready=lambda: False, ready_within_s=0.5),
            ChildSpec("next", idle),
        ], PrintedLog()).run()
        """
    )
    up.pid_of("next")


def test_signal_while_waiting_for_readiness_ends_it(program: Start) -> None:
    up = program(
        """
        def idle(): time.sleep(1000)
        never = ChildSpec("base", idle, is_ready=lambda: False, ready_within_s=60)
        sys.exit(Supervisor([never], PrintedLog()).run())
        """
    )
    up.pid_of("base")
    up.send(signal.SIGTERM)
    assert up.wait(3) == 0


def test_exception_in_a_child_never_goes_on_as_a_second_supervisor(program: Start) -> None:
    up = program('Supervisor([ChildSpec("bad", lambda: 1 / 0)], PrintedLog()).run()')
    death = eventually(lambda: up.events("child_died"))[0]
    assert death["how"] == "exit 1"
    assert len(up.descendants()) <= 1


@pytest.mark.slow
def test_child_that_lived_long_is_started_again_without_a_grudge(program: Start, tmp_path: Path) -> None:
    up = program(
        f"""
        from app.processes import child
        child.HEALTHY_AFTER_S = 2
        MARK = Path({str(tmp_path / "mark")!r})
        def idle():
            time.sleep(1000 if MARK.exists() else 0)
        Supervisor([ChildSpec("idle", idle)], PrintedLog()).run()
        """
    )
    eventually(lambda: len(up.events("child_died")) >= 3)
    (tmp_path / "mark").touch()
    eventually(lambda: len(up.events("child_started")) > len(up.events("child_died")))
    time.sleep(2.5)
    os.kill(up.events("child_started")[-1]["pid"], signal.SIGKILL)
    eventually(lambda: up.events("child_died")[-1]["how"] == "SIGKILL")
    assert up.events("child_died")[-1]["starts_again_in_s"] == 0.2


def test_child_that_dies_before_it_is_ready_holds_nobody_back(program: Start) -> None:
    up = program(
        """
        Supervisor([
            ChildSpec("base", lambda: sys.exit(7), is_ready=lambda: False, ready_within_s=60),
            ChildSpec("next", lambda: time.sleep(1000)),
        ], PrintedLog()).run()
        """
    )
    up.pid_of("next")
    assert up.events("child_died")[0]["starts_again_in_s"] == 0.2
    up.pid_of("base", start=3)


def test_that_a_child_is_ready_is_told_once_even_when_nobody_waits_for_it(
    program: Start, tmp_path: Path
) -> None:
    flag = tmp_path / "ready"
    up = program(
        f"""
        def idle(): time.sleep(1000)
        Supervisor([
            ChildSpec("web", idle, is_ready=Path({str(flag)!r}).exists, ready_within_s=0.0,
                      ready_line={{"webhook": "http://here"}}),
            ChildSpec("next", idle),
        ], PrintedLog()).run()
        """
    )
    up.pid_of("next")
    assert up.events("ready") == []
    flag.touch()
    (line,) = eventually(lambda: up.events("ready"), within_s=1)
    assert line == {"event": "ready", "webhook": "http://here"}
    os.kill(up.pid_of("web"), signal.SIGKILL)
    up.pid_of("web", start=2)
    time.sleep(0.3)
    assert len(up.events("ready")) == 1


def test_expected_trouble_of_a_child_is_one_sentence_without_a_traceback(program: Start) -> None:
    up = program(
        """
        import structlog
        structlog.configure(processors=[structlog.processors.JSONRenderer()])
        from app.errors import Away
        def away(): raise Away("make room")
        Supervisor([ChildSpec("bad", away)], PrintedLog()).run()
        """
    )
    death = eventually(lambda: up.events("child_died"))[0]
    assert death["how"] == "exit 69"
    assert up.events("child_failed")[0]["cause"] == "make room"
    assert "Traceback" not in up.output.read_text()


@pytest.mark.parametrize("name", ["SIGHUP", "SIGINT", "SIGTERM"])
def test_signal_that_came_ignored_stays_ignored_and_the_others_still_stop(program: Start, name: str) -> None:
    up = program(f"signal.signal(signal.{name}, signal.SIG_IGN)\n" + THREE)
    up.pid_of("second")
    time.sleep(0.3)
    up.send(getattr(signal, name))
    time.sleep(0.3)
    assert up.process.poll() is None
    assert up.events("stopping") == []
    up.send(signal.SIGTERM if name != "SIGTERM" else signal.SIGINT)
    assert up.wait() in (0, 130)
    assert [event["how"] for event in up.events("child_stopped")] == ["exit 0"] * 3, (
        "they are asked, not killed"
    )
    assert up.orphans() == []


def test_hang_up_of_the_terminal_does_not_reach_children(program: Start) -> None:
    up = program(THREE)
    pid = up.pid_of("second")
    time.sleep(0.3)
    os.kill(pid, signal.SIGHUP)
    time.sleep(0.3)
    assert up.events("child_died") == []


RENEWED = """
made = []
def idle():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    from app.processes.child import tell_ready
    tell_ready()
    time.sleep(1000)
def never(): time.sleep(1000)
def renew():
    made.append(1)
    return Renewal({specs}, {{"round": len(made)}})
first = [ChildSpec("kept", idle, outlives_reload=True), ChildSpec("a", idle, tells_ready=True)]
sys.exit(Supervisor(first, PrintedLog(), renew=renew).run())
"""


def test_hang_up_without_a_terminal_replaces_children_once_all_new_ones_are_ready(program: Start) -> None:
    up = program(RENEWED.format(specs='[ChildSpec(n, idle, tells_ready=True) for n in ("a", "b")]'))
    old, kept = up.pid_of("a"), up.pid_of("kept")
    up.send(signal.SIGHUP)
    eventually(lambda: up.events("child_replaced"))
    assert not psutil.pid_exists(old)
    assert psutil.pid_exists(kept)
    order = [event["event"] for event in up.events() if event["event"] != "child_started"]
    assert order == ["reloaded", "child_replaced"]
    up.send(signal.SIGTERM)
    assert up.wait() == 0
    assert sorted(e["child"] for e in up.events("child_stopped")) == ["a", "b", "kept"]


@pytest.mark.parametrize(
    "specs",
    ['[ChildSpec("a", lambda: sys.exit(7), tells_ready=True)]', "1 / 0", '[ChildSpec("a", idle), bad()]'],
    ids=["dies", "raises", "refuses"],
)
def test_new_children_that_cannot_live_leave_the_old_ones_alone(program: Start, specs: str) -> None:
    source = RENEWED.format(specs=specs)
    source = source.replace("1 / 0", "bad()").replace(
        "made = []", "from app.errors import Away\nmade = []\ndef bad(): raise Away('make room')"
    )
    up = program(source)
    old = up.pid_of("a")
    up.send(signal.SIGHUP)
    eventually(lambda: up.events("reload_failed") or up.events("reload_refused"))
    time.sleep(0.2)
    assert psutil.pid_exists(old)
    assert up.events("reloaded") == []
    up.send(signal.SIGTERM)
    assert up.wait() == 0
    assert up.orphans() == []


def test_where_no_process_can_begin_the_others_live_and_it_is_tried_again(program: Start) -> None:
    """Without a descriptor for its pipe; so it is without a process or memory more."""
    limit = "resource.setrlimit(resource.RLIMIT_NOFILE, ({n}, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))"
    source = RENEWED.format(specs='[ChildSpec("a", idle, tells_ready=True)]').replace(
        "    made.append(1)", f"    made.append(1); {limit.format(n='4 if len(made) == 1 else 256')}"
    )
    up = program(f"import resource\n{source}")
    old, kept = up.pid_of("a"), up.pid_of("kept")
    up.send(signal.SIGHUP)
    eventually(lambda: up.events("reload_failed"))
    assert psutil.pid_exists(old)
    assert "open files" in up.events("child_not_started")[0]["cause"]
    os.kill(old, signal.SIGKILL)
    eventually(lambda: len(up.events("child_not_started")) >= 2)
    assert psutil.pid_exists(kept)
    up.send(signal.SIGHUP)
    eventually(lambda: up.events("reloaded"))
    up.send(signal.SIGTERM)
    assert up.wait() == 0
    assert up.orphans() == []


def test_old_child_that_dies_while_the_new_ones_start_is_started_again(program: Start) -> None:
    up = program(RENEWED.format(specs='[ChildSpec("a", never, tells_ready=True)]'))
    old = up.pid_of("a")
    up.send(signal.SIGHUP)
    eventually(lambda: len([e for e in up.events("child_started") if e["child"] == "a"]) == 2)
    os.kill(old, signal.SIGKILL)
    assert up.pid_of("a", start=2) != old
    assert up.events("reloaded") == []
    up.send(signal.SIGTERM)
    eventually(lambda: up.process.poll() is not None)
    assert up.orphans() == []


def test_hang_up_with_a_controlling_terminal_stops(program: Start, tmp_path: Path) -> None:
    source = RENEWED.format(specs="[]")
    done = tmp_path / "done"
    code = f"""
        import pty
        pid, master = pty.fork()
        if pid == 0:
            sys.stdout = open({str(done)!r} + ".log", "w")
            code = {source!r}.replace("sys.exit(Supervisor", "end = (Supervisor")
            exec(code)
            Path({str(done)!r}).write_text(str(end))
            os._exit(0)
        time.sleep(1)
        os.close(master)  # the window is closed
        os.waitpid(pid, 0)
    """
    program(code)
    eventually(done.exists)
    assert done.read_text() == "0"
    assert '"SIGHUP"' in Path(f"{done}.log").read_text()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl")
def test_orphans_given_to_it_are_buried_and_its_own_children_still_told(program: Start) -> None:
    """As process 1 of a container it gets every process whose parent has died."""
    up = program(
        """
        import ctypes
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
        def family():
            for _ in range(20):
                if os.fork() == 0:
                    os.setsid()
                    if os.fork() == 0:
                        time.sleep(0.2)
                    os._exit(0)
                os.wait()
            time.sleep(0.1)
            sys.exit(7)
        Supervisor([ChildSpec("family", family)], PrintedLog()).run()
        """
    )
    eventually(lambda: len(up.events("child_died")) >= 3)
    assert {event["how"] for event in up.events("child_died")} == {"exit 7"}

    eventually(lambda: not any(is_zombie(p) for p in up.descendants()))


def test_child_that_cannot_live_is_told_six_times_and_then_once_a_minute() -> None:
    child = Child(ChildSpec("bad", lambda: None))
    told = []
    for death in range(1, 40):
        child.deaths_in_a_row = death
        told += [death] if child.is_told else []
    assert told == [1, 2, 3, 4, 5, 6, 12, 24, 36]


def test_start_that_is_no_news_says_nothing_of_its_failure(program: Start) -> None:
    up = program(
        """
        import structlog
        structlog.configure(processors=[structlog.processors.JSONRenderer()])
        from app.errors import Away
        from app.processes.child import fork
        def away(): raise Away("make room")
        for is_told in (True, False, True):
            pid, _ = fork(ChildSpec("bad", away), is_told=is_told)
            os.waitpid(pid, 0)
        """
    )
    assert up.wait() == 0
    assert len(up.events("child_failed")) == 2
