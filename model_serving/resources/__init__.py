"""The resources: one for each model, and the list of what is served.

To serve a model of yours, write ``models/<name>_model.py`` and
``resources/<name>_model_resource.py``, and add the resource to the list.
"""

from flask_restful import Resource

from model_serving.resources.compress_model_resource import CompressModelResource
from model_serving.resources.digits_model_resource import DigitsModelResource
from model_serving.resources.echo_model_resource import EchoModelResource
from model_serving.resources.ner_model_resource import NERModelResource
from model_serving.resources.pos_model_resource import POSModelResource
from model_serving.resources.xxx_model_resource import XXXModelResource

RESOURCES: list[type[Resource]] = [
    XXXModelResource,
    EchoModelResource,
    POSModelResource,
    NERModelResource,
    DigitsModelResource,
    CompressModelResource,
]

__all__ = ["RESOURCES"]
