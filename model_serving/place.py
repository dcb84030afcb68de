"""Where the project lies, and where a process stands in the service.

The latter a process is told by its parent, by variables of the environment.
"""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

RUN_DIR_VARIABLE = "MODEL_SERVING_RUN_DIR"  # The folder of serving/run_dir.py.
METRICS_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"  # The name is prometheus_client's.
NODE_VARIABLE = "MODEL_SERVING_NODE"  # What a tree without HTTP is for: node, or score.
PLACE_VARIABLE = "MODEL_SERVING_PLACE"  # Of all processes, such as http-0 or XXXModel-0-1.
