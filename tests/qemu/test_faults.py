"""Faults: the machine says what happened, where, and by which functions, and then stops.

The command `fault KIND` is there when the configuration says fault=on; it is how these tests
reach the exception handlers.
"""

import re

import pytest

import qemu


def fault(boot, kind, cfg="fault = on\n", **options):
    guest = boot(cfg=cfg, net=None, **options)
    guest.wait_prompt()
    guest.type(f"fault {kind}\r")
    return guest


def backtrace(guest, function):
    """The whole report, once its backtrace holds the function and goes back to kmain."""
    guest.wait_for(rf"#\d+ {function}\+0x[0-9a-f]+", 20, regex=True)
    guest.wait_for(r"#\d+ kmain\+0x", 20, regex=True)
    return guest.said()


def assert_halted(guest):
    """It says so, and neither answers nor ends (-no-reboot would end QEMU at a reset)."""
    guest.wait_for("halted", 20)
    guest.type("version\r")
    with pytest.raises(qemu.GuestError):
        guest.wait_for(qemu.PROMPT, 3)
    assert guest.process.poll() is None


def test_null_write_prints_registers_and_names(boot):
    guest = fault(boot, "null")
    said = backtrace(guest, "fault_null_write")
    assert re.search(r"page fault", said, re.I)
    assert re.search(r"cr2[=: ]+(0x)?0*\b", said, re.I), "CR2 tells the address"
    for register in "rax rbx rcx rdx rsi rdi rbp rsp r8 r9 r10 r11 r12 r13 r14 r15 rip".split():
        assert re.search(rf"\b{register}\b", said, re.I), register
    names = re.findall(r"([a-z]\w+)\+0x[0-9a-f]+", guest.text())
    assert "kmain" in names and "fault_null_write" in names
    assert names.index("fault_null_write") < names.index("kmain")
    assert_halted(guest)


def test_panic_reboot_resets(boot):
    guest = fault(boot, "null", cfg="fault = on\npanic = reboot\n")
    backtrace(guest, "fault_null_write")
    assert guest.wait_end() == 0


def test_panic_reboot_comes_up_again(boot):
    guest = fault(boot, "null", cfg="fault = on\npanic = reboot\n", reboots=True)
    backtrace(guest, "fault_null_write")
    guest.wait_for("BdsDxe: starting")
    guest.wait_prompt()


def test_stack_overflow_is_a_double_fault_report(boot):
    """The guard page stops it, and the handler runs on a stack of its own."""
    guest = fault(boot, "stack")
    guest.wait_for(r"(?i)double fault", 20, regex=True)
    guest.wait_for(r"fault_\w+\+0x", 20, regex=True)
    assert_halted(guest)


@pytest.mark.parametrize("kind, what, function", [
    ("wx", "instruction fetch", "fault_execute_data"),
    ("ro", "page fault", "fault_write_rodata"),
    ("ud", "invalid opcode", "fault_invalid_opcode"),
    ("div", "divide", "fault_divide"),
    ("sse", "invalid opcode", "fault_sse"),
    ("panic", "kernel panic", "fault_panic"),
])
def test_kinds(boot, kind, what, function):
    """wx: data is not executed. ro: read-only data is not written. sse: no vector
    registers, because CR4.OSFXSR is off (SDM vol 3 section 14.1)."""
    guest = fault(boot, kind)
    said = backtrace(guest, function)
    assert re.search(what, said), said
    assert_halted(guest)


def test_there_is_no_fault_command_by_default(shared):
    for kind in ("null", "ud"):
        assert "fault=on" in shared.console(f"fault {kind}")
    assert "version" in shared.console("help")
