"""One Prefect server for the tests that need no more than that."""

from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session")
def server() -> Iterator[None]:
    """A real server, with a database of its own, in the settings of this process."""
    from prefect.testing.utilities import prefect_test_harness  # seconds

    with prefect_test_harness(server_startup_timeout=120):
        yield
