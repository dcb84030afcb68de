"""What it takes to build a model: its class and its settings."""

import inspect
from dataclasses import dataclass
from typing import get_type_hints

from model_serving.config import ModelConf, parse
from model_serving.errors import ConfigError
from model_serving.serving.model import Model


@dataclass(frozen=True)
class ModelSpecification:
    """A model that is not built yet."""

    model: type[Model]
    conf: ModelConf

    @property
    def name(self) -> str:
        """The name it is served under."""
        return self.model.__name__

    def build(self) -> Model:
        """Construct the model with its ``[model]`` settings; this loads its weights.

        Raises:
            ConfigError: a setting is missing, no argument of the constructor, or not of its type.
        """
        arguments = inspect.signature(self.model).parameters
        types = get_type_hints(self.model.__init__)
        for key in self.conf.model:
            if key not in arguments:
                known = ", ".join(arguments) or "none"
                raise ConfigError(
                    f"{self.conf.source}: {self.name} has no setting {key!r}; known are {known}"
                )
        for name, argument in arguments.items():
            if argument.default is argument.empty and name not in self.conf.model:
                raise ConfigError(
                    f"{self.conf.source}: {self.name} needs the setting {name!r} in its [model]"
                )
        return self.model(
            **{
                key: parse(text, types.get(key, str), key, self.conf.source)
                for key, text in self.conf.model.items()
            }
        )
