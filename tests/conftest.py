"""What all tests share: reproducible draws, and no trace outside temporary folders."""

from __future__ import annotations

from pathlib import Path

import hypothesis
import pytest

# Derandomised: the same tests today and tomorrow. Time limits would fail busy machines.
hypothesis.settings.register_profile(
    "coconet", deadline=None, derandomize=True, database=None, print_blob=True
)
hypothesis.settings.load_profile("coconet")


@pytest.fixture(scope="session")
def project() -> Path:
    """The project's folder."""
    return Path(__file__).resolve().parents[1]


@pytest.fixture(autouse=True, scope="session")
def _no_trace(tmp_path_factory):
    """Caches of the project and of matplotlib go to a temporary folder; plots to no screen."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        patch.setenv("MPLBACKEND", "Agg")
        yield
