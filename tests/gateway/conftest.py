"""What the tests share."""

import pytest

import clients


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """The client generated from the published file."""
    return clients.Published(tmp_path_factory.mktemp("client"))
