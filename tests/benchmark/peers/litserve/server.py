"""LitServe: FastAPI in front, batches in one worker process.

https://lightning.ai/docs/litserve/features/batching (`max_batch_size`, `batch_timeout`),
https://lightning.ai/docs/litserve/api-reference/litserver: `fast_queue` is for "hundreds of
requests per second"; as many HTTP processes as the other peers have, by `num_api_servers`.
"""

import os
from typing import Annotated, Any

import litserve
from pydantic import BaseModel, Field
from served import FIELD, MAX_BATCH_SIZE, MAX_WAIT_MS, SIZE, load_model


class Greeting(BaseModel):
    name: str


class Picture(BaseModel):
    pixels: Annotated[list[float], Field(min_length=SIZE, max_length=SIZE)]


Request = Picture if SIZE else Greeting


class Prediction(litserve.LitAPI):
    def setup(self, device: str) -> None:
        self.model = load_model()

    def decode_request(self, request: Request) -> Any:
        return getattr(request, FIELD)

    def batch(self, inputs: list[Any]) -> list[Any]:
        return inputs

    def predict(self, instances: list[Any]) -> list[Any]:
        return self.model.predict(instances)

    def unbatch(self, output: list[Any]) -> list[Any]:
        return output

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


if __name__ == "__main__":
    server = litserve.LitServer(
        Prediction(max_batch_size=MAX_BATCH_SIZE, batch_timeout=MAX_WAIT_MS / 1000),
        accelerator="cpu",
        workers_per_device=1,
        fast_queue=True,
    )
    server.run(
        host="127.0.0.1",
        port=int(os.environ["PORT"]),
        num_api_servers=2,
        log_level="warning",
        generate_client_file=False,
    )
