"""The settings of one model: ``conf/<name>_model.conf``.

``[serving]`` says how it is run, and ``[model]`` goes to its constructor as keyword arguments.
"""

import re
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from model_serving.config import CONF_DIR, RuntimeName, Seconds, read_sections
from model_serving.conversion import typed


class ServingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How one model is run: the ``[serving]`` section of its file."""

    replicas: Annotated[
        int, Meta(ge=1, le=512, description="Processes that hold the model and predict.")
    ] = 1
    max_batch_size: Annotated[
        int, Meta(ge=1, le=65_536, description="Most instances in one call of `predict`.")
    ] = 64
    max_wait_ms: Annotated[
        float,
        Meta(
            ge=0,
            le=60_000,
            description="How long a batch waits for more instances while it is not full. "
            "Without it a batch is what had come while the one before was predicted.",
        ),
    ] = 0.0
    max_queue: Annotated[
        int,
        Meta(
            ge=1,
            le=1_000_000,
            description="Most requests in flight, over all HTTP workers; one more gets 503.",
        ),
    ] = 256
    timeout_s: Annotated[
        Seconds,
        Meta(
            description="How long a caller waits for its answer before it gets 504. A replica "
            "that predicts one batch for longer is killed and started again."
        ),
    ] = 30.0
    runtime: Annotated[
        RuntimeName | None, Meta(description="Where this model runs, if not as `RUNTIME` says.")
    ] = None


class ModelConf(msgspec.Struct, frozen=True, kw_only=True):
    """What ``conf/<name>_model.conf`` says: how to run the model, and its own settings as text."""

    serving: ServingSettings = ServingSettings()
    model: dict[str, str] = {}
    source: str = "default"


def load_model_conf(model_name: str, conf_dir: Path = CONF_DIR) -> ModelConf:
    """Read the file of a model: ``XXXModel`` has ``xxx_model.conf``.

    Raises:
        ConfigError: see ``read_model_conf``.
    """
    return read_model_conf(conf_dir / f"{_snake_case(model_name)}.conf")


def read_model_conf(path: Path) -> ModelConf:
    """Read a model's file, which may be missing.

    Raises:
        ConfigError: the file has a wrong value, or a key or section that does not exist.
    """
    sections = read_sections(path, {"serving", "model"})
    serving = {key: (value, str(path)) for key, value in sections.get("serving", {}).items()}
    return ModelConf(
        serving=typed(serving, ServingSettings), model=sections.get("model", {}), source=str(path)
    )


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()
