"""What it takes to build a model: its class and its settings."""

import importlib
import inspect
from dataclasses import dataclass
from operator import attrgetter
from typing import get_type_hints

from model_serving.conversion import parse
from model_serving.errors import ConfigError
from model_serving.model_conf import ModelConf
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

    @property
    def target(self) -> str:
        """Where a process that does not know the class finds it: ``module:Class``."""
        return f"{self.model.__module__}:{self.model.__qualname__}"

    @classmethod
    def of_target(cls, target: str, conf: ModelConf) -> "ModelSpecification":
        """Import the class that ``target`` names."""
        module, _, name = target.partition(":")
        model: type[Model] = attrgetter(name)(importlib.import_module(module))
        return cls(model, conf)

    def build(self) -> Model:
        """Construct the model with its ``[model]`` settings; this loads its weights.

        Raises:
            ConfigError: a setting is missing, no argument of the constructor, or not of its type.
        """
        self._check_keys()
        types = get_type_hints(self.model.__init__)
        return self.model(
            **{
                key: parse(text, types.get(key, str), key, self.conf.source)
                for key, text in self.conf.model.items()
            }
        )

    def _check_keys(self) -> None:
        arguments = inspect.signature(self.model).parameters.values()
        takes_any = any(argument.kind is argument.VAR_KEYWORD for argument in arguments)
        named = {
            argument.name: argument.default is argument.empty
            for argument in arguments
            if argument.kind not in (argument.VAR_KEYWORD, argument.VAR_POSITIONAL)
        }
        for key in self.conf.model:
            if key not in named and not takes_any:
                known = ", ".join(named) or "none"
                raise ConfigError(
                    f"{self.conf.source}: {self.name} has no setting {key!r}; known are {known}"
                )
        for key, is_required in named.items():
            if is_required and key not in self.conf.model:
                raise ConfigError(
                    f"{self.conf.source}: {self.name} needs the setting {key!r} in its [model]"
                )
