"""Fixtures: applications with the real parts, in this process, on both lanes."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from flask_restful import Resource

from model_serving.app import create_app, create_front
from model_serving.config import Config
from tests.lanes import FrontClient, FrontLane

MakeClient = Callable[..., FlaskClient]


@pytest.fixture(scope="session", params=["flask", "front"])
def client(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FlaskClient]:
    """Return a client of the service as it is shipped, on each lane."""
    folder = tmp_path_factory.mktemp("data")
    config = Config(assets_dir=f"{folder}/assets", database_url=f"sqlite:///{folder}/jobs.db")
    with ExitStack() as stack:
        yield _client(request.param, stack, config)


@pytest.fixture(params=["flask", "front"])
def make_client(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MakeClient]:
    """Return a function that makes a client of a service of its own, on each lane."""
    with ExitStack() as stack:

        def make(*resources: type[Resource], **settings: Any) -> FlaskClient:
            conf_dir = settings.pop("conf_dir", tmp_path)
            return _client(request.param, stack, Config(**settings), resources, conf_dir)

        yield make


def _client(lane: str, stack: ExitStack, *service: Any) -> FlaskClient:
    if lane == "flask":
        return create_app(*service).test_client()
    return FrontClient(stack.enter_context(closing(FrontLane(create_front(*service)))))
