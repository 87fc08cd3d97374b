"""A process that others of its user cannot look into.

Containers of a pod that shares the node's processes see each other's. This keeps environment, memory and files
of one that holds keys from those that run what a model wrote, under the same user.
"""

import ctypes
import os
from typing import Final

ENVIRONMENT: Final = "SYMPOZIUM_UNDUMPABLE"
"""Set in the containers for which `when_asked` is to do it."""
_PR_SET_DUMPABLE: Final = 4


def when_asked() -> None:
    """Make this process undumpable where the environment asks for it. Raises OSError."""
    if os.environ.get(ENVIRONMENT) != "1":
        return
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
