"""How to hand in a job, for the OpenAPI document."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from model_serving.jobs.summary import PRIORITIES
from model_serving.web.documentation import Answer, Documentation
from model_serving.web.job_answer import SCHEMA
from model_serving.web.job_body import FORMATS, INSTANCES
from model_serving.web.job_intake import CALLBACK_URL, KEY, KEY_HEADER
from model_serving.web.preference import APPLIED_HEADER, PREFER_HEADER

Json = dict[str, Any]

_FORM = "multipart/form-data"
_ERRORS = (400, 413, 422, 429, 500, 503, 507)
_LOCATION = {"Location": {"type": "string", "description": "Where to look at the job"}}
_PREFER = {
    "type": "string",
    "description": "`respond-async`: do it as a job, which takes the query and the headers of this "
    "URL with `/jobs` behind it",
}
_KEY = {
    "type": "string",
    "pattern": f"^{KEY.pattern}$",
    "description": "A name of your own for this request: sent again, it is the same job",
}
_QUERY: dict[str, str | Json] = {
    "priority": {"enum": list(PRIORITIES), "default": PRIORITIES[0]},
    CALLBACK_URL: {
        "type": "string",
        "format": "uri",
        "description": "What to call when the job ends, if the service has a secret to sign that",
    },
}


def handing_in(model: str) -> Documentation:
    """Return what is said of handing in a job for a model."""
    return Documentation(
        f"Hand in a job for {model}",
        {202: Answer("The job", SCHEMA, _LOCATION)},
        errors=_ERRORS,
        query=_QUERY,
        headers={KEY_HEADER: _KEY},
    )


def or_handing_in(said: Documentation) -> Documentation:
    """Return what is said of a prediction that may become a job."""
    applied = {APPLIED_HEADER: {"type": "string"}}
    answer = Answer("A job, as you prefer", SCHEMA, _LOCATION | applied)
    return replace(
        said,
        answers={**said.answers, 202: answer},
        errors=sorted({*said.errors, *_ERRORS}),
        headers={**said.headers, PREFER_HEADER: _PREFER},
    )


def content_of_job(content: Mapping[str, Json], columns: Mapping[str, Any]) -> Json:
    """Return the kinds of bodies of a job; ``content`` are those of a prediction."""
    files = {type_: {"schema": _file(f"Instances: {type_}")} for type_ in FORMATS}
    if INSTANCES in columns:  # It means what it means in the model's own body.
        return {**content, **files}
    body = content["application/json"]["schema"]
    listed = _with_instances({"type": "array", "items": body, "minItems": 1})
    file = _with_instances(_file("Its name ends in .jsonl or .csv", format="binary"))
    forms = [*(content[type_]["schema"] for type_ in content.keys() & {_FORM}), file]
    return {
        "application/json": {**content["application/json"], "schema": {"anyOf": [body, listed]}},
        _FORM: {"schema": {"anyOf": forms}},
        **files,
    }


def _with_instances(schema: Json) -> Json:
    return {
        "type": "object",
        "properties": {INSTANCES: schema},
        "required": [INSTANCES],
        "additionalProperties": False,
    }


def _file(description: str, **more: str) -> Json:
    return {"type": "string", "description": description, **more}
