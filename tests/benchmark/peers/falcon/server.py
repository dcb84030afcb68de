"""Falcon under gunicorn, the model in the worker.

https://falcon.readthedocs.io/en/stable/deploy/ and user/tutorial (gunicorn), and
https://falcon.readthedocs.io/en/stable/api/media.html for the JSON Schema validator of its own.
"""

import falcon
from falcon.media.validators import jsonschema
from served import FIELD, SCHEMA, load_model


class Prediction:
    def __init__(self) -> None:
        self.model = load_model()

    @jsonschema.validate(SCHEMA)
    def on_post(self, request: falcon.Request, response: falcon.Response) -> None:
        response.media = self.model.predict([request.get_media()[FIELD]])[0]


app = falcon.App()
app.add_route("/predict", Prediction())
