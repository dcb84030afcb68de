"""``conf/nginx.conf``, fitted to the service: with addresses and settings put in.

``python -m model_serving.nginx <host> <port> <instance>...`` writes it to ``tmp/nginx/nginx.conf``
and prints where nginx is to listen. An empty port is the first free one from 8080 on.
"""

import errno
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from model_serving.address import bind_address, check_address
from model_serving.config import CONF_DIR, Config, load_config
from model_serving.errors import ConfigError
from model_serving.files.bucket import SCHEME
from model_serving.model_conf import ServingSettings, read_model_conf
from model_serving.place import ROOT

FIRST_PORT = 8080
SPARE_S = 30.0  # How much longer than the slowest model nginx waits.
_INSTANCE = re.compile(r"([A-Za-z0-9._-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}")


def free_address(host: str, port: str) -> str:
    """Return an address that can be listened on.

    Raises:
        ConfigError: there is none, with the reason.
    """
    if port and not (port.isdecimal() and 0 < int(port) < 65_536):
        raise ConfigError(f"NGINX_PORT = {port!r}: a whole number from 1 to 65535 is allowed")
    ports = [int(port)] if port else range(FIRST_PORT, FIRST_PORT + 100)
    for number in ports:
        tried = Config(host=host, port=number)
        try:
            check_address(tried)
        except ConfigError as error:
            is_taken = getattr(error.__cause__, "errno", None) == errno.EADDRINUSE
            if not is_taken or number == ports[-1]:
                raise
        else:
            break
    return bind_address(tried)


def longest_timeout_s(conf_dir: Path = CONF_DIR) -> float:
    """Return how long the slowest model may take for an answer."""
    found = [read_model_conf(path).serving for path in conf_dir.glob("*_model.conf")]
    return max(serving.timeout_s for serving in [ServingSettings(), *found])


def fit(text: str, address: str, instances: Sequence[str], config: Config, longest_s: float) -> str:
    """Return a configuration with what is in force put in.

    Raises:
        ConfigError: something cannot be put in.
    """
    for instance in instances:
        if not _INSTANCE.fullmatch(instance):
            raise ConfigError(f"UPSTREAMS: {instance!r} is no host:port")
    # What is in a bucket, the service answers.
    folder = "data/assets" if config.assets_dir.startswith(SCHEME) else config.assets_dir
    if re.search(r'["$\\\n]', folder):
        raise ConfigError(f"assets_dir = {config.assets_dir!r}: nginx takes no such path")
    servers = [f"{instance} max_fails=3 fail_timeout=2s" for instance in instances]
    values = {
        "listen": address,
        "server": (";\n" + 8 * " " + "server ").join(servers),
        "alias": f'"{folder}/$asset"',
        "client_max_body_size": str(config.max_content_length),
        "413": f'"The body is too large: the limit is {config.max_content_length} bytes"',
        "client_header_timeout": _seconds(config.header_timeout_s),
        "client_body_timeout": _seconds(config.body_timeout_s),
        "send_timeout": _seconds(config.body_timeout_s),
        "proxy_next_upstream_timeout": _seconds(longest_s),
        "proxy_read_timeout": _seconds(longest_s + SPARE_S),
    }
    for name, value in values.items():
        # The first such line: there may be another `listen`.
        line = re.search(rf"(?m)^( *){name} [^{{;]*;", text)
        if line is None:
            raise ConfigError(f"conf/nginx.conf has no line of {name!r}")
        text = f"{text[: line.start()]}{line[1]}{name} {value};{text[line.end() :]}"
    return text


def _seconds(seconds: float) -> str:
    """Write a time as nginx does, which knows no parts of a second."""
    return f"{math.ceil(seconds)}s"


def main(host: str, port: str, *instances: str) -> None:
    """Write the configuration, and print the address.

    Raises:
        ConfigError: that is not possible.
    """
    address = free_address(host, port)
    text = (CONF_DIR / "nginx.conf").read_text(encoding="utf-8")
    text = fit(text, address, instances, load_config(), longest_timeout_s())
    folder = ROOT / "tmp/nginx"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nginx.conf").write_text(text, encoding="utf-8")
    print(address)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except ConfigError as error:
        sys.exit(str(error))
