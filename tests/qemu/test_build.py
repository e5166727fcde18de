"""The build's own promises: where lwIP may come from, and what a wrong variable is answered with.

No QEMU here: scripts run in a copy of the tree's scripts, with a cache and a PATH of their own.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TOP = Path(__file__).resolve().parents[2]
SHA256 = "83729c274c499d3348e9fbbe043a3113f3fa8953e7efddc7c21c7fcbb1f2b7b1"


def cached_tarball():
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    return cache / "tophalf" / SHA256


@pytest.fixture
def tree(tmp_path):
    """A tree with scripts and nothing else, no cache, and no apt on the PATH."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "third_party").mkdir()
    for script in ("fetch-lwip.sh", "debian-source.sh"):
        shutil.copy(TOP / "scripts" / script, tmp_path / "scripts")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "sha256sum", "cut", "mkdir", "cp", "mv", "rm", "tar", "xz", "ln", "dirname",
                 "awk", "touch", "cat", "tail"):
        found = shutil.which(name)
        assert found, f"{name} is not on this machine"
        (tools / name).symlink_to(found)
    return tmp_path


def fetch(tree, **env):
    return subprocess.run(
        [str(tree / "bin" / "sh"), str(tree / "scripts" / "fetch-lwip.sh"), str(tree / "build" / "lwip")],
        env={"PATH": str(tree / "bin"), "HOME": str(tree / "home"), **env},
        capture_output=True, text=True, timeout=60, check=False)


def has_lwip(tree):
    return (tree / "build" / "lwip" / "src" / "include" / "lwip" / "init.h").is_file()


def test_tarball_in_third_party(tree):
    shutil.copy(cached_tarball(), tree / "third_party" / "lwip_2.2.1+dfsg1.orig.tar.xz")
    result = fetch(tree)
    assert result.returncode == 0, result.stderr
    assert has_lwip(tree)
    # It is in the cache now: a second clone needs neither the tarball nor a network.
    shutil.rmtree(tree / "third_party")
    shutil.rmtree(tree / "build")
    result = fetch(tree)
    assert result.returncode == 0, result.stderr
    assert has_lwip(tree)


def test_tarball_with_a_wrong_checksum(tree):
    bad = tree / "third_party" / "lwip-2.2.1.tar.gz"
    bad.write_bytes(cached_tarball().read_bytes() + b"x")
    result = fetch(tree)
    assert result.returncode != 0
    assert "checksum" in result.stderr and "lwip-2.2.1.tar.gz" in result.stderr
    assert not has_lwip(tree)
    assert not (tree / "home" / ".cache" / "tophalf" / SHA256).exists()


def test_damaged_cache_is_not_used(tree):
    cache = tree / "home" / ".cache" / "tophalf"
    cache.mkdir(parents=True)
    (cache / SHA256).write_bytes(cached_tarball().read_bytes()[:-1])
    result = fetch(tree)
    assert result.returncode != 0
    assert not has_lwip(tree)


def test_lwip_dir(tree):
    unpacked = tree / "mine"
    (unpacked / "src" / "include" / "lwip").mkdir(parents=True)
    result = fetch(tree, LWIP_DIR=str(unpacked))
    assert result.returncode != 0 and "init.h" in result.stderr
    (unpacked / "src" / "include" / "lwip" / "init.h").touch()
    result = fetch(tree, LWIP_DIR=str(unpacked))
    assert result.returncode == 0, result.stderr
    assert has_lwip(tree)


def test_without_apt_it_says_what_to_do(tree):
    result = fetch(tree)
    assert result.returncode != 0
    assert "LWIP_DIR" in result.stderr and "third_party" in result.stderr


def make(*args):
    return subprocess.run(["make", "-C", str(TOP), "--no-print-directory", *args],
                          capture_output=True, text=True, timeout=120, check=False)


def test_unknown_app_names_the_known_ones():
    result = make("APP=nonsense", "-n", "image")
    assert result.returncode != 0
    assert "nonsense" in result.stderr and "httpd" in result.stderr and "echo" in result.stderr


def test_missing_site_is_named(tmp_path):
    result = subprocess.run(
        [str(TOP / "scripts" / "mksite.sh"), str(tmp_path / "nowhere"), str(tmp_path / "out.tar")],
        capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode != 0
    assert "nowhere" in result.stderr
    assert not (tmp_path / "out.tar").exists()


def test_layers_can_not_look_up(tmp_path):
    """An include against the direction apps -> net -> drivers -> kernel does not compile."""
    copy = tmp_path / "tree"
    shutil.copytree(TOP, copy, ignore=shutil.ignore_patterns("build*", ".git"))
    (copy / "kernel" / "wrong.c").write_text("#include <drivers/nic.h>\n")
    (copy / "build" / "lwip").mkdir(parents=True)
    (copy / "build" / "lwip.stamp").touch()
    result = subprocess.run(["make", "-C", str(copy), "BUILD=build", "build/k/kernel/wrong.c.o"],
                            capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode != 0
    assert "drivers/nic.h" in result.stderr and "No such file" in result.stderr


def test_the_guides_app_compiles(tmp_path):
    """The whole app that docs/writing-an-app.md shows, as a reader would paste it."""
    guide = (TOP / "docs" / "writing-an-app.md").read_text()
    code = guide.split("```c\n", 1)[1].split("```", 1)[0]
    assert "const struct app app" in code
    copy = tmp_path / "tree"
    shutil.copytree(TOP, copy, ignore=shutil.ignore_patterns("build*", ".git"))
    (copy / "apps" / "hello").mkdir()
    (copy / "apps" / "hello" / "hello.c").write_text(code)
    (copy / "build").mkdir()
    lwip = TOP / os.environ.get("BUILD", "build") / "lwip"
    result = subprocess.run(["make", "-C", str(copy), "BUILD=build", "APP=hello",
                             f"LWIP_DIR={lwip.resolve()}", "build/k/apps/hello/hello.c.o"],
                            capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stderr


def test_config_is_checked_and_followed(tmp_path):
    """A damaged file is refused by name and line; another file makes another image."""
    build = tmp_path / "build"
    one, two, bad = tmp_path / "one.cfg", tmp_path / "two.cfg", tmp_path / "bad.cfg"
    one.write_text("budget=1\n")
    two.write_text("budget=2\n")
    bad.write_text("budget=1\nno sense\n")
    os.utime(two, (1, 1))  # older than anything: its content counts, not its date

    def config(path):
        return make(f"BUILD={build}", f"CONFIG={path}", f"{build}/tophalf.cfg")

    result = config(bad)
    assert result.returncode != 0 and f"{bad}:2:" in result.stderr and "no sense" in result.stderr
    result = config(tmp_path / "nowhere.cfg")
    assert result.returncode != 0 and "nowhere.cfg" in result.stderr
    for path in (one, two, one):
        assert config(path).returncode == 0
        assert (build / "tophalf.cfg").read_text() == path.read_text()


def test_help_lists_the_targets():
    result = make("help")
    assert result.returncode == 0
    for target in ("run", "test", "check", "debug", "lint", "format", "clean", "image"):
        assert any(line.split()[:1] == [target] for line in result.stdout.splitlines()), target
