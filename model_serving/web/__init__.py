"""HTTP: everything that knows Flask. Bytes come in, JSON goes out, errors through ``api.py``."""

from model_serving.web.documentation import Answer, Documentation, documented
from model_serving.web.model_resource import Example, ModelResource
from model_serving.web.validation import validate_json

__all__ = [
    "Answer",
    "Documentation",
    "Example",
    "ModelResource",
    "documented",
    "validate_json",
]
