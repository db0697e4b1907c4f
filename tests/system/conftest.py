"""Fixtures of the system tests.

steward         one server for the whole session (`steward serve --local`); stopped at the end, exit code 0 asserted
start_server    a factory of servers of one's own: start_server("--engine-lease", "2s") gives a running Server
"""
import itertools

import pytest

from event_schemas import check_events
from server_kit import Server

numbers = itertools.count(1)


@pytest.fixture(scope="session")
def steward():
    with Server() as server:
        yield server
        check_events(server)  # whatever the session did, its events are what /event-types says


@pytest.fixture
def start_server():
    servers = []

    def start(*options, **kw):
        servers.append(Server(None, *options, **kw))
        return servers[-1].start()

    yield start
    for server in servers:
        if server.process is not None:
            assert server.stop() == 0, server.tail()
        server.remove()


@pytest.fixture
def name():
    """A config name nobody else uses."""
    return f"shop{next(numbers)}"
