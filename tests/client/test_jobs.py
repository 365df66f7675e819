"""Many at once: in order, each for itself, and none after an error that the next would have too."""

import threading
from collections.abc import Callable, Generator

import pytest

from client.consoles import Console
from client.errors import (
    ClientError,
    InterruptedRunError,
    NotAuthorizedError,
    NotTriedError,
    ServerUnavailableError,
    SourceError,
    StorageFullError,
)
from client.exits import DONE, FAILED, UNAVAILABLE, USAGE
from client.jobs import Stop, report_failures, run_jobs


def run(items: list[int], work: Callable[[int], object], *, jobs_max: int = 3):
    return list(run_jobs(items, work, jobs_max=jobs_max, stop=Stop()))


def test_outcomes_come_in_the_items_order_although_work_ends_in_another():
    second_is_done = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert second_is_done.wait(10)
        elif item == 1:
            second_is_done.set()
        return item * 10

    assert [outcome.result for outcome in run([0, 1, 2, 3], work, jobs_max=2)] == [0, 10, 20, 30]


def test_as_many_are_worked_on_at_once_as_there_are_jobs():
    barrier = threading.Barrier(3)
    run([1, 2, 3], lambda _: barrier.wait(10), jobs_max=3)


def test_no_items_are_no_work():
    assert run([], lambda _: pytest.fail("there is nothing to do")) == []


def test_one_failure_leaves_the_others_alone():
    def work(item: int) -> int:
        if item == 1:
            raise SourceError("bad")
        if item == 2:
            raise OSError(28, "No space left on device", "/x")
        return item

    outcomes = run([0, 1, 2, 3], work)
    assert [outcome.result for outcome in outcomes] == [0, None, None, 3]
    assert [str(outcome.error) for outcome in outcomes[1:3]] == ["bad", "/x: No space left on device."]


@pytest.mark.parametrize("kind", [NotAuthorizedError, ServerUnavailableError, StorageFullError, InterruptedRunError])
def test_nothing_is_begun_after_an_error_that_all_would_have(kind: type[ClientError]):
    begun = []

    def work(item: int) -> int:
        begun.append(item)
        if item == 1:
            raise kind
        return item

    outcomes = run([0, 1, 2, 3], work, jobs_max=1)
    assert begun == [0, 1]
    assert [type(outcome.error) for outcome in outcomes] == [type(None), kind, NotTriedError, NotTriedError]


def test_a_defect_in_a_thread_ends_the_run():
    def work(item: int) -> int:
        raise ZeroDivisionError(item)

    with pytest.raises(ZeroDivisionError):
        run([1, 2], work, jobs_max=1)


def test_threads_end_when_whoever_collects_is_interrupted():
    stop, began, ended = Stop(), threading.Event(), threading.Event()

    def work(item: int) -> int:
        if item == 0:
            assert began.wait(10)
            return item
        began.set()
        try:
            stop.sleep(60)
        finally:
            ended.set()
        return item

    outcomes = run_jobs([0, 1, 2], work, jobs_max=2, stop=stop)
    assert isinstance(outcomes, Generator)
    assert next(outcomes).result == 0
    with pytest.raises(KeyboardInterrupt):
        outcomes.throw(KeyboardInterrupt())
    assert ended.is_set()


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([], DONE),
        ([SourceError("a"), SourceError("b")], USAGE),
        ([SourceError("a"), ClientError("b")], FAILED),
        ([ServerUnavailableError("a"), NotTriedError()], UNAVAILABLE),
    ],
)
def test_the_exit_code_is_the_failures_own_if_they_have_the_same(
    errors: list[ClientError], code: int, capsys: pytest.CaptureFixture[str]
):
    failures = [(f"path{number}", error) for number, error in enumerate(errors)]
    assert report_failures(Console(is_json=False), failures, total=7) == code
    said = capsys.readouterr().err
    assert ("of 7 failed" in said) == bool(errors)
    assert ("1 of them not tried" in said) == any(isinstance(error, NotTriedError) for error in errors)
