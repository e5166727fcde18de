"""Counting a guest's instructions: the plugin counts right, and the check can fail."""

import csv
import subprocess
import sys

import pytest

import qemu

sys.path.insert(0, str(qemu.TOP / "bench"))
import insn  # noqa: E402

pytestmark = pytest.mark.xdist_group("bench")  # one worker builds what the benchmarks need

BENCH = qemu.BUILD / "bench"
PLUGIN = BENCH / "plugin" / "insn.so"


@pytest.fixture(scope="module", autouse=True)
def built():
    subprocess.run(["make", "--no-print-directory", f"BUILD={qemu.BUILD}", str(PLUGIN),
                    str(BENCH / "client"), str(BENCH / "web.img")], cwd=qemu.TOP, check=True)


def count(tmp_path, name, *more):
    """Instructions of a boot sector that runs and stops: 1,000 turns of a loop, 64 bytes copied."""
    code = bytes.fromhex(
        "fa31c08ed8"      # cli; xor ax,ax; mov ds,ax
        "b9e803"          # mov cx,1000
        "4975fd"          # dec cx; jnz
        "8ec0be0010bf0020b94000f3a4"  # es=0; si, di, cx=64; rep movsb
        "f4ebfd")         # hlt; jmp: nothing wakes it
    sector = tmp_path / "sector.img"
    sector.write_bytes(code.ljust(510, b"\0") + b"\x55\xaa")
    out = tmp_path / name
    process = subprocess.Popen(
        ["qemu-system-x86_64", "-nodefaults", "-display", "none", "-machine", "pc", "-m", "16M",
         "-smp", "1", "-accel", "tcg", "-drive", f"file={sector},format=raw,if=ide",
         *insn.plugin_options(PLUGIN, out, **(more[0] if more else {}))])
    try:
        last = -1
        for _ in range(100):  # until it stands still
            try:
                process.wait(0.4)
                pytest.fail("QEMU ended")
            except subprocess.TimeoutExpired:
                pass
            counters = insn.Counters(out)
            now = counters.total(), sum(counters.addresses())
            if now == last and now[1] > 0:
                return counters, counters.addresses()
            last = now
        pytest.fail("the guest never came to its end")
    finally:
        process.kill()
        process.wait()


def test_each_address_is_counted(tmp_path):
    counters, at = count(tmp_path, "profile", {"base": 0x7c00, "size": 32})
    assert at[5] == 1, "mov cx,1000"
    assert at[8] == 1000 and at[9] == 1000, "the loop"
    assert 64 <= at[19] + at[22] <= 66, "each byte of a rep movsb is an instruction"
    assert counters.total() > sum(at), "the BIOS is counted as well"


@pytest.mark.parametrize("options, says", [
    ("", "out=FILE"),
    (",out=/nosuch/folder/file", "/nosuch/folder/file"),
    (",out=/dev/null,size=1e9", "wanted"),
    (",out=/dev/null,size=999999999", "64 MiB"),
])
def test_refused(options, says):
    done = subprocess.run(["qemu-system-x86_64", "-nodefaults", "-display", "none", "-accel", "tcg",
                           "-plugin", f"{PLUGIN}{options}"], capture_output=True, text=True,
                          timeout=30)
    assert done.returncode != 0 and says in done.stderr


def check(committed, case):
    return subprocess.run(
        ["/usr/bin/python3", str(qemu.TOP / "bench" / "instructions.py"), "--check", "--build",
         str(qemu.BUILD), "--committed", str(committed), "--repeats", "1", "--cases", case],
        cwd=qemu.TOP, capture_output=True, text=True, timeout=120)


def test_the_check_fails_when_it_costs_more(tmp_path):
    table = tmp_path / "table.csv"
    rows = list(csv.DictReader((qemu.TOP / "docs" / "bench" / "instructions.csv").open()))

    def write(instructions):
        with open(table, "w", newline="") as out:
            writer = csv.DictWriter(out, rows[0].keys())
            writer.writeheader()
            writer.writerow({**rows[0], "series": "tophalf", "case": "keep-64",
                             "instructions": instructions})

    write(1000)  # as if it had once been as cheap as that
    done = check(table, "keep-64")
    assert done.returncode == 1
    assert "FAILED" in done.stdout and "0 passed, 1 failed" in done.stdout
    measured = int(done.stdout.split("connections")[1].split()[0].replace(",", ""))
    write(round(measured / 1.02))  # 2% more is let through
    done = check(table, "keep-64")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed, 0 failed" in done.stdout
    done = check(table, "fresh")  # measured, but nobody has said what it may cost
    assert done.returncode == 1 and "not committed" in done.stdout
