"""Webhook configurations on their way in: what could not be followed is refused now.

The field rules are the schema's; this has what needs CEL and the limits of this server.
"""

from sympozium.localkube.admission.webhooks.conditions import ConditionError, compiled
from sympozium.localkube.admission.webhooks.matching import EXEMPT, GROUP
from sympozium.localkube.errors import invalid
from sympozium.localkube.types import AdmissionRequest, Cause


def check(request: AdmissionRequest) -> None:
    """Raises ApiError 422 for matchConditions that do not compile."""
    if request.group != GROUP or request.resource not in EXEMPT or request.obj is None:
        return
    causes = []
    for index, webhook in enumerate(request.obj.get("webhooks") or ()):
        for place, condition in enumerate(webhook.get("matchConditions") or ()):
            expression = condition.get("expression", "")
            try:
                compiled(expression)
            except ConditionError as error:
                field = f"webhooks[{index}].matchConditions[{place}].expression"
                causes.append(Cause(field, "FieldValueInvalid", f'Invalid value: "{expression}": {error}'))
    if causes:
        raise invalid(GROUP, request.kind, request.name, causes)
