"""Fixtures of the tool server's tests."""

import importlib.util
import sys
from pathlib import Path

# With importlib's mode there are no sibling imports; the helper module is loaded under a name of its own.
_spec = importlib.util.spec_from_file_location("tools_parts", Path(__file__).with_name("parts.py"))
_module = importlib.util.module_from_spec(_spec)
sys.modules["tools_parts"] = _module
_spec.loader.exec_module(_module)
