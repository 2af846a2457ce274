"""pgBackRest's way: a repository, a backup while everybody works, and back to a point in time."""

import shutil
import subprocess

from cluster import as_owner, give
from nodes import command


def missing():
    """Why there can be none here, if that is so."""
    return None if shutil.which("pgbackrest") else "pgbackrest cannot be had"


class Backup:
    """A repository of a cluster."""

    def __init__(self, folder):
        self.folder = folder / "backup"
        self.folder.mkdir()
        give(self.folder)
        self.file = self.folder / "pgbackrest.conf"

    def settings(self):
        """What the cluster has to be told."""
        return f"archive_mode = on\narchive_command = 'pgbackrest --config={self.file} --stanza=concord archive-push %p'\narchive_timeout = 60"

    def begin(self, cluster):
        self.file.write_text(f"""
[global]
repo1-path = {self.folder}/repository
repo1-retention-full = 2
log-path = {self.folder}
lock-path = {self.folder}
start-fast = y
[concord]
pg1-path = {cluster.data}
pg1-port = {cluster.port}
pg1-socket-path = {cluster.folder}
pg1-user = concord
""")
        self.run("stanza-create")
        self.run("check")

    def run(self, what, *arguments):
        line = as_owner(["pgbackrest", f"--config={self.file}", "--stanza=concord", *arguments, what])
        done = subprocess.run(line, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"pgbackrest {what}: {done.stdout}{done.stderr}")

    def take(self):
        self.run("backup", "--type=full")

    def restore(self, point):
        self.run("restore", "--delta", "--type=time", f"--target={point}", "--target-action=promote")


def tell_apart(url, folder):
    """What operators do with a restored copy, before a node starts: what was restored is not what somebody has changed."""
    for words in (("serve", "--check"), ("verify",)):
        command(url, folder, *words)
    whole, told = command(url, folder, "audit", "verify", check=False)
    assert not whole and "whose head was kept elsewhere, is missing" in told and "; all before it is as it was" in told, told
    assert " 1 problems" in told, told
    command(url, folder, "audit", "restored", "--reason", "rehearsed")
    whole, told = command(url, folder, "audit", "verify", check=False)
    assert whole and "rehearsed" in told, told
    return ["told apart from tampering", "what came after is gone"]
