"""What is measured: guests on the tap, each with its series (how it receives) and its counters."""

import http.client
import logging
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import netns

logging.getLogger("scapy").setLevel(logging.ERROR)  # it looks for lo's address, too early

TOP = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "tests" / "qemu"))
import qemu  # noqa: E402

VCPU_CORE, OTHER_CORE = "0", "1"


# More connections than httpd takes by itself.
WEB_CFG = "http_discard = /upload\n"


def pin(pid, yields=False):
    """The vCPU has a core to itself; QEMU's main loop shares the other one with the sender.

    yields: the vCPU is there too, and gives way to both."""
    if len(os.sched_getaffinity(0)) < 2:
        return False
    for task in Path(f"/proc/{pid}/task").iterdir():
        vcpu = (task / "comm").read_text().startswith("CPU ")
        core = VCPU_CORE if vcpu and not yields else OTHER_CORE
        subprocess.run(["taskset", "-pc", core, task.name], check=True, capture_output=True)
        if vcpu and yields:
            os.sched_setscheduler(int(task.name), os.SCHED_IDLE, os.sched_param(0))
    return True


def run_main(main):
    try:
        main()
    except KeyboardInterrupt:
        print("\nended", file=sys.stderr)
        sys.exit(130)
    except qemu.GuestError as error:
        sys.exit(f"the guest: {error}")


class Tophalf:
    """Our image; the receive mode is switched on the console."""

    def __init__(self, image, work_us=0, cfg="", args=(), memory="256M"):
        self.image = image
        self.cfg = f"ip = {netns.GUEST_IP}/24\n{cfg}"
        if work_us:
            self.cfg += f"sink_work_us = {work_us}\n"
        self.args = [*netns.qemu_options(), "-name", "tophalf,debug-threads=on", *args]
        self.memory = memory
        self.guest = None

    def begin(self):
        """QEMU runs; nothing is waited for."""
        self.guest = qemu.Guest(image=self.image, cfg=self.cfg, net=None, args=self.args,
                                memory=self.memory)
        return self.guest

    def __enter__(self):
        self.begin().wait_prompt()
        pin(self.guest.process.pid)
        return self

    def __exit__(self, *_):
        self.guest.close()

    def pid(self):
        return self.guest.process.pid

    def select(self, series):
        self.guest.console(f"mode {series}")

    def copies(self, level):
        self.guest.console(f"copies {level}")

    def takes_uploads(self):
        """Is a POST to /upload answered with 2xx?"""
        connection = http.client.HTTPConnection(netns.GUEST_IP, 80, timeout=10)
        try:
            connection.request("POST", "/upload", b"few bytes")
            return connection.getresponse().status // 100 == 2
        finally:
            connection.close()

    def version(self):
        return self.guest.console_json("version")["version"]

    def counters(self):
        """Three groups, each with its own moment."""
        nic = self.guest.console_json("stats nic")
        udp = self.guest.console_json("stats udp")
        cpu = self.guest.console_json("cpu")
        queue = {name.removeprefix("rx_queue_0_"): value for name, value in nic["nic"].items()}
        return {
            "delivered": (udp["time_ns"], udp["udp"]["recv"]),
            "packets": (nic["time_ns"], queue["packets"] + queue["drop_backlog"]),
            "interrupts": (nic["time_ns"], queue["interrupts"]),
            **{f"{state}_ns": (cpu["time_ns"], cpu[f"{state}_ns"])
               for state in ("irq", "softirq", "app", "idle", "total")},
        }


class Linux:
    """Debian's cloud kernel with a command server for its init: bench/linux/."""

    def __init__(self, folder, card="", **options):
        sys.path.insert(0, str(TOP / "bench" / "linux"))
        self.folder = folder
        self.card = card
        self.options = options
        self.guest = None

    def begin(self):
        import guest as linux
        self.guest = linux.LinuxGuest(self.folder, netns.qemu_options(self.card), **self.options)
        return self.guest

    def __enter__(self):
        self.begin().wait_ready()
        pin(self.guest.process.pid)
        return self

    def __exit__(self, *_):
        self.guest.close()

    def pid(self):
        return self.guest.process.pid

    def select(self, series):
        self.guest.xdp(series == "linux-xdp-drop")

    def version(self):
        return (Path(self.folder) / "version").read_text().strip()

    def counters(self):
        now = self.guest.counters()
        at = now["time_ns"]
        return {
            "delivered": (at, now["udp_delivered"] + now["xdp_dropped"]),
            "packets": (at, now["udp_delivered"] + now["xdp_dropped"]),
            "interrupts": (at, now["rx_interrupts"]),
            "idle_ns": (at, now["idle_ns"]),
            "total_ns": (at, now["total_ns"]),
        }


class LinuxWeb(Linux):
    """The same with nginx: as it comes, or tuned for this QEMU (bench/linux/README.md)."""

    VARIANTS = {
        "default": {},
        "tuned": {"card": ",tx=timer", "cpu": "max,erms=off", "append": "init_on_alloc=0"},
    }

    def __init__(self, folder, variant, append="", **options):
        chosen = {**self.VARIANTS[variant], **options}
        chosen["append"] = f"WEB=1 {chosen.get('append', '')} {append}".strip()
        super().__init__(folder, **chosen)

    def select(self, series):
        pass

    def takes_uploads(self):
        return True

    def version(self):
        return f"{super().version()}, nginx {(Path(self.folder) / 'nginx-version').read_text()}".strip()


class NativeNginx:
    """The guest's nginx on this machine, without an emulator: what wrk could get at most."""

    PORT = 8612

    def __init__(self, folder, work):
        self.folder = Path(folder)
        self.root = Path(work)
        self.process = None

    def __enter__(self):
        subprocess.run(["rm", "-rf", self.root], check=True)
        self.root.mkdir(parents=True)
        packed = subprocess.run(["gzip", "-dc", self.folder / "initramfs.gz"], check=True,
                                capture_output=True).stdout
        subprocess.run(["cpio", "-idm", "--quiet", "--no-absolute-filenames"], input=packed,
                       check=True, cwd=self.root)
        conf = self.root / "etc" / "nginx.conf"
        text = conf.read_text()
        for old, new in (("/run/nginx.pid", f"{self.root}/run/nginx.pid"),
                         ("/www", f"{self.root}/www"), ("listen 80 ", f"listen {self.PORT} "),
                         ("user root;", "user root; daemon off;"),
                         ("access_log off;", f"access_log off; {self.temporary()}")):
            assert old in text
            text = text.replace(old, new)
        conf.write_text(text)
        line = [self.root / "lib64" / "ld-linux-x86-64.so.2", "--library-path", self.root / "lib",
                self.root / "bin" / "nginx", "-p", self.root, "-e", "stderr", "-c", conf]
        if len(os.sched_getaffinity(0)) >= 2:
            line = ["taskset", "-c", VCPU_CORE, *line]
        self.process = subprocess.Popen(list(map(str, line)), stderr=subprocess.DEVNULL)
        time.sleep(1)
        return self

    def temporary(self):
        """nginx makes these folders, though nothing here uses them."""
        return " ".join(f"{kind}_temp_path {self.root}/run/{kind};"
                        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()


def machine():
    """One line for the captions."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"model name\s*: (.*)", cpuinfo)
    version = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True)
    release = re.search(r"version (\S+)", version.stdout)
    return (f"{model.group(1) if model else 'unknown CPU'}, {os.cpu_count()} cores, "
            f"QEMU {release.group(1) if release else '?'} "
            f"({os.environ.get('ACCEL', 'tcg').upper()}), one vCPU")
