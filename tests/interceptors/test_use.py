"""Interceptors of the process."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager

import lambdachain
from lambdachain import Contract, HandledInvocation, InProcessTransport, LambdaClient, OutgoingCall, remote
from lambdachain.testing import StubTransport
from tests.interceptors.conftest import Recorder

double = Contract("double", request=int, response=int)


class Both(Recorder):
    """Stands on both sides."""

    @contextmanager
    def handling(self, invocation: HandledInvocation) -> Generator[None]:
        self.steps.append(f"{self.name} handles {invocation.contract.function}")
        yield


@remote(double)
def handler(number: int) -> int:
    """Double."""
    return number * 2


def test_they_stand_outside_a_clients_own():
    """In the order in which they were added, on both sides."""
    steps: list[str] = []
    first, second, own = (Both(name) for name in ("first", "second", "own"))
    first.steps = second.steps = own.steps = steps
    client = LambdaClient(InProcessTransport({double: handler}), interceptors=[own])
    with lambdachain.use(first), lambdachain.use(second):
        assert client.call(double, 1) == 2

    assert steps == [
        *("first enters", "second enters", "own enters"),
        *("first handles double", "second handles double"),
        *("own leaves", "second leaves", "first leaves"),
    ]


def test_what_use_returns_removes_them():
    """Twice is once; those that were added later stay."""
    first, second = Both("first"), Both("second")
    remove_first, remove_second = lambdachain.use(first), lambdachain.use(second)
    try:
        remove_first()
        remove_first()
        with StubTransport() as stub:
            stub.on(double).returns(2)
            LambdaClient().call(double, 1)
        assert (len(first.calls), len(second.calls)) == (0, 1)
    finally:
        remove_second()
    with StubTransport() as stub:
        stub.on(double).returns(2)
        LambdaClient().call(double, 1)

    assert len(second.calls) == 1


def test_one_interceptor_may_be_in_use_twice():
    """Each registration removes its own."""
    recorder = Recorder()
    with lambdachain.use(recorder):
        with lambdachain.use(recorder), StubTransport() as stub:
            stub.on(double).returns(2)
            LambdaClient().call(double, 1)
        with StubTransport() as stub:
            stub.on(double).returns(2)
            LambdaClient().call(double, 1)

    assert len(recorder.calls) == 3


def test_stubs_of_handlers_and_existing_clients_are_included():
    """The default client has no interceptors of its own; ``local`` is not an invocation."""
    both, client = Both(), LambdaClient()
    with lambdachain.use(both), StubTransport() as stub:
        stub.on(double).accepts().returns(2, 2)
        assert handler.call(1) == 2
        assert [*handler.map([1])] == [2]
        handler.fire(1)
        client.bind(handler).can_invoke()
        assert handler.local(1) == 2

    assert [call.operation for call in both.calls] == ["call", "call", "fire", "can_invoke"]
    assert not [step for step in both.steps if "handles" in step]


def test_a_call_keeps_the_interceptors_that_it_began_with():
    """Those that are removed meanwhile are left as they were entered."""
    steps: list[str] = []

    class Removes(Recorder):
        """Removes everything during the call."""

        @contextmanager
        def calling(self, call: OutgoingCall) -> Generator[None]:
            remove()
            with super().calling(call):
                yield

    outer, removes = Recorder("outer"), Removes("removes")
    outer.steps = removes.steps = steps
    remove = lambdachain.use(outer, removes)
    with StubTransport() as stub:
        stub.on(double).returns(2, 2)
        LambdaClient().call(double, 1)
        LambdaClient().call(double, 1)

    assert steps == ["outer enters", "removes enters", "removes leaves", "outer leaves"]


def test_use_is_thread_safe():
    """Every registration is there, and every one is removed."""
    recorders = [Recorder(str(number)) for number in range(50)]
    removers = [lambdachain.use(Recorder("base"))]

    def register(recorder: Recorder) -> None:
        removers.append(lambdachain.use(recorder))

    threads = [threading.Thread(target=register, args=(recorder,)) for recorder in recorders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with StubTransport() as stub:
        stub.on(double).returns(2)
        LambdaClient().call(double, 1)
    threads = [threading.Thread(target=remove) for remove in removers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with StubTransport() as stub:
        stub.on(double).returns(2)
        LambdaClient().call(double, 1)

    assert {len(recorder.calls) for recorder in recorders} == {1}
