"""mosec: HTTP and batching in Rust, the model in one Python process.

https://mosecorg.github.io/mosec/: a single-stage service, `append_worker(..., num=1)`, dynamic
batching by `max_batch_size` and `max_wait_time`; requests are validated with msgspec
(examples/validate), and `deserialize`/`serialize` are overridden for JSON (reference/concept).
"""

from typing import Annotated, Any

import msgspec
from mosec import Server, ValidationError, Worker
from served import FIELD, MAX_BATCH_SIZE, MAX_WAIT_MS, SIZE, load_model


class Greeting(msgspec.Struct):
    name: str


class Picture(msgspec.Struct):
    pixels: Annotated[list[float], msgspec.Meta(min_length=SIZE, max_length=SIZE)]


decoder = msgspec.json.Decoder(Picture if FIELD == "pixels" else Greeting)


class Inference(Worker):
    def __init__(self) -> None:
        super().__init__()
        self.model = load_model()

    def deserialize(self, data: bytes) -> Any:
        try:
            return getattr(decoder.decode(data), FIELD)
        except msgspec.MsgspecError as error:
            raise ValidationError(str(error)) from error

    def serialize(self, data: Any) -> bytes:
        return msgspec.json.encode(data)

    def forward(self, data: list[Any]) -> list[Any]:
        return self.model.predict(data)


if __name__ == "__main__":
    server = Server()
    server.append_worker(Inference, num=1, max_batch_size=MAX_BATCH_SIZE, max_wait_time=MAX_WAIT_MS)
    server.run()
