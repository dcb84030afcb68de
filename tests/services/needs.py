"""Tests that need a program, which a contributor may lack and which CI has."""

import os
import shutil

import pytest


def needs(program: str) -> pytest.MarkDecorator:
    """Skip a test where a program is missing, but never in CI."""
    found = shutil.which(program, path=os.pathsep.join((os.environ["PATH"], "/usr/sbin")))
    is_ci = os.environ.get("CI") == "true"
    return pytest.mark.skipif(found is None and not is_ci, reason=f"{program} is missing")
