"""What a job worker does beside the jobs."""

import os
import time
from contextlib import closing
from pathlib import Path

import sqlalchemy as sa

from model_serving.config import Config
from model_serving.files import File, open_assets, open_job_assets
from model_serving.job_worker import sweep_files
from model_serving.jobs.database import create_engine
from model_serving.jobs.limits import read_limits
from model_serving.jobs.record import open_record
from model_serving.jobs.tables import jobs
from tests.jobs.work import accepted

HOUR_S = 3600.0


def test_files_of_jobs_live_as_long_as_the_jobs(tmp_path: Path) -> None:
    config = Config(
        database_url=f"sqlite:///{tmp_path}/jobs.db",
        assets_dir=str(tmp_path / "assets"),
        assets_max_age_s=60.0,
        assets_max_bytes=1,
        assets_keep_s=0.0,
        jobs_max_age_s=1e-9,
    )
    files = {age: File(bytes(age), "text/plain") for age in (1, 2, 3)}
    for age, file in files.items():
        open_job_assets(config).publish(file)
        made_s = time.time() - age * HOUR_S
        os.utime(tmp_path / "assets/jobs" / file.name, (made_s, made_s))

    def left() -> list[int]:
        open_assets(config).sweep()
        sweep_files(record, config)
        return [age for age in files if (tmp_path / "assets/jobs" / files[age].name).exists()]

    with closing(open_record(config.database_url, read_limits(config))) as record:
        job = accepted(record)
        record.cancel(job.id)
        engine = create_engine(config.database_url)
        with engine.begin() as connection:  # Two hours pass, and a half.
            connection.execute(sa.update(jobs).values(created_s=jobs.c.created_s - 2.5 * HOUR_S))
        engine.dispose()
        assert left() == [1, 2]
        assert record.upkeep.remove_old() == 1
        assert left() == []


def test_settings_bound_the_record() -> None:
    limits = read_limits(Config(max_jobs=1, max_job_attempts=2, jobs_max_age_s=3.0))
    assert (limits.max_jobs, limits.max_attempts, limits.max_age_s) == (1, 2, 3.0)
