"""nginx's configuration agrees with the settings."""

import socket
from pathlib import Path

import pytest

from model_serving.config import Config
from model_serving.errors import ConfigError
from model_serving.headers import SANE_ID
from model_serving.nginx import fit, free_address, longest_timeout_s
from tests.test_docs import read

ADDRESS, INSTANCES = "127.0.0.1:8080", ["127.0.0.1:9999"]


def test_shipped_configuration_has_the_defaults() -> None:
    text = read("conf/nginx.conf")
    assert fit(text, ADDRESS, INSTANCES, Config(), longest_timeout_s()) == text


def test_configuration_takes_what_is_in_force() -> None:
    config = Config(
        max_content_length=1000, header_timeout_s=0.5, body_timeout_s=7, assets_dir="/a b/c"
    )
    text = fit(read("conf/nginx.conf"), "[::]:80", ["a:1", "[::1]:2"], config, 45.0)
    lines = {line.strip() for line in text.splitlines()}
    assert lines >= {
        "listen [::]:80;",
        "server a:1 max_fails=3 fail_timeout=2s;",
        "server [::1]:2 max_fails=3 fail_timeout=2s;",
        'alias "/a b/c/$asset";',
        "client_max_body_size 1000;",
        "client_header_timeout 1s;",
        "client_body_timeout 7s;",
        "proxy_next_upstream_timeout 45s;",
        "proxy_read_timeout 75s;",
    }


@pytest.mark.parametrize("instance", ["9999", "http://a:1", "a:1;", "a:b", "[::1]", "a b:1", ""])
def test_instance_that_is_no_address_is_refused(instance: str) -> None:
    with pytest.raises(ConfigError, match="is no host:port"):
        fit(read("conf/nginx.conf"), ADDRESS, ["a:1", instance], Config(), 30.0)


def test_folder_that_nginx_cannot_name_is_refused() -> None:
    with pytest.raises(ConfigError, match="nginx takes no such path"):
        fit(read("conf/nginx.conf"), ADDRESS, INSTANCES, Config(assets_dir="$home"), 30.0)


def test_bucket_is_left_to_the_service() -> None:
    text = read("conf/nginx.conf")
    config = Config(assets_dir="s3://bucket/assets")
    assert fit(text, ADDRESS, INSTANCES, config, longest_timeout_s()) == text


def test_configuration_without_a_line_that_is_needed_is_refused() -> None:
    text = read("conf/nginx.conf").replace("client_max_body_size", "# client_max_body_size")
    with pytest.raises(ConfigError, match="has no line of 'client_max_body_size'"):
        fit(text, ADDRESS, INSTANCES, Config(), 30.0)


def test_second_address_is_left_as_it_is() -> None:
    text = read("conf/nginx.conf").replace("8080;", "8080;\n        listen 443 ssl;")
    lines = fit(text, "0.0.0.0:80", INSTANCES, Config(), 30.0).splitlines()
    assert [line.strip() for line in lines if "listen " in line][-2:] == [
        "listen 0.0.0.0:80;",
        "listen 443 ssl;",
    ]


def test_longest_timeout_is_that_of_the_slowest_model(tmp_path: Path) -> None:
    (tmp_path / "a_model.conf").write_text("[serving]\ntimeout_s = 90.5\n")
    (tmp_path / "b_model.conf").write_text("[serving]\n# timeout_s = 100\n")
    assert longest_timeout_s(tmp_path) == 90.5
    assert longest_timeout_s(tmp_path / "none") == 30


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1"])
def test_port_that_is_none_is_refused(port: str) -> None:
    with pytest.raises(ConfigError, match="NGINX_PORT = "):
        free_address("127.0.0.1", port)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_address_that_is_taken_is_refused(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    reason = r"cannot listen on .*: Address already in use"
    with (
        socket.create_server((host, 0), family=family) as taken,
        pytest.raises(ConfigError, match=reason),
    ):
        free_address(host, str(taken.getsockname()[1]))


def test_rule_for_ids_is_that_of_the_service() -> None:
    assert f'"~^{SANE_ID.pattern}$" $http_x_request_id;' in read("conf/nginx.conf")
