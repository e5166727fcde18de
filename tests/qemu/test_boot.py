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


def nic_interrupts(guest):
    """The rows of `interrupts` that belong to the NIC."""
    rows = guest.console_json("interrupts")["interrupts"]
    return [row for row in rows if "virtio" in row["name"]]


@pytest.mark.parametrize("vectors", [MSIX, INTX])
@pytest.mark.parametrize("nic", [MODERN, TRANSITIONAL], ids=["modern", "transitional"])
@pytest.mark.parametrize("machine", ["q35", "pc"])
def test_machine_and_nic(boot, machine, nic, vectors):
    guest = boot(machine=machine, nic=nic + (",vectors=0" if vectors == INTX else ""))
    guest.wait_prompt()
    assert_serves(guest)
    rows = nic_interrupts(guest)
    assert rows, "no interrupt of the NIC is listed"
    for row in rows:
        assert ("MSI" in row["controller"]) == (vectors == MSIX), row
    before = sum(row["count"] for row in rows)
    assert before > 0, "the NIC was served without a single interrupt"
    for _ in range(20):
        guest.get()
    grown = sum(row["count"] for row in nic_interrupts(guest)) - before
    assert 0 < grown < 20 * 50, f"{grown} interrupts for 20 requests: silence, or a storm"
    others = guest.console_json("interrupts")
    assert others["unexpected"] == 0 and others["errors"] == 0, others


@pytest.mark.parametrize("memory", ["64M", "128M", "1G", "4G"])
def test_memory(boot, memory):
    guest = boot(memory=memory)
    guest.wait_prompt()
    assert_serves(guest)
    machine_bytes = int(memory[:-1]) << (30 if memory.endswith("G") else 20)
    row = guest.console_json("free")["memory"]
    assert machine_bytes * 0.6 < row["total_bytes"] <= machine_bytes
    assert row["used_bytes"] + row["free_bytes"] + row["cached_bytes"] == row["total_bytes"]


def test_cpu_without_rdrand_and_1g_pages(boot):
    """qemu64 lacks RDRAND, RDSEED, SMEP and 1 GiB pages; the log says what is used instead."""
    guest = boot(cpu="qemu64")
    guest.wait_prompt()
    assert_serves(guest)
    assert "jitter" in guest.console("dmesg")


def test_cpu_max_uses_rdrand(shared):
    assert "rdrand" in shared.console("dmesg").lower()


def test_without_serial_port(boot):
    guest = boot(serial=False)
    assert_serves(guest)
    for _ in range(3):
        assert guest.get()[0] == 200


def test_without_nic(boot):
    guest = boot(net=None)
    guest.wait_prompt()
    assert "Tophalf" in guest.console("version")
    assert "no network card" in guest.console("ip")
    for command in ("ss", "stats", "free", "interrupts"):
        assert "error" not in guest.console_json(command)
    assert "error" in guest.console_json("ping 10.0.2.2")


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
    tables = shared.console_json("pagetables")
    rows = [(int(row["start"], 16), int(row["end"], 16), row["rights"], row["what"])
            for row in tables["ranges"]]
    assert tables["wx_pages"] == 0
    assert not [row for row in rows if "w" in row[2] and "x" in row[2]]
    assert all(start >= 1 << 47 for start, *_ in rows), "the lower half, and page 0, are mapped"
    rights = {what: r for _, _, r, what in rows}
    assert rights["kernel text"] == "r-x"
    assert rights["kernel read-only data"] == "r--"
    assert rights["kernel data"] == "rw-"
    assert [what for *_, r, what in rows if "x" in r] == ["kernel text"], "executable besides text"


def test_stacks_have_guard_pages(shared):
    """Nothing is mapped just below each of the four stacks, and they are not adjacent."""
    rows = [(int(row["start"], 16), int(row["end"], 16), row["what"])
            for row in shared.console_json("pagetables")["ranges"]]
    stacks = [row for row in rows if row[2].endswith("stack")]
    assert len(stacks) == 4, stacks
    for start, _, what in stacks:
        assert not [row for row in rows if row[0] < start <= row[1]], f"no guard below the {what}"


# ------------------------------------------------------------ a boot volume that is damaged

def damaged(name):
    """{file: content} of one kind of damage, made from the built image."""
    def original(file, tmp):
        return qemu.Volume(tmp / "original.img").read(file)

    return {
        "no kernel": lambda tmp: {"kernel.elf": None},
        "kernel is text": lambda tmp: {"kernel.elf": b"not a program\n" * 100},
        "kernel cut off": lambda tmp: {
            "kernel.elf": original("kernel.elf", tmp)[:-100_000]},
        "no config": lambda tmp: {"tophalf.cfg": None},
        "config without =": lambda tmp: {"tophalf.cfg": "budget 64\n"},
        "config is binary": lambda tmp: {"tophalf.cfg": bytes(range(256))},
        "no site": lambda tmp: {"site.tar": None},
        "site bad checksum": lambda tmp: {
            "site.tar": b"X" + original("site.tar", tmp)[1:]},
        "site cut off": lambda tmp: {"site.tar": original("site.tar", tmp)[:700]},
    }[name]


@pytest.mark.parametrize("damage, file", [
    ("no kernel", "kernel.elf"),
    ("kernel is text", "kernel.elf"),
    ("kernel cut off", "kernel.elf"),
    ("no config", "tophalf.cfg"),
    ("config without =", "tophalf.cfg"),
    ("config is binary", "tophalf.cfg"),
    ("no site", "site.tar"),
    ("site bad checksum", "site.tar"),
    ("site cut off", "site.tar"),
])
def test_damaged_file(boot, tmp_path, damage, file):
    """One clear line that names the file, then back to the firmware, which goes on."""
    guest = boot(files=damaged(damage)(tmp_path), net=None)
    said = guest.wait_for(rf"^.*{file}.*\n", regex=True)
    line = next(line for line in said.splitlines() if file in line)
    assert len(line.split(file, 1)[1].strip(" :")) > 5, f"no reason is given: {line!r}"
    guest.wait_for(r"BdsDxe: failed to start Boot|UEFI Interactive Shell", regex=True)
    assert qemu.PROMPT not in guest.text()
