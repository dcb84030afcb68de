"""BentoML: adaptive batching inside each of the workers, the model in the worker.

https://docs.bentoml.com/en/latest/get-started/adaptive-batching.html: `batchable=True` with
`max_batch_size` and `max_latency_ms`, requests as pydantic models. A batchable API takes a list, so
a caller sends a list of one. (The page's way to take single requests, a second service in front by
`bentoml.depends`, costs one more hop.) `workers`: build-with-bentoml/parallelize-requests there.
"""

from typing import Annotated, Any

import bentoml
from pydantic import BaseModel, Field
from served import FIELD, MAX_BATCH_SIZE, SIZE, load_model


class Greeting(BaseModel):
    name: str


class Picture(BaseModel):
    pixels: Annotated[list[float], Field(min_length=SIZE, max_length=SIZE)]


Instance = Picture if SIZE else Greeting


# Without a line in the log for each request, as the others.
@bentoml.service(workers=2, traffic={"timeout": 60}, logging={"access": {"enabled": False}})
class Prediction:
    def __init__(self) -> None:
        self.model = load_model()

    # The time is the page's example: answers that take longer are refused with 503.
    @bentoml.api(batchable=True, max_batch_size=MAX_BATCH_SIZE, max_latency_ms=1000)
    def predict(self, instances: list[Instance]) -> list[dict[str, Any]]:
        return self.model.predict([getattr(instance, FIELD) for instance in instances])
