"""A callback: one signed POST to a URL that a caller gave, when its job has ended.

A caller may name any URL, so the service calls public addresses alone: a name is looked up once,
and the connection goes to the very address that was checked. http.client does the talking, on a
connection made here. It follows no redirect, takes no proxy from the environment, and Celery brings
no library that could do more.
"""

import hashlib
import hmac
import http.client
import socket
import ssl
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from model_serving.errors import InvalidBody
from model_serving.jobs.callback_url import Target, read_url, refused
from model_serving.jobs.channel import Channel, Found
from model_serving.jobs.public_address import is_public

SIGNATURE_HEADER = "X-Signature"
TIMESTAMP_HEADER = "X-Timestamp"
MAX_ATTEMPTS = 12  # With the delays below, over some 3 hours.
_FIRST_DELAY_S = 10.0
_MOST_DELAY_S = 3600.0


class CallbackFailed(Exception):
    """A callback was not delivered: the message says why, and nothing of what is inside."""


def retry_delay_s(attempts: int, chance: float) -> float | None:
    """Say how long to wait after so many attempts, all in vain; ``None`` is to give up.

    The wait doubles up to an hour. ``chance``, from 0 to 1 and drawn anew each time, takes up to
    half of it away, so that what failed together does not come back together.
    """
    if attempts >= MAX_ATTEMPTS:
        return None
    longest_s = min(_FIRST_DELAY_S * 2.0 ** (attempts - 1), _MOST_DELAY_S)
    return longest_s * (1 - chance / 2)


def signature(secret: bytes, timestamp: str, body: bytes) -> str:
    """Return the header by which the receiver knows who sent a body, and when (unix time)."""
    signed = timestamp.encode() + b"." + body
    return "sha256=" + hmac.new(secret, signed, hashlib.sha256).hexdigest()


@dataclass(frozen=True)
class Sender:
    """Sends callbacks, signed with the secret; without one there are none.

    ``timeout_s`` is for all that a call takes. The look-up of its host cannot be ended in time, but
    nothing is sent after one that took longer.
    """

    secret: bytes
    allow_private: bool = False
    timeout_s: float = 10.0
    resolve: Callable[..., Sequence[Found]] = socket.getaddrinfo

    def check_url(self, url: str) -> None:
        """Refuse at once what can never be called; no name is looked up for that.

        Raises:
            InvalidBody: the URL is wrong, or its address, in whatever notation, is not allowed.
        """
        target = read_url(url)
        if not self.secret:
            raise refused("is not allowed: the service has no callback_secret to sign with")
        try:
            found = self.resolve(
                target.host, target.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )
        except OSError:
            return  # It is a name.
        if not self._allowed(found):
            raise refused("leads to an address that is not public")

    def send(self, url: str, body: bytes) -> None:
        """Post a JSON body once. A status from 200 to 299 is success; no more of it is read.

        Raises:
            CallbackFailed: it was not delivered.
        """
        if not self.secret:
            raise CallbackFailed("there is no callback_secret to sign with")
        try:
            status = self._post(read_url(url), body)
        except InvalidBody as error:
            raise CallbackFailed(error.message) from None
        except TimeoutError:
            raise CallbackFailed(f"there was no answer in {self.timeout_s:g} s") from None
        except ssl.SSLCertVerificationError as error:
            raise CallbackFailed(f"the certificate is wrong: {error.verify_message}") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            raise CallbackFailed(f"the call failed: {reason}") from None
        if not 200 <= status <= 299:
            raise CallbackFailed(f"the answer was {status}")

    def _post(self, target: Target, body: bytes) -> int:
        timestamp = str(int(time.time()))
        headers = {
            "Host": target.authority,
            "Content-Type": "application/json",
            "User-Agent": "model-serving",
            "Connection": "close",
            TIMESTAMP_HEADER: timestamp,
            SIGNATURE_HEADER: signature(self.secret, timestamp, body),
        }
        with self._connected(target) as channel:
            if target.scheme == "https":
                channel.secure(target.host)
            connection = http.client.HTTPConnection(target.host, target.port)
            connection.sock = channel
            connection.request("POST", target.path, body, headers)
            return connection.getresponse().status

    def _connected(self, target: Target) -> Channel:
        """Connect to the first of the host's addresses that is allowed and answers."""
        deadline_s = time.monotonic() + self.timeout_s
        found = self._allowed(self.resolve(target.host, target.port, type=socket.SOCK_STREAM))
        if not found:
            raise CallbackFailed("the host has no public address")
        last = OSError()
        for number, one in enumerate(found):
            channel = Channel(one, deadline_s)
            try:
                channel.connect(share=1 / (len(found) - number))
            except OSError as error:
                channel.close()
                last = error
            else:
                return channel
        raise last

    def _allowed(self, found: Sequence[Found]) -> list[Found]:
        return [one for one in found if self.allow_private or is_public(str(one[4][0]))]
