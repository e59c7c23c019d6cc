"""What the tests share."""

import pytest

import clients
import service as service_module


@pytest.fixture(scope="session")
def published(tmp_path_factory):
    """The client generated from the published file."""
    return clients.Published(tmp_path_factory.mktemp("client"))


@pytest.fixture(scope="session")
def service(published):
    """The endpoint that the environment names."""
    return service_module.from_environment(published)
