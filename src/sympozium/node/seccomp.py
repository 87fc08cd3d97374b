"""The system call filter of every container, as classic BPF for `bwrap --seccomp`.

A list of refusals (EPERM), like the default profiles of container engines: calls that a workload does not
need and that have been the way into the kernel: kernel modules, keys, BPF, io_uring, mounts, namespaces,
perf, userfaultfd. Capabilities are gone already; this narrows what is left of the kernel's surface. Calls of
another architecture (i386 on x86-64) end the process.
https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

import errno
import os

from sympozium import bpf

# name: (x86-64, AArch64), from the kernel's system call tables.
REFUSED = {
    "acct": (163, 89), "add_key": (248, 217), "bpf": (321, 280), "clock_adjtime": (305, 266),
    "clock_settime": (227, 112), "delete_module": (176, 106), "fanotify_init": (300, 262), "finit_module": (313, 273),
    "fsconfig": (431, 431), "fsmount": (432, 432), "fsopen": (430, 430), "fspick": (433, 433),
    "init_module": (175, 105), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425), "kexec_file_load": (320, 294), "kexec_load": (246, 104), "keyctl": (250, 219),
    "lookup_dcookie": (212, 18), "mount": (165, 40), "mount_setattr": (442, 442), "move_mount": (429, 429),
    "move_pages": (279, 239), "name_to_handle_at": (303, 264), "open_by_handle_at": (304, 265),
    "open_tree": (428, 428), "perf_event_open": (298, 241), "pivot_root": (155, 41), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "ptrace": (101, 117), "quotactl": (179, 60), "reboot": (169, 142),
    "request_key": (249, 218), "setns": (308, 268), "settimeofday": (170, 170), "swapoff": (168, 225),
    "swapon": (167, 224), "syslog": (103, 116), "umount2": (166, 39), "unshare": (272, 97),
    "userfaultfd": (323, 282), "vhangup": (153, 58),
}  # fmt: skip


def program(machine: str | None = None) -> bytes | None:
    """The filter for this machine (or for `machine`, as `uname -m` says it); None for an unknown one."""
    machine = machine or os.uname().machine
    if machine not in bpf.MACHINES:
        return None
    column = 0 if machine == "x86_64" else 1
    numbers = sorted(pair[column] for pair in REFUSED.values())
    code = bpf.number_of(machine)
    for index, number in enumerate(numbers):
        # A match jumps over the remaining comparisons and over "allow".
        code.append((bpf.JEQ, len(numbers) - index, 0, number))
    code += [(bpf.RET, 0, 0, bpf.ALLOW), (bpf.RET, 0, 0, bpf.ERRNO | errno.EPERM)]
    return bpf.packed(code)
