"""POSModel: part-of-speech tags of Chinese text."""

from typing import Any

from model_serving.models.tagger import Tagger
from model_serving.serving import Model


class POSModel(Model):
    """Split Chinese text into words with their parts of speech."""

    def __init__(self) -> None:
        self.tagger = Tagger()

    def predict(self, instances: list[Any]) -> list[Any]:
        """Return, for each text, its tokens without the white space."""
        return [
            [token._asdict() for token in self.tagger.tag(text) if not token.text.isspace()]
            for text in instances
        ]
