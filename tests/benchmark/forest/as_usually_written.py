"""The forest as it is usually served: loaded in each HTTP worker, one instance at a time.

``gunicorn --workers 2 as_usually_written:app``; FOREST names the file of the trained model.
"""

import os
from typing import Any

import joblib
import jsonschema
import numpy as np
from flask import Flask, request
from flask_restful import Api, Resource

SCHEMA = {
    "type": "object",
    "properties": {
        "pixels": {
            "type": "array",
            "items": {"type": "number"},
            "minItems": 64,
            "maxItems": 64,
        }
    },
    "required": ["pixels"],
}

forest = joblib.load(os.environ["FOREST"])
app = Flask(__name__)
api = Api(app)


class ForestModelResource(Resource):
    """64 grey levels from 0 to 1 → the digit, and the probabilities of all ten."""

    def post(self) -> Any:
        """Validate, predict, answer."""
        body = request.get_json()
        try:
            jsonschema.validate(body, SCHEMA)
        except jsonschema.ValidationError as error:
            return {"message": error.message}, 400
        probabilities = forest.predict_proba(np.array([body["pixels"]]))[0]
        return {"label": int(probabilities.argmax()), "probabilities": probabilities.tolist()}


api.add_resource(ForestModelResource, "/v1/ForestModel")


@app.get("/readyz")
def readiness() -> dict[str, str]:
    """Tell the benchmark when to begin."""
    return {"status": "ready"}
