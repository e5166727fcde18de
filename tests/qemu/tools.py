"""Programs of Debian packages that bring a service with them: nginx, and promtool of prometheus.
Installed, such a package would start its service on whoever's machine runs the tests; so they are
taken out of the package, unless they are there anyhow. Everything else is in scripts/setup.sh.
"""

import fcntl
import functools
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tophalf/tools"


def unpack(package, folder):
    """Today's package, from where apt has it, which checks it."""
    with tempfile.TemporaryDirectory(dir=CACHE) as work:
        os.chmod(work, 0o755)  # apt's own user writes here
        fetched = subprocess.run(["apt-get", "-q", "download", package], cwd=work,
                                 capture_output=True, text=True)
        debs = list(Path(work).glob("*.deb"))
        assert debs, f"apt can not download {package} (or install it yourself): {fetched.stderr}"
        subprocess.run(["dpkg-deb", "-x", debs[0], f"{work}/x"], check=True)
        os.rename(f"{work}/x", folder)


@functools.cache
def tool(program, package):
    """Where that program is."""
    found = shutil.which(program, path=f"{os.environ['PATH']}:/usr/sbin")
    if found:
        return found
    CACHE.mkdir(parents=True, exist_ok=True)
    folder = CACHE / package
    with open(CACHE / "lock", "wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another worker may want it, too
        if not folder.exists():
            unpack(package, folder)
    return str(next(path for path in (folder / "usr/bin" / program, folder / "usr/sbin" / program)
                    if path.exists()))


def promtool():
    return tool("promtool", "prometheus")


def nginx():
    return tool("nginx", "nginx")
