"""The address that the service listens on.

``python -m model_serving.address url`` prints where to call it from this machine;
``python -m model_serving.address check`` says whether it can be listened on.
"""

import socket
import sys

from model_serving.config import Config, load_config
from model_serving.errors import ConfigError

_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}


def bind_address(config: Config, host: str | None = None) -> str:
    """Write ``host:port``, with the brackets that an IPv6 host needs."""
    host = host or config.host
    return f"[{host}]:{config.port}" if ":" in host else f"{host}:{config.port}"


def local_url(config: Config) -> str:
    """Return the URL of the service for a caller on this machine."""
    return "http://" + bind_address(config, _EVERYWHERE.get(config.host))


def check_address(config: Config) -> None:
    """Try to listen, before the models are loaded in vain.

    Raises:
        ConfigError: it is not possible, with the reason.
    """
    family = socket.AF_INET6 if ":" in config.host else socket.AF_INET
    try:
        socket.create_server((config.host, config.port), family=family).close()
    except OSError as error:
        reason = str(error.strerror).partition(" (")[0]
        raise ConfigError(f"cannot listen on {bind_address(config)}: {reason}") from error


if __name__ == "__main__":
    try:
        if sys.argv[1:] == ["url"]:
            print(local_url(load_config()))
        else:
            check_address(load_config())
    except ConfigError as error:
        sys.exit(str(error))
