"""XXXModel: the smallest model, the one to copy."""

from typing import Any

from model_serving.serving import Model


class XXXModel(Model):
    """Greet by name."""

    def __init__(self, greeting: str = "Hello") -> None:
        self.greeting = greeting

    def predict(self, instances: list[Any]) -> list[Any]:
        """Return a greeting for each name."""
        return [f"{self.greeting}, {name}!" for name in instances]
