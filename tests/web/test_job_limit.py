"""What callers are told while too many jobs are queued."""

from contextlib import closing
from pathlib import Path

from flask import Flask

from model_serving.jobs.callback import Sender
from model_serving.jobs.desk import Desk
from model_serving.jobs.engine import Engine
from model_serving.jobs.limits import Limits
from model_serving.jobs.record import open_record
from model_serving.resources.xxx_model_resource import XXXModelResource
from model_serving.serving.runtime import InProcessRuntime
from model_serving.web.api import ServiceApi
from model_serving.web.job_intake import Jobs
from model_serving.web.jobs import ModelJobs, OneJob
from model_serving.web.request import ServiceRequest
from model_serving.web.scoring import Scorer
from model_serving.web.uploads import Limits as FileLimits


def test_job_above_the_limit_gets_429_until_one_has_ended(tmp_path: Path) -> None:
    app = Flask(__name__)
    app.request_class = ServiceRequest
    scorer = Scorer(XXXModelResource(InProcessRuntime([])), FileLimits(1, 1))
    with closing(open_record(f"sqlite:///{tmp_path}/jobs.db", Limits(max_jobs=1))) as record:
        jobs = Jobs(
            lambda: Desk(record, Engine("memory://", tmp_path)),
            {"XXXModel": scorer},
            Sender(b"").check_url,
        )
        api, shared = ServiceApi(app), {"jobs": jobs}
        asked = shared | {"model": "XXXModel"}
        api.add_resource(ModelJobs, "/v1/XXXModel/jobs", resource_class_kwargs=asked)
        api.add_resource(OneJob, "/v1/jobs/<job_id>", resource_class_kwargs=shared)
        client = app.test_client()

        def hand_in() -> tuple[int, str | None]:
            answer = client.post("/v1/XXXModel/jobs", json={"name": "Leo"})
            return answer.status_code, answer.headers.get("Retry-After")

        assert hand_in() == (202, None)
        assert hand_in() == (429, "10")
        (job,) = record.page().jobs
        assert client.delete(f"/v1/jobs/{job.id}").status_code == 200
        assert hand_in() == (202, None)
