"""Serve the models over HTTP.

Usage:
  main.py [--host <host>] [--port <port>] [--debug]
  main.py -h | --help
  main.py -v | --version

Options:
  --host <host>  Address to listen on (0.0.0.0 where nothing else is set).
  --port <port>  Port to listen on (9999 where nothing else is set).
  --debug        Start again whenever a source file changes.
  -h --help      Show this text.
  -v --version   Show the version.

This is Flask's own server, for trying and debugging. In production gunicorn runs `main:asgi`, as
`bin/start.sh` starts it, or any WSGI server `main:app`.
"""

import os
import sys

from docopt import DocoptExit, docopt
from flask import Flask
from werkzeug.serving import is_running_from_reloader

from model_serving import __version__
from model_serving.address import check_address, local_url
from model_serving.app import create_app, create_front
from model_serving.config import Config, load_config
from model_serving.errors import ConfigError, DeclarationError
from model_serving.log import configure_logging
from model_serving.place import RUN_DIR_VARIABLE
from model_serving.web.asgi import Front


def __getattr__(name: str) -> Flask | Front:
    """Build `main:app` or `main:asgi` when a server asks for it; a mere import loads no model."""
    if name not in ("app", "asgi"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    config = load_config()
    # The supervisor of a service with several processes rotates the file.
    configure_logging(config, in_background=True, rotates=RUN_DIR_VARIABLE not in os.environ)
    built = globals()[name] = create_app(config) if name == "app" else create_front(config)
    return built


def serve(config: Config, debug: bool) -> None:
    """Serve by Flask's own server until the process is stopped.

    Raises:
        ConfigError: the address cannot be listened on.
    """
    if not is_running_from_reloader():
        check_address(config)
        print(f"{local_url(config)} is where to call it", flush=True)
    # In debug mode a first process only watches the files; its child alone loads the models.
    watches_only = debug and not is_running_from_reloader()
    configure_logging(config, in_background=True)
    app = Flask(__name__) if watches_only else create_app(config)
    app.run(config.host, config.port, threaded=True, use_reloader=debug)


def main(arguments: list[str]) -> None:
    """Run the command line; what is wrong with it ends in one line and a non-zero exit."""
    try:
        given = docopt(__doc__, arguments, version=__version__)
    except DocoptExit:
        sys.exit(f"main.py: cannot understand {' '.join(arguments)!r}; see main.py --help")
    try:
        serve(
            load_config({"host": given["--host"], "port": given["--port"]}),
            debug=given["--debug"],
        )
    except (ConfigError, DeclarationError) as error:
        sys.exit(f"main.py: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
