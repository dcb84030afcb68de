"""Who sent a request, where proxies such as nginx stand between."""

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from model_serving.errors import ConfigError

FORWARDED_FOR_HEADER = "X-Forwarded-For"


class Proxies:
    """The proxies whose word counts; anybody else could say anything."""

    def __init__(self, addresses: Iterable[str]) -> None:
        """Trust these addresses and networks.

        Raises:
            ConfigError: one of them is none.
        """
        try:
            self._networks = [ip_network(address) for address in addresses]
        except ValueError as error:
            raise ConfigError(
                f"trusted_proxies: {error}; allowed are addresses and networks: 10.0.0.0/8"
            ) from None
        self._trusts = lru_cache(self._contain)

    def client(self, peer: str, forwarded_for: str | None) -> str:
        """Return the client's address: the last one that is not a proxy's.

        ``peer`` is at the other end of the connection; ``forwarded_for`` is the header, to which
        each proxy has added who sent it the request.
        """
        if forwarded_for is None:
            return peer
        rest = forwarded_for.split(",")
        while rest and self._trusts(peer) and _address(sender := rest.pop().strip()):
            peer = sender
        return peer

    def _contain(self, address: str) -> bool:
        found = _address(address)
        # A socket for both versions has those of version 4 in version 6.
        found = getattr(found, "ipv4_mapped", None) or found
        return found is not None and any(found in network for network in self._networks)


def _address(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None
