"""What is served: the models with their settings, and what predicts with them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from flask_restful import Resource

from model_serving.config import CONF_DIR, Config
from model_serving.files import open_assets
from model_serving.model_conf import load_model_conf
from model_serving.resources import RESOURCES
from model_serving.serving import ModelSpecification, RunDir
from model_serving.serving.process_runtime import ProcessRuntime
from model_serving.serving.runtime import CombinedRuntime, InProcessRuntime, Runtime
from model_serving.web.model_resource import ModelResource, is_declared, served_name
from model_serving.web.scoring import Scorer
from model_serving.web.uploads import Limits


def specifications(
    resources: Sequence[type[Resource]] = RESOURCES, conf_dir: Path = CONF_DIR
) -> list[tuple[ModelSpecification, type[ModelResource]]]:
    """Return the models, each with its settings and its resource.

    Raises:
        ConfigError: a model's settings are wrong.
    """
    return [
        (
            ModelSpecification(resource.model, load_model_conf(resource.model.__name__, conf_dir)),
            resource,
        )
        for resource in resources
        if issubclass(resource, ModelResource)
    ]


def models_in_processes(
    config: Config, resources: Sequence[type[Resource]] = RESOURCES, conf_dir: Path = CONF_DIR
) -> list[tuple[ModelSpecification, type[ModelResource]]]:
    """Return the models that run in processes of their own where there is a supervisor."""
    return [
        (specification, resource)
        for specification, resource in specifications(resources, conf_dir)
        if (specification.conf.serving.runtime or config.runtime) == "processes"
    ]


def create_runtime(
    config: Config,
    resources: Sequence[type[Resource]] = RESOURCES,
    conf_dir: Path = CONF_DIR,
    publish: Callable[[object], str] | None = None,
) -> Runtime:
    """Return what predicts: replicas where there is a supervisor, else this process.

    The latter keeps files by ``publish``, if not as those of synchronous callers.

    Raises:
        ConfigError: a model's settings are wrong.
    """
    everything = [specification for specification, _ in specifications(resources, conf_dir)]
    run_dir = RunDir.from_environment()
    publish = publish or open_assets(config, sweeps=run_dir is None).publish
    if run_dir is None:
        return InProcessRuntime(everything, publish)
    outside = [spec for spec, _ in models_in_processes(config, resources, conf_dir)]
    return CombinedRuntime(
        InProcessRuntime((spec for spec in everything if spec not in outside), publish),
        ProcessRuntime(outside, run_dir, config.workers, config.threads),
    )


def create_scorers(
    config: Config, runtime: Runtime, resources: Sequence[type[Resource]] = RESOURCES
) -> dict[str, Scorer]:
    """Return what scores the instances of jobs, by the names of the models.

    A resource that answers in a way of its own has no jobs, as these would pass that by.
    """
    limits = Limits(config.max_file_bytes, config.max_files)
    return {
        served_name(resource): Scorer(resource(runtime), limits)
        for resource in resources
        if issubclass(resource, ModelResource) and is_declared(resource)
    }
