"""How a machine is started and listened to; what needs a whole system is in ``test_boot``."""

from __future__ import annotations

import os
import socket
import stat
import sys
import threading
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path

import pytest
from msgspec.structs import replace

from lithify.build.metadata import Content
from lithify.cli.app import run
from lithify.deploy import machine
from lithify.deploy.deployment import carry_out
from lithify.deploy.machine import (
    Machine,
    MachinePlan,
    answers_ssh,
    command_line,
    directly_booted,
    firmware_in,
    free_port,
    is_gpt_image,
    kvm_works,
    need_qemu,
    with_kvm,
)
from lithify.deploy.order import Works
from lithify.errors import DeployError, HostError
from tests.deploy.trees import BOOTABLE, order_for
from tests.store.trees import File

PLAN = MachinePlan(image=Path("/tmp/a,b.img"))


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only one in which programs are looked for."""
    bare = tmp_path / "bin"
    bare.mkdir()
    monkeypatch.setattr("lithify.process.TOOL_PATH", str(bare))
    return bare


@pytest.fixture
def stand_in(programs: Path) -> Callable[[str], None]:
    """Return a function that puts a Python program where QEMU is looked for: a console that says what a test wants."""

    def write(text: str) -> None:
        program = programs / machine.QEMU
        program.write_text(f"#!{sys.executable} -u\nimport os, sys, time\n{text}\n")
        program.chmod(0o755)

    return write


def test_a_machine_is_emulated_and_leaves_the_image_alone() -> None:
    line = " ".join(command_line(PLAN))
    assert "-machine q35" in line
    assert "-accel tcg" in line
    assert "-serial stdio" in line
    assert "-m 512 -smp 1" in line
    assert "file=/tmp/a,,b.img,format=raw,if=none,id=disk,snapshot=on" in line
    assert "-device nvme,drive=disk" in line
    assert "-cpu" not in line
    assert "hostfwd" not in line
    assert "pflash" not in line


def test_what_is_asked_for_is_on_the_command_line() -> None:
    plan = replace(PLAN, writable=True, memory=2048, processors=2, ssh_port=2222)
    line = " ".join(command_line(replace(with_kvm(plan), firmware=(Path("/c,1.fd"), Path("/v.fd")))))
    assert "snapshot" not in line
    assert "-m 2048 -smp 2" in line
    assert "hostfwd=tcp:127.0.0.1:2222-:22" in line
    assert "-accel kvm -cpu host" in line
    assert "if=pflash,format=raw,readonly=on,file=/c,,1.fd" in line
    assert "if=pflash,format=raw,file=/v.fd" in line
    direct = command_line(replace(plan, kernel=Path("/k"), arguments="root=/dev/x quiet"))
    assert direct[direct.index("-kernel") + 1] == "/k"
    assert direct[direct.index("-append") + 1] == "root=/dev/x quiet"


def test_a_free_port_can_be_taken() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", free_port()))


def test_missing_qemu_is_said_with_the_command_that_mends_it(programs: Path) -> None:
    for attempt in (need_qemu, lambda: Machine(PLAN)):
        with pytest.raises(HostError, match=r"QEMU .* is not installed") as refused:
            attempt()
        assert refused.value.hints == ("sudo apt-get install -y qemu-system-x86 ovmf",)


def test_missing_firmware_is_said_with_the_command_that_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "FIRMWARE", ((tmp_path / "code", tmp_path / "variables"),))
    with pytest.raises(HostError, match="OVMF is not installed") as refused:
        firmware_in(tmp_path)
    assert refused.value.hints == ("sudo apt-get install -y ovmf",)
    (tmp_path / "code").touch()
    (tmp_path / "variables").write_bytes(b"v")
    (tmp_path / "variables").chmod(0o444)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    code, variables = firmware_in(scratch)
    assert (code, variables.parent, variables.read_bytes()) == (tmp_path / "code", scratch, b"v")
    assert stat.S_IMODE(variables.stat().st_mode) & 0o200, "QEMU writes to it"


def test_the_console_is_read_until_something_is_said(stand_in: Callable[[str], None]) -> None:
    stand_in("sys.stdout.write('one\\ntwo: 2\\n'); time.sleep(60)")
    record = BytesIO()
    with Machine(PLAN, record=record) as running:
        assert running.wait_for(rb"two: (\d)", 30)[1] == b"2"
        assert running.wait_for(rb"one", 30)[0] == b"one", "what was said before counts"
        assert bytes(running.console) == record.getvalue() == b"one\ntwo: 2\n"


def test_a_silent_machine_is_given_up_with_its_last_lines(stand_in: Callable[[str], None]) -> None:
    stand_in("sys.stdout.write('Kernel panic\\n'); time.sleep(60)")
    with Machine(PLAN) as running:
        running.wait_for(rb"panic", 30)
        with pytest.raises(DeployError, match=r"did not say b'up' within 0\.01 s") as refused:
            running.wait_for(rb"up", 0.01)
        assert refused.value.hints == ("Kernel panic",)
        with pytest.raises(DeployError, match=r"did not switch itself off within 0\.01 s"):
            running.wait(0.01)


def test_a_machine_that_ends_is_noticed_at_once(stand_in: Callable[[str], None]) -> None:
    stand_in("sys.stderr.write('qemu: no such device\\n'); sys.exit(1)")
    with Machine(PLAN) as running:
        with pytest.raises(DeployError, match=r"did not say b'up' before it ended") as refused:
            running.wait_for(rb"up", 60)
        assert refused.value.hints == ("qemu: no such device",)
        assert running.wait(60) == 1


def test_a_talkative_machine_can_switch_itself_off(stand_in: Callable[[str], None]) -> None:
    """A pipe that nobody reads is full after 64 KiB, and the machine would stand still."""
    stand_in("sys.stdout.write('x' * 1_000_000)")
    with Machine(PLAN) as running:
        assert running.wait(60) == 0
        assert len(running.console) == 1_000_000


@pytest.mark.parametrize(
    ("text", "works"),
    [
        ("sys.stderr.write('qemu: error: failed to set MSR 0x10a\\n'); sys.exit(1)", False),
        ("print('BdsDxe: loading Boot0001'); time.sleep(60)", True),
        ("print('[    0.000000] Linux version 6.1'); time.sleep(60)", True),
        ("sys.exit(0 if 'snapshot=on' not in ' '.join(sys.argv) else print('Linux version'))", True),
    ],
)
def test_kvm_is_believed_in_when_a_machine_speaks(
    text: str, works: bool, stand_in: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """``/dev/kvm`` proves nothing, nor does what QEMU itself prints when it fails."""
    stand_in(text)
    monkeypatch.setattr(os, "access", lambda path, mode: path == "/dev/kvm" or real(path, mode))
    assert kvm_works(replace(PLAN, writable=True, ssh_port=1)) is works


real = os.access


def test_without_access_kvm_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    assert kvm_works(PLAN) is False


def test_the_boot_entry_of_an_image_is_what_is_booted_directly(
    system: Callable[..., Content], works: Works, tmp_path: Path
) -> None:
    spec = {path: File(path.encode()) for path in BOOTABLE}
    carry_out(order_for(system(spec), tmp_path / "d.img", kernel_arguments="quiet"), works)
    plan = directly_booted(replace(PLAN, image=tmp_path / "d.img", firmware=(tmp_path, tmp_path)), tmp_path)
    assert plan.firmware is None
    assert plan.kernel is not None
    assert plan.kernel.read_bytes() == b"boot/vmlinuz-6.10"
    assert plan.arguments.startswith("quiet root=PARTUUID=")
    assert "lithify.system=small" in plan.arguments


def test_an_image_without_a_boot_entry_cannot_be_booted_directly(
    system: Callable[..., Content], works: Works, tmp_path: Path
) -> None:
    carry_out(order_for(system({"f": File()}), tmp_path / "d.img", boot_loader="none"), works)
    for image in (tmp_path / "d.img", tmp_path / "other"):
        image.touch()
        with pytest.raises(DeployError, match="has no boot entry of lithify's"):
            directly_booted(replace(PLAN, image=image), tmp_path)


def test_an_image_is_known_by_its_partition_table(tmp_path: Path) -> None:
    for content, known in ((b"", False), (b"x" * 600, False), (bytes(512) + b"EFI PART" + bytes(80), True)):
        (tmp_path / "d").write_bytes(content)
        assert is_gpt_image(tmp_path / "d") is known


def test_an_ssh_server_is_waited_for() -> None:
    """QEMU takes connections before anybody answers in the machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]

        def serve() -> None:
            for words in (b"", b"", b"SSH-2.0-x\r\n"):
                connection, _ = server.accept()
                with connection:
                    connection.sendall(words)

        thread = threading.Thread(target=serve)
        thread.start()
        assert answers_ssh(port)
        thread.join()
    assert not answers_ssh(port, seconds=0.0)


@pytest.mark.parametrize(
    ("text", "arguments", "status", "said"),
    [
        ("print('up'); sys.exit(3)", (), 3, ""),
        ("os.kill(os.getpid(), 15)", (), 128 + 15, ""),
        ("os.abort()", ("--kvm",), 1, "ERROR: QEMU was ended by signal 6\nhint: without --kvm"),
    ],
)
def test_boot_ends_as_qemu_does(
    stand_in: Callable[[str], None],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    text: str,
    arguments: Sequence[str],
    status: int,
    said: str,
) -> None:
    stand_in(text)
    image = tmp_path / "disk.img"
    image.write_bytes(bytes(512) + b"EFI PART" + bytes(512))
    words = ["--no-default-configs", "--tempdir", str(tmp_path / "scratch"), "boot", str(image), *arguments]
    assert run(words, {"HOME": str(tmp_path)}) == status
    assert capsys.readouterr().err.startswith(said)
    assert list((tmp_path / "scratch").iterdir()) == []
