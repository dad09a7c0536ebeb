"""Switch on shape checks for the package: jaxtyping's annotations, checked by beartype."""

import math

import hypothesis
import jaxtyping
import pytest
import torch
from jaxtyping import install_import_hook
from xdist.scheduler import LoadScopeScheduling

import tests.typecheck

install_import_hook("volpose", f"{tests.typecheck.__name__}.checked")

TRAINING = ("test_bench.py", "test_lift.py", "test_team.py")  # their fixtures take long


class Schedule(LoadScopeScheduling):
    """All tests of a file in `TRAINING` go to one worker, every other test to one that is free.

    With pytest 9.2 the marks of pytest-xdist 3.8 for groups of tests have no effect.
    """

    def _split_scope(self, nodeid):
        file = nodeid.split("::")[0]
        return file if file.endswith(TRAINING) else nodeid


def pytest_xdist_make_scheduler(config, log):
    return Schedule(config, log)


# a busy machine is no failure
hypothesis.settings.register_profile("volpose", deadline=None, derandomize=True)
hypothesis.settings.load_profile("volpose")


@pytest.fixture(autouse=True)
def _seeded():
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def _no_index(monkeypatch):
    """A busy machine reads slowly; tests leave nothing in the user's cache."""
    monkeypatch.setattr("volpose.data.index.SLOW", math.inf)


@pytest.fixture
def jaxtyping_disabled():
    """Switch the shape checks off for one test."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
