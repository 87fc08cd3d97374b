"""What a hostile process in a container tries; runs inside it, with the standard library alone.

    python attacker.py '{"paths": [...], "ports": [...], "abstract": "..."}'

Prints one JSON object: attempt -> what came of it. "-" stands for an attempt that failed as it should.
"""

# Short attempts, most of which fail: no ceremony.
# ruff: noqa: PTH110, PTH115, PTH116, PTH123, PTH207, PTH208, SIM115
import contextlib
import ctypes
import fcntl
import glob
import json
import os
import socket
import stat
import sys
import termios

LIBC = ctypes.CDLL(None, use_errno=True)
CALLS = {  # x86-64, AArch64
    "ptrace": (101, 117), "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "unshare": (272, 97),
    "setns": (308, 268), "bpf": (321, 280), "keyctl": (250, 219), "add_key": (248, 217), "io_uring_setup": (425, 425),
    "open_by_handle_at": (304, 265), "name_to_handle_at": (303, 264), "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271), "perf_event_open": (298, 241), "userfaultfd": (323, 282), "kexec_load": (246, 104),
    "init_module": (175, 105), "swapon": (167, 224), "reboot": (169, 142), "settimeofday": (170, 170),
    "fsopen": (430, 430), "open_tree": (428, 428), "move_mount": (429, 429), "chroot": (161, 51),
    "syslog": (103, 116), "acct": (163, 89), "clone3": (435, 435), "mknod": (133, -1), "setuid": (105, 146),
}  # fmt: skip
CLONE_NEWUSER = 0x10000000


def attempt(what):
    """`-`, or what the attempt gave."""
    try:
        result = what()
    except Exception as exc:
        return "-" if isinstance(exc, (OSError, ValueError)) else repr(exc)
    return "-" if result in (None, "", False) else str(result)


def call(name):
    number = CALLS[name][os.uname().machine == "aarch64"]
    if number < 0:
        return None
    buffer = ctypes.create_string_buffer(256)
    arguments = {"ptrace": (16, 1, 0, 0), "unshare": (CLONE_NEWUSER,), "setns": (os.open("/proc/self/ns/user", 0), 0),
                 "mount": (b"none", b"/tmp", b"tmpfs", 0, 0), "umount2": (b"/proc", 2), "chroot": (b"/tmp",),
                 "mknod": (b"/tmp/disk", stat.S_IFBLK | 0o666, os.makedev(254, 0)), "setuid": (0,),
                 "add_key": (b"user", b"x", b"y", 1, -3), "keyctl": (0, -3, 1), "syslog": (3, buffer, 200),
                 "process_vm_readv": (1, buffer, 0, buffer, 0, 0)}.get(name, ())  # fmt: skip
    if name == "clone3":
        arguments = (buffer, 64)
        ctypes.memmove(buffer, CLONE_NEWUSER.to_bytes(8, "little"), 8)
    if name == "io_uring_setup":
        arguments = (4, buffer)
    if name == "name_to_handle_at":
        arguments = (-100, b"/", buffer, buffer, 0)
    words = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    result = LIBC.syscall(ctypes.c_long(number), *words, *[ctypes.c_long(0)] * (6 - len(words)))
    if name == "clone3" and result == 0:
        os._exit(0)
    return None if result < 0 else f"done: {result}"


def connects(family, address, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as opened:
        opened.settimeout(2)
        opened.connect(address)
        opened.send(b"GET / HTTP/1.0\r\n\r\n")
        try:
            return opened.recv(10) or "ended"  # a relay that refuses accepts first, and resets
        except TimeoutError:
            return "silent"


def opens(path):
    try:
        with open(path, "rb") as file:
            return file.read(200) or "opened"
    except IsADirectoryError:
        return os.listdir(path)


def writes(path):
    with open(path, "r+b", buffering=0) as file:
        file.write(b"1\n")
    return "written"


def tiocsti():
    for descriptor in (0, 1, 2):
        with contextlib.suppress(OSError):
            fcntl.ioctl(descriptor, termios.TIOCSTI, b"x")
            return "pushed"
    descriptor = os.open("/dev/tty", os.O_RDWR)
    fcntl.ioctl(descriptor, termios.TIOCSTI, b"x")
    return "pushed"


def others():
    """Processes that are not of this container: PID 1 is its own init."""
    found = []
    for path in glob.glob("/proc/[0-9]*"):
        with contextlib.suppress(OSError):
            if "main()" not in open(path + "/cmdline").read():  # this program, and the init that was given it
                found.append(path)
    return found


def environment_of_one():
    text = open("/proc/1/environ").read()
    return text if "KUBECONFIG" in text or "HOME=/root" in text else ""


def setuid_programs():
    found = []
    for directory in ("/usr/bin", "/usr/sbin", "/usr/lib"):
        for name in os.listdir(directory):
            status = os.lstat(f"{directory}/{name}")
            if status.st_mode & stat.S_ISUID and stat.S_ISREG(status.st_mode):
                found.append(f"{directory}/{name}")
    gained = []
    for program in found:
        if program.endswith("/su"):
            code = os.system(f"{program} -c id </dev/null >/dev/null 2>&1")
            gained += [program] if code == 0 else []
    return gained


def inherited():
    """Descriptors beyond 0 to 2 that this process was started with."""
    return [os.readlink(f"/proc/self/fd/{n}") for n in STARTED_WITH if n > 2]


def devices():
    allowed = {"null", "zero", "full", "random", "urandom", "tty", "console", "ptmx"}
    names = [
        n
        for n in os.listdir("/dev")
        if stat.S_ISCHR(os.stat(f"/dev/{n}").st_mode) or stat.S_ISBLK(os.stat(f"/dev/{n}").st_mode)
    ]
    return sorted(set(names) - allowed)


STARTED_WITH = [int(n) for n in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{n}")]


def main():
    asked = json.loads(sys.argv[1])
    out = {name: attempt(lambda name=name: call(name)) for name in CALLS}
    for path in asked["paths"]:
        out["read " + path] = attempt(lambda path=path: opens(path))
    for path in ("/proc/sys/kernel/core_pattern", "/proc/sys/kernel/hostname", "/proc/sysrq-trigger",
                 "/proc/self/uid_map", "/proc/1/oom_score_adj", "/proc/sys/vm/overcommit_memory", "/etc/passwd",
                 "/etc/hosts", "/usr/bin/env", "/etc/resolv.conf"):  # fmt: skip
        out["write " + path] = attempt(lambda path=path: writes(path))
    for path in ("/proc/1/mem", "/proc/1/environ", "/proc/kcore", "/proc/kmsg", "/dev/mem", "/dev/kmsg", "/sys/kernel",
                 "/proc/1/root", "/proc/1/cwd", "/dev/vda", "/dev/sda", "/run/docker.sock"):  # fmt: skip
        if path != "/proc/1/environ":
            out["read " + path] = attempt(lambda path=path: opens(path) if path not in ("/proc/1/root", "/proc/1/cwd") else [
                p for p in os.listdir(path) if p in ("home", "boot", "srv", "mnt", "oldroot", "newroot")])  # fmt: skip
    out["environ of 1"] = attempt(environment_of_one)
    for port in asked["ports"]:
        out[f"tcp 127.0.0.1:{port}"] = attempt(
            lambda port=port: connects(socket.AF_INET, ("127.0.0.1", port))
        )
        out[f"tcp6 ::1:{port}"] = attempt(lambda port=port: connects(socket.AF_INET6, ("::1", port)))
    for address in asked["addresses"]:
        out["tcp " + address] = attempt(
            lambda a=address: connects(socket.AF_INET, (a.split(":")[0], int(a.split(":")[1])))
        )
    out["udp"] = attempt(lambda: connects(socket.AF_INET, ("127.0.0.1", asked["udp"]), socket.SOCK_DGRAM))
    out["udp dns"] = attempt(lambda: connects(socket.AF_INET, ("8.8.8.8", 53), socket.SOCK_DGRAM))
    out["ipv6"] = attempt(lambda: connects(socket.AF_INET6, ("2001:db8::1", 80)))
    out["metadata"] = attempt(lambda: connects(socket.AF_INET, ("169.254.169.254", 80)))
    out["abstract"] = attempt(lambda: connects(socket.AF_UNIX, "\0" + asked["abstract"]))
    out["raw"] = attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP))
    out["packet"] = attempt(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0))
    out["tiocsti"] = attempt(tiocsti)
    out["inherited"] = attempt(lambda: inherited() or None)
    out["devices"] = attempt(lambda: devices() or None)
    out["others"] = attempt(lambda: others() or None)
    out["setuid"] = attempt(lambda: setuid_programs() or None)
    out["hardlink"] = attempt(lambda: os.link("/etc/hosts", "/tmp/hosts"))
    json.dump(out, sys.stdout)


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main()
