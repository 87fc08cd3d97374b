"""What the doctor makes of an installation that is elsewhere, and of images that are not those of its own version."""

from typing import Any

import pytest

from sympozium.actions.doctor.installation import images_of, place_of
from sympozium.api.config import ConfigSpec
from sympozium.installation import image


def _configuration(**client: Any) -> dict[str, Any]:
    return {"webhooks": [{"clientConfig": client}]}


@pytest.mark.parametrize(
    ("found", "well", "cure"),
    [
        (_configuration(service={"namespace": "sympozium-system"}), True, ""),
        (_configuration(url="https://127.0.0.1:9443/mutate"), True, ""),
        (_configuration(service={"namespace": "agents-cp"}), False, "export SYMPOZIUM_NAMESPACE=agents-cp"),
        (None, False, "sympozium install"),
    ],
)
def test_an_installation_in_another_namespace_is_found(found: Any, well: bool, cure: str) -> None:
    finding = place_of(found)
    assert finding.well is well
    assert finding.cure.startswith(cure)


def _controller(**env: str) -> dict[str, Any]:
    variables = [{"name": name, "value": value} for name, value in env.items()]
    field = {"name": "SYMPOZIUM_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}
    return {"spec": {"template": {"spec": {"containers": [{"env": [field, *variables]}]}}}}


def test_the_probe_has_the_image_of_the_installation() -> None:
    """Not that of whoever asks: a registry without a way out has no other."""
    mirrored = _controller(SYMPOZIUM_IMAGE_REGISTRY="registry.lan/x", SYMPOZIUM_IMAGE_TAG="v9.9.9")
    config = ConfigSpec.model_validate({"images": {"pullSecrets": ["key"]}})
    found = images_of(config, mirrored)
    assert (found.shell, found.pull_secrets) == ("registry.lan/x/shell:v9.9.9", ("key",))
    assert images_of(config, None).shell == images_of(config, _controller()).shell == image("shell")
    chosen = ConfigSpec.model_validate({"images": {"shell": "mine/shell:1"}})
    assert images_of(chosen, mirrored).shell == "mine/shell:1"
