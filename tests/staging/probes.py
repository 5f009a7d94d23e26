"""What a hostile build may try, one function a probe; run inside a sandbox by the host's Python, alone: nothing else is there.

A probe is named for what it tries. It returns None where it was refused or found nothing, and says what it got else.
Prints one JSON object: probe -> None or what it got.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import json
import os
import platform
import resource
import signal
import socket
import sys
import termios
from collections.abc import Callable

Probe = Callable[[dict[str, object]], object]

PROBES: list[Probe] = []
libc = ctypes.CDLL(None, use_errno=True)
MACHINE = platform.machine()
NUMBERS = {
    "x86_64": {
        "add_key": 248,
        "request_key": 249,
        "keyctl": 250,
        "open_by_handle_at": 304,
        "pivot_root": 155,
        "bpf": 321,
        "acct": 163,
        "fanotify_init": 300,
        "init_module": 175,
        "iopl": 172,
        "kexec_load": 246,
        "process_vm_readv": 310,
        "syslog": 103,
    },
    "aarch64": {
        "add_key": 217,
        "request_key": 218,
        "keyctl": 219,
        "open_by_handle_at": 265,
        "pivot_root": 41,
        "bpf": 280,
        "acct": 89,
        "fanotify_init": 262,
        "init_module": 105,
        "kexec_load": 104,
        "process_vm_readv": 270,
        "syslog": 116,
    },
}.get(MACHINE, {})
LAYER = "/etc/file"
"""A file of a layer."""


def probe(function: Probe) -> Probe:
    PROBES.append(function)
    return function


def call(result: int) -> object:
    """Return what a system call got: None where it failed."""
    return None if result < 0 else f"returned {result}"


def syscall(name: str, *arguments: object) -> object:
    if name not in NUMBERS:
        return None
    return call(libc.syscall(NUMBERS[name], *arguments))


def attempt(action: Callable[[], object], got: str = "done") -> object:
    """Return ``got`` where ``action`` works, None where the kernel refuses it."""
    try:
        action()
    except OSError:
        return None
    return got


def written(path: str) -> object:
    """Return what opening a file for writing gets."""
    return attempt(lambda: os.close(os.open(path, os.O_WRONLY)), f"{path} opened for writing")


def opened(path: str) -> object:
    """Return what opening a file for reading gets."""
    return attempt(lambda: os.close(os.open(path, os.O_RDONLY)), f"{path} opened")


def in_child(action: Callable[[], object]) -> object:
    """Try something that changes the process in one of its own."""
    child = os.fork()
    if child == 0:
        try:
            got = action()
        except OSError:
            got = None
        os._exit(0 if got is None else 1)
    _, status = os.waitpid(child, 0)
    return None if status == 0 else "done"


# --- the layers -----------------------------------------------------------------------------------------------------------


@probe
def overwrite_a_layer(_: dict[str, object]) -> object:
    return written(LAYER)


@probe
def truncate_a_layer(_: dict[str, object]) -> object:
    return attempt(lambda: os.truncate(LAYER, 0))


@probe
def chmod_a_layer(_: dict[str, object]) -> object:
    return attempt(lambda: os.chmod(LAYER, 0o777))


@probe
def chown_a_layer(_: dict[str, object]) -> object:
    return attempt(lambda: os.chown(LAYER, 5, 7))


@probe
def set_an_attribute_of_a_layer(_: dict[str, object]) -> object:
    return attempt(lambda: os.setxattr(LAYER, "user.x", b"1"))


@probe
def set_the_time_of_a_layer(_: dict[str, object]) -> object:
    return attempt(lambda: os.utime(LAYER, (1, 1)))


@probe
def remove_from_a_layer(_: dict[str, object]) -> object:
    return attempt(lambda: os.unlink(LAYER))


@probe
def rename_in_a_layer(_: dict[str, object]) -> object:
    return attempt(lambda: os.rename(LAYER, "/etc/other"))


@probe
def add_to_a_layer(_: dict[str, object]) -> object:
    return attempt(lambda: os.mkdir("/etc/added"))


@probe
def add_to_the_root(_: dict[str, object]) -> object:
    return attempt(lambda: os.mkdir("/added"))


@probe
def link_a_layers_file_out(_: dict[str, object]) -> object:
    return attempt(lambda: os.link(LAYER, "/x.inst/linked"))


@probe
def write_a_layer_through_proc(_: dict[str, object]) -> object:
    descriptor = os.open(LAYER, os.O_RDONLY)
    try:
        return written(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)


@probe
def write_a_layer_through_the_first_process(_: dict[str, object]) -> object:
    return written(f"/proc/1/root{LAYER}")


@probe
def open_a_layer_by_handle(_: dict[str, object]) -> object:
    handle = ctypes.create_string_buffer(136)
    ctypes.memmove(handle, (128).to_bytes(4, "little"), 4)
    folder = os.open("/etc", os.O_RDONLY)
    try:
        return syscall("open_by_handle_at", folder, handle, os.O_RDWR)
    finally:
        os.close(folder)


# --- mounts and namespaces ------------------------------------------------------------------------------------------------


def mount(source: str, target: str, kind: str | None, flags: int) -> object:
    return call(
        libc.mount(source.encode(), target.encode(), kind and kind.encode(), ctypes.c_ulong(flags), None)
    )


@probe
def remount_the_root_writable(_: dict[str, object]) -> object:
    return mount("none", "/", None, 32 | 4096)


@probe
def mount_over_a_layer(_: dict[str, object]) -> object:
    return mount("none", "/etc", "tmpfs", 0)


@probe
def bind_over_a_layer(_: dict[str, object]) -> object:
    return mount("/x.inst", "/etc", None, 4096)


@probe
def mount_another_proc(_: dict[str, object]) -> object:
    return mount("proc", "/x.inst", "proc", 0)


@probe
def mount_sysfs(_: dict[str, object]) -> object:
    return mount("sysfs", "/x.inst", "sysfs", 0)


@probe
def unmount_what_covers_proc(_: dict[str, object]) -> object:
    return call(libc.umount2(b"/proc/sys", 2))


@probe
def unmount_the_build_folder(_: dict[str, object]) -> object:
    return call(libc.umount2(b"/x.build", 2))


@probe
def configure_a_file_system(_: dict[str, object]) -> object:
    return call(libc.syscall(430, b"tmpfs", 0))


@probe
def copy_a_mount(_: dict[str, object]) -> object:
    return call(libc.syscall(428, -100, b"/", 1))


@probe
def pivot_the_root(_: dict[str, object]) -> object:
    return in_child(lambda: syscall("pivot_root", b"/x.inst", b"/x.inst"))


@probe
def leave_the_chroot(_: dict[str, object]) -> object:
    """The classic way out: it ends at the namespace's own root."""

    def escape() -> object:
        os.makedirs("/x.inst/jail", exist_ok=True)
        os.chroot("/x.inst/jail")
        for _ in range(50):
            os.chdir("..")
        os.chroot(".")
        return None if os.path.isdir("/x.build") and not os.path.exists("/oldroot") else "out"

    return in_child(escape)


for flag, what in (
    (0x10000000, "user"),
    (0x00020000, "mount"),
    (0x40000000, "network"),
    (0x20000000, "pid"),
    (0x04000000, "uts"),
    (0x08000000, "ipc"),
    (0x02000000, "cgroup"),
    (0x10000000 | 0x00020000, "user_and_mount"),
):

    def make_a_namespace(_: dict[str, object], flag: int = flag) -> object:
        return in_child(lambda: call(libc.unshare(flag)))

    make_a_namespace.__name__ = f"make_a_{what}_namespace"
    probe(make_a_namespace)


@probe
def clone_a_user_namespace(_: dict[str, object]) -> object:
    number = {"x86_64": 56, "aarch64": 220}.get(MACHINE)
    if number is None:
        return None
    child = libc.syscall(number, 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)
    if child == 0:
        os._exit(0)
    return call(child)


@probe
def clone3_a_user_namespace(_: dict[str, object]) -> object:
    arguments = (ctypes.c_uint64 * 11)(0x10000000, 0, 0, 0, signal.SIGCHLD)
    child = libc.syscall(435, ctypes.byref(arguments), 88)
    if child == 0:
        os._exit(0)
    return call(child)


@probe
def enter_the_first_processs_namespaces(_: dict[str, object]) -> object:
    def enter() -> object:
        for name in ("user", "mnt", "net"):
            descriptor = os.open(f"/proc/1/ns/{name}", os.O_RDONLY)
            if libc.setns(descriptor, 0) == 0 and name != "net":
                return "entered"
        return None

    return in_child(enter)


@probe
def set_the_host_name(_: dict[str, object]) -> object:
    return call(libc.sethostname(b"other", 5))


# --- the network ----------------------------------------------------------------------------------------------------------


@probe
def connect_to_a_server_of_the_host(told: dict[str, object]) -> object:
    with socket.socket() as client:
        client.settimeout(1)
        return attempt(lambda: client.connect(("127.0.0.1", told["port"])), "connected")


@probe
def connect_to_an_abstract_socket_of_the_host(told: dict[str, object]) -> object:
    with socket.socket(socket.AF_UNIX) as client:
        return attempt(lambda: client.connect("\0" + str(told["abstract"])), "connected")


@probe
def connect_to_a_socket_file_of_the_host(told: dict[str, object]) -> object:
    with socket.socket(socket.AF_UNIX) as client:
        return attempt(lambda: client.connect(str(told["socket"])), "connected")


@probe
def send_a_datagram_out(_: dict[str, object]) -> object:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        return attempt(lambda: sender.sendto(b"x", ("192.0.2.1", 9)), "sent")


@probe
def reach_the_hypervisor(_: dict[str, object]) -> object:
    return attempt(lambda: socket.socket(40, socket.SOCK_STREAM).close(), "a vsock socket")


@probe
def open_a_raw_socket(_: dict[str, object]) -> object:
    return attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close())


@probe
def open_a_packet_socket(_: dict[str, object]) -> object:
    return attempt(lambda: socket.socket(17, socket.SOCK_RAW, 3).close())


@probe
def find_a_network_device(_: dict[str, object]) -> object:
    return [name for _, name in socket.if_nameindex() if name != "lo"] or None


# --- the host -------------------------------------------------------------------------------------------------------------


@probe
def find_folders_of_the_host(_: dict[str, object]) -> object:
    own = {"bin", "dev", "etc", "lib", "lib64", "probes", "proc", "tmp", "usr", "x.build", "x.inst"}
    return sorted(set(os.listdir("/")) - own) or None


@probe
def find_the_hosts_file(told: dict[str, object]) -> object:
    return "there" if os.path.exists(str(told["secret"])) else None


@probe
def read_the_hosts_file_through_a_process(told: dict[str, object]) -> object:
    for name in filter(str.isdigit, os.listdir("/proc")):
        if os.path.exists(f"/proc/{name}/root{told['secret']}"):
            return name
    return None


@probe
def find_processes_of_the_host(_: dict[str, object]) -> object:
    numbers = [name for name in os.listdir("/proc") if name.isdigit()]
    return len(numbers) if len(numbers) > 4 else None


@probe
def write_kernel_settings(_: dict[str, object]) -> object:
    """Every file of /proc that belongs to no process."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit() or entry.is_symlink():
            continue
        if entry.is_file():
            found.append(written(entry.path))
        for folder, _, files in os.walk(entry.path) if entry.is_dir() else ():
            found += [written(os.path.join(folder, name)) for name in files]
    return [item for item in found if item][:5] or None


@probe
def change_a_kernel_files_mode(_: dict[str, object]) -> object:
    """A mode in /proc is the whole machine's."""
    return attempt(lambda: os.chmod("/proc/version", 0o444))


@probe
def read_kernel_memory(_: dict[str, object]) -> object:
    names = (
        "kcore",
        "kmsg",
        "kpagecount",
        "kpageflags",
        "kpagecgroup",
        "vmallocinfo",
        "slabinfo",
        "timer_list",
    )
    return [name for name in names if opened(f"/proc/{name}")] or None


@probe
def find_sysfs(_: dict[str, object]) -> object:
    return os.path.exists("/sys/kernel") or None


@probe
def find_a_device(_: dict[str, object]) -> object:
    known = {
        "console",
        "core",
        "fd",
        "full",
        "null",
        "ptmx",
        "pts",
        "random",
        "shm",
        "stderr",
        "stdin",
        "stdout",
        "tty",
    }
    return sorted(set(os.listdir("/dev")) - known - {"urandom", "zero"}) or None


for kind, letter in ((0o020000, "character"), (0o060000, "block")):

    def make_a_device(_: dict[str, object], kind: int = kind) -> object:
        return attempt(lambda: os.mknod("/x.inst/device", kind | 0o666, os.makedev(8, 0)))

    make_a_device.__name__ = f"make_a_{letter}_device"
    probe(make_a_device)


@probe
def search_a_keyring(_: dict[str, object]) -> object:
    """``keyctl search @s``: what whoever builds keeps in the session keyring."""
    return syscall("keyctl", 10, -3, b"user", b"lithify-test-key", 0)


@probe
def keep_a_key(_: dict[str, object]) -> object:
    return syscall("add_key", b"user", b"lithify-probe", b"x", 1, -3)


@probe
def push_into_the_terminal(_: dict[str, object]) -> object:
    def push() -> None:
        for descriptor in (0, 1, 2):
            with contextlib.suppress(OSError):
                fcntl.ioctl(descriptor, termios.TIOCSTI, b"x")
                return
        with open("/dev/tty", "wb", buffering=0) as terminal:
            fcntl.ioctl(terminal, termios.TIOCSTI, b"x")

    return attempt(push, "pushed")


@probe
def find_a_terminal(_: dict[str, object]) -> object:
    """Where there is none, nothing can be pushed into it, whatever the kernel allows."""
    found = [number for number in (0, 1, 2) if os.isatty(number)]
    return [*found, *([path] if opened(path := "/dev/tty") else [])] or None


@probe
def find_an_inherited_descriptor(_: dict[str, object]) -> object:
    held = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            held[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return {number: path for number, path in held.items() if number > 2} or None


@probe
def find_a_foreign_variable(told: dict[str, object]) -> object:
    return sorted(set(os.environ) - set(told["environment"]) - {"PWD", "SHLVL", "_", "LC_CTYPE"}) or None  # type: ignore[call-overload]


@probe
def find_a_variable_of_bubblewraps_caller(_: dict[str, object]) -> object:
    with contextlib.suppress(OSError), open("/proc/1/environ", "rb") as text:
        return [item.decode() for item in text.read().split(b"\0") if b"SECRET" in item] or None
    return None


@probe
def have_a_capability_too_many(_: dict[str, object]) -> object:
    """The bounding set is larger; with ``no_new_privs`` nobody rises to it."""
    eight = sum(1 << bit for bit in (0, 1, 3, 4, 6, 7, 18, 31))
    with open("/proc/self/status") as lines:
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    found = {name: int(status[name], 16) & ~eight for name in ("CapEff", "CapPrm", "CapInh", "CapAmb")}
    return found if any(found.values()) or status["NoNewPrivs"].strip() != "1" else None


@probe
def trace_the_first_process_to_more_rights(_: dict[str, object]) -> object:
    """Being attached to is harmless; having a capability more than we have is not."""
    with open("/proc/1/status") as lines:
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
    eight = sum(1 << bit for bit in (0, 1, 3, 4, 6, 7, 18, 31))
    return hex(int(status["CapPrm"], 16)) if int(status["CapPrm"], 16) & ~eight else None


@probe
def trace_a_process_of_the_host(told: dict[str, object]) -> object:
    return call(libc.ptrace(16, told["process"], 0, 0))


@probe
def set_the_clock(_: dict[str, object]) -> object:
    return call(libc.settimeofday((ctypes.c_long * 2)(1, 1), None))


@probe
def restart_the_machine(_: dict[str, object]) -> object:
    return (
        call(libc.syscall({"x86_64": 169, "aarch64": 142}[MACHINE], 0, 0, 0, 0))
        if MACHINE in NUMBERS
        else None
    )


@probe
def load_a_program_into_the_kernel(_: dict[str, object]) -> object:
    return syscall("bpf", 5, ctypes.create_string_buffer(128), 128)


@probe
def swap_to_a_file(_: dict[str, object]) -> object:
    return call(libc.swapon(b"/x.inst/swap", 0))


@probe
def raise_its_priority(_: dict[str, object]) -> object:
    return call(libc.setpriority(0, 0, -20))


@probe
def become_more_by_a_setuid_file(_: dict[str, object]) -> object:
    """A setuid file of DESTDIR changes nobody: its mount and the process forbid it."""
    with open("/bin/sh", "rb") as program, open("/x.inst/setuid", "wb") as copy:
        copy.write(program.read())
    os.chmod("/x.inst/setuid", 0o6755)

    def run() -> object:
        os.setgid(9)
        os.setuid(9)
        os.execv("/x.inst/setuid", ["sh", "-c", "test $(id -u) != 0"])

    return in_child(run)


# --- the cache, other builds, and what a machine has only once ------------------------------------------------------------


@probe
def find_the_store_and_other_builds(told: dict[str, object]) -> object:
    """By their paths on the host, and by the root and the working folder of whatever process can be seen."""
    places = ["", "/proc/self/root", "/proc/1/root", "/proc/1/cwd"]
    wanted = [str(path) for path in told.get("cache", [])]  # type: ignore[attr-defined]
    return [place + path for place in places for path in wanted if os.path.lexists(place + path)] or None


@probe
def climb_out_of_a_bound_folder(_: dict[str, object]) -> object:
    """Above the folders that are bound in there is the sandbox's root, not where they stand on the host."""
    found = []
    for path in filter(os.path.isdir, ("/x.inst", "/x.build", ".")):
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        for _ in range(30):
            above = os.open("..", os.O_RDONLY | os.O_DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = above
        found += [name for name in os.listdir(descriptor) if name in ("home", "root", "var")]
        os.close(descriptor)
    return found or None


@probe
def find_shared_memory_of_the_host(_: dict[str, object]) -> object:
    found = []
    for name in ("shm", "sem", "msg"):
        with contextlib.suppress(OSError), open(f"/proc/sysvipc/{name}") as lines:
            found += lines.read().splitlines()[1:]
    return found or None


@probe
def list_keys(_: dict[str, object]) -> object:
    """A keyring that is seen is named by what is in it."""
    with contextlib.suppress(OSError), open("/proc/keys") as lines:
        return [line for line in lines if "lithify-test-key" in line] or None
    return None


@probe
def read_a_processs_memory(told: dict[str, object]) -> object:
    if os.path.exists(f"/proc/{told['process']}"):
        return None  # a process of our own has that number
    target = ctypes.create_string_buffer(8)
    vector = (ctypes.c_size_t * 2)(ctypes.addressof(target), 8)
    return syscall("process_vm_readv", told["process"], vector, 1, vector, 1, 0)


@probe
def end_a_process_of_the_host(told: dict[str, object]) -> object:
    if os.path.exists(f"/proc/{told['process']}"):
        return None
    return attempt(lambda: os.kill(int(str(told["process"])), 0), "could be signalled")


@probe
def set_up_io_uring(_: dict[str, object]) -> object:
    """Its operations pass every filter of system calls: it would open the sockets that are refused."""
    return call(libc.syscall(425, 4, ctypes.create_string_buffer(120)))


@probe
def move_a_mount(_: dict[str, object]) -> object:
    return call(libc.syscall(429, -100, b"/x.inst", -100, b"/etc", 0))


@probe
def change_a_mounts_flags(_: dict[str, object]) -> object:
    return call(libc.syscall(442, -100, b"/", 0, (ctypes.c_uint64 * 4)(0, 1, 0, 0), 32))


@probe
def watch_a_file_system(_: dict[str, object]) -> object:
    return syscall("fanotify_init", 0x0000000C, 0)


@probe
def load_a_module(_: dict[str, object]) -> object:
    return syscall("init_module", b"", 0, b"")


@probe
def load_another_kernel(_: dict[str, object]) -> object:
    return syscall("kexec_load", 0, 0, None, 0)


@probe
def reach_the_ports(_: dict[str, object]) -> object:
    return syscall("iopl", 3)


@probe
def account_for_processes(_: dict[str, object]) -> object:
    return syscall("acct", b"/x.inst/account")


@probe
def clear_the_kernels_log(_: dict[str, object]) -> object:
    return syscall("syslog", 5, None, 0)


@probe
def become_a_real_time_process(_: dict[str, object]) -> object:
    return in_child(
        lambda: attempt(lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)), "real time")
    )


@probe
def raise_a_limit(_: dict[str, object]) -> object:
    """A hard limit that was set stays."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard + 1))
    except ValueError:  # as Python has it, in place of EPERM
        return None
    return "raised"


@probe
def weigh_less_where_memory_is_short(_: dict[str, object]) -> object:
    """What is offered to the kernel first stays so: only the machine's root may take it back, and only with a capability."""

    def lower() -> None:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("-1000")

    return attempt(lower, "protected")


@probe
def find_control_groups(_: dict[str, object]) -> object:
    """A group that could be seen could be left."""
    with open("/proc/self/mounts") as lines:
        return [line for line in lines if " cgroup" in line] or None


def main() -> None:
    told = json.loads(sys.argv[1])
    print(json.dumps({function.__name__: function(told) for function in PROBES}))


if __name__ == "__main__":
    main()
