"""create_app: the only place where the parts are put together."""

import importlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from flask import Flask
from flask_cors import CORS
from flask_restful import Resource
from flask_swagger_ui import get_swaggerui_blueprint
from prometheus_client.registry import Collector

from model_serving.config import CONF_DIR, Config
from model_serving.errors import DeclarationError
from model_serving.files import JOBS, URL, Assets, open_assets, open_job_assets
from model_serving.headers import REQUEST_ID_HEADER
from model_serving.jobs.job_metrics import JobMetrics
from model_serving.jobs.report import Reports
from model_serving.place import ROOT
from model_serving.proxies import Proxies
from model_serving.resources import RESOURCES
from model_serving.served import create_runtime, create_scorers
from model_serving.serving import RunDir
from model_serving.serving.replica_metrics import ReplicaMetrics
from model_serving.serving.runtime import Runtime
from model_serving.serving.supervisor_metrics import SupervisorMetrics
from model_serving.web.api import ServiceApi
from model_serving.web.asgi import Front
from model_serving.web.assets import AssetFile
from model_serving.web.job_intake import Jobs
from model_serving.web.jobs import JobList, JobResult, ModelJobs, OneJob
from model_serving.web.json import OrjsonProvider
from model_serving.web.model_resource import (
    ModelResource,
    jobs_url,
    served_name,
    served_url,
)
from model_serving.web.openapi import OpenAPI, Route
from model_serving.web.operations import (
    Health,
    Metrics,
    Models,
    Readiness,
    Root,
)
from model_serving.web.preference import APPLIED_HEADER
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
    runtime = create_runtime(config, resources, conf_dir)
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
    runtime = create_runtime(config, resources, conf_dir)
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
        expose_headers=[REQUEST_ID_HEADER, "Location", "Retry-After", APPLIED_HEADER],
    )

    api = ServiceApi(app)
    assets = open_assets(config), open_job_assets(config)
    jobs = app.extensions["jobs"] = _jobs(config, resources, runtime)
    for route in _routes(resources, runtime, assets, jobs, _reports(config)):
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


def _metrics(reports: Reports | None) -> list[Collector]:
    run_dir = RunDir.from_environment()
    if run_dir is None:
        return []
    jobs = [] if reports is None else [JobMetrics(reports)]
    return [SupervisorMetrics(run_dir), ReplicaMetrics(run_dir), *jobs]


def _reports(config: Config) -> Reports | None:
    run_dir = RunDir.from_environment()
    return Reports(run_dir.jobs) if run_dir and config.runtime == "processes" else None


def _jobs(config: Config, resources: Sequence[type[Resource]], runtime: Runtime) -> Jobs:
    has_worker = RunDir.from_environment() is not None and config.runtime == "processes"
    is_shared = config.database_url != Config().database_url

    def check_callback(url: str) -> None:
        callback = importlib.import_module("model_serving.jobs.callback")
        secret = config.callback_secret.encode()
        callback.Sender(secret, config.callback_private).check_url(url)

    def open_desk() -> Any:
        desk = importlib.import_module("model_serving.jobs.desk")
        return desk.open_desk(config, ROOT / "data/broker")

    scorers = create_scorers(config, runtime, resources)
    is_done = has_worker or is_shared
    return Jobs(open_desk if is_done else None, scorers, check_callback)


def _routes(
    resources: Sequence[type[Resource]],
    runtime: Runtime,
    assets: tuple[Assets, Assets],
    jobs: Jobs,
    reports: Reports | None,
) -> list[Route]:
    models = {"resources": resources, "runtime": runtime}
    readiness = {"runtime": runtime, "reports": reports}
    names = [served_name(resource) for resource in resources]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise DeclarationError(f"{twice}Resource is listed more than once")
    routes = [
        Route(
            served_url(resource),
            served_name(resource),
            resource,
            _collaborators(resource, runtime, jobs),
        )
        for resource in resources
    ]
    routes += [
        *_job_routes(jobs),
        Route("/v1", "service-models", Models, models),
        Route(f"{URL}/<name>", "service-assets", AssetFile, {"assets": assets[0]}),
        Route(f"{URL}/{JOBS}/<name>", "service-job-assets", AssetFile, {"assets": assets[1]}),
        Route("/healthz", "service-health", Health),
        Route("/metrics", "service-metrics", Metrics, {"collectors": _metrics(reports)}),
        Route("/readyz", "service-readiness", Readiness, readiness),
        # App Engine asks here before it sends callers to a new instance.
        Route("/_ah/warmup", "service-warmup", Readiness, readiness),
        Route(OPENAPI_URL, "service-openapi", OpenAPI, {"routes": routes}),
        Route("/", "service-root", Root, models),
    ]
    return routes


def _job_routes(jobs: Jobs) -> list[Route]:
    shared: dict[str, Any] = {"jobs": jobs}
    return [
        *(
            Route(jobs_url(scorer.resource), f"{name}-jobs", ModelJobs, shared | {"model": name})
            for name, scorer in jobs.scorers.items()
        ),
        Route("/v1/jobs", "service-jobs", JobList, shared),
        Route("/v1/jobs/<job_id>", "service-job", OneJob, shared),
        Route("/v1/jobs/<job_id>/result", "service-job-result", JobResult, shared),
    ]


def _collaborators(resource: type[Resource], runtime: Runtime, jobs: Jobs) -> dict[str, Any]:
    if not issubclass(resource, ModelResource):
        return {}
    name = served_name(resource)
    # Where nobody does jobs, a caller's preference for one counts for nothing (RFC 7240).
    if name not in jobs.scorers or not jobs.are_done:
        return {"runtime": runtime}
    return {"runtime": runtime, "hand_in": partial(jobs.hand_in, name)}
