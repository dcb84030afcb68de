"""Files of predictions: named by their content, and swept where nobody else does."""

import hashlib
import os
import time
from pathlib import Path

import pytest

from model_serving.config import Config
from model_serving.errors import ConfigError, StorageFailed
from model_serving.files import NAME, Assets, File, example_url, open_assets
from model_serving.files.folder import Folder
from model_serving.files.store import Keeping

KEEPING = Keeping(60.0, 10**9, 0.0)


@pytest.mark.parametrize(
    ("media_type", "ending"),
    [
        ("image/jpeg", ".jpg"),
        ("text/csv", ".csv"),
        ("application/x-nobody-knows", ".bin"),
        ("../../etc/passwd", ".bin"),
    ],
)
def test_file_is_published_by_its_content(tmp_path: Path, media_type: str, ending: str) -> None:
    assets = Assets(Folder(tmp_path, KEEPING), "https://cdn.example.com/assets/")
    url = assets.publish(File(b"content", media_type))
    stored = hashlib.sha256(b"content").hexdigest() + ending
    assert url == f"https://cdn.example.com/assets/{stored}"
    assert NAME.fullmatch(stored)
    assert (tmp_path / stored).read_bytes() == b"content"
    assert (tmp_path / stored).stat().st_mode & 0o777 == 0o644


def test_example_is_told_where_its_file_would_be() -> None:
    file = File(b"content", "image/png")
    assert example_url(file) == f"/assets/{file.name}"


@pytest.mark.parametrize("value", [{1}, object(), print])
def test_what_is_neither_plain_data_nor_a_file_is_refused(tmp_path: Path, value: object) -> None:
    with pytest.raises(TypeError, match="is no plain data"):
        Assets(Folder(tmp_path, KEEPING), "/assets").publish(value)


def test_folder_that_cannot_be_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    assets = open_assets(Config(assets_dir=str(tmp_path / "file")))
    with pytest.raises(StorageFailed):
        assets.publish(File(b"content"))
    assets.sweep()
    assert "cannot sweep the result files" in caplog.text


def test_file_cannot_be_kept_longer_than_it_may_be(tmp_path: Path) -> None:
    config = Config(assets_dir=str(tmp_path), assets_max_age_s=60, assets_keep_s=61)
    with pytest.raises(ConfigError, match=r"assets_keep_s = 61: at most .* which is 60"):
        open_assets(config)


def test_whoever_has_no_supervisor_sweeps_when_storing(tmp_path: Path) -> None:
    config = Config(assets_dir=str(tmp_path))
    old = tmp_path / f"{'0' * 64}.bin"
    old.touch()
    os.utime(old, (0, time.time() - 2 * config.assets_max_age_s))
    open_assets(config).publish(File(b"a"))
    assert old.exists()
    open_assets(config, sweeps=True).publish(File(b"a"))
    assert not old.exists()
