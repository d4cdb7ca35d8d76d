"""What code of students must not be able to do, each tried from inside.

A probe is a line or two of Python that raises `OSError` where it is refused; what gets through says so.
`@NAME@` stands for a place outside.
"""

import socket
from dataclasses import dataclass

__all__ = ["PRELUDE", "PROBES", "Probe"]

PRELUDE = '''
import ctypes, errno, json, mmap, os, resource, signal, socket, struct, sys, time
from pathlib import Path
import seccompy
libc = ctypes.CDLL(None, use_errno=True)
REFUSED = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.EROFS, errno.ENOENT, errno.ESRCH, errno.EXDEV)

def call(name, *arguments, also=(), x32=False):
    """A raw system call; that its arguments are wrong is no refusal."""
    number = seccompy.syscall_nr(name) | (0x40000000 if x32 else 0)
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result == 0 and name in ("fork", "vfork", "clone", "clone3"):
        os._exit(0)
    if result < 0:
        number = ctypes.get_errno()
        if number not in (*REFUSED, *also):
            raise AssertionError(f"it was not refused: {os.strerror(number)}")
        raise OSError(number, os.strerror(number))
    return result

def attempt(source):
    try:
        exec(source, dict(globals()))
    except OSError as error:
        allowed = error.errno in (*REFUSED, errno.ENODEV, errno.ENXIO, errno.EINVAL, errno.EAFNOSUPPORT)
        return "refused" if allowed else f"not refused, but: {error}"
    except (MemoryError, ValueError) as error:
        return "refused" if "limit" in str(error) or isinstance(error, MemoryError) else f"odd: {error!r}"
    except Exception as error:
        return f"odd: {error!r}"
    return "it got through"
'''


@dataclass(frozen=True)
class Probe:
    """Something tried. alone: it may end its process, which counts as refused; so it has one of its own."""

    name: str
    source: str
    alone: bool = False


def _reads() -> list[Probe]:
    places = {
        "/etc/shadow": "/etc/shadow",
        "the masters": "@COURSE@/solutions/assignment.py",
        "another hand-in": "@COURSE@/submitted/neighbour/a.ipynb",
        "the gradebook": "@COURSE@/gradebook.db",
        "the home folder": "@HOME@/token",
        "the memory of the machine": "/dev/mem",
        "the kernel's messages": "/dev/kmsg",
        "a disk": "/dev/@DISK@",
        "another process's environment": "/proc/@OUTSIDER@/environ",
        "the old root": "/old_root/etc/shadow",
        "devices of the system": "/sys/kernel/vmcoreinfo",
    }
    return [Probe(f"reads {name}", f"open({path!r}, 'rb').read(1)") for name, path in places.items()]


def _writes() -> list[Probe]:
    folders = (
        "/",
        "/etc",
        "/usr/lib",
        "/dev",
        "/proc",
        "@PACKAGES@",
        "@PREFIX@/bin",
        "@COURSE@",
        "/home",
        "/var/tmp",
    )
    found = [Probe(f"writes into {folder}", f"open({folder + '/probe'!r}, 'w')") for folder in folders]
    changes = {
        "changes rights of the root folder": "os.chmod('/', 0o777)",
        "changes rights of /dev": "os.chmod('/dev', 0)",
        "changes rights of a library": "os.chmod('@PACKAGES@', 0)",
        "sets times of /etc": "os.utime('/etc', (0, 0))",
        "gives /etc away": "os.chown('/etc', 1000, 1000)",
        "renames a folder": "os.rename('/etc', '/etcetera')",
        "removes a file": "os.unlink('/etc/passwd')",
        "links a file of the system to where it may write": "os.link('/etc/passwd', '/tmp/linked')",
        "empties a file": "os.truncate('/etc/passwd', 0)",
        "sets an attribute": "os.setxattr('/etc', 'user.probe', b'x')",
        "makes a folder at the root": "os.mkdir('/probe')",
        "asks the kernel to do something": "open('/proc/sysrq-trigger', 'w').write('h')",
        "sets a switch of the kernel": "open('/proc/sys/kernel/hostname', 'w').write('x')",
        "lowers what ends first when memory runs out": "open('/proc/self/oom_score_adj', 'w').write('-1')",
        "maps its users anew": "open('/proc/self/uid_map', 'w').write('0 0 1')",
    }
    return found + [Probe(name, source) for name, source in changes.items()]


def _sockets() -> list[Probe]:
    stream, raw, packets, bluetooth = 1, 3, 5, 31
    families = {
        "AF_INET": (socket.AF_INET, stream),
        "AF_INET6": (socket.AF_INET6, stream),
        "AF_UNIX": (socket.AF_UNIX, stream),
        "AF_NETLINK": (socket.AF_NETLINK, raw),
        "AF_PACKET": (socket.AF_PACKET, raw),
        "AF_VSOCK": (socket.AF_VSOCK, stream),
        "AF_ALG": (socket.AF_ALG, packets),
        "AF_BLUETOOTH": (bluetooth, raw),
    }
    found = [
        Probe(f"makes a socket of {name}", f"socket.socket({int(family)}, {kind})")
        for name, (family, kind) in families.items()
    ]
    reached = {
        "connects to the host": "socket.create_connection(('127.0.0.1', @PORT@), 1)",
        "connects to an abstract socket": "socket.socket(socket.AF_UNIX).connect('\\0@ABSTRACT@')",
        "connects with the 32-bit numbers of 64-bit calls": "call('socket', 1, 1, 0, x32=True)",
    }
    return found + [Probe(name, source) for name, source in reached.items()]


CALLS = {
    "mounts a file system": "call('mount', b'none', b'/tmp', b'tmpfs', 0, None)",
    "takes a file system away": "call('umount2', b'/tmp', 2)",
    "changes its root": "call('chroot', b'/tmp')",
    "exchanges its root": "call('pivot_root', b'.', b'.')",
    "opens a tree of mounts": "call('open_tree', -100, b'/tmp', 1)",
    "opens a file system": "call('fsopen', b'tmpfs', 0)",
    "leaves for a namespace of users": "call('unshare', 0x10000000)",
    "leaves for a namespace of mounts": "call('unshare', 0x20000)",
    "leaves for a network of its own": "call('unshare', 0x40000000)",
    "enters a namespace": "call('setns', os.open('/proc/self/ns/pid', os.O_RDONLY), 0)",
    "forks into a namespace of users": "flags = ctypes.c_ulong(0x10000000 | 17)\n"
    "call('clone', flags, None, None, None, None)",
    "forks by a call whose flags are not seen": "call('clone3', struct.pack('<11Q', 0x10000000, 0, 0, 0, 17,"
    " 0, 0, 0, 0, 0, 0), 88)",
    "traces a process": "call('ptrace', 0, 0, 0, 0)",
    "reads the memory of a process": "call('process_vm_readv', os.getpid(), None, 0, None, 0, 0)",
    "writes the memory of a process": "call('process_vm_writev', os.getpid(), None, 0, None, 0, 0)",
    "takes an open file of a process": "call('pidfd_getfd', os.pidfd_open(os.getpid()), 0, 0)",
    "compares processes": "call('kcmp', os.getpid(), os.getpid(), 1, 0, 0)",
    "opens files by their numbers": "call('open_by_handle_at', -100, bytes(128), 0)",
    "asks for a file's number": """
handle = struct.pack("<Ii", 120, 0) + bytes(120)
call("name_to_handle_at", -100, b"/etc", handle, ctypes.create_string_buffer(8), 0)
""",
    "makes a ring of system calls": "call('io_uring_setup', 8, ctypes.create_string_buffer(120))",
    "loads a program into the kernel": "call('bpf', 0, struct.pack('<IIII', 1, 4, 4, 1) + bytes(112), 128)",
    "watches the processor": "call('perf_event_open', struct.pack('<II', 1, 128) + bytes(120), 0, -1, -1, 0)",
    "handles its own page faults": "call('userfaultfd', 1)",
    "asks for keys": "call('keyctl', 0, -3, 0)",
    "adds a key": "call('add_key', b'user', b'probe', b'x', 1, -3)",
    "loads a module": "call('init_module', b'', 0, b'')",
    "loads another kernel": "call('kexec_load', 0, 0, None, 0)",
    "restarts the machine": "call('reboot', 0xFEE1DEAD, 672274793, 0, None)",
    "sets the clock": "call('clock_settime', 0, struct.pack('<qq', 0, 0))",
    "names the machine": "call('sethostname', b'probe', 5)",
    "reads the kernel's log": "call('syslog', 10, None, 0)",
    "adds memory of a disk": "call('swapon', b'/tmp', 0)",
    "asks for all events of files": "call('fanotify_init', 0, 0)",
    "makes itself another system": "call('personality', 0x0040000)",
    "makes a device": "os.mknod('/tmp/memory', 0o20600, os.makedev(1, 1))",
    "becomes root": "os.setuid(0)",
    "becomes somebody": "os.setresuid(65534, 65534, 65534)",
    "has capabilities": """
status = dict(line.split(":\\t") for line in Path("/proc/self/status").read_text().splitlines())
if all(int(status[kind], 16) == 0 for kind in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")):
    raise OSError(1, "none")
""",
    "could get privileges": """
status = dict(line.split(":\\t") for line in Path("/proc/self/status").read_text().splitlines())
if status["NoNewPrivs"].strip() == "1":
    raise OSError(1, "none")
""",
    "sees other processes": """
others = [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
if not others:
    raise OSError(1, "none")
""",
    "signals a process outside": "os.kill(@OUTSIDER@, 0)",
    "signals its parent": """
if os.getppid() == 0:
    raise OSError(3, "it has none that it sees")
os.kill(os.getppid(), 0)
""",
    "raises its limit of processes": "resource.setrlimit(resource.RLIMIT_NPROC, (100_000, 100_000))",
    "raises its limit of memory": "resource.setrlimit(resource.RLIMIT_DATA, (-1, -1))",
    "raises its limit of files": "resource.setrlimit(resource.RLIMIT_NOFILE, (1_000_000, 1_000_000))",
    "takes a better place at the processor": "os.setpriority(os.PRIO_PROCESS, 0, -5)",
    "takes memory in a file without a name": "os.memfd_create('probe')",
    "takes memory that processes share": "mmap.mmap(-1, 4096)",
    "takes memory through a device": "mmap.mmap(os.open('/dev/zero', os.O_RDWR), 4096)",
    "takes addresses without end": "libc.mmap.restype = ctypes.c_long\n"
    "if libc.mmap(None, ctypes.c_size_t(512 << 30), 1, 0x4022, -1, 0) == -1:\n    raise MemoryError",
    "takes a queue of messages": "call('mq_open', b'probe', 0o102, 0o600, None)",
    "takes a ring for files": "call('io_setup', 8, ctypes.create_string_buffer(8))",
    "gives pages to a pipe": "read, write = os.pipe()\npage = ctypes.create_string_buffer(4096)\n"
    "call('vmsplice', write, struct.pack('<QQ', ctypes.addressof(page), 4096), 1, 0)",
    "changes its segments": "call('modify_ldt', 0, ctypes.create_string_buffer(64), 64)",
    "holds a process by a file": "os.pidfd_open(os.getpid())",
    "asks for the mounts": "request, found = struct.pack('<IIQQ', 24, 0, 2**64 - 1, 0), bytes(64)\n"
    "call('listmount', request, found, 8, 0)",
    "takes memory of the old kind": "call('shmget', 0, 4096, 0o1600)",
}

DESCRIPTORS = """
places = [f"/proc/self/fd/{number}" for number in os.listdir("/proc/self/fd")]
found = [os.readlink(place) for place in places if os.path.lexists(place)]
sockets = [one for one in found if one.startswith("socket:")]
if len(sockets) == 1 and set(found) == {"/dev/null", *sockets}:
    raise OSError(1, "none but the one it answers on")
raise AssertionError(found)
"""

INT_80 = """
code = mmap.mmap(-1, 4096, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=7)
# mov eax, 359 (socket); mov ebx, 1; mov ecx, 1; xor edx, edx; int 0x80; ret
code.write(bytes.fromhex('53b867010000bb01000000b90100000031d2cd805bc3'))
run = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))
if run() < 0:
    raise OSError(1, 'refused')
"""

PROBES = [
    Probe("has descriptors of others", DESCRIPTORS),
    *_reads(),
    *_writes(),
    *_sockets(),
    *(Probe(name, source) for name, source in CALLS.items()),
    Probe("makes a socket by the calls of 32-bit programs", INT_80, alone=True),
]
