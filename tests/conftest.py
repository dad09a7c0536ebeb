"""Switch on shape checks for the package: jaxtyping's annotations, checked by beartype."""

import math

import hypothesis
import jaxtyping
import pytest
import torch
from jaxtyping import install_import_hook

import tests.typecheck

install_import_hook("volpose", f"{tests.typecheck.__name__}.checked")


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
