"""Fixtures: applications with the real parts, in this process."""

from collections.abc import Callable
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from flask_restful import Resource

from model_serving.app import create_app
from model_serving.config import Config

MakeClient = Callable[..., FlaskClient]


@pytest.fixture(scope="session")
def client() -> FlaskClient:
    """Return a client of the service as it is shipped."""
    return create_app(Config()).test_client()


@pytest.fixture
def make_client(tmp_path: Path) -> MakeClient:
    """Return a function that makes a client of a service of its own."""

    def make(*resources: type[Resource], **settings: object) -> FlaskClient:
        conf_dir = settings.pop("conf_dir", tmp_path)
        assert isinstance(conf_dir, Path)
        app = create_app(Config(**settings), resources, conf_dir)  # type: ignore[arg-type]
        return app.test_client()

    return make
