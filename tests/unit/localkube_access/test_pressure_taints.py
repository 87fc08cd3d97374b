"""What a node says that it is short of, as taints."""

import pytest

from sympozium.localkube.controllers import nodes

DISK = {"key": "node.kubernetes.io/disk-pressure", "effect": "NoSchedule"}
OTHER = {"key": "mine", "effect": "NoSchedule"}


@pytest.mark.parametrize(
    ("status", "present", "wanted"),
    [
        ("True", [OTHER], [OTHER, DISK]),
        ("True", [OTHER, DISK], None),
        ("False", [OTHER, DISK], [OTHER]),
        ("False", [DISK], []),
        ("False", [OTHER], None),
        ("Unknown", [], None),
    ],
)
def test_taints_follow_conditions(status, present, wanted):
    conditions = [{"type": "DiskPressure", "status": status}, {"type": "Ready", "status": "True"}]
    assert nodes.by_conditions({"spec": {"taints": present}, "status": {"conditions": conditions}}) == wanted
