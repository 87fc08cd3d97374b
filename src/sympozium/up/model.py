"""Which model a new installation talks to.

`OPENAI_BASE_URL` with `OPENAI_API_KEY` win; then Ollama on its default port; then the rehearsal
model, which follows a script and says so. The choice ends in a Secret and in the SympoziumConfig
`default`; after that nothing asks how it was made.
"""

import json
import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass

OLLAMA = "http://127.0.0.1:11434/v1"
REHEARSAL_MODEL = "rehearsal"


class ModelEndpointError(Exception):
    """The endpoint that the environment names cannot be used; the text says what to do."""


@dataclass(frozen=True, slots=True)
class ModelEndpoint:
    """An OpenAI-compatible endpoint; `source` says in words how it was found."""

    base_url: str
    api_key: str
    model: str
    provider: str
    source: str


def rehearsal(port: int) -> ModelEndpoint:
    """The built-in scripted model on this machine."""
    return ModelEndpoint(
        base_url=f"http://127.0.0.1:{port}/v1",
        api_key="rehearsal",
        model=REHEARSAL_MODEL,
        provider="rehearsal",
        source="the built-in rehearsal model (scripted; set OPENAI_BASE_URL and OPENAI_API_KEY for a real one)",
    )


def discover(environ: Mapping[str, str] = os.environ, *, ollama: str = OLLAMA) -> ModelEndpoint | None:
    """The endpoint that this machine offers, or None where only the rehearsal model is left.

    Raises ModelEndpointError when the environment names an endpoint that does not answer: to fall
    back in silence would be to run something else than what was asked for.
    """
    base_url, key = environ.get("OPENAI_BASE_URL"), environ.get("OPENAI_API_KEY")
    if base_url:
        if not key:
            raise ModelEndpointError(
                "OPENAI_BASE_URL is set and OPENAI_API_KEY is not: set both (any word where the endpoint wants no key)"
            )
        model = environ.get("OPENAI_MODEL") or _first_model(base_url, key)
        return ModelEndpoint(base_url, key, model, "openai", f"OPENAI_BASE_URL ({base_url})")
    try:
        model = environ.get("OPENAI_MODEL") or _first_model(ollama, "ollama")
    except ModelEndpointError:
        return None
    return ModelEndpoint(ollama, "ollama", model, "ollama", f"Ollama ({ollama})")


def _first_model(base_url: str, key: str) -> str:
    url = base_url.rstrip("/") + "/models"
    if not url.startswith(("http://", "https://")):
        raise ModelEndpointError(f"OPENAI_BASE_URL {base_url!r} is not an http(s) URL")
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})  # noqa: S310 - checked above
    try:
        with urllib.request.urlopen(request, timeout=5) as response:  # noqa: S310
            data = json.load(response)
        return str(data["data"][0]["id"])
    except (urllib.error.URLError, OSError, ValueError) as exc:
        raise ModelEndpointError(
            f"the model endpoint {url} did not answer ({exc}): check it, or set OPENAI_MODEL"
        ) from exc
    except (KeyError, IndexError, TypeError) as exc:
        raise ModelEndpointError(f"the model endpoint {url} lists no model: set OPENAI_MODEL") from exc
