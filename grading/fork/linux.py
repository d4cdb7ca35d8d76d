"""The few system calls that isolate a process and that CPython 3.11 has no function for. Linux only.

Each is the C library's own, by `ctypes`; an error is an `OSError` that names the call. See namespaces(7),
pid_namespaces(7), mount_namespaces(7) and capabilities(7).
"""

import ctypes
import os
import platform
from enum import IntFlag
from pathlib import Path

__all__ = [
    "Mount",
    "Namespace",
    "bind",
    "die_with_parent",
    "drop_capabilities",
    "map_ids",
    "mount",
    "own_pid_namespace",
    "own_proc_files",
    "pivot_root",
    "setns",
    "unshare",
]


class Namespace(IntFlag):
    """What a process can have to itself (clone(2))."""

    MOUNT = 0x00020000
    UTS = 0x04000000
    IPC = 0x08000000
    USER = 0x10000000
    PID = 0x20000000
    NETWORK = 0x40000000


class Mount(IntFlag):
    """Flags of mount(2)."""

    READ_ONLY = 0x1
    NOSUID = 0x2
    NODEV = 0x4
    NOEXEC = 0x8
    REMOUNT = 0x20
    BIND = 0x1000
    RECURSIVE = 0x4000
    PRIVATE = 0x40000


_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CAPSET = {"x86_64": 126, "aarch64": 91}
_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS, _PR_CAPBSET_DROP = 1, 4, 38, 24
_SIGKILL = 9
_MNT_DETACH = 2
_LAST_CAPABILITY = Path("/proc/sys/kernel/cap_last_cap")

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, call: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{call}: {os.strerror(number)}")


def unshare(namespaces: Namespace) -> None:
    """Leave these namespaces for new ones; a new PID namespace holds the children forked from now on."""
    _check(_libc.unshare(int(namespaces)), f"unshare({namespaces!r})")


def setns(descriptor: int, namespace: Namespace) -> None:
    """Enter the namespace behind an open file of `/proc/self/ns`."""
    _check(_libc.setns(descriptor, int(namespace)), f"setns({namespace!r})")


def own_pid_namespace() -> int:
    """A descriptor of this process's own PID namespace."""
    return os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)


def map_ids(inside: int, uid: int, gid: int) -> None:
    """In a new user namespace: the user `uid` and group `gid` outside are `inside` within."""
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{inside} {uid} 1")
    Path("/proc/self/gid_map").write_text(f"{inside} {gid} 1")


def mount(source: str | None, target: Path | str, kind: str | None, flags: Mount, data: str = "") -> None:
    """Put a file system somewhere in the tree, or change how one is mounted; see the manual, section 2."""
    arguments = [value.encode() if value is not None else None for value in (source, str(target), kind)]
    result = _libc.mount(*arguments, ctypes.c_ulong(int(flags)), data.encode() or None)
    _check(result, f"mount({source or kind} on {target})")


def bind(source: Path, target: Path, *, read_only: bool = True) -> None:
    """Show a file or folder at another place, by default so that nobody can write to it there."""
    mount(str(source), target, None, Mount.BIND | Mount.RECURSIVE)
    if read_only:
        flags = Mount.BIND | Mount.REMOUNT | Mount.READ_ONLY | Mount.NOSUID
        if source.is_char_device():
            return  # a device is written to, never changed
        mount(None, target, None, flags | Mount.NODEV)


def pivot_root(root: Path) -> None:
    """Make this folder, a mount point, the root; the old root is gone."""
    os.chdir(root)
    call = _PIVOT_ROOT[platform.machine()]
    _check(_libc.syscall(call, b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", _MNT_DETACH), "umount of the old root")
    os.chdir("/")


class _CapHeader(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapData(ctypes.Structure):
    _fields_ = (
        ("effective", ctypes.c_uint32),
        ("permitted", ctypes.c_uint32),
        ("inheritable", ctypes.c_uint32),
    )


def drop_capabilities() -> None:
    """Give up every capability for good, also for programs that are started later."""
    last = int(_LAST_CAPABILITY.read_text()) if _LAST_CAPABILITY.exists() else 40
    for capability in range(last + 1):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    header = _CapHeader(0x20080522, 0)
    call = _CAPSET[platform.machine()]
    _check(_libc.syscall(call, ctypes.byref(header), ctypes.byref((_CapData * 2)())), "capset")
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl(NO_NEW_PRIVS)")


def own_proc_files() -> None:
    """After a change of user: the files in `/proc/self` belong to the new one again."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl(DUMPABLE)")


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, however it ends."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, _SIGKILL, 0, 0, 0), "prctl(PDEATHSIG)")
