"""What /openapi.json promises, held against the service on each lane by schemathesis.

``CASES=5000 pytest tests/services/test_schemathesis.py`` makes as many of each operation.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.faulty.service import FaultyService

CASES = os.environ.get("CASES", "20")
# A caller may leave no time for an answer, and the schema cannot say what is a picture or a file of
# instances, nor that no callback is possible, nor which models there are.
# A header that nobody knows is no error, and a job that was cancelled is still there.
CONFIG = """
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", 504]

[[operations]]
include-path = "/v1/DigitsModel"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 504]

[[operations]]
include-path-regex = "^/v1/[A-Za-z]+$"
include-method = "POST"
[operations.phases.coverage.generation]
allow-extra-parameters = false

[[operations]]
include-path-regex = "/jobs$"
[operations.checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 422, 429]
"""


@pytest.mark.timeout(3600)
def test_service_keeps_the_promises_of_its_openapi_document(
    served: FaultyService, tmp_path: Path
) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG, encoding="utf-8")
    run = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", config, "--no-color"),
            *("run", f"{served.url}/openapi.json", "--checks=all", f"--max-examples={CASES}"),
            "--exclude-checks=use_after_free",
            *("--exclude-path-regex=Faulty", "--generation-database=none", "--no-shrink"),
            *("--request-timeout=120", "--suppress-health-check=too_slow"),
        ],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
    )
    print(run.stdout + run.stderr)
    assert run.returncode == 0
    assert re.search(r"(\d+) generated, \1 passed", run.stdout)
