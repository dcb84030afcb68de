"""Which addresses are public: a caller may name any of them, and never what is behind our walls."""

import ipaddress

_IPv4 = ipaddress.IPv4Network
_IPv6 = ipaddress.IPv6Network
# The only part of IPv6 that is given out for the Internet.
_UNICAST = _IPv6("2000::/3")
# The translator of an IPv6 network sends these on to the IPv4 address in their last 32 bits.
_NAT64 = _IPv6("64:ff9b::/96")
# What is_global says of these differs between the versions of Python, or is not meant for this.
_CLOSED: tuple[_IPv4 | _IPv6, ...] = (
    _IPv4("192.0.0.0/24"),
    _IPv4("192.88.99.0/24"),
    _IPv4("168.63.129.16/32"),  # Azure's own services answer there, to each machine.
    _IPv6("2001::/23"),
    _IPv6("2002::/16"),  # It leads to an IPv4 address.
    _IPv6("3fff::/20"),
)


def is_public(address: str) -> bool:
    """Say whether an address, as the resolver gives it, is one of the Internet.

    Raises:
        ValueError: it is no address.
    """
    ip = ipaddress.ip_address(address)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip in _NAT64:
            ip = ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
        elif ip.ipv4_mapped is not None:
            ip = ip.ipv4_mapped
        elif ip not in _UNICAST:
            return False
    if ip.is_multicast or any(ip in network for network in _CLOSED):
        return False
    return ip.is_global
