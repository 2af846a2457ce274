"""Starts a server in a root of its own that holds nothing but the files of the image, as the user of the image, and asks it."""

import os
import shutil
import subprocess
import tempfile
import urllib.request
from pathlib import Path

USER = 65532


def enter(root):
    """What a new process does before it becomes the server: it gives up all but what is in the root, and every right."""

    def entered():
        os.chroot(root)
        os.chdir("/data")
        os.setgroups([])
        os.setgid(USER)
        os.setuid(USER)

    return entered


def run(root, *arguments, errors):
    environment = {"CONCORD_LISTEN": "127.0.0.1:0", "CONCORD_DATABASE_URL": "sqlite:/data/concord.db"}
    return subprocess.Popen(
        ["/usr/bin/concord", *arguments],
        preexec_fn=enter(root),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )


def done(root, *arguments):
    process = run(root, *arguments, errors=subprocess.STDOUT)
    told = process.communicate()[0]
    if process.returncode != 0:
        raise SystemExit(f"error: concord {' '.join(arguments)} in the image: {told}")
    return told.strip()


def ask(place, **more):
    # The server is on this machine, whatever proxy there is.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    return opener.open(urllib.request.Request(place, **more)).read()


def start(context):
    if os.geteuid() != 0:
        print("not started: only root can give a process a root of its own")
        return
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        shutil.copytree(context / "root", root)
        # Nothing of it can be written to, but where the image says so.
        (root / "data").mkdir()
        os.chown(root / "data", USER, USER)
        os.chmod(folder, 0o755)
        print(done(root, "--version"))
        # A database is made, and migrated, where the volume is.
        print(done(root, "serve", "--check").splitlines()[-1])
        done(root, "migrate")
        server = run(root, "serve", "--ephemeral=/usr/share/concord/people", errors=subprocess.DEVNULL)
        try:
            ready = server.stdout.readline().strip()
            print(ready)
            base = ready.removeprefix("ready ")
            token = ask(f"{base}/$token?patient=amina", method="POST").decode().strip()
            if b'"amina"' not in ask(f"{base}/Patient/amina", headers={"Authorization": f"Bearer {token}"}):
                raise SystemExit("error: the server in the image has not its people")
            print(done(root, "health", base))
        finally:
            server.terminate()
            server.wait()
