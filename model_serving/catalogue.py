"""The catalogue: the program that tells the supervisor what is to be served.

``python -m model_serving.catalogue <channel> [check]``. With ``check`` it loads the service as
gunicorn would, so that a version that cannot be served is refused before it replaces anything. Then
it checks, for the first replica of each model, what that predicts for its resource's examples.
"""

import importlib
import logging
import socket
import sys
from collections.abc import Mapping
from typing import Any

from model_serving.config import load_config
from model_serving.errors import ConfigError, DeclarationError
from model_serving.log import configure_logging
from model_serving.serving.connection import READ_BYTES
from model_serving.serving.plan import Check, Contents, Verdict
from model_serving.serving.wire import FrameReader, encode


def main(channel_fd: str, command: str = "") -> None:
    """Tell what is to be served, then judge predictions for as long as the supervisor asks."""
    with socket.socket(fileno=int(channel_fd)) as channel:
        try:
            configure_logging(load_config(), rotates=False)
            # Imported here, so that code which cannot be imported is told of like anything else.
            declarations = importlib.import_module("model_serving.declarations")
            if command == "check":
                declarations.check_service()
            entries = declarations.take_stock()
            plans = [entry.plan for entry in entries.values()]
            message = encode(Contents(plans, load_config().start_timeout_s))
        except Exception as error:
            logging.getLogger("catalogue").exception("the service cannot be loaded")
            says_all = isinstance(error, ConfigError | DeclarationError)
            text = str(error) if says_all else f"{type(error).__name__}: {error}"
            channel.sendall(encode(Contents(error=text)))
            sys.exit(1)
        channel.sendall(message)
        judge(channel, entries)


def judge(channel: socket.socket, entries: Mapping[str, Any]) -> None:
    """Answer the supervisor's checks until it hangs up."""
    reader: FrameReader[Check] = FrameReader(Check)
    while data := channel.recv(READ_BYTES):
        for check in reader.feed(data):
            try:
                error = entries[check.name].fault_of(check.predictions)
            except Exception as failure:
                logging.getLogger(check.name).exception("an example cannot be answered")
                error = f"an example cannot be answered: {type(failure).__name__}: {failure}"
            channel.sendall(encode(Verdict(error)))


if __name__ == "__main__":
    main(*sys.argv[1:])
