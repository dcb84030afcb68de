"""BenchmarkModel: the workload that the environment names."""

from typing import Any

from served import load_model

from model_serving.serving import Model


class BenchmarkModel(Model):
    """What every peer of the benchmark serves."""

    def __init__(self) -> None:
        self.served = load_model()

    def predict(self, instances: list[Any]) -> list[Any]:
        """Return the workload's answers."""
        return self.served.predict(instances)
