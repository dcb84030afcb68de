"""The command line of bin/score, where nothing is begun."""

from pathlib import Path

import pytest

from model_serving.score.__main__ import UNUSABLE, main


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param("XXXModel in.csv", "cannot understand 'XXXModel in.csv'", id="usage"),
        pytest.param("XXXModel in.txt -", "must end with .csv, .jsonl, .ndjson", id="input"),
        pytest.param("XXXModel in.csv out", "must end with .csv, .jsonl, .ndjson", id="output"),
        pytest.param("XXXModel no.csv -", "no.csv: No such file", id="no input"),
        pytest.param("XXXModel folder.csv -", "folder.csv: it is no file", id="folder"),
        pytest.param("XXXModel in.csv folder.csv", "it is a folder", id="output is a folder"),
        pytest.param("XXXModel in.csv old.csv", "--force overwrites it", id="output exists"),
        pytest.param("--force XXXModel in.csv in.csv", "it is the input", id="output is input"),
    ],
)
def test_command_that_cannot_be_used_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: str, message: str
) -> None:
    for name in ("in.csv", "in.txt", "old.csv"):
        (tmp_path / name).write_text("name\nLeo\n")
    (tmp_path / "folder.csv").mkdir()
    assert main([str(tmp_path), *arguments.split()]) == UNUSABLE
    assert message in capsys.readouterr().err


def test_help_names_the_exit_codes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["/", "--help"])
    assert ended.value.code is None
    assert "130  it was interrupted" in capsys.readouterr().out
