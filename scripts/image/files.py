"""Which files the image has: the binary, the libraries that it loads, and what those read."""

import os
import re
import shutil
import subprocess
from pathlib import Path

PEOPLE = Path("fixtures/people")

# Whoever runs the server; libpq asks for a name where the URL of a database has none.
PASSWD = "root:x:0:0:root:/:/nologin\nconcord:x:65532:65532:concord:/data:/nologin\n"
GROUP = "root:x:0:\nconcord:x:65532:\n"
# How the C library finds hosts.
NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\n"

CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def libraries(binary):
    """The libraries that a program loads, theirs among them, and the loader itself: the paths at which they are looked for."""
    found = []
    for line in output("ldd", str(binary)).splitlines():
        if "not found" in line:
            raise SystemExit(f"error: {binary}: {line.strip()}")
        named = re.search(r"(?:=> )?(/\S+) \(0x", line)
        if named:
            found.append(Path(named[1]))
    return found


def needed(binary):
    """The names of the libraries that a file says it needs."""
    return re.findall(r"\(NEEDED\).*\[(.+)\]", output("readelf", "--dynamic", "--wide", str(binary)))


def copy(source, root, place):
    target = root / str(place).lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source.resolve(), target)
    target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)


def write(root, place, text):
    target = root / place.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    target.chmod(0o644)


def copyright_of(library):
    """The package of a library, and what it says of its licence; none where Debian did not install it."""
    for path in (library, Path("/usr") / str(library).lstrip("/"), library.resolve()):
        asked = subprocess.run(["dpkg-query", "--search", str(path)], capture_output=True, text=True)
        if asked.returncode == 0:
            package = asked.stdout.split(":")[0]
            told = Path("/usr/share/doc") / package / "copyright"
            return (package, told) if told.exists() else None
    return None


def gather(binary, context):
    root, data = context / "root", context / "data"
    for old in (root, data):
        shutil.rmtree(old, ignore_errors=True)
        old.mkdir(parents=True)
    copy(binary, root, "/usr/bin/concord")
    for library in libraries(binary):
        copy(library, root, library)
        known = shutil.which("dpkg-query") and copyright_of(library)
        if known:
            copy(known[1], root, f"/usr/share/doc/{known[0]}/copyright")
    copy(CERTIFICATES, root, CERTIFICATES)
    for place, text in (("/etc/passwd", PASSWD), ("/etc/group", GROUP), ("/etc/nsswitch.conf", NSSWITCH)):
        write(root, place, text)
    for name in ("LICENSE", "NOTICE"):
        copy(Path(name), root, f"/usr/share/doc/concord/{name}")
    for path in sorted(PEOPLE.rglob("*")):
        if path.is_file():
            copy(path, root, f"/usr/share/concord/people/{path.relative_to(PEOPLE)}")
    # Where a server for tests keeps its database if there is no /dev/shm.
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
    complete(root)
    total = sum(path.stat().st_size for path in root.rglob("*") if path.is_file())
    print(f"{sum(path.is_file() for path in root.rglob('*'))} files, {total / 1e6:.0f} MB")


def complete(root):
    """Refuses a root in which a library is missing that a file of it needs."""
    programs = [path for path in root.rglob("*") if path.is_file() and path.open("rb").read(4) == b"\x7fELF"]
    there = {path.name for path in programs}
    for program in programs:
        missing = [name for name in needed(program) if name not in there]
        if missing:
            raise SystemExit(f"error: {program} needs {', '.join(missing)}, which the image has not")
