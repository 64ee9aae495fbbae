"""What copies of a process must not share: the ids they generate, after a fork or a SnapStart snapshot."""

from __future__ import annotations

import os
from uuid import RFC_4122, UUID

import pytest

from lambdachain._core.metadata import new_id
from tests.core.snapshots import FORGET, printed_around_snapshot


def test_ids_are_random_uuids_and_all_different():
    """More than one batch of them."""
    made = [new_id() for _ in range(1000)]

    assert len(set(made)) == 1000
    assert {(UUID(one).version, UUID(one).variant, str(UUID(one)) == one) for one in made} == {(4, RFC_4122, True)}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_generates_ids_of_its_own():
    """None of the ids that its parent generates later."""
    new_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, " ".join(new_id() for _ in range(64)).encode())
        os._exit(0)
    os.waitpid(child, 0)
    theirs = os.read(reading, 10_000).decode().split()
    os.close(reading)
    os.close(writing)

    assert len(theirs) == 64
    assert not {new_id() for _ in range(64)} & set(theirs)


def test_a_snapshot_holds_no_ids():
    """Every sandbox restored from it would generate the same ids."""
    program = (
        "from lambdachain._core import metadata as _metadata\n"
        "_metadata.new_id()\nbefore = len(_metadata._spare)\n"
        f"{FORGET}print(before > 0, len(_metadata._spare))"
    )

    assert printed_around_snapshot(program) == "True 0"
