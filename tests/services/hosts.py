"""Machines for tests: network namespaces where that is permitted, else this one several times."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass


@dataclass(frozen=True)
class Host:
    """A machine: its address, and what a command begins with to run there."""

    address: str
    prefix: Sequence[str] = ()


HERE = Host("127.0.0.1")


@dataclass(frozen=True)
class Network:
    """Machines, and the address of this one, where they find the servers that they share."""

    address: str
    hosts: Sequence[Host]


@contextmanager
def network(count: int) -> Iterator[Network]:
    """Set up machines until the end of the block."""
    with ExitStack() as stack:
        try:
            made = _namespaces(count, stack)
        except (OSError, subprocess.CalledProcessError):  # It takes root, and not in any container.
            made = Network(HERE.address, [HERE] * count)
        yield made


def _namespaces(count: int, stack: ExitStack) -> Network:
    ip = shutil.which("ip", path=os.pathsep.join((os.environ["PATH"], "/usr/sbin")))
    if ip is None:
        raise FileNotFoundError("ip")

    def run(command: str, undo: str = "") -> None:
        subprocess.run([ip, *command.split()], check=True, capture_output=True)
        if undo:
            stack.callback(subprocess.run, [ip, *undo.split()], check=True)

    name = f"ms{os.getpid() % 100_000}"
    network = f"198.18.{os.getpid() % 250}"  # For tests of networks: RFC 2544.
    run(f"link add {name} type bridge", f"link del {name}")
    run(f"addr add {network}.1/24 dev {name}")
    run(f"link set {name} up")
    hosts = []
    for number in range(count):
        space, cable, address = f"{name}-{number}", f"{name}v{number}", f"{network}.{number + 2}"
        run(f"netns add {space}", f"netns del {space}")
        run(f"link add {cable} type veth peer name eth0 netns {space}")
        run(f"link set {cable} master {name} up")
        run(f"-n {space} addr add {address}/24 dev eth0")
        run(f"-n {space} link set eth0 up")
        run(f"-n {space} link set lo up")
        hosts.append(Host(address, (ip, "netns", "exec", space)))
    return Network(f"{network}.1", hosts)
