from pathlib import Path

import pytest

from model_serving.model_conf import load_model_conf


@pytest.mark.parametrize(
    ("model_name", "file_name"),
    [
        ("XXXModel", "xxx_model.conf"),
        ("POSModel", "pos_model.conf"),
        ("DigitsModel", "digits_model.conf"),
        ("ImageTensorModel", "image_tensor_model.conf"),
    ],
)
def test_model_conf_is_found_by_the_name_of_the_class(
    tmp_path: Path, model_name: str, file_name: str
) -> None:
    (tmp_path / file_name).write_text("# short\n[serving]\ntimeout_s = 1.5\n[model]\nC = 3 # 4\n")
    conf = load_model_conf(model_name, tmp_path)
    assert (conf.serving.timeout_s, conf.model) == (1.5, {"C": "3 # 4"})


def test_model_conf_may_be_missing(tmp_path: Path) -> None:
    conf = load_model_conf("XXXModel", tmp_path)
    assert (conf.serving.timeout_s, conf.model) == (30, {})
