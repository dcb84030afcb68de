"""bin/score scores a file, goes on where it was ended, and says what is wrong."""

import csv
import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.services.processes import clean_environment, free_port, wait_until
from tests.services.project import ROOT, Project
from tests.services.small import ANSWER, MODEL, instances_done, jobs_kept, small_project

# Each chunk of 1,000 takes a moment, and each prediction leaves a line.
SLOW = """
        import time
        with open("tmp/seen", "a") as seen:
            seen.writelines(f"{name}\\n" for name in instances)
        time.sleep(len(instances) / 4000)
        """
COUNT = 24_000
NOBODY = "postgresql://somebody:secret@127.0.0.1:1/jobs"


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    with small_project(tmp_path_factory.mktemp("score") / "my project") as project:
        yield project


@pytest.fixture
def project(shared: Project) -> Iterator[Project]:
    """One in which nothing runs, and which has no jobs."""
    yield shared
    shared.end()
    for left in (shared.folder / "data").glob("jobs.db*"):
        left.unlink()


def begin(project: Project, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [project.folder / "bin/score", "XXXModel", *arguments],
        cwd=folder,
        env=clean_environment(),
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def score(project: Project, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return project.finish(begin(project, folder, *arguments))


def write_names(folder: Path, names: Sequence[str]) -> None:
    lines = (json.dumps({"name": name}) + "\n" for name in names)
    (folder / "in.jsonl").write_text("".join(lines), encoding="utf-8")


def written(folder: Path) -> list[Any]:
    lines = (folder / "out.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_score_writes_answers_in_order_and_errors_in_their_place(
    project: Project, tmp_path: Path
) -> None:
    bodies = [json.dumps({"name": f"é {number}"}) for number in range(2_500)]
    bodies[1_200], bodies[2_400] = '{"nam": 1}', "{"
    (tmp_path / "in.jsonl").write_text("\n" + "\n".join(bodies), encoding="utf-8")
    scored = score(project, tmp_path, "in.jsonl", "out.jsonl")
    assert scored.returncode == 1, scored.stderr
    answers = written(tmp_path)
    expected = [{"result": f"Hello, é {number}!"} for number in range(2_500)]
    assert [answers[1_200]["error"]["line"], answers[2_400]["error"]["line"]] == [1_202, 2_402]
    expected[1_200], expected[2_400] = answers[1_200], answers[2_400]
    assert answers == expected
    assert ", 2 failed\n  line 1202: 'name' is a required property\n" in scored.stderr
    assert {path.name for path in tmp_path.iterdir()} == {"in.jsonl", "out.jsonl"}
    assert (project.processes(), jobs_kept(project.folder / "data/jobs.db")) == ([], 0)


def test_score_lets_a_service_that_runs_do_the_work(project: Project, tmp_path: Path) -> None:
    names = ["Leo", "a, b", 'a "quoted"\nname', "12"]
    with (tmp_path / "in.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["name"], *([name] for name in names)])
    elsewhere = f"sqlite:///{tmp_path}/jobs.db"  # The service knows of it, and bin/score asks it.
    start = project.run("start.sh", PORT=str(free_port()), DATABASE_URL=elsewhere)
    assert start.returncode == 0, start.stderr
    scored = score(project, tmp_path, "in.csv", "out.csv")
    assert scored.returncode == 0, scored.stderr
    with (tmp_path / "out.csv").open(newline="") as file:
        answers = [row["result"] for row in csv.DictReader(file)]
    assert answers == [f"Hello, {name}!" for name in names]
    assert (tmp_path / "jobs.db").exists()
    assert not (project.folder / "data/jobs.db").exists()
    to_stdout = score(project, tmp_path, "in.csv", "-")
    assert json.loads(to_stdout.stdout.splitlines()[1]) == {"result": "Hello, a, b!"}
    assert project.run("status.sh").returncode == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_score_that_was_ended_goes_on_where_it_was(
    project: Project, tmp_path: Path, number: signal.Signals
) -> None:
    names = [f"{number.name} {at}" for at in range(COUNT)]
    write_names(tmp_path, names)
    database, seen = project.folder / "data/jobs.db", project.folder / "tmp/seen"
    seen.unlink(missing_ok=True)
    with project.edited(MODEL, ANSWER, SLOW.strip() + "\n        " + ANSWER):
        running = begin(project, tmp_path, "in.jsonl", "out.jsonl")
        wait_until(lambda: instances_done(database) >= 2_000, "some is done")
        running.send_signal(number)
        first = project.finish(running)
        wait_until(lambda: project.processes() == [], "nothing is left running")
        done = instances_done(database)
        again = score(project, tmp_path, "in.jsonl", "out.jsonl")
    assert first.returncode == (130 if number == signal.SIGTERM else -number)
    assert not (tmp_path / "out.jsonl.partial").exists()
    assert again.returncode == 0, again.stderr
    assert written(tmp_path) == [{"result": f"Hello, {name}!"} for name in names]
    times = Counter(seen.read_text().splitlines())
    assert 2_000 <= done < COUNT
    assert {times[name] for name in names[:done]} == {1}
    assert sum(times.values()) <= COUNT + 1_000  # What was in hand is predicted again.


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param("XModel in.csv -", 2, "XModel: no such model; known are XXX", id="model"),
        pytest.param("XXXModel bad.csv -", 2, "bad.csv: Line 1: the column 'nam'", id="column"),
        pytest.param("XXXModel in.csv no/out.csv", 2, "No such file", id="no folder"),
        pytest.param("XXXModel in.csv -", 3, "database is not available", id="away"),
    ],
)
def test_score_that_cannot_be_done_says_why(
    tmp_path: Path, arguments: str, code: int, message: str
) -> None:
    (tmp_path / "in.csv").write_text("name\nLeo\n")
    (tmp_path / "bad.csv").write_text("nam\nLeo\n")
    database = NOBODY if code == 3 else f"sqlite:///{tmp_path}/jobs.db"
    environment = clean_environment(DATABASE_URL=database, LOG_DIR=str(tmp_path))
    ended = subprocess.run(
        [sys.executable, "-m", "model_serving.score", str(tmp_path), *arguments.split()],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert (ended.returncode, ended.stdout) == (code, "")
    assert message in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
