"""It boots: on every machine, NIC, memory size and CPU that it is meant for, and as it is."""

import shutil
import socket
import subprocess
import time

import pytest

import qemu

MSIX = "msix"
INTX = "intx"
MODERN = "disable-legacy=on"
TRANSITIONAL = "disable-legacy=off,disable-modern=off"


def assert_serves(guest):
    status, headers, body = guest.wait_http()
    assert status == 200
    assert headers["Content-Type"].startswith("text/html")
    assert int(headers["Content-Length"]) == len(body)
    assert b"</html>" in body


def nic_lines(guest):
    """The rows of /proc/interrupts' layout that belong to the NIC."""
    return [line for line in guest.console("interrupts").splitlines() if "virtio" in line]


@pytest.mark.parametrize("vectors", [MSIX, INTX])
@pytest.mark.parametrize("nic", [MODERN, TRANSITIONAL], ids=["modern", "transitional"])
@pytest.mark.parametrize("machine", ["q35", "pc"])
def test_machine_and_nic(boot, machine, nic, vectors):
    guest = boot(machine=machine, nic=nic + (",vectors=0" if vectors == INTX else ""))
    guest.wait_prompt()
    assert_serves(guest)
    lines = nic_lines(guest)
    assert lines, "no interrupt of the NIC is listed"
    counts = [int(line.split()[1]) for line in lines]
    assert sum(counts) > 0, "the NIC was served without a single interrupt"
    for line in lines:
        assert ("MSI" in line) == (vectors == MSIX), line
    before = sum(counts)
    for _ in range(20):
        guest.get()
    counts = [int(line.split()[1]) for line in nic_lines(guest)]
    assert before < sum(counts) < before + 20 * 100, "not an interrupt storm, nor silence"


@pytest.mark.parametrize("memory", ["64M", "128M", "1G", "4G"])
def test_memory(boot, memory):
    guest = boot(memory=memory)
    guest.wait_prompt()
    assert_serves(guest)
    mib = int(memory[:-1]) * (1024 if memory.endswith("G") else 1)
    rows = guest.console_json("free")
    totals = [v for k, v in qemu.flatten(rows).items() if k.split(".")[-1].startswith("total")]
    assert totals, rows
    scale = 1024 if max(totals) < 1 << 23 else 1 << 20  # KiB, or bytes
    assert mib * 0.5 < max(totals) / scale <= mib, "free tells another size than the machine has"


def test_cpu_without_rdrand_and_1g_pages(boot):
    """qemu64 lacks RDRAND, RDSEED, SMEP and 1 GiB pages; the log says what is used instead."""
    guest = boot(cpu="qemu64")
    guest.wait_prompt()
    assert_serves(guest)
    assert "jitter" in guest.console("dmesg")


def test_cpu_max_uses_rdrand(shared):
    assert "rdrand" in shared.console("dmesg")


def test_without_serial_port(boot):
    guest = boot(serial=False)
    assert_serves(guest)
    for _ in range(3):
        assert guest.get()[0] == 200


def test_without_nic(boot):
    guest = boot(net=None)
    guest.wait_prompt()
    assert "httpd" in guest.console("version") or "Tophalf" in guest.console("version")
    assert "lo" in guest.console("ip") or "none" in guest.console("ip") or guest.console("ip")
    assert guest.process.poll() is None


def test_plain_qemu_line(tmp_path):
    """The line of the README, with QEMU's default devices and none of our scripts or options."""
    port = qemu.free_port()
    image = tmp_path / "tophalf.img"
    shutil.copy(qemu.IMAGE, image)
    line = [
        "qemu-system-x86_64", "-machine", "q35", "-m", "256M", "-nographic",
        "-drive", f"if=pflash,format=raw,readonly=on,file={qemu.ovmf_code()}",
        "-drive", f"file={image},format=raw",
        "-netdev", f"user,id=n0,hostfwd=tcp:127.0.0.1:{port}-:80",
        "-device", "virtio-net-pci,netdev=n0",
    ]
    with subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                          preexec_fn=qemu.die_with_parent) as process:
        try:
            answer = b""
            deadline = time.monotonic() + qemu.BOOT_SECONDS
            while not answer and time.monotonic() < deadline and process.poll() is None:
                try:
                    with socket.create_connection(("127.0.0.1", port), 2) as connection:
                        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                        answer = connection.recv(4096)
                except OSError:
                    time.sleep(0.3)
        finally:
            process.terminate()
            process.wait(10)
    assert answer.startswith(b"HTTP/1.1 200 "), answer[:100]


def test_reboot_command_resets(boot):
    guest = boot()
    guest.wait_prompt()
    guest.type("reboot\r")
    assert guest.wait_end() == 0  # -no-reboot: a reset ends QEMU


def test_reboot_command_comes_up_again(boot):
    guest = boot(reboots=True)
    guest.wait_prompt()
    guest.type("reboot\r")
    guest.wait_for("BdsDxe: starting")
    guest.wait_prompt()
    assert_serves(guest)


@pytest.mark.parametrize("machine", ["q35", "pc"])
def test_poweroff_command(boot, machine):
    guest = boot(machine=machine, reboots=True)  # a reset would not end QEMU here: S5 does
    guest.wait_prompt()
    guest.type("poweroff\r")
    assert guest.wait_end() == 0


def test_no_page_is_writable_and_executable(shared):
    ranges = shared.console_json("pagetables")
    rows = next(value for value in ranges.values() if isinstance(value, list))
    assert len(rows) > 3
    spans = []
    for row in rows:
        start = row.get("start", row.get("from", row.get("virt")))
        rights = row.get("rights", row.get("flags"))
        assert not ("w" in rights and "x" in rights), row
        spans.append((int(start, 16) if isinstance(start, str) else start, rights))
    assert all(start >= 0x1000 for start, _ in spans), "page 0 is mapped"
    assert any("x" in rights for _, rights in spans)
    kernel = [rights for start, rights in spans if start % (1 << 64) >= 0xFFFFFFFF80000000]
    assert any("x" in r for r in kernel) and any("w" in r for r in kernel)
    assert any("w" not in r and "x" not in r for r in kernel), "rodata is not read-only"


# ------------------------------------------------------------ a boot volume that is damaged

CLOBBERED_ELF = b"\x7fELF" + bytes(60)


def damaged(name):
    """{file: content} of one kind of damage, made from the built image."""
    def original(file, tmp):
        return qemu.Volume(tmp / "original.img").read(file)

    return {
        "no kernel": lambda tmp: {"kernel.elf": None},
        "kernel is empty": lambda tmp: {"kernel.elf": b""},
        "kernel is text": lambda tmp: {"kernel.elf": b"not a program\n" * 100},
        "kernel of zeros": lambda tmp: {"kernel.elf": CLOBBERED_ELF},
        "kernel cut off": lambda tmp: {
            "kernel.elf": original("kernel.elf", tmp)[:-len(original("kernel.elf", tmp)) // 2]},
        "no config": lambda tmp: {"tophalf.cfg": None},
        "config without =": lambda tmp: {"tophalf.cfg": "budget 64\n"},
        "config is binary": lambda tmp: {"tophalf.cfg": bytes(range(256))},
        "config key twice": lambda tmp: {"tophalf.cfg": "budget = 1\nbudget = 2\n"},
        "no site": lambda tmp: {"site.tar": None},
        "site is text": lambda tmp: {"site.tar": b"not an archive\n" * 100},
        "site bad checksum": lambda tmp: {
            "site.tar": b"X" + original("site.tar", tmp)[1:]},
        "site cut off": lambda tmp: {"site.tar": original("site.tar", tmp)[:700]},
    }[name]


@pytest.mark.parametrize("damage, file", [
    ("no kernel", "kernel.elf"),
    ("kernel is empty", "kernel.elf"),
    ("kernel is text", "kernel.elf"),
    ("kernel of zeros", "kernel.elf"),
    ("kernel cut off", "kernel.elf"),
    ("no config", "tophalf.cfg"),
    ("config without =", "tophalf.cfg"),
    ("config is binary", "tophalf.cfg"),
    ("config key twice", "tophalf.cfg"),
    ("no site", "site.tar"),
    ("site is text", "site.tar"),
    ("site bad checksum", "site.tar"),
    ("site cut off", "site.tar"),
])
def test_damaged_file(boot, tmp_path, damage, file):
    """One clear line that names the file, then back to the firmware, which goes on."""
    guest = boot(files=damaged(damage)(tmp_path), net=None)
    said = guest.wait_for(rf"^.*{file}.*$", regex=True)
    line = next(line for line in said.splitlines() if file in line)
    assert len(line.split(file, 1)[1].strip(" :")) > 5, f"no reason is given: {line!r}"
    guest.wait_for(r"BdsDxe: (failed to start|loading|starting) Boot", regex=True)
    guest.wait_for(r"failed to start|Shell>|BdsDxe: No bootable option", regex=True)
    assert qemu.PROMPT not in guest.text()
