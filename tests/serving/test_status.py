from pathlib import Path

import msgspec
import pytest

from model_serving.serving.run_dir import RunDir
from model_serving.serving.status import (
    GenerationStatus,
    ReloadStatus,
    ReplicaStatus,
    Status,
    read_status,
    write_status,
)
from model_serving.serving.supervisor_metrics import SupervisorMetrics

READY = ReplicaStatus(0, "ready", pid=4711, born=99, since=1.5, restarts=2, last_error="was killed")
STATUS = Status(
    current=2,
    generations=[
        GenerationStatus(1, {"AModel": [ReplicaStatus(0, "ready")]}),
        GenerationStatus(2, {"AModel": [READY, ReplicaStatus(1, restarts=1)], "BModel": []}),
    ],
    reload=ReloadStatus(3, True, "no"),
)


def samples(run_dir: RunDir) -> dict[tuple[str, str], float]:
    return {
        (sample.name, sample.labels["model"]): sample.value
        for metric in SupervisorMetrics(run_dir).collect()
        for sample in metric.samples
    }


def test_status_is_read_as_it_was_written(tmp_path: Path) -> None:
    write_status(tmp_path / "status.json", STATUS)
    assert read_status(tmp_path / "status.json") == STATUS
    assert [path.name for path in tmp_path.iterdir()] == ["status.json"]


def test_status_is_none_before_it_is_written(tmp_path: Path) -> None:
    assert read_status(tmp_path / "status.json") is None


def test_status_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    write_status(tmp_path / "status.json", STATUS)
    write_status(tmp_path / "status.json", Status(7))
    assert read_status(tmp_path / "status.json") == Status(7)


def test_status_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    write_status(tmp_path / "status.json", STATUS)
    (tmp_path / "status.new").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_status(tmp_path / "status.json", Status(7))
    assert read_status(tmp_path / "status.json") == STATUS


def test_status_of_a_wrong_form_raises(tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text('{"current": "x"}')
    with pytest.raises(msgspec.ValidationError):
        read_status(tmp_path / "status.json")


@pytest.mark.parametrize(
    ("number", "models"), [(1, {"AModel"}), (2, {"AModel", "BModel"}), (3, set())], ids=str
)
def test_status_knows_its_generations(number: int, models: set[str]) -> None:
    generation = STATUS.generation(number)
    assert (generation.number, set(generation.models)) == (number, models)


def test_supervisor_metrics_tell_of_the_current_generation(tmp_path: Path) -> None:
    write_status(RunDir(tmp_path).status, STATUS)
    assert samples(RunDir(tmp_path)) == {
        ("model_replicas_ready", "AModel"): 1,
        ("model_replica_restarts_total", "AModel"): 3,
        ("model_replicas_ready", "BModel"): 0,
        ("model_replica_restarts_total", "BModel"): 0,
    }


def test_supervisor_metrics_are_empty_before_there_is_a_status(tmp_path: Path) -> None:
    assert samples(RunDir(tmp_path)) == {}
