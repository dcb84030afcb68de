"""As usually written: Flask-RESTful, `jsonschema.validate` per request, the model in the worker.

`gunicorn --workers 2 server:app`, which is gunicorn's default sync worker.
"""

from typing import Any

import jsonschema
from flask import Flask, request
from flask_restful import Api, Resource
from served import FIELD, SCHEMA, load_model

model = load_model()
app = Flask(__name__)
api = Api(app)


class Prediction(Resource):
    def post(self) -> Any:
        body = request.get_json()
        try:
            jsonschema.validate(body, SCHEMA)
        except jsonschema.ValidationError as error:
            return {"message": error.message}, 400
        return model.predict([body[FIELD]])[0]


api.add_resource(Prediction, "/predict")
