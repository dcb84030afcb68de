"""EchoModel: what goes in comes out, for trying a connection or a client."""

from typing import Any

from model_serving.serving import Model


class EchoModel(Model):
    """Return the message as it came."""

    def predict(self, instances: list[Any]) -> list[Any]:
        """Return the messages."""
        return instances
