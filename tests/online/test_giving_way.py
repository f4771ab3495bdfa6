"""Work beside calls."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from featdsl.steps import asked_for, step
from online.calls_in_hand import CALLS, CallsInHand
from online.giving_way import _LONGEST_S, _PATIENCE_S, Backstage, giving_way


@pytest.fixture
def call() -> Iterator[threading.Event]:
    """A call is in hand until this is set, or the test is over."""
    over, begun = threading.Event(), threading.Event()

    def answer() -> None:
        CALLS.begin()
        begun.set()
        over.wait(10)
        CALLS.end()

    thread = threading.Thread(target=answer)
    thread.start()
    assert begun.wait(10)
    yield over
    over.set()
    thread.join()


def test_a_step_begins_when_no_call_is_in_hand(call: threading.Event) -> None:
    ended = threading.Timer(0.005, call.set)
    with giving_way():
        ended.start()
        step()
        assert call.is_set()
        begun = time.monotonic()
        step()
        assert time.monotonic() - begun < _LONGEST_S


def test_work_goes_on_where_calls_never_cease(call: threading.Event) -> None:
    begun = time.monotonic()
    with giving_way():
        step()
        once = time.monotonic() - begun
        for _ in range(100):
            step()
        assert time.monotonic() - begun < once + _LONGEST_S
    assert once >= _LONGEST_S
    assert not call.is_set()


def test_who_answers_calls_most_of_the_time_has_no_lulls() -> None:
    now = 0.0
    calls = CallsInHand(lambda: now)
    assert calls.have_lulls()
    for busy_s, lulls in ((0.005, True), (0.015, False), (0.005, True)):
        for _ in range(20):
            calls.begin()
            now += busy_s
            calls.end()
            now += 0.02 - busy_s
        assert calls.have_lulls() is lulls
    calls.begin()
    now += 1.0
    assert not calls.have_lulls()
    calls.end()
    now += 1.0
    assert calls.have_lulls()


def test_work_that_waits_too_long_for_a_processor_is_done_with_full_weight_for_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, waited_s, waits_s, stood = 0.0, 0.0, 0.0, list[bool]()
    monkeypatch.setattr("online.giving_way._waited_s", lambda: waited_s)
    backstage = Backstage(lambda: now)

    def work() -> bool:
        nonlocal waited_s
        waited_s += waits_s
        stood.append(asked_for())
        return True

    def stands_back_after(seconds: float) -> bool:
        nonlocal now
        now += seconds
        backstage.do(work)
        return stood[-1]

    assert stands_back_after(0)
    waits_s = 1.0
    assert stands_back_after(1), "it does not know yet"
    assert not stands_back_after(1)
    assert stands_back_after(10), "it tries again"
    assert not stands_back_after(15), "and waits for twice as long"
    waits_s = 0.01
    assert stands_back_after(10)
    waits_s = 1.0
    assert stands_back_after(1)
    assert stands_back_after(11), "it went well meanwhile"
    backstage.close()


def test_where_a_thread_that_stands_back_comes_late_nothing_is_left_to_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("online.giving_way._napped", lambda: 0.1)
    backstage, stood = Backstage(), list[bool]()

    def work() -> bool:
        stood.append(asked_for())
        return True

    backstage.do(work)
    monkeypatch.undo()
    backstage.do(work)
    assert stood == [False, False], "and it is not tried at once again"
    backstage.close()


def test_where_calls_have_no_lulls_nothing_stands_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CALLS, "have_lulls", lambda: False)
    backstage, by = Backstage(), list[threading.Thread]()

    def work() -> bool:
        by.append(threading.current_thread())
        return True

    backstage.do(work)
    assert by == [threading.current_thread()]
    backstage.close()


def test_where_calls_have_no_lulls_no_step_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CALLS, "have_lulls", lambda: False)
    with giving_way():
        assert not asked_for()
        assert sys.getswitchinterval() < 0.005
    monkeypatch.undo()
    with giving_way(wanted=False):
        assert not asked_for()
    with giving_way():
        assert asked_for()


def test_steps_wait_no_longer_in_all_than_work_may_be_late(call: threading.Event) -> None:
    """Calls come one after the other, each a little shorter than a step waits for it."""
    over = threading.Event()

    def answer() -> None:
        while not over.is_set():
            CALLS.begin()
            time.sleep(_LONGEST_S / 2)
            CALLS.end()

    call.set()
    with ThreadPoolExecutor(1) as pool:
        answered = pool.submit(answer)
        begun = time.monotonic()
        with giving_way():
            for _ in range(200):
                step()
        assert time.monotonic() - begun < 2 * _PATIENCE_S
        over.set()
        answered.result()


def test_who_does_not_give_way_does_not_wait(call: threading.Event) -> None:
    with ThreadPoolExecutor(1) as pool, giving_way():
        pool.submit(step).result(timeout=_LONGEST_S / 2)
    step()
    assert not call.is_set()


def test_the_interpreter_changes_hands_sooner_while_anybody_gives_way() -> None:
    usual = sys.getswitchinterval()
    inner, over = threading.Event(), threading.Event()

    def other() -> None:
        with giving_way():
            inner.set()
            over.wait(10)

    with ThreadPoolExecutor(1) as pool:
        with giving_way():
            done = pool.submit(other)
            assert inner.wait(10)
        assert sys.getswitchinterval() < usual
        over.set()
        done.result()
    assert sys.getswitchinterval() == pytest.approx(usual)
