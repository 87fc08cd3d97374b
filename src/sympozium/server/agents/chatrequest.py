"""A chat completions request, as what is asked of an agent. Pure.

Everything that a client may send is named here: what is acted on, what is ignored because an agent's settings are its
instance's (and named in the answer's header), and what is refused because an answer without it would be another answer than
was asked for. What is not named is refused, as OpenAI does it.
https://platform.openai.com/docs/api-reference/chat/create
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

IGNORED: Final = frozenset(
    {
        "temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "max_tokens", "max_completion_tokens",
        "stop", "logit_bias", "user", "safety_identifier", "metadata", "store", "service_tier", "parallel_tool_calls",
        "reasoning_effort", "verbosity", "prompt_cache_key", "prompt_cache_retention",
    }
)  # fmt: skip
"""How the model is asked is the instance's to say; who asks is known by the key."""
_MESSAGE: Final = frozenset(
    {"role", "content", "name", "refusal", "annotations", "audio", "tool_calls", "function_call"}
)
_SYSTEM: Final = "[system message of the client]\n"


class ChatError(Exception):
    """The request cannot be answered. `param` is the path of the field."""

    def __init__(
        self, message: str, *, param: str | None = None, status: int = 400, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.param = param
        self.status = status
        self.code = code


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """`ignored` are the fields that were sent and not acted on."""

    task: str
    history: Sequence[Mapping[str, str]]
    stream: bool = False
    include_usage: bool = False
    ignored: Sequence[str] = ()


def parse(body: bytes, model: str) -> ChatRequest:
    """`model` is the only one that there is. Raises ChatError."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise ChatError(f"the body is not JSON: {error}") from error
    if not isinstance(data, dict):
        raise ChatError("the body is no JSON object")
    given = {key: value for key, value in data.items() if value is not None}
    for key, value in given.items():
        _check(key, value)
    wanted = given.get("model")
    if wanted != model:
        words = (
            f"the model {wanted!r} does not exist: this endpoint has {model!r}"
            if wanted
            else f"model is missing: write {model!r}"
        )
        raise ChatError(words, param="model", status=404 if wanted else 400, code="model_not_found")
    said = [_message(index, message) for index, message in enumerate(_messages(given))]
    role, task = said[-1]
    if role != "user" or task.startswith(_SYSTEM):
        raise ChatError(
            "the last message must be the user's: it is what the agent is asked", param="messages"
        )
    options = given.get("stream_options") or {}
    return ChatRequest(
        task=task,
        history=[{"role": role, "content": text} for role, text in said[:-1]],
        stream=bool(given.get("stream")),
        include_usage=bool(options.get("include_usage")),
        ignored=sorted(key for key in given if key in IGNORED),
    )


def _check(key: str, value: Any) -> None:
    """Raises ChatError for a field that is not known, or has a value that would change the answer."""
    if key in IGNORED or key in ("model", "messages"):
        return
    rule = _RULES.get(key)
    if rule is None:
        raise ChatError(f"unrecognized request argument: {key}", param=key, code="unknown_parameter")
    fits, words = rule
    if not fits(value):
        raise ChatError(f"{key}: {words}", param=key, code="unsupported_parameter")


def _empty(value: Any) -> bool:
    return value in ([], {}, False)


_TOOLS: Final = "the tools of an agent are its instance's: leave it out"
_RULES: Final[Mapping[str, tuple[Callable[[Any], bool], str]]] = {
    "stream": (lambda value: isinstance(value, bool), "must be true or false"),
    "stream_options": (lambda value: isinstance(value, dict), "must be an object"),
    "n": (lambda value: type(value) is int and value == 1, "an agent gives one answer"),
    "tools": (_empty, _TOOLS),
    "functions": (_empty, _TOOLS),
    "tool_choice": (lambda value: value in ("none", "auto"), _TOOLS),
    "function_call": (lambda value: value in ("none", "auto"), _TOOLS),
    "response_format": (lambda value: value == {"type": "text"}, "an agent answers in text"),
    "modalities": (lambda value: value == ["text"], "an agent answers in text"),
    "logprobs": (_empty, "an agent has none"),
    "top_logprobs": (lambda value: value == 0, "an agent has none"),
    "audio": (_empty, "an agent answers in text"),
    "prediction": (_empty, "an agent takes none"),
    "web_search_options": (_empty, _TOOLS),
}
"""Field -> what it may be, and what to say of anything else."""


def _messages(given: Mapping[str, Any]) -> list[Any]:
    messages = given.get("messages")
    if not isinstance(messages, list) or not messages:
        raise ChatError("messages: a list with at least one message is needed", param="messages")
    return messages


def _message(index: int, message: Any) -> tuple[str, str]:
    """(user or assistant, text)."""
    path = f"messages[{index}]"
    if not isinstance(message, dict):
        raise ChatError(f"{path} is no object", param=path)
    given = {key: value for key, value in message.items() if value not in (None, [])}
    for key in given:
        if key not in _MESSAGE:
            raise ChatError(f"{path}: unrecognized {key}", param=f"{path}.{key}", code="unknown_parameter")
    for key in ("tool_calls", "function_call", "audio"):
        if key in given:
            raise ChatError(f"{path}.{key}: {_TOOLS}", param=f"{path}.{key}", code="unsupported_parameter")
    role, text = given.get("role"), _text(given.get("content", given.get("refusal")), f"{path}.content")
    if not text.strip():
        raise ChatError(f"{path}.content is empty", param=f"{path}.content")
    match role:
        case "user" | "assistant":
            return role, text
        case "system" | "developer":
            # The client's words, told as such: who the agent is was said by its instance.
            return "user", _SYSTEM + text
    words = "must be user, assistant, system or developer"
    raise ChatError(f"{path}.role {words}", param=f"{path}.role", code="unsupported_value")


def _text(content: Any, path: str) -> str:
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise ChatError(f"{path} must be a text or a list of parts", param=path)
    texts = []
    for index, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in ("text", "refusal") or not isinstance(part.get(kind), str):
            words = f"a part of type {kind!r} is not taken: an agent reads text"
            raise ChatError(f"{path}[{index}]: {words}", param=f"{path}[{index}]", code="unsupported_value")
        texts.append(part[kind])
    return "".join(texts)
