"""NERModel: named entities in Chinese text."""

from typing import Any

from model_serving.models.tagger import Tagger
from model_serving.serving import Model

_TYPES = {
    "nr": "person",
    "nrt": "person",
    "nrfg": "person",
    "ns": "place",
    "nt": "organisation",
}


class NERModel(Model):
    """Find the persons, places and organisations that Chinese text names."""

    def __init__(self) -> None:
        self.tagger = Tagger()

    def predict(self, instances: list[Any]) -> list[Any]:
        """Return, for each text, its entities with their offsets in characters."""
        return [
            [
                {
                    "text": token.text,
                    "type": _TYPES[token.tag],
                    "start": token.start,
                    "end": token.end,
                }
                for token in self.tagger.tag(text)
                if token.tag in _TYPES
            ]
            for text in instances
        ]
