"""Fixtures of the suites that run on a whole control plane."""

pytest_plugins = ["sympozium.testing.plugin"]
