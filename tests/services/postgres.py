"""A server of PostgreSQL that can be killed and started again."""

import os
import pwd
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.services.needs import find, needs
from tests.services.processes import free_port, living, tree, wait_until

# Debian keeps them out of the path.
_PLACES = sorted(map(str, Path("/usr/lib/postgresql").glob("*/bin")))
POSTGRES = find("postgres", *_PLACES)
needs_postgres = needs("postgres", "postgresql", *_PLACES)


class Postgres:
    """A server with its data in a folder of its own."""

    def __init__(self, folder: Path, host: str) -> None:
        self._folder = folder
        self._host = host
        self._port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        # It refuses to run as root; the package comes with a user for it.
        self._user = "postgres" if os.getuid() == 0 else None
        if self._user:
            owner = pwd.getpwnam(self._user)
            os.chown(folder, owner.pw_uid, owner.pw_gid)
        initdb = [
            "initdb",
            "-D",
            "data",
            "-U",
            "postgres",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        assert self._run(*initdb).wait() == 0, self._printed()
        with (folder / "data/pg_hba.conf").open("a") as allowed:
            allowed.write("host all all samenet trust\n")

    def url(self, database: str = "postgres") -> str:
        """Return the URL of a database."""
        return f"postgresql://postgres@{self._host}:{self._port}/{database}"

    def new_database(self, name: str) -> str:
        """Make an empty database, and return its URL."""
        with psycopg.connect(self.url(), autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}"'.encode())
        return self.url(name)

    def start(self) -> None:
        """Start it, and return once it answers."""
        options = ["-D", "data", "-p", str(self._port), "-h", self._host, "-k", str(self._folder)]
        self._process = self._run("postgres", *options, "-c", "fsync=off")
        wait_until(self._is_there, "PostgreSQL answers")

    def kill(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """End it at once; its children follow."""
        if self._process is not None and self._process.poll() is None:
            below = tree(self._process.pid)
            self._process.send_signal(how)
            self._process.wait()
            # After SIGKILL they go by themselves, soon; until then no other may start.
            wait_until(lambda: not living(below), "PostgreSQL is gone")

    def _is_there(self) -> bool:
        assert self._process is None or self._process.poll() is None, self._printed()
        try:
            psycopg.connect(self.url()).close()
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, program: str, *options: str) -> subprocess.Popen[bytes]:
        assert POSTGRES, "postgres is missing: apt-get install postgresql"
        command = [str(Path(POSTGRES).resolve().parent / program), *options]
        with (self._folder / "printed").open("ab") as printed:
            return subprocess.Popen(
                command,
                cwd=self._folder,
                user=self._user,
                group=self._user,
                extra_groups=[] if self._user else None,
                stdin=subprocess.DEVNULL,
                stdout=printed,
                stderr=subprocess.STDOUT,
            )

    def _printed(self) -> str:
        return (self._folder / "printed").read_text(encoding="utf-8", errors="replace")


@contextmanager
def postgres_server(host: str = "127.0.0.1") -> Iterator[Postgres]:
    """Run a server until the end of the block."""
    # Not below pytest's own folder, which other users may not enter.
    with tempfile.TemporaryDirectory() as folder:
        server = Postgres(Path(folder), host)
        try:
            server.start()
            yield server
        finally:
            server.kill()
