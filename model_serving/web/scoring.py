"""The way of one instance of a job: the same as that of a request, without HTTP."""

from typing import Any

from model_serving.errors import ModelFailed, ServiceError
from model_serving.serving.wire import Priority
from model_serving.web.model_resource import ModelResource, served_name
from model_serving.web.request import ServiceRequest
from model_serving.web.uploads import FileFields, Limits
from model_serving.web.validation import BodyValidator, read_body


class Scorer:
    """Scores the instances of one model's jobs."""

    def __init__(self, resource: ModelResource, limits: Limits) -> None:
        self.resource = type(resource)
        self.name = served_name(self.resource)
        self._resource = resource
        self._limits = limits
        self._validator = BodyValidator(resource.schema, self.name)
        self._files = FileFields(resource.schema, self.name)
        self.accepts_property = self._validator.accepts_property

    @property
    def columns(self) -> list[str]:
        """The properties of a body, which are the columns of a table of them."""
        return list(self._resource.schema.get("properties", {}))

    def read(self, request: ServiceRequest) -> Any:
        """Return the body of a request, which is not checked yet."""
        return read_body(request, self._files, self._validator)

    def checked(self, body: Any) -> Any:
        """Return a body with its files as bytes.

        Raises:
            InvalidBody, TooLarge: the body breaks the schema.
        """
        self._validator.check(self._files.blank(body))
        return self._files.decode(body, self._limits)

    async def score(self, body: Any, priority: Priority) -> Any:
        """Return the response to a body that was checked.

        Raises:
            ServiceError: there is none.
        """
        try:
            instance = self._resource.to_instance(body)
            prediction = await self._resource.runtime.ask(self.name, instance, priority=priority)
            response = self._resource.to_response(prediction)
        except ServiceError:
            raise
        except Exception as error:  # Such as of a resource that needs a request.
            raise ModelFailed from error
        if isinstance(response, tuple):
            raise ModelFailed from TypeError("a job's response is plain JSON data")
        return response
