"""Result files: a prediction may hold them, and its caller gets their URLs.

They are kept by content address, in a folder or in a bucket, until a sweep finds them too old.
"""

from model_serving.files.assets import (
    JOBS,
    SWEEP_S,
    URL,
    Assets,
    File,
    example_url,
    open_assets,
    open_job_assets,
)
from model_serving.files.store import NAME, Opened, Store, storing

__all__ = [
    "JOBS",
    "NAME",
    "SWEEP_S",
    "URL",
    "Assets",
    "File",
    "Opened",
    "Store",
    "example_url",
    "open_assets",
    "open_job_assets",
    "storing",
]
