"""The settings: one typed table, read once at the start.

Precedence: command line > environment (in capitals) > ``conf/serving.conf`` > default.
``python -m model_serving.config [key]`` prints what is in force; secrets only by their keys.
"""

import configparser
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from model_serving.conversion import shown, typed
from model_serving.errors import ConfigError
from model_serving.place import ROOT

CONF_DIR = ROOT / "conf"

Origin = Annotated[str, Meta(pattern=r"^(\*|https?://[A-Za-z0-9.:-]+)$")]
# What is never shown: a key of JSON Schema says so.
SECRET = {"writeOnly": True}
RuntimeName = Literal["processes", "in-process"]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]


def _half_of_the_cores() -> int:
    return max(1, len(os.sched_getaffinity(0)) // 2)


class Config(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of the service. ``docs/settings.md`` lists this table."""

    host: Annotated[str, Meta(min_length=1, description="Address to listen on.")] = "0.0.0.0"
    port: Annotated[int, Meta(ge=1, le=65_535, description="Port to listen on.")] = 9999
    workers: Annotated[
        int,
        Meta(
            ge=1,
            le=512,
            description="HTTP worker processes; the other cores are for the models.",
        ),
    ] = msgspec.field(default_factory=_half_of_the_cores)
    http_worker: Annotated[
        Literal["asgi", "gthread"],
        Meta(
            description="How a worker answers: on an event loop, plain predictions without Flask, "
            "or each request by Flask in a thread. Both answer the same."
        ),
    ] = "asgi"
    threads: Annotated[
        int, Meta(ge=1, le=512, description="Requests that Flask handles at a time in one worker.")
    ] = 128
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(
            description="Addresses and networks (`10.0.0.0/8`) of the proxies in front, such as "
            "nginx: what they say in `X-Forwarded-For` is who called."
        ),
    ] = ("127.0.0.1", "::1")
    max_connections: Annotated[
        int, Meta(ge=1, le=1_000_000, description="Most connections to one worker.")
    ] = 4096
    header_timeout_s: Annotated[
        Seconds, Meta(description="How long a client may take to send a request's headers.")
    ] = 10.0
    body_timeout_s: Annotated[
        Seconds,
        Meta(
            description="How long a client may take to send the body, and one second more for "
            "each 1,000 bytes; also how long it may take nothing of its answer."
        ),
    ] = 30.0
    runtime: Annotated[
        RuntimeName,
        Meta(
            description="Where models run under `bin/start.sh`: in processes of their own, or, "
            "on a host too small for that, inside the HTTP workers."
        ),
    ] = "processes"
    cors_origins: Annotated[
        tuple[Origin, ...],
        Meta(
            description="Origins whose pages may call the service, such as "
            "`https://www.example.com`; `*` lets all of them."
        ),
    ] = ("*",)
    max_content_length: Annotated[
        int, Meta(ge=1, description="Largest request body, in bytes. A larger one gets 413.")
    ] = 32 * 1024 * 1024
    max_file_bytes: Annotated[
        int, Meta(ge=1, description="Largest file in a request, in bytes. A larger one gets 413.")
    ] = 16 * 1024 * 1024
    max_files: Annotated[int, Meta(ge=1, description="Most files in a request. More get 413.")] = 16
    assets_dir: Annotated[
        str,
        Meta(
            pattern=r"^(s3://[^\s:]+|[^:]+)$",
            description="Folder of the result files, from the project's folder, or a bucket: "
            "`s3://name/folder`.",
        ),
    ] = "data/assets"
    assets_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[^\s?#]+|/[^\s?#]*)$",
            description="Where callers find the result files, such as `https://cdn.example.com/a`.",
        ),
    ] = "/assets"
    assets_max_age_s: Annotated[
        float, Meta(gt=0, description="How long a result file is kept after it was last made.")
    ] = 7 * 86_400.0
    assets_max_bytes: Annotated[
        int, Meta(ge=1, description="Size of all result files above which the oldest go.")
    ] = 10 * 1024**3
    assets_keep_s: Annotated[
        float, Meta(ge=0, description="How long a result file is kept even then.")
    ] = 3600.0
    database_url: Annotated[
        str,
        Meta(
            min_length=1,
            extra_json_schema=SECRET,
            description="Database of the jobs: SQLite in a file, from the project's folder, or "
            "`postgresql://user:password@host/name`.",
        ),
    ] = "sqlite:///data/jobs.db"
    broker_url: Annotated[
        str,
        Meta(
            pattern=r"^(filesystem://|(rediss?|amqps?)://.+)$",
            extra_json_schema=SECRET,
            description="What tells workers of jobs: `filesystem://` is a folder in `data/`; "
            "several machines need `redis://host` or `amqp://host`.",
        ),
    ] = "filesystem://"
    max_jobs: Annotated[
        int, Meta(ge=1, description="Most jobs queued or running; one more gets 429.")
    ] = 1000
    max_job_attempts: Annotated[
        int,
        Meta(
            ge=1,
            le=100,
            description="How often a part of a job is begun, by workers that died with it, before "
            "the job fails.",
        ),
    ] = 3
    jobs_max_age_s: Annotated[
        float,
        Meta(
            gt=0, description="How long a job is kept after its end, with its result and its files."
        ),
    ] = 7 * 86_400.0
    callback_secret: Annotated[
        str,
        Meta(
            pattern=r"^(.{16,})?$",
            extra_json_schema=SECRET,
            description="What callbacks are signed with, the same on all machines. Without it a "
            "job with a `callback_url` is refused.",
        ),
    ] = ""
    callback_private: Annotated[
        bool, Meta(description="Let callbacks go to private and loopback addresses too.")
    ] = False
    start_timeout_s: Annotated[Seconds, Meta(description="How long a model may take to load.")] = (
        120.0
    )
    graceful_timeout_s: Annotated[
        Seconds, Meta(description="How long a stop or reload waits for requests under way.")
    ] = 30.0
    log_dir: Annotated[
        str,
        Meta(
            min_length=1,
            description="Folder of the rotating log file, from the project's folder. "
            "Where it cannot be written, the log goes only to the console.",
        ),
    ] = "tmp"
    log_console: Annotated[
        bool,
        Meta(description="Log to the console too. `bin/start.sh` turns it off in the background."),
    ] = True


def load_config(
    command_line: Mapping[str, str | None] | None = None,
    environ: Mapping[str, str] = os.environ,
    conf_dir: Path = CONF_DIR,
) -> Config:
    """Read the settings; values of None and empty environment variables count as not given.

    Raises:
        ConfigError: a value is wrong, or the file has a key or section that does not exist.
    """
    path = conf_dir / "serving.conf"
    keys = Config.__struct_fields__
    given: dict[str, tuple[str, str]] = {}
    for key, value in read_sections(path, {"serving"}).get("serving", {}).items():
        given[key] = (value, str(path))
    given |= {
        key: (environ[key.upper()], "the environment") for key in keys if environ.get(key.upper())
    }
    for key, argument in (command_line or {}).items():
        if argument is not None:
            given[key] = (argument, "the command line")
    return typed(given, Config)


def read_sections(path: Path, known: set[str]) -> dict[str, dict[str, str]]:
    """Read a file of settings, which may be missing.

    Raises:
        ConfigError: it cannot be read, or has a section that is not ``known``.
    """
    parser = configparser.ConfigParser(interpolation=None, default_section="")
    parser.optionxform = str  # type: ignore[assignment,method-assign]  # Names keep their capitals.
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: {' '.join(str(error).split())}") from None
    if unknown := set(parser.sections()) - known:
        raise ConfigError(
            f"{path}: unknown section {sorted(unknown)[0]!r}; known are {', '.join(sorted(known))}"
        )
    return {name: dict(parser[name]) for name in parser.sections()}


def _print_settings(keys: list[str]) -> None:
    settings = msgspec.structs.asdict(load_config())
    schemas = msgspec.json.schema(Config)["$defs"]["Config"]["properties"]
    for key in keys or settings:
        if key not in settings:
            raise ConfigError(f"unknown setting {key!r}; known are {', '.join(settings)}")
        value = settings[key]
        text = ",".join(value) if isinstance(value, tuple) else str(value)
        print(text if keys else f"{key} = {shown(text, schemas[key])}")


if __name__ == "__main__":
    try:
        _print_settings(sys.argv[1:])
    except ConfigError as error:
        sys.exit(str(error))
