"""What a process that runs a student's code may touch: nothing of this machine but the libraries, read-only.

Two steps, because some of it is the same for everybody and some of it is not:

- `enter_room`, once, by the warm process before it imports anything: a root folder that holds the
  interpreter, its libraries and a few devices, all read-only; no network; process numbers of its own.
- `confine`, by each fork before it runs a line of anybody's code: a scratch folder of its own, process
  numbers of its own, no capabilities, no way to get any, limits, and the system calls that are nobody's
  business refused.

What is closed is closed twice: files by the room and by Landlock, the network by an empty network namespace
and by refusing sockets. Nothing here needs privileges; as root, code of students runs as `nobody` all the
same.
"""

import contextlib
import errno
import os
import resource
import stat
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from grading.fork import linux
from grading.fork.linux import Mount, Namespace
from grading.fork.packages import hide
from grading.records import Limits

if sys.platform == "linux":  # elsewhere only the limits are of use
    import landlockpy
    import seccompy
    from landlockpy import AccessFS, Ruleset, Scope

__all__ = [
    "Confinement",
    "confine",
    "enter_room",
    "fork_beside",
    "fork_isolated",
    "limit",
    "room_contents",
]

NOBODY = 65534
INSIDE = 1000  # the user that code of students sees itself run as
SCRATCH = Path("/scratch")
KEPT = Path("/.tmp")
"""Where the room has what lies in /tmp outside of it, since its own /tmp is for writing."""
BUILDING_SITE = Path(
    "/sys"
)  # a folder that every Linux has and the room does not show: nothing is hidden by it
SHARED_MEMORY = Path("/dev/shm")
DEVICES = ("null", "zero", "full", "random", "urandom")
WRITABLE_DEVICES = ("null", "full")  # a writable /dev/zero is memory that no limit counts
SYSTEM = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
SETTINGS = ("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "fonts", "localtime", "mime.types", "alternatives")
ACCOUNTS = {
    "passwd": f"student:x:{INSIDE}:{INSIDE}::{SCRATCH}:/bin/sh\n",
    "group": f"student:x:{INSIDE}:\n",
    "hosts": "127.0.0.1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
REFUSED = tuple(
    # other processes; mounts and namespaces; the kernel itself; keys; sockets, so that nobody is talked to;
    # interfaces whose bugs have opened many a sandbox
    [
        "ptrace",
        "process_vm_readv",
        "process_vm_writev",
        "process_madvise",
        "kcmp",
        "pidfd_getfd",
        "pidfd_open",
        "mount",
        "umount2",
        "pivot_root",
        "chroot",
        "unshare",
        "setns",
        "move_mount",
        "open_tree",
        "fsopen",
        "fsconfig",
        "fsmount",
        "fspick",
        "mount_setattr",
        "statmount",
        "listmount",
        "init_module",
        "finit_module",
        "delete_module",
        "kexec_load",
        "kexec_file_load",
        "reboot",
        "swapon",
        "swapoff",
        "syslog",
        "acct",
        "quotactl",
        "settimeofday",
        "clock_settime",
        "adjtimex",
        "clock_adjtime",
        "sethostname",
        "setdomainname",
        "keyctl",
        "add_key",
        "request_key",
        "socket",
        "bpf",
        "perf_event_open",
        "userfaultfd",
        "io_uring_setup",
        "io_uring_enter",
        "io_uring_register",
        "fanotify_init",
        "open_by_handle_at",
        "name_to_handle_at",
        "personality",
        "modify_ldt",
        "io_setup",
        "vmsplice",
        # memory that no limit of a process counts
        "memfd_create",
        "memfd_secret",
        "shmget",
        "msgget",
        "semget",
        "mq_open",
    ]
)
NEW_NAMESPACES = 0x7E020080  # CLONE_NEW* of clone(2)
SHARED_NAMELESS = 0x21  # MAP_SHARED | MAP_ANONYMOUS of mmap(2): such memory counts as nobody's data
ADDRESSES = 64 * 2**30
"""Bytes that a process may map: what is only read takes no memory, but a GiB of it 2 MiB of page tables."""
X32 = 0x40000000  # the same calls once more, for programs with 32-bit pointers


@dataclass(frozen=True)
class Confinement:
    """What every fork of a warm process puts on; made once, since making it costs more than wearing it.

    pid_namespace: descriptor of the namespace that forks are made from. program: the seccomp filter.
    """

    pid_namespace: int
    program: "seccompy.Filter"
    user: int


def room_contents(packages: Iterable[str] = ()) -> list[Path]:
    """What the room shows: the interpreter with its libraries, and these packages wherever they are."""
    import importlib.util

    found = [Path(sys.prefix), Path(sys.base_prefix), Path(sys.executable).resolve().parents[1]]
    for name in packages:
        spec = importlib.util.find_spec(name.partition(".")[0])
        places = [] if spec is None else list(spec.submodule_search_locations or [spec.origin or ""])
        found += [Path(place) for place in places if place and Path(place).exists()]
    system = Path("/usr")
    kept: list[Path] = []
    for path in sorted(set(found), key=lambda path: len(path.parts)):
        if not any(path.is_relative_to(parent) for parent in (*kept, system)):
            kept.append(path)
    return kept


def enter_room(readable: Iterable[Path], hidden: Iterable[Path] = ()) -> Confinement:
    """Move into a room that shows only the system's libraries and these folders; goes on in a child.

    hidden: folders of packages in them, in whose places stands a sentence for who imports them.

    The caller must have one thread. The process that called waits for the child and ends as it does.

    Raises:
        OSError: this machine does not allow it; the message names the system call.
    """
    user = NOBODY if os.getuid() == 0 else 0
    with _mapping(user):
        linux.unshare(
            Namespace.USER
            | Namespace.MOUNT
            | Namespace.IPC
            | Namespace.UTS
            | Namespace.NETWORK
            | Namespace.PID
        )
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    linux.die_with_parent()
    linux.mount(None, "/", None, Mount.RECURSIVE | Mount.PRIVATE)
    _furnish(BUILDING_SITE, [Path(path) for path in readable])
    hide(BUILDING_SITE, hidden)
    linux.pivot_root(BUILDING_SITE)
    linux.mount(None, "/", None, Mount.BIND | Mount.REMOUNT | Mount.READ_ONLY | Mount.NOSUID)
    return Confinement(linux.own_pid_namespace(), _refusals(), user)


def fork_isolated(confinement: Confinement) -> int:
    """os.fork, with the child as process 1 of a namespace of its own: when it ends, all it started ends."""
    linux.setns(confinement.pid_namespace, Namespace.PID)
    linux.unshare(Namespace.PID)
    return os.fork()


def fork_beside(confinement: Confinement) -> int:
    """os.fork, with the child in the namespace that forks are made from, so that it can make some."""
    linux.setns(confinement.pid_namespace, Namespace.PID)
    return os.fork()


def confine(confinement: Confinement, limits: Limits) -> None:
    """Give up everything that code of students has no use for; there is no way back.

    Raises:
        OSError: something could not be given up; the process must end.
    """
    linux.unshare(Namespace.MOUNT)
    size = f"size={limits.scratch_mb}m,nr_inodes=20000,mode=0777"
    _mount_scratch(Path("/"), size)
    linux.mount("proc", "/proc", "proc", Mount.NOSUID | Mount.NODEV | Mount.NOEXEC)
    Path("/proc/self/oom_score_adj").write_text("1000")  # where memory runs out, hand-ins end and not the run
    if confinement.user:
        os.setresgid(confinement.user, confinement.user, confinement.user)
        os.setresuid(confinement.user, confinement.user, confinement.user)
        linux.own_proc_files()
    uid, gid = os.getuid(), os.getgid()
    linux.unshare(Namespace.USER | Namespace.IPC | Namespace.NETWORK)
    linux.map_ids(INSIDE, uid, gid)
    linux.drop_capabilities()
    os.setsid()
    os.umask(0o022)
    os.chdir(SCRATCH)
    limit(limits)
    with Ruleset(scoped=Scope.ABSTRACT_UNIX_SOCKET | Scope.SIGNAL) as ruleset:
        ruleset.allow_path("/", AccessFS.READ_FILE | AccessFS.READ_DIR | AccessFS.EXECUTE)
        everything = ~AccessFS.NONE & ~(AccessFS.MAKE_BLOCK | AccessFS.MAKE_CHAR)
        for folder in (SCRATCH, SHARED_MEMORY):
            ruleset.allow_path(folder, everything)
        for device in WRITABLE_DEVICES:
            ruleset.allow_path(Path("/dev", device), AccessFS.READ_FILE | AccessFS.WRITE_FILE)
        ruleset.restrict()
    confinement.program.load()


@contextlib.contextmanager
def _mapping(user: int) -> Iterator[None]:
    """Inside, this process leaves its user namespace; then its user is 0 in the new one, as root also `user`.

    More than the own user can only be mapped from outside, so a child that stays behind does it.
    """
    uid, gid = os.getuid(), os.getgid()
    if not user:
        yield
        linux.map_ids(0, uid, gid)
        return
    parent = os.getpid()
    waiting, ready = os.pipe()
    child = os.fork()
    if not child:
        os.close(ready)
        os.read(waiting, 1)
        for name in ("uid_map", "gid_map"):
            Path(f"/proc/{parent}/{name}").write_text(f"0 0 1\n{user} {user} 1")
        os._exit(0)
    os.close(waiting)
    try:
        yield
    finally:
        os.close(ready)
        _, status = os.waitpid(child, 0)
    if status:
        raise OSError(errno.EPERM, "the user namespace could not be mapped")


def _furnish(root: Path, readable: list[Path]) -> None:
    """Build the room on a memory file system at `root`."""
    original = {path.resolve(): path for path in readable}
    linux.mount("room", root, "tmpfs", Mount.NOSUID, "size=8m,mode=0755")
    for name in SYSTEM:
        path = Path("/", name)
        if path.is_symlink():
            (root / name).symlink_to(os.readlink(path))
        elif path.is_dir():
            (root / name).mkdir()
            linux.bind(path, root / name)
    for path in readable:
        _show(path, root)
    for target, path in original.items():
        if target != path:
            _show(target, root)
    settings = root / "etc"
    settings.mkdir()
    for name in SETTINGS:
        if Path("/etc", name).exists():
            _show(Path("/etc", name), root)
    for name, text in ACCOUNTS.items():
        (settings / name).write_text(text)
    (root / "dev").mkdir()
    for name in DEVICES:
        (root / "dev" / name).touch()
        linux.bind(Path("/dev", name), root / "dev" / name)
    for name, link in {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}.items():
        (root / "dev" / name).symlink_to(link)
    for folder in ("dev/shm", "proc", SCRATCH.name):
        (root / folder).mkdir(mode=0o777)
    (root / "tmp").symlink_to(SCRATCH)
    linux.mount("proc", root / "proc", "proc", Mount.NOSUID | Mount.NODEV | Mount.NOEXEC)
    _mount_scratch(root, "size=64m,mode=0777")


def _mount_scratch(root: Path, options: str) -> None:
    """Empty folders to write to; what the course has in /tmp is seen there, through links."""
    for folder in (SCRATCH, SHARED_MEMORY):
        place = root / folder.relative_to("/")
        linux.mount("scratch", place, "tmpfs", Mount.NOSUID | Mount.NODEV, options)
    kept = root / KEPT.name
    for name in os.listdir(kept) if kept.is_dir() else ():
        (root / SCRATCH.name / name).symlink_to(KEPT / name)


def _show(path: Path, root: Path) -> None:
    """Bind one file or folder at its own place under `root`."""
    in_tmp = path.is_relative_to("/tmp")
    target = root / KEPT.name / path.relative_to("/tmp") if in_tmp else root / path.relative_to("/")
    if target.exists():
        return
    if stat.S_ISDIR(path.stat().st_mode):
        target.mkdir(parents=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    linux.bind(path, target)


def _refusals() -> "seccompy.Filter":
    """The filter: everything is allowed but what no notebook needs."""
    program = seccompy.Filter()
    for name in REFUSED:
        try:
            number = seccompy.syscall_nr(name)
        except (KeyError, ValueError):
            continue  # this architecture does not have it
        program.errno(number, errno.EPERM)
        program.errno(number | X32, errno.EPERM)
    for bit in (1 << n for n in range(32) if NEW_NAMESPACES >> n & 1):
        flag = seccompy.ArgCmp(0, seccompy.CmpOp.MASKED_EQ, bit, mask=bit)
        program.errno("clone", errno.EPERM, args=[flag])
    shared = seccompy.ArgCmp(3, seccompy.CmpOp.MASKED_EQ, SHARED_NAMELESS, mask=SHARED_NAMELESS)
    for number in (seccompy.syscall_nr("mmap"), seccompy.syscall_nr("mmap") | X32):
        program.errno(number, errno.EPERM, args=[shared])
    program.errno("clone3", errno.ENOSYS)  # its flags lie in memory, unseen; without it libraries use clone
    program.errno(seccompy.syscall_nr("clone3") | X32, errno.ENOSYS)
    assert program.program  # compiled here, once, not in every fork
    # Both libraries look for the C library at their first call, by starting a program.
    seccompy.supported()
    landlockpy.abi_version()
    return program


def limit(limits: Limits) -> None:
    """The limits that need no sandbox: memory, processes, files, processor time."""
    size = limits.memory_mb * 2**20
    for what, most in (
        (resource.RLIMIT_DATA, size),  # memory written to: drivers reserve far more addresses than they use
        (resource.RLIMIT_AS, ADDRESSES),
        (resource.RLIMIT_NPROC, limits.processes),
        (resource.RLIMIT_FSIZE, limits.scratch_mb * 2**20),
        (resource.RLIMIT_NOFILE, 1024),
        (resource.RLIMIT_CPU, int(limits.job_seconds * 2) + 1),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 2**20),
    ):
        resource.setrlimit(what, (most, most))
