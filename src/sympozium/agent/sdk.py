"""The SDK of the model's endpoint, without the types of what is no chat (see `sympozium.deferral`)."""

from sympozium.deferral import defer

for _name in ("openai.types", "openai.types.responses"):
    defer(_name)

import openai  # noqa: E402 - wants the deferred packages

__all__ = ["openai"]
