"""mosec as it comes: requests and answers by the JSON of the standard library, not validated.

https://mosecorg.github.io/mosec/: the quick start, with dynamic batching.
"""

from typing import Any

from mosec import Server, Worker
from served import FIELD, MAX_BATCH_SIZE, MAX_WAIT_MS, load_model


class Inference(Worker):
    def __init__(self) -> None:
        super().__init__()
        self.model = load_model()

    def forward(self, data: list[Any]) -> list[Any]:
        return self.model.predict([body[FIELD] for body in data])


if __name__ == "__main__":
    server = Server()
    server.append_worker(Inference, num=1, max_batch_size=MAX_BATCH_SIZE, max_wait_time=MAX_WAIT_MS)
    server.run()
