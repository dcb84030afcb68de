"""Tests that need a program, which a contributor may lack and which CI has."""

import os
import shutil

import pytest


def find(program: str, *places: str) -> str | None:
    """Return where a program is: in these places, on the path, or where Debian hides servers."""
    return shutil.which(program, path=os.pathsep.join([*places, os.environ["PATH"], "/usr/sbin"]))


def needs(program: str, package: str, *places: str) -> pytest.MarkDecorator:
    """Skip a test where a program is missing, but never in CI."""
    return pytest.mark.skipif(
        find(program, *places) is None and os.environ.get("CI") != "true",
        reason=f"{program} is missing: apt-get install {package}",
    )
