"""FastAPI under uvicorn with uvloop and httptools, the model in the worker.

https://fastapi.tiangolo.com/advanced/events/ (load a model in the lifespan),
https://fastapi.tiangolo.com/async/ (`def` for what does not await) and
https://fastapi.tiangolo.com/deployment/server-workers/ (`uvicorn --workers`).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import FastAPI
from pydantic import BaseModel, Field
from served import FIELD, SIZE, Model, load_model

models: dict[str, Model] = {}


class Greeting(BaseModel):
    name: str


class Picture(BaseModel):
    pixels: Annotated[list[float], Field(min_length=SIZE, max_length=SIZE)]


Request = Picture if SIZE else Greeting


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    models["served"] = load_model()
    yield
    models.clear()


app = FastAPI(lifespan=lifespan)


@app.post("/predict")
def predict(request: Request) -> dict[str, Any]:
    return models["served"].predict([getattr(request, FIELD)])[0]
