"""The contract of a model, and how one batch is put to it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from model_serving.errors import ModelFailed


@dataclass(frozen=True)
class InvalidInstance:
    """Takes the place of a prediction the model refuses; its caller gets 400 with the reason."""

    reason: str


class Model(ABC):
    """Map a list of instances to a list of predictions.

    It is constructed once per process and loads its weights there. The constructor's arguments are
    the ``[model]`` section of ``conf/<name>_model.conf``, converted to the annotated types.

    The first paragraph of the docstring and ``version`` are shown to callers.
    """

    version: ClassVar[str] = "1"

    @abstractmethod
    def predict(self, instances: list[Any]) -> list[Any]:
        """Answer ``instances``: as many predictions, in the same order; one thread calls at a time.

        Predictions are plain data: None, bool, int, float, str, bytes, lists and dicts of them.
        To refuse one instance, return an ``InvalidInstance`` in its place; do not raise.
        """


def predict_batch(model: Model, instances: list[Any]) -> list[Any]:
    """Return ``model.predict(instances)``, checked for its length.

    Raises:
        ModelFailed: predict raised, or returned more or fewer predictions than instances.
    """
    try:
        predictions = model.predict(instances)
        count = len(predictions)
    except (Exception, SystemExit) as error:
        raise ModelFailed from error
    if count != len(instances):
        broken = ValueError(f"predict returned {count} predictions for {len(instances)} instances")
        raise ModelFailed from broken
    return predictions


def predict_each(model: Model, instances: list[Any]) -> list[Any]:
    """Return a prediction or a ``ModelFailed`` for each instance.

    A batch that fails is predicted again one by one, so that only the bad instance fails.
    """
    try:
        return predict_batch(model, instances)
    except ModelFailed as error:
        if len(instances) == 1:
            return [error]
    return [predict_each(model, [instance])[0] for instance in instances]
