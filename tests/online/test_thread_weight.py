"""How much of the processor a thread gets."""

from __future__ import annotations

import ctypes
import os
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from online.thread_weight import _ATTRIBUTES, _SCHED_SETATTR, _SLICE_NS, stand_back, take_long_slices


def slice_ns() -> int:
    """Of this thread, as the kernel has it; 0 where it does not say."""
    assert _SCHED_SETATTR is not None
    found = ctypes.create_string_buffer(_ATTRIBUTES.size)
    assert ctypes.CDLL(None).syscall(_SCHED_SETATTR + 1, 0, found, _ATTRIBUTES.size, 0) == 0
    return int(_ATTRIBUTES.unpack(found.raw)[5])


def test_long_slices_are_of_one_thread() -> None:
    before = slice_ns()
    with ThreadPoolExecutor(1) as pool:
        if not pool.submit(take_long_slices).result():
            pytest.skip("the system does not let a thread say how long its slices are")
        inside = pool.submit(slice_ns).result()
        if inside in (0, before):
            pytest.skip("the kernel is older than 6.12")
        assert inside == _SLICE_NS
        with pool.submit(ThreadPoolExecutor, 1).result() as of_that_thread:
            assert pool.submit(of_that_thread.submit, slice_ns).result().result() == before
    assert slice_ns() == before


def test_who_stands_back_is_less_important_and_nobody_else() -> None:
    def importance() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    before = importance()
    with ThreadPoolExecutor(1, initializer=stand_back) as back, ThreadPoolExecutor(1) as other:
        assert back.submit(importance).result() == min(19, before + 10)
        assert other.submit(importance).result() == importance() == before


def test_what_is_started_is_as_important_as_who_starts_it() -> None:
    """Who says long slices, and that nobody inherits them, would have those it starts lose what it is above others."""

    def of_started(nice: int) -> int:
        thread = threading.get_native_id()
        try:
            os.setpriority(os.PRIO_PROCESS, thread, nice)
        except PermissionError:
            pytest.skip("this user may not make a thread more important")
        take_long_slices()
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id())).result()

    for nice in (5, 0, -5):
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(of_started, nice).result() == nice


def test_a_system_that_forbids_to_ask_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter of system calls may."""

    def forbidden(_: int) -> int:
        raise PermissionError

    monkeypatch.setattr("os.sched_getscheduler", forbidden)
    assert not take_long_slices()
