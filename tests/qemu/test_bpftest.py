"""The bpftest app (make APP=bpftest): every eBPF instruction with edge operands, in the guest."""

import re

import pytest

import qemu

pytestmark = pytest.mark.xdist_group("bpf")


def test_every_instruction_gives_in_the_guest_what_it_gives_on_the_host(app_image):
    with qemu.Guest(image=app_image("bpftest")) as guest:
        said = guest.wait_for(r"bpftest: \d+ vectors, \d+ passed$", seconds=300, regex=True)
        vectors, passed = re.search(r"(\d+) vectors, (\d+) passed", said).groups()
        assert int(vectors) > 2000 and passed == vectors, said
        guest.wait_prompt()
