"""What the scripts make of the built files: the disk image, the site archive, the names of the
kernel's functions. No guest is started here."""

import hashlib
import os
import re
import subprocess
import tarfile
import time

import pytest

import qemu

PREFIX = os.environ.get("CROSS_COMPILE", "x86_64-linux-gnu-")


def script(name, *args):
    line = [qemu.TOP / "scripts" / name, *args]
    return subprocess.run(line, capture_output=True, text=True)


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    (folder / "index.html").write_text("<h1>hello</h1>")
    return folder


def pack(folder, out):
    done = script("mksite.sh", folder, out)
    assert done.returncode == 0, done.stderr
    return out


def make(out, kernel=None, config=None, site=None, programs=()):
    """mkimage.sh with the built files where no others are given."""
    built = qemu.BUILD
    return script("mkimage.sh", out, built / "BOOTX64.EFI", kernel or built / "kernel.elf",
                  config or qemu.TOP / "boot/tophalf.cfg", site or built / "site.tar", *programs)


# ------------------------------------------------------------ site.tar

def test_links_are_packed_as_the_files_that_they_name(site, tmp_path):
    """The kernel does not follow links in an archive: each name needs its bytes."""
    (site / "symbolic.html").symlink_to("index.html")
    os.link(site / "index.html", site / "hard.html")
    with tarfile.open(pack(site, tmp_path / "site.tar")) as tar:
        for name in ("index.html", "symbolic.html", "hard.html"):
            member = tar.getmember(f"./{name}")
            assert member.isreg() and not member.islnk(), name
            assert tar.extractfile(member).read() == b"<h1>hello</h1>", name


def test_site_is_rewritten_only_when_it_changed(site, tmp_path):
    out = pack(site, tmp_path / "site.tar")
    before = out.stat()
    pack(site, out)
    assert (out.stat().st_ino, out.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    (site / "more.html").write_text("more")
    pack(site, out)
    assert "./more.html" in tarfile.open(out).getnames()


def test_index_of_the_site(site, tmp_path):
    """Each file's ETag and type, and the dashboard's files, in front of the site."""
    (site / "a b.TXT").write_text("a")
    (site / "noext").write_text("n")
    (site / "odd\tname").write_text("o")
    (site / "line\nfeed").write_text("l")
    with tarfile.open(pack(site, tmp_path / "site.tar")) as tar:
        first = tar.next()
        assert first.name == ".tophalf/index"
        lines = tar.extractfile(first).read().decode().splitlines()
        dashboard = tar.extractfile("_/index.html").read()
        assert "./odd\tname" in tar.getnames() and "./line\nfeed" in tar.getnames()
    index = {path: (etag, kind) for etag, kind, path in (line.split("\t") for line in lines)}
    tag = hashlib.sha256(b"<h1>hello</h1>").hexdigest()[:22]
    assert index["index.html"] == (tag, "text/html; charset=utf-8")
    assert index["a b.TXT"][1] == "text/plain; charset=utf-8"
    assert index["noext"][1] == "-"
    assert index["_/index.html"] == (hashlib.sha256(dashboard).hexdigest()[:22],
                                     "text/html; charset=utf-8")
    assert len([path for path in index if not path.startswith("_/")]) == 3


@pytest.mark.parametrize("name", ["_", ".tophalf"])
def test_names_that_are_taken(site, tmp_path, name):
    (site / name).mkdir()
    done = script("mksite.sh", site, tmp_path / "site.tar")
    assert done.returncode != 0 and f"{name} is taken" in done.stderr
    assert not (tmp_path / "site.tar").exists()


def test_site_that_is_not_there(tmp_path):
    done = script("mksite.sh", tmp_path / "nowhere", tmp_path / "site.tar")
    assert done.returncode != 0 and "nowhere" in done.stderr
    assert not list(tmp_path.iterdir()), "something was left behind"


# ------------------------------------------------------------ the disk image

def test_image_is_small_reproducible_and_holds_the_files(tmp_path):
    images = [tmp_path / "1.img", tmp_path / "2.img"]
    for image in images:
        time.sleep(2 * images.index(image) + 0.1)  # FAT's clock goes in steps of 2 s
        done = make(image)
        assert done.returncode == 0, done.stderr
    assert images[0].read_bytes() == images[1].read_bytes()
    files = {"EFI/BOOT/BOOTX64.EFI": qemu.BUILD / "BOOTX64.EFI",
             "kernel.elf": qemu.BUILD / "kernel.elf",
             "tophalf.cfg": qemu.TOP / "boot/tophalf.cfg",
             "site.tar": qemu.BUILD / "site.tar"}
    volume = qemu.Volume(tmp_path / "copy.img", images[0])
    for name, original in files.items():
        assert volume.read(name) == original.read_bytes(), name
    content = sum(file.stat().st_size for file in files.values())
    assert images[0].stat().st_size <= content * 1.1 + (5 << 20)
    assert sorted(os.listdir(tmp_path)) == ["1.img", "2.img", "copy.img"]


def test_programs_go_into_a_folder(tmp_path):
    programs = [tmp_path / "a.o", tmp_path / "b.o"]
    for program in programs:
        program.write_bytes(os.urandom(200000))
    images = [tmp_path / "1.img", tmp_path / "2.img"]
    for image in images:
        time.sleep(2 * images.index(image) + 0.1)
        done = make(image, programs=programs)
        assert done.returncode == 0, done.stderr
    assert images[0].read_bytes() == images[1].read_bytes()
    volume = qemu.Volume(tmp_path / "copy.img", images[0])
    for program in programs:
        assert volume.read(f"xdp/{program.name}") == program.read_bytes()
    done = make(tmp_path / "3.img", programs=[tmp_path / "nowhere.o"])
    assert done.returncode != 0 and "nowhere.o is missing" in done.stderr


@pytest.mark.parametrize("mib", [3, 15, 40])
def test_image_grows_with_the_site(tmp_path, mib):
    """Over the sizes at which the clusters grow. The partition table is checked by sgdisk."""
    site = tmp_path / "site.tar"
    site.write_bytes(os.urandom(1 << 20) * mib)
    done = make(tmp_path / "big.img", site=site)
    assert done.returncode == 0, done.stderr
    assert qemu.Volume(tmp_path / "copy.img", tmp_path / "big.img").read("site.tar") \
        == site.read_bytes()
    path = os.environ["PATH"] + ":/sbin:/usr/sbin"
    said = subprocess.run(["sgdisk", "--verify", tmp_path / "big.img"], capture_output=True,
                          text=True, env={**os.environ, "PATH": path}).stdout
    assert "No problems found" in said, said


def test_missing_file_leaves_the_old_image(tmp_path):
    image = tmp_path / "old.img"
    image.write_text("old")
    done = make(image, kernel=tmp_path / "no.elf")
    assert done.returncode != 0 and "no.elf" in done.stderr
    assert image.read_text() == "old"
    assert os.listdir(tmp_path) == ["old.img"]


# ------------------------------------------------------------ function names for backtraces

def test_function_names_are_sorted_and_complete():
    elf = qemu.BUILD / "kernel.debug"
    done = script("mkksyms.sh", PREFIX + "nm", elf)
    assert done.returncode == 0, done.stderr
    entries = re.findall(r"\.uleb128 0x([0-9a-f]+) - 0x([0-9a-f]+)\n\s*\.byte (\d+)\n"
                         r"\s*\.ascii \"(\S*)\"\n\s*\.byte 128 \+ '(\S)$", done.stdout, re.M)
    count = int(re.search(r"ksyms_count:\n\s*\.long (\d+)", done.stdout).group(1))
    assert len(entries) == count == done.stdout.count(".uleb128"), "an entry without an address"
    found, name, end = {}, "", None
    for at, before, kept, rest, last in entries:
        assert end is None or before == end, "it counts from the one before"
        assert int(kept) <= len(name)
        name, end = name[:int(kept)] + rest + last, at
        assert int(at, 16) > int(before, 16) or not found, "not sorted"
        found[int(at, 16)] = name
    lines = subprocess.run([PREFIX + "nm", elf], capture_output=True, text=True, check=True).stdout
    symbols = {(int(at, 16), name[:63]) for at, kind, name in map(str.split, lines.splitlines())
               if kind in "tT"}
    assert {at for at, _ in symbols} == set(found)
    assert set(found.items()) <= symbols
    assert found[min(found)] == "kernel_entry" and "kmain" in found.values()


def test_no_names_is_an_error(tmp_path):
    stripped = script("mkksyms.sh", PREFIX + "nm", qemu.BUILD / "kernel.elf")
    assert stripped.returncode != 0 and "no symbols" in stripped.stderr
