"""How long guests take to their first answer, and how little memory they can do with."""

import http.client
import subprocess
import time

import instructions
import netns
import targets

GUEST = (netns.GUEST_IP, 80)
BOOT_SECONDS = 40
STARTED = "BdsDxe: starting"  # OVMF's last word: our loader has the machine from here on
MEMORY = (24, 152)            # MiB: too little for any, enough for all


def one_get():
    """Is 200 answered, now?"""
    connection = http.client.HTTPConnection(*GUEST, timeout=0.02)  # a lost SYN would cost a second
    try:
        connection.request("GET", "/index.html")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def wait_200(alive):
    end = time.monotonic() + BOOT_SECONDS
    while time.monotonic() < end and alive():
        if one_get():
            return time.monotonic()
        time.sleep(0.002)
    return None


def first_200(begin, started=None):
    """Milliseconds from the start of QEMU to the first answer, and from the firmware's end."""
    netns.know_guest()
    guest = begin()
    try:
        handed_over = None
        if started:
            guest.wait_for(started)
            handed_over = time.monotonic()
        answered = wait_200(lambda: guest.process.poll() is None)
        if answered is None:
            raise targets.qemu.GuestError("no 200 from a guest that boots")
        ours = (answered - handed_over) * 1000 if handed_over else None
        return (answered - guest.started) * 1000, ours
    finally:
        guest.close()


def firmware():
    return ["-drive", f"if=pflash,format=raw,readonly=on,file={targets.qemu.ovmf_code()}"]


def boots(options):
    """{what: (how to begin it, the firmware's last word)}"""
    def ours():
        return targets.Tophalf(options.image, cfg=targets.WEB_CFG).begin()

    def linux(args=()):
        return targets.LinuxWeb(options.linux, "default", args=args).begin()

    found = {"tophalf": (ours, STARTED)}
    if options.linux:
        found["linux"] = (lambda: linux(firmware()), None)
        found["linux-kernel"] = (linux, None)
    return found


def serves(begin, build, seconds=10):
    """Does what begins here get to serve 64 connections?"""
    netns.know_guest()
    guest = begin()
    try:
        end = time.monotonic() + seconds
        while not one_get():
            if time.monotonic() > end or guest.process.poll() is not None:
                return False
            time.sleep(0.02)
        instructions.client(build, instructions.CASE["keep-64"], 6400)
        return True
    except (targets.qemu.GuestError, subprocess.TimeoutExpired):
        return False
    finally:
        guest.close()


def firmware_alone(image, memory):
    """Does OVMF come as far as to start a loader, ours, from a disk?"""
    guest = targets.qemu.Guest(image=image, net=None, memory=f"{memory}M")
    try:
        guest.wait_for(STARTED, seconds=8)
        return True
    except targets.qemu.GuestError:
        return False
    finally:
        guest.close()


def smallest(good):
    """The least MiB for which it is good; None if even the most is too little."""
    low, high = MEMORY
    if not good(high):
        return None
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if good(middle) else (middle, high)
    return high


def memory_tries(options):
    """{what: is it good with so many MiB?}"""
    def ours(memory):
        return targets.Tophalf(options.image, cfg=targets.WEB_CFG, memory=f"{memory}M").begin()

    def linux(memory):
        return targets.LinuxWeb(options.linux, "default", memory=f"{memory}M").begin()

    tries = {"firmware": lambda m: firmware_alone(options.image, m),
             "tophalf": lambda m: serves(lambda: ours(m), options.build)}
    if options.linux:
        tries["linux-kernel"] = lambda m: serves(lambda: linux(m), options.build)
    return tries


def most_tries(options):
    return len(memory_tries(options)) * (1 + (MEMORY[1] - MEMORY[0] - 1).bit_length())


def memories(options, show):
    """{what: smallest MiB}; show(text) is called for each try."""
    found = {}
    for name, good in memory_tries(options).items():
        def shown(memory, name=name, good=good):
            show(f"smallest memory: {name} with {memory} MiB")
            return good(memory)
        found[name] = smallest(shown)
    return found
