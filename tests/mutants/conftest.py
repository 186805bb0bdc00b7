"""The broker's own fixtures, for the tests that only a mutation made necessary."""

from tests.integration.broker.conftest import (  # noqa: F401
    broker,
    eventually,
    faults,
    faulty_client,
    make_broker,
    start_worker,
)
