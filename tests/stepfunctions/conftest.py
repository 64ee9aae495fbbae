"""What the tests of Step Functions share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.service_models import shared_service_models


@pytest.fixture(scope="session", autouse=True)
def _service_models() -> Iterator[None]:
    with shared_service_models():
        yield
