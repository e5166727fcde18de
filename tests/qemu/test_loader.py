"""The loader where it cannot go on: what it says, how often, and that the firmware goes on."""

import qemu

MISSING = {"kernel.elf": None}


def test_a_message_comes_once(boot):
    """The firmware's console is on this serial port: the loader does not write there as well."""
    guest = boot(files=MISSING, net=None)
    said = guest.wait_for("BdsDxe: failed to start")
    assert said.count("tophalf: kernel.elf is missing") == 1, said


def test_config_error_names_the_line(boot):
    guest = boot(cfg="budget = 64\n\nhostname tophalf\n", net=None)
    guest.wait_for("tophalf.cfg, line 3: ")


def test_cpu_without_nx_is_refused(boot):
    """Switching on what is not there would be a fault that nobody handles."""
    guest = boot(cpu="max,-nx", net=None)
    guest.wait_for("does not offer NX")
    guest.wait_for("BdsDxe: failed to start")


def test_without_serial_port_it_goes_back_too(boot):
    """No UART to write to: the firmware tries its next disk, which is whole, and that one serves."""
    guest = boot(files=MISSING, serial=False,
                 args=["-drive", f"file={qemu.IMAGE},format=raw,snapshot=on"])
    assert guest.wait_http()[0] == 200
