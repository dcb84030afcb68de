"""What a caller hands in as a job: one body, a list of them, or a file."""

import hashlib
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import IO, Any, NamedTuple

import msgspec
from werkzeug.datastructures import FileStorage

from model_serving.errors import InvalidBody, TooLarge
from model_serving.jobs.chunk import ENDINGS, Chunk, Format
from model_serving.jobs.chunk_file import ChunkFile
from model_serving.jobs.instance_file import CHUNK, split
from model_serving.jobs.together import together
from model_serving.json_text import json_pointer
from model_serving.web.request import ServiceRequest
from model_serving.web.scoring import Scorer

INSTANCES = "instances"
FORMATS: dict[str, Format] = {
    "application/x-ndjson": "jsonl",
    "application/jsonl": "jsonl",
    "text/csv": "csv",
}


class JobBody(NamedTuple):
    """What is to be done; ``chunks`` can be read without waiting for the caller."""

    kind: str
    format: str
    sha256: str
    chunks: Iterable[Chunk]


@contextmanager
def read_job(request: ServiceRequest, scorer: Scorer) -> Iterator[JobBody]:
    """Read a request for a job, and check what can be checked at once.

    Raises:
        NoJSONObject, BadRequest, InvalidBody, TooLarge: it cannot be done.
        StorageFull, StorageFailed: a file cannot be kept meanwhile.
    """
    if format_ := FORMATS.get(request.mimetype):
        file = _HashedFile(request.stream)
    elif uploaded := _uploaded(request, scorer):
        format_, file = _format_of(uploaded), _HashedFile(uploaded.stream)
    else:
        yield _of_json(scorer.read(request), scorer)
        return
    with closing(ChunkFile(split(file, format_, CHUNK, scorer.columns))) as chunks:
        yield JobBody("many", format_, file.sha256.hexdigest(), chunks)


def _uploaded(request: ServiceRequest, scorer: Scorer) -> FileStorage | None:
    """Return the file of instances in a form, if there is one."""
    if INSTANCES in scorer.columns or INSTANCES not in request.files:
        return None
    names = [*request.form, *request.files]
    if other := next((name for name in names if name != INSTANCES), None):
        raise InvalidBody(f"{other!r} cannot be sent beside a file of instances")
    file, *more = request.files.getlist(INSTANCES)
    if more or INSTANCES in request.form:
        raise InvalidBody(f"{INSTANCES!r} is there more than once", json_pointer([INSTANCES]))
    return file


def _format_of(file: FileStorage) -> Format:
    name = file.filename or ""
    format_ = ENDINGS.get(name[name.rfind(".") :].lower()) or FORMATS.get(file.mimetype)
    if format_ is None:
        endings, types = ", ".join(ENDINGS), ", ".join(FORMATS)
        raise InvalidBody(
            f"{INSTANCES!r} must be a file with a name that ends in one of {endings}, or with a "
            f"type that is one of {types}",
            f"/{INSTANCES}",
        )
    return format_


def _of_json(body: Any, scorer: Scorer) -> JobBody:
    is_list = isinstance(body, dict) and body.keys() == {INSTANCES}
    if not is_list or INSTANCES in scorer.columns:
        return _of_bodies("one", [scorer.checked(body)])
    if not isinstance(body[INSTANCES], list):
        raise InvalidBody(f"{INSTANCES!r} is no list", json_pointer([INSTANCES]))
    return _of_bodies("many", _checked(body[INSTANCES], scorer))


def _checked(bodies: Iterable[Any], scorer: Scorer) -> Iterator[Any]:
    for number, body in enumerate(bodies):
        try:
            yield scorer.checked(body)
        except (InvalidBody, TooLarge) as error:
            path = json_pointer([INSTANCES, number]) + error.path
            raise type(error)(error.message, path) from None


def _of_bodies(kind: str, bodies: Iterable[Any]) -> JobBody:
    digest, chunks, line = hashlib.sha256(), list[Chunk](), 1

    def packed() -> Iterator[bytes]:
        for body in bodies:
            data = _packed(body)
            digest.update(data)
            yield data

    for some in together(packed(), CHUNK.instances, CHUNK.size_bytes, len):
        data = msgspec.msgpack.encode([msgspec.Raw(body) for body in some])
        chunks.append(Chunk(line, len(some), data))
        line += len(some)
    return JobBody(kind, "msgpack", digest.hexdigest(), chunks)


def _packed(body: Any) -> bytes:
    try:
        return msgspec.msgpack.encode(body)
    except RecursionError:
        raise InvalidBody("The body is nested too deep") from None


class _HashedFile:
    """A file that is read once, and what it was."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.sha256 = hashlib.sha256()

    def read(self, size: int = -1, /) -> bytes:
        """Read as from any file."""
        data = self._source.read(size)
        self.sha256.update(data)
        return data
