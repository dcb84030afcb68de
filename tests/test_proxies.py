"""Who sent a request, by the word of trusted proxies."""

import pytest

from model_serving.errors import ConfigError
from model_serving.proxies import Proxies

NGINX = "127.0.0.1"
CLIENT = "203.0.113.7"


@pytest.fixture
def proxies() -> Proxies:
    return Proxies([NGINX, "10.0.0.0/8", "::1", "fd00::/8"])


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        pytest.param(CLIENT, None, CLIENT, id="no-proxy"),
        pytest.param(NGINX, None, NGINX, id="a-call-from-the-proxy-itself"),
        pytest.param(NGINX, CLIENT, CLIENT, id="one-proxy"),
        pytest.param("::ffff:127.0.0.1", CLIENT, CLIENT, id="version-4-in-6"),
        pytest.param("::1", "2001:db8::7", "2001:db8::7", id="version-6"),
        pytest.param(NGINX, f"{CLIENT}, 10.1.2.3", CLIENT, id="two-proxies"),
        pytest.param(NGINX, "10.1.2.3", "10.1.2.3", id="proxies-alone"),
        pytest.param(NGINX, f"192.0.2.1,{CLIENT}", CLIENT, id="what-the-caller-claimed"),
        pytest.param(CLIENT, "192.0.2.1", CLIENT, id="from-nobody-we-trust"),
        pytest.param(NGINX, "", NGINX, id="empty"),
        pytest.param(NGINX, "me\n[ERROR]", NGINX, id="no-address"),
        pytest.param(NGINX, "me, 10.1.2.3", "10.1.2.3", id="no-address-behind-a-proxy"),
        pytest.param("-", CLIENT, "-", id="no-peer"),
    ],
)
def test_client_is_the_last_address_that_is_no_proxy(
    proxies: Proxies, peer: str, forwarded_for: str | None, client: str
) -> None:
    assert proxies.client(peer, forwarded_for) == client


def test_no_proxy_need_be_trusted() -> None:
    assert Proxies([]).client(NGINX, CLIENT) == NGINX


@pytest.mark.parametrize("wrong", ["nginx", "10.0.0.1/8", "10.0.0", ""])
def test_proxies_refuse_what_is_no_address(wrong: str) -> None:
    with pytest.raises(ConfigError, match=r"trusted_proxies: .*10\.0\.0\.0/8"):
        Proxies([NGINX, wrong])
