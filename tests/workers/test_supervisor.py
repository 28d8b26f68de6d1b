"""The supervisor with real forks: what dies is started again, what is stopped is stopped in order."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.workers.programs import Program, eventually
from workers.children import HEALTHY_AFTER_S

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
    from workers.lifeline import die_with_parent
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
    up.send(signal.SIGINT)
    up.process.send_signal(signal.SIGTERM)
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
    eventually(lambda: not member.is_running() or member.status() == psutil.STATUS_ZOMBIE)


def test_where_the_kernel_cannot_tie_lives_a_thread_notices_the_parents_death(program: Start) -> None:
    up = program(
        """
        from workers.lifeline import die_with_parent
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
def test_child_that_lived_ten_seconds_is_started_again_without_a_grudge(
    program: Start, tmp_path: Path
) -> None:
    up = program(
        f"""
        MARK = Path({str(tmp_path / "mark")!r})
        def idle():
            time.sleep(1000 if MARK.exists() else 0)
        Supervisor([ChildSpec("idle", idle)], PrintedLog()).run()
        """
    )
    eventually(lambda: len(up.events("child_died")) >= 3)
    (tmp_path / "mark").touch()
    eventually(lambda: len(up.events("child_started")) > len(up.events("child_died")))
    time.sleep(HEALTHY_AFTER_S + 1)
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
