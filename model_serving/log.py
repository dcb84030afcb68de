"""Logging as ``conf/logging.conf`` says, fitted to where the service runs."""

import configparser
import logging
import logging.config
import tempfile
from pathlib import Path

from model_serving.config import CONF_DIR, ROOT, Config

LOG_FILE_NAME = "service.log"


def configure_logging(config: Config, conf_file: Path = CONF_DIR / "logging.conf") -> None:
    """Set the process's logging up, without the log file where it cannot be written."""
    path = ROOT / config.log_dir / LOG_FILE_NAME
    unwritable = _why_unwritable(path)
    dropped = {"file"} if unwritable else set()
    if not (config.log_console or unwritable):
        dropped.add("console")

    parser = configparser.RawConfigParser()
    parser.read(conf_file, encoding="utf-8")
    for section in parser.sections():
        option = "keys" if section == "handlers" else "handlers"
        if parser.has_option(section, option):
            kept = [name for name in parser.get(section, option).split(",") if name not in dropped]
            parser.set(section, option, ",".join(kept))
    if parser.has_section("handler_file"):
        args = parser.get("handler_file", "args").replace("%(log_file)s", repr(str(path)))
        parser.set("handler_file", "args", args)
    logging.config.fileConfig(parser, disable_existing_loggers=False)
    logging.captureWarnings(True)
    if unwritable:
        logging.getLogger("service").info("no log file, console alone: %s", unwritable)


def _why_unwritable(path: Path) -> OSError | None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The handler opens the file, and makes others beside it: its lock, and the rotated ones.
        with path.open("a"), tempfile.TemporaryFile(dir=path.parent):
            return None
    except OSError as error:
        return error
