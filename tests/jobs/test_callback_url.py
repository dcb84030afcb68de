"""A callback's URL is refused at once where it could never be called, or leads to our own walls."""

import pytest

from model_serving.errors import InvalidBody
from model_serving.jobs.callback import Sender
from model_serving.jobs.callback_url import Target, read_url
from model_serving.jobs.public_address import is_public

GOOD = {
    "http://example.com": Target("http", "example.com", 80, "/"),
    "HTTPS://Example.COM:8443/Hook?a=%20&b#c": Target(
        "https", "example.com", 8443, "/Hook?a=%20&b"
    ),
    "http://a_b-1.example:1/?x": Target("http", "a_b-1.example", 1, "/?x"),
    "https://[2606:4700::1111]/": Target("https", "2606:4700::1111", 443, "/"),
    "http://1.1.1.1:80//x": Target("http", "1.1.1.1", 80, "//x"),
}


@pytest.mark.parametrize(("url", "target"), GOOD.items(), ids=GOOD)
def test_url_is_read(url: str, target: Target) -> None:
    assert read_url(url) == target
    Sender(b"a").check_url(url)


BAD = {
    "empty": ("", "ASCII letters"),
    "too-long": ("http://example.com/" + "a" * 2_000, "at most 2000"),
    "space": ("http://example.com/a b", "without spaces"),
    "line-break": ("http://example.com/\r\nX: y", "without spaces"),
    "tab": ("http://exa\tmple.com/", "without spaces"),
    "backslash": (r"http://example.com\@127.0.0.1/", "ASCII letters"),
    "not-ascii": ("http://ex\u00e4mple.com/", "ASCII letters"),
    "wide-dots": ("http://127\u30020\u30020\u30021/", "ASCII letters"),
    "no-scheme": ("example.com/hook", "http:// or https://"),
    "file": ("file:///etc/passwd", "http:// or https://"),
    "gopher": ("gopher://example.com:70/_x", "http:// or https://"),
    "no-slashes": ("http:example.com", "no valid host"),
    "no-host": ("http:///hook", "no valid host"),
    "port-alone": ("http://:80/", "no valid host"),
    "user": ("http://user@example.com/", "no user"),
    "password": ("http://user:word@example.com/", "no user"),
    "no-user-before-at": ("http://@127.0.0.1/", "no user"),
    "port-zero": ("http://example.com:0/", "no valid host and port"),
    "port-too-high": ("http://example.com:65536/", "no valid host and port"),
    "port-no-number": ("http://example.com:http/", "no valid host and port"),
    "port-missing": ("http://example.com:/", "no valid host and port"),
    "escaped-host": ("http://%31%32%37.0.0.1/", "no valid host"),
    "dot-at-the-end": ("http://localhost./", "no valid host"),
    "two-dots": ("http://example..com/", "no valid host"),
    "long-label": ("http://" + "a" * 64 + ".com/", "no valid host"),
    "after-brackets": ("http://[2606:4700::1111].example/", "no"),
    "no-ipv6": ("http://[example.com]/", "no"),
    "zone": ("http://[fe80::1%25lo]/", "no valid host"),
    "open-bracket": ("http://[::1/", "is no URL"),
    "loopback": ("http://127.0.0.1:9999/v1/jobs", "not public"),
    "loopback-decimal": ("http://2130706433/", "not public"),
    "loopback-hex": ("http://0x7f.1/", "not public"),
    "loopback-octal": ("http://0177.0.0.01/", "not public"),
    "loopback-ipv6": ("http://[::1]/", "not public"),
    "loopback-mapped": ("http://[::ffff:7f00:1]/", "not public"),
    "metadata": ("http://169.254.169.254/latest/meta-data/", "not public"),
}


@pytest.mark.parametrize(("url", "message"), BAD.values(), ids=BAD)
def test_url_that_cannot_be_called_is_refused(url: str, message: str) -> None:
    with pytest.raises(InvalidBody, match=message) as refused:
        Sender(b"a").check_url(url)
    assert refused.value.path == "/callback_url"


def test_private_address_may_be_allowed_and_a_name_is_not_looked_up() -> None:
    Sender(b"a", allow_private=True).check_url("http://10.0.0.1/")
    Sender(b"a").check_url("http://localhost/")


def test_no_callback_is_taken_that_nobody_could_sign() -> None:
    with pytest.raises(InvalidBody, match="no callback_secret"):
        Sender(b"").check_url("https://example.com/")


CLOSED = """
    0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.255.254 168.63.129.16
    169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.8 192.0.0.192 192.0.2.1 192.88.99.1
    192.168.1.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250 240.0.0.1
    255.255.255.255
    :: ::1 ::7f00:1 ::ffff:10.0.0.1 ::ffff:127.0.0.1 ::ffff:0:127.0.0.1 64:ff9b::10.0.0.1
    64:ff9b::169.254.169.254 64:ff9b:1::808:808 100::1 2001::1 2001:db8::1 2002:7f00:1::
    2002:808:808:: 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fe80::1%lo fec0::1 ff02::1
    ff0e::1
"""
OPEN = """
    1.1.1.1 8.8.8.8 100.63.255.255 100.128.0.1 172.32.0.1 ::ffff:8.8.8.8 64:ff9b::8.8.8.8
    2606:4700::1111 2a00:1450::1
"""


@pytest.mark.parametrize("address", (CLOSED + OPEN).split())
def test_address_is_public_on_the_internet_alone(address: str) -> None:
    assert is_public(address) == (address in OPEN.split())
