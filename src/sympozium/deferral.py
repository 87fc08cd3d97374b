"""Packages that define much more than what is used of them, imported without the rest.

A run starts three Python processes with large SDKs in them, on a path that a person waits for. What an SDK's `__init__`
gathers for the convenience of its users is most of that start: 0.5 of the 0.7 s of `openai` are the types of answers that
no chat needs, 0.4 of the 0.95 s of `mcp` are transports that we do not have.
"""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.machinery import ModuleSpec

_PENDING: Final[set[str]] = set()


def defer(name: str) -> None:
    """Put package `name` into sys.modules with its `__init__` still to run: at the first access of a name that it would
    define (PEP 562). Its modules can be imported meanwhile, and nothing else differs for who uses the package.

    The package above it need not be imported. Without effect when `name` is imported already. ImportError when it is not
    installed.
    """
    if name in sys.modules:
        return
    spec = _find(name)
    if spec is None or spec.loader is None:
        raise ImportError(f"the package {name} is not installed; install sympozium with its dependencies")
    module = importlib.util.module_from_spec(spec)
    loader = spec.loader

    def complete(attribute: str) -> Any:
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        _PENDING.discard(name)
        del module.__dict__["__getattr__"]
        loader.exec_module(module)
        return getattr(module, attribute)

    module.__dict__["__getattr__"] = complete
    sys.modules[name] = module
    _PENDING.add(name)
    parent, _, child = name.rpartition(".")
    if parent in sys.modules:
        setattr(sys.modules[parent], child, module)


@contextlib.contextmanager
def models_when_used() -> Iterator[None]:
    """Pydantic models that are defined in the block get their validators when each is first used, and not before.

    The 500 models of `mcp_types` are three editions of one protocol, of which a process uses a dozen models.
    https://docs.pydantic.dev/latest/api/config/#pydantic.config.ConfigDict.defer_build
    """
    from pydantic import BaseModel

    before = BaseModel.model_config
    BaseModel.model_config = {**before, "defer_build": True}
    try:
        yield
    finally:
        BaseModel.model_config = before


def _find(name: str) -> ModuleSpec | None:
    """The spec of `name`, without an import of the packages above it."""
    path = None
    for end in [at for at, letter in enumerate(name) if letter == "."] + [len(name)]:
        spec: ModuleSpec | None = PathFinder.find_spec(name[:end], path)
        if spec is None:
            return None
        path = spec.submodule_search_locations
    return spec


def deferred(name: str) -> bool:
    """Whether the `__init__` of package `name` is still to run."""
    return name in _PENDING
