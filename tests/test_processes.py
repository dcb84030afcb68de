"""bin/processes.py finds the parts of a service."""

import subprocess
import sys
from pathlib import Path

from model_serving.place import ROOT
from tests.services.processes import tree, wait_until

# A master with a supervisor, which has just forked.
MASTER = """
import subprocess, sys
code = "import os; os.fork(); input()"
subprocess.run([sys.executable, "-c", code, "model_serving.serving.supervisor"])
"""


def test_what_a_supervisor_has_just_forked_is_no_other_supervisor(tmp_path: Path) -> None:
    command = [sys.executable, "-c", MASTER, "conf/gunicorn.conf.py"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.PIPE, start_new_session=True
    ) as master:
        wait_until(lambda: len(tree(master.pid)) == 3, "all are there")
        _, supervisor, _ = tree(master.pid)
        (tmp_path / "pid").write_text(str(master.pid))
        found = subprocess.run(
            [sys.executable, ROOT / "bin/processes.py", "pid", "supervisor"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
    assert found.stdout == f"{supervisor.pid}\n"
