"""What is compared: the peers, and the workloads that each of them serves.

Equal for all: two processes that speak HTTP wherever a peer lets one choose, one process that
predicts wherever that is another one, at most 64 instances in a batch, and the model of
`workloads/`. This service is as it comes, which is one process for HTTP on two cores. What is
particular to a peer is here and in its folder, with the page of its documentation that recommends
it.
"""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sklearn.datasets import load_digits

HERE = Path(__file__).resolve().parent
MAX_BATCH_SIZE = 64
PIXELS = 224 * 224 * 3


def same(value: Any) -> Any:
    """Return a body or an answer as it is."""
    return value


@dataclass(frozen=True)
class Workload:
    """A model, and how it is called; ``times`` is how much longer than others it is measured."""

    name: str
    connections: int
    times: int = 1
    # How long a batch waits for more, where a peer has such a time: less than a full batch takes,
    # as mosec's README advises ("Configuration"), but at least the millisecond that it demands.
    max_wait_ms: int = 1
    # At so few requests per second an open loop says nothing.
    has_open_loop: bool = True

    def body(self) -> dict[str, Any]:
        """Return the request's JSON."""
        if self.name == "hello":
            return {"name": "Leo"}
        if self.name == "image-tensor":
            numbers = random.Random(0)
            return {"pixels": [round(numbers.random(), 4) for _ in range(PIXELS)]}
        return {"pixels": (load_digits().data[0] / 16).tolist()}


WORKLOADS = (
    Workload("hello", connections=16),
    Workload("digits-mlp", connections=64),
    Workload("digits-forest", connections=64, max_wait_ms=5),
    Workload("image-tensor", connections=4, times=3, has_open_loop=False),
)


@dataclass(frozen=True)
class Peer:
    """A way to serve a model.

    The command's first word is a program of the peer's environment. ``{port}`` in the command and
    in the environment is filled in, so are ``{spare_port}`` and ``{max_wait_s}``.
    """

    key: str
    name: str
    folder: str
    command: str
    packages: tuple[str, ...]
    path: str = "/predict"
    environment: Mapping[str, str] = field(default_factory=dict)
    replicas: int = 1  # of this service
    # Where the peer has a protocol of its own: to it, and back.
    to_body: Callable[[Any], Any] = same
    from_answer: Callable[[Any], Any] = same

    @property
    def requirements(self) -> Path | None:
        """The peer's own requirements; without them it runs in the tests' environment."""
        path = HERE / "peers" / self.folder / "requirements.txt"
        return path if path.exists() else None


def to_batch_of_one(body: Any) -> Any:
    """Return the body for an endpoint of BentoML that takes batches."""
    return {"instances": [body]}


def from_batch_of_one(answer: Any) -> Any:
    """Return the only answer."""
    return answer[0]


def to_v2(body: Any) -> Any:
    """Return the body in the V2 inference protocol: one tensor with one row."""
    ((name, value),) = body.items()
    if isinstance(value, str):
        tensor = {"datatype": "BYTES", "shape": [1], "data": [value]}
    else:
        tensor = {"datatype": "FP32", "shape": [1, len(value)], "data": value}
    return {"inputs": [{"name": name, **tensor}]}


def from_v2(answer: Any) -> Any:
    """Return the answer's tensors by their names."""
    tensors = {tensor["name"]: tensor["data"] for tensor in answer["outputs"]}
    return {name: data[0] if len(data) == 1 else data for name, data in tensors.items()}


# As bin/start.sh starts it.
THIS_SERVICE = "gunicorn --config conf/gunicorn.conf.py"
UVICORN = "uvicorn server:app --host 127.0.0.1 --port {port} --workers 2 --log-level warning"
GUNICORN = "gunicorn server:app --bind 127.0.0.1:{port} --workers 2"


def this_service(key: str, name: str, replicas: int = 1, **settings: str) -> Peer:
    """Return this service with some settings that are not its defaults."""
    return Peer(
        key,
        name,
        "this_service",
        THIS_SERVICE,
        packages=("gunicorn", "Flask"),
        path="/v1/BenchmarkModel",
        environment={"WORKERS": "", "LOG_CONSOLE": "false"} | settings,
        replicas=replicas,
    )


PEERS = (
    this_service("this-service", "this service"),
    this_service(
        "this-service-gthread",
        "this service, Flask on gthread",
        HTTP_WORKER="gthread",
        WORKERS="2",
    ),
    Peer(
        "as-usually-written",
        "as usually written",
        "as_usually_written",
        GUNICORN,
        packages=("Flask", "Flask-RESTful", "jsonschema", "gunicorn"),
    ),
    Peer("falcon", "Falcon", "falcon", GUNICORN, packages=("falcon", "gunicorn", "jsonschema")),
    # Without a line for each request, as the others.
    Peer(
        "fastapi",
        "FastAPI",
        "fastapi",
        f"{UVICORN} --no-access-log",
        packages=("fastapi", "uvicorn"),
    ),
    Peer(
        "bentoml",
        "BentoML",
        "bentoml",
        "bentoml serve server:Prediction --host 127.0.0.1 --port {port}",
        packages=("bentoml",),
        environment={"BENTOML_DO_NOT_TRACK": "True", "BENTOML_HOME": "{folder}/home"},
        to_body=to_batch_of_one,
        from_answer=from_batch_of_one,
    ),
    Peer(
        "mlserver",
        "MLServer",
        "mlserver",
        "mlserver start .",
        packages=("mlserver",),
        path="/v2/models/served/infer",
        environment={
            "MLSERVER_HTTP_PORT": "{port}",
            "MLSERVER_GRPC_PORT": "{spare_port}",
            "MLSERVER_MODEL_MAX_BATCH_TIME": "{max_wait_s}",
        },
        to_body=to_v2,
        from_answer=from_v2,
    ),
    Peer("litserve", "LitServe", "litserve", "python server.py", packages=("litserve",)),
    Peer(
        "mosec",
        "mosec",
        "mosec",
        "python server.py --address 127.0.0.1 --port {port} --log-level warning",
        packages=("mosec", "msgspec"),
        path="/inference",
    ),
    Peer(
        "mosec-json",
        "mosec, its own JSON",
        "mosec",
        "python plain.py --address 127.0.0.1 --port {port} --log-level warning",
        packages=("mosec",),
        path="/inference",
    ),
)

# What becomes of this service with more processes.
GROWTH = tuple(
    this_service(
        f"{workers}-{replicas}",
        f"this service, {workers} HTTP {'worker' if workers == 1 else 'workers'}, "
        f"{replicas} {'replica' if replicas == 1 else 'replicas'}",
        replicas,
        WORKERS=str(workers),
    )
    for workers in (1, 2)
    for replicas in (1, 2)
)
