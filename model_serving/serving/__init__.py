"""The serving core: it runs the models and hands out their predictions.

This room knows no web. It imports neither Flask nor jsonschema nor anything of ``web/``, so that
the same core serves a WSGI thread, an asynchronous lane, a job or a command line. Errors leave it
as the exceptions of ``model_serving.errors``. ``tests/test_imports.py`` proves the rule.

Four kinds of processes meet here, and ``docs/serving-core.md`` tells why::

    gunicorn's master   supervision
    supervisor          supervisor → generation → slot → child
    replica             replica → batch_loop → connection, batching → pace, model
    HTTP worker, jobs   process_runtime → admission, client → registry

They share ``wire``, ``plan``, ``status`` and ``run_dir``. What is imported here is
imported by every replica, so it is little.
"""

from model_serving.serving.model import InvalidInstance, Model
from model_serving.serving.run_dir import RunDir
from model_serving.serving.specification import ModelSpecification

__all__ = ["InvalidInstance", "Model", "ModelSpecification", "RunDir"]
