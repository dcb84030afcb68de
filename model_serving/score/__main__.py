"""Score a file of instances by a model, on this machine and on all nodes that share its database.

Usage:
  bin/score [options] <model> <in> <out>
  bin/score -h | --help

  <model>  The model, such as XXXModel.
  <in>     The instances: .jsonl or .ndjson, a JSON value a line, or .csv, with a header whose
           columns are properties of the model's schema.
  <out>    The answers, in the same order: .jsonl, .ndjson or .csv, or - for JSON Lines on
           standard output. An instance that failed has {"error": {"line": ..., "message": ...}}
           in its place.

Options:
  --force    Overwrite <out> where it exists.
  -h --help  Show this text.

The same command goes on where it was interrupted, by whatever. It ends with

  0    every instance has its answer
  1    some instances failed; the others have their answers
  2    the command, the model, the settings or a file cannot be used
  3    the database, the broker or the service is not available, or the work was given up
  130  it was interrupted, or nobody reads its output any more
"""

import os
import shlex
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import BinaryIO

from docopt import DocoptExit, docopt

from model_serving.config import load_config
from model_serving.errors import (
    BadRequest,
    ConfigError,
    DeclarationError,
    ServiceError,
    TooLarge,
    Unavailable,
)
from model_serving.jobs.chunk import ENDINGS, Format
from model_serving.jobs.desk import Desk, open_desk
from model_serving.jobs.instance_file import CHUNK, split
from model_serving.jobs.job import Job, LineError
from model_serving.place import ROOT
from model_serving.score.output import STDOUT, Unusable, written
from model_serving.score.parts import Part, cut
from model_serving.score.progress import Progress
from model_serving.score.run import Asked, JobFailed, Run, Tally
from model_serving.score.tree import at_work, prepare
from model_serving.served import models_in_processes
from model_serving.web.model_resource import is_declared, served_name

ALL_RIGHT, SOME_FAILED, UNUSABLE, UNAVAILABLE, INTERRUPTED = 0, 1, 2, 3, 130
SHOWN_ERRORS = 10


def main(arguments: list[str]) -> int:
    """Score the file that the command line names, and return the exit code."""
    folder, *given = arguments
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        options = docopt(__doc__, given)
        return _score(Path(folder), options)
    except DocoptExit:
        print(f"cannot understand {shlex.join(given)!r}; see bin/score --help", file=sys.stderr)
        return UNUSABLE
    except (Unusable, ConfigError, DeclarationError) as error:
        print(error, file=sys.stderr)
        return UNUSABLE
    except KeyboardInterrupt:
        print("interrupted; the same command goes on from here", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:  # As of head: who reads has enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return INTERRUPTED
    except (ServiceError, JobFailed, OSError) as error:
        print(f"{error}; the same command goes on from here", file=sys.stderr)
        return UNAVAILABLE


def _score(folder: Path, options: dict[str, str]) -> int:
    source, target = folder / options["<in>"], options["<out>"]
    if target != STDOUT:
        target = str(folder / target)
    format_ = _format(source)
    _check_output(source, target, bool(options["--force"]))
    started_s = time.monotonic()
    progress = Progress(options["<model>"], sys.stderr)
    with _opened(source) as file:
        is_alone = prepare()
        columns = _columns(options["<model>"])
        desk = _open_desk()
        asked = Asked(options["<model>"], format_, target, max(1, os.fstat(file.fileno()).st_size))
        try:
            parts = _begun(cut(split(file, format_, CHUNK, columns), file))
            with written(target) as answers, at_work(asked.model, is_alone) as check:
                run = Run(desk, asked, progress, check)
                ended, errors = _collect(run.jobs(parts), desk, answers)
        except (BadRequest, TooLarge) as error:
            raise Unusable(f"{source}: {error}") from None
        finally:
            progress.end()
    with suppress(ServiceError):  # They would go by their age.
        for job_id in ended:
            desk.record.upkeep.remove(job_id)
    _sum_up(run.tally, errors, time.monotonic() - started_s)
    return SOME_FAILED if run.tally.failed else ALL_RIGHT


def _format(path: Path) -> Format:
    if path.suffix.lower() not in ENDINGS:
        raise Unusable(f"{path}: the name must end with {', '.join(ENDINGS)}")
    return ENDINGS[path.suffix.lower()]


def _check_output(source: Path, target: str, force: bool) -> None:
    path = Path(target)
    if target == STDOUT:
        return
    _format(path)
    if path.exists() and source.exists() and path.samefile(source):
        raise Unusable(f"{path}: it is the input")
    if path.is_dir():
        raise Unusable(f"{path}: it is a folder")
    if path.exists() and not force:
        raise Unusable(f"{path}: it exists already; --force overwrites it")


def _columns(model: str) -> list[str]:
    """Return the properties of a body for this model."""
    models = {
        served_name(one): one.schema
        for _, one in models_in_processes(load_config())
        if is_declared(one)
    }
    if model not in models:
        raise Unusable(f"{model}: no such model; known are {', '.join(models)}")
    return list(models[model].get("properties", {}))


def _open_desk() -> Desk:
    config = load_config()
    desk = open_desk(config, ROOT / "data/broker")
    if faults := desk.faults():
        raise Unavailable("; ".join(faults.values()))
    return desk


def _opened(path: Path) -> BinaryIO:
    try:
        if not path.is_file() and path.exists():
            raise Unusable(f"{path}: it is no file")
        return path.open("rb")
    except OSError as error:
        raise Unusable(f"{path}: {error.strerror}") from None


def _begun(parts: Iterator[Part]) -> Iterator[Part]:
    """Read the first part at once: a wrong header, say, need not wait for the models."""
    return chain((next(parts),), parts)


def _collect(
    jobs: Iterable[Job], desk: Desk, answers: BinaryIO
) -> tuple[list[str], list[LineError]]:
    """Write the answers; return the ids of the jobs, and the first errors."""
    ended: list[str] = []
    errors: list[LineError] = []
    results = desk.record.results
    for job in jobs:
        for output in results.outputs(job.id):
            answers.write(output)
        if job.failed and len(errors) < SHOWN_ERRORS:
            errors += islice(results.errors(job.id), SHOWN_ERRORS - len(errors))
        ended.append(job.id)
    return ended, errors


def _sum_up(tally: Tally, errors: list[LineError], taken_s: float) -> None:
    rate = tally.done / taken_s
    text = f"{tally.done:,} scored in {taken_s:,.1f} s ({rate:,.0f}/s), {tally.failed:,} failed"
    print(text, file=sys.stderr)
    for error in errors:
        where = f" ({error.path})" if error.path else ""
        print(f"  line {error.line}: {error.message}{where}", file=sys.stderr)
    if tally.failed > len(errors):
        print("  ...", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
