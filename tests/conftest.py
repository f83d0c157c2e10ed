"""What holds for the whole suite."""

from __future__ import annotations

import os

from hypothesis import settings

# The second also comes by its entry point, if the package is installed.
pytest_plugins = ["tests.conformance.plugin", "scenarios.pytest_plugin"]

# The same examples in every run, so that a failure here is a failure everywhere; HYPOTHESIS_PROFILE=search looks
# for new ones.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("search", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))
