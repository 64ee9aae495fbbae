"""Where commands keep what they can compute again."""

from __future__ import annotations

import os
from itertools import combinations
from pathlib import Path

import pytest

from lambdachain._core.user_cache import compute_key, find_cache_directory


def test_the_directory_is_in_the_home_or_where_the_variable_says(monkeypatch: pytest.MonkeyPatch):
    """An empty variable counts as none."""
    monkeypatch.setenv("HOME", "/users/one")
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    at_home = find_cache_directory()
    monkeypatch.setenv("XDG_CACHE_HOME", "/caches")

    assert at_home == Path("/users/one/.cache/lambdachain")
    assert find_cache_directory() == Path("/caches/lambdachain")


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="only POSIX systems look a user up by its number")
def test_a_user_whom_the_system_does_not_know_has_none(monkeypatch: pytest.MonkeyPatch):
    """As in a container that runs as any user."""
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)

    assert find_cache_directory() is None


def test_different_parts_have_different_keys():
    """However they are divided, and also with characters that UTF-8 does not have."""
    parts = [(), ("",), ("", ""), ("ab",), ("a", "b"), ("a\0b",), ("1:a",), ("\udc80",), ("\ud800",)]

    assert all(compute_key(one) != compute_key(other) for one, other in combinations(parts, 2))
    assert compute_key(["\u00e4"]) == compute_key(["\u00e4".encode()])
