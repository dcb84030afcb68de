"""MLServer: its HTTP process in front, batches in one worker process.

https://docs.seldon.ai/mlserver/user-guide/custom (a runtime of one's own, with the codecs),
https://docs.seldon.ai/mlserver/user-guide/adaptive-batching (`max_batch_size`, `max_batch_time`)
and https://docs.seldon.ai/mlserver/user-guide/parallel-inference (`parallel_workers`). It speaks
the V2 inference protocol: a request is a tensor of one row, and so is each value of the answer.
"""

from typing import Any

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec, StringCodec
from mlserver.errors import InferenceError
from mlserver.types import InferenceRequest, InferenceResponse, ResponseOutput
from served import FIELD, SIZE, load_model


class Prediction(MLModel):
    async def load(self) -> bool:
        self.model = load_model()
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        (given,) = payload.inputs
        if given.name != FIELD or (SIZE and given.shape[1:] != [SIZE]):
            raise InferenceError(f"{FIELD!r} is missing, or not of the right size")
        codec = NumpyCodec if SIZE else StringCodec
        answers = self.model.predict(list(codec.decode_input(given)))
        outputs = [encoded(key, [answer[key] for answer in answers]) for key in answers[0]]
        return InferenceResponse(model_name=self.name, outputs=outputs)


def encoded(key: str, column: list[Any]) -> ResponseOutput:
    if isinstance(column[0], str):
        return StringCodec.encode_output(key, column)
    return NumpyCodec.encode_output(key, np.array(column))
