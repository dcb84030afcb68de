"""create_app: the only place where the parts are put together."""

from collections.abc import Sequence
from pathlib import Path

from flask import Flask
from flask_cors import CORS
from flask_restful import Resource
from flask_swagger_ui import get_swaggerui_blueprint
from prometheus_client.registry import Collector

from model_serving.config import CONF_DIR, Config
from model_serving.errors import DeclarationError
from model_serving.files import URL, Assets, open_assets
from model_serving.headers import REQUEST_ID_HEADER
from model_serving.model_conf import load_model_conf
from model_serving.proxies import Proxies
from model_serving.resources import RESOURCES
from model_serving.serving import ModelSpecification, RunDir
from model_serving.serving.process_runtime import ProcessRuntime
from model_serving.serving.replica_metrics import ReplicaMetrics
from model_serving.serving.runtime import CombinedRuntime, InProcessRuntime, Runtime
from model_serving.serving.supervisor_metrics import SupervisorMetrics
from model_serving.web.api import ServiceApi
from model_serving.web.asgi import Front
from model_serving.web.assets import AssetFile
from model_serving.web.json import OrjsonProvider
from model_serving.web.model_resource import ModelResource, served_name, served_url
from model_serving.web.openapi import OpenAPI, Route
from model_serving.web.operations import (
    Health,
    Metrics,
    Models,
    Readiness,
    Root,
)
from model_serving.web.request import PROXIES, ServiceRequest, finish
from model_serving.web.uploads import FILE_LIMITS, Limits

DOCS_URL = "/docs"
OPENAPI_URL = "/openapi.json"
# Without a validator, whose badge would send the document to a server on the internet.
SWAGGER_UI = {"app_name": "Model serving", "validatorUrl": None, "defaultModelsExpandDepth": -1}


def create_app(
    config: Config, resources: Sequence[type[Resource]] = RESOURCES, conf_dir: Path = CONF_DIR
) -> Flask:
    """Build the WSGI application, with every model of ``resources`` loaded.

    Raises:
        ConfigError: a model's settings are wrong.
        DeclarationError: a resource's declaration is wrong.
    """
    runtime = _runtime(config, resources, conf_dir)
    app = _create_app(config, resources, runtime)
    runtime.open_in_background()
    return app


def create_front(
    config: Config, resources: Sequence[type[Resource]] = RESOURCES, conf_dir: Path = CONF_DIR
) -> Front:
    """Build the ASGI application: the direct lane, and the WSGI application behind it.

    Raises:
        ConfigError, DeclarationError: as ``create_app`` does.
    """
    runtime = _runtime(config, resources, conf_dir)
    app = _create_app(config, resources, runtime)
    own = [resource(runtime) for resource in resources if issubclass(resource, ModelResource)]
    return Front(app, runtime, own, config.max_content_length, config.threads)


def _create_app(config: Config, resources: Sequence[type[Resource]], runtime: Runtime) -> Flask:
    app = Flask("model_serving", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = config.max_content_length
    app.config["MAX_FORM_MEMORY_SIZE"] = config.max_content_length
    app.config[PROXIES] = Proxies(config.trusted_proxies)
    app.config[FILE_LIMITS] = Limits(config.max_file_bytes, config.max_files)
    app.request_class = ServiceRequest
    app.json = OrjsonProvider(app)
    app.after_request(finish)
    CORS(
        app,
        origins=list(config.cors_origins),
        always_send=False,
        expose_headers=[REQUEST_ID_HEADER, "Location", "Retry-After"],
    )

    api = ServiceApi(app)
    for route in _routes(resources, runtime, open_assets(config)):
        api.add_resource(
            route.resource,
            route.url,
            endpoint=route.endpoint,
            resource_class_kwargs=route.collaborators,
        )
    # Its links are relative, so that it works below a prefix that a proxy takes away.
    docs = get_swaggerui_blueprint(".", f"..{OPENAPI_URL}", SWAGGER_UI)
    app.register_blueprint(docs, url_prefix=DOCS_URL)
    return app


def models_in_processes(
    config: Config, resources: Sequence[type[Resource]] = RESOURCES, conf_dir: Path = CONF_DIR
) -> list[tuple[ModelSpecification, type[ModelResource]]]:
    """Return the models that run in processes of their own where there is a supervisor."""
    return [
        (specification, resource)
        for specification, resource in _specifications(resources, conf_dir)
        if (specification.conf.serving.runtime or config.runtime) == "processes"
    ]


def _specifications(
    resources: Sequence[type[Resource]], conf_dir: Path
) -> list[tuple[ModelSpecification, type[ModelResource]]]:
    return [
        (
            ModelSpecification(resource.model, load_model_conf(resource.model.__name__, conf_dir)),
            resource,
        )
        for resource in resources
        if issubclass(resource, ModelResource)
    ]


def _runtime(config: Config, resources: Sequence[type[Resource]], conf_dir: Path) -> Runtime:
    everything = [specification for specification, _ in _specifications(resources, conf_dir)]
    run_dir = RunDir.from_environment()
    publish = open_assets(config, sweeps=run_dir is None).publish
    if run_dir is None:
        return InProcessRuntime(everything, publish)
    outside = [spec for spec, _ in models_in_processes(config, resources, conf_dir)]
    return CombinedRuntime(
        InProcessRuntime((spec for spec in everything if spec not in outside), publish),
        ProcessRuntime(outside, run_dir, config.workers, config.threads),
    )


def _metrics() -> list[Collector]:
    run_dir = RunDir.from_environment()
    return [] if run_dir is None else [SupervisorMetrics(run_dir), ReplicaMetrics(run_dir)]


def _routes(resources: Sequence[type[Resource]], runtime: Runtime, assets: Assets) -> list[Route]:
    models = {"resources": resources, "runtime": runtime}
    names = [served_name(resource) for resource in resources]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DeclarationError(f"{twice}Resource is listed more than once")
    routes = [
        Route(
            served_url(resource),
            served_name(resource),
            resource,
            {"runtime": runtime} if issubclass(resource, ModelResource) else {},
        )
        for resource in resources
    ]
    routes += [
        Route("/v1", "service-models", Models, models),
        Route(f"{URL}/<name>", "service-assets", AssetFile, {"assets": assets}),
        Route("/healthz", "service-health", Health),
        Route("/metrics", "service-metrics", Metrics, {"collectors": _metrics()}),
        Route("/readyz", "service-readiness", Readiness, {"runtime": runtime}),
        # App Engine asks here before it sends callers to a new instance.
        Route("/_ah/warmup", "service-warmup", Readiness, {"runtime": runtime}),
        Route(OPENAPI_URL, "service-openapi", OpenAPI, {"routes": routes}),
        Route("/", "service-root", Root, models),
    ]
    return routes
