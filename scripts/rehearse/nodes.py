"""Nodes of Concord, and their operators' commands."""

import json
import os
import signal
import subprocess
import urllib.request

from cluster import free_port, until

BINARY = os.environ["CONCORD_BINARY"]

# How long a request may take, in milliseconds.
LIMIT_MS = 5000


def settings(url, folder, port=0):
    """The variables of a node; nodes over one database share the folder."""
    return {
        "PATH": os.environ["PATH"],
        "CONCORD_DATABASE_URL": url,
        "CONCORD_LISTEN": f"127.0.0.1:{port}",
        "CONCORD_PUBLIC_URL": "http://127.0.0.1",
        "CONCORD_DEVELOPMENT_ISSUER": "true",
        "CONCORD_DEVELOPMENT_KEY": str(folder / "issuer.pem"),
        "CONCORD_AUDIT_KEY": str(folder / "audit.key"),
        "CONCORD_AUDIT_HEADS": str(folder / "heads"),
        "CONCORD_CLIENTS": json.dumps([{"client": "concord-cli", "kind": "own"}]),
        "CONCORD_READ_TIMEOUT_MS": str(LIMIT_MS),
        "CONCORD_WRITE_TIMEOUT_MS": str(LIMIT_MS),
        "CONCORD_TRANSACTION_TIMEOUT_MS": str(LIMIT_MS),
        "CONCORD_LOG_FORMAT": "json",
    }


def command(url, folder, *arguments, check=True):
    """What a command prints, and whether it was content."""
    done = subprocess.run([BINARY, *arguments], cwd=folder, env=settings(url, folder), capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"concord {' '.join(arguments)}: {done.stdout}{done.stderr}")
    return done.returncode == 0, done.stdout + done.stderr


class Node:
    """A server of its own process."""

    def __init__(self, url, folder, before=(), log=None):
        """`log`: a file for what it says; one of its own if there is none."""
        self.url, self.folder, self.before, self.log = url, folder, list(before), log
        self.port, self.process = free_port(), None

    def start(self, wait=True):
        log = self.log or open(self.folder / f"node-{self.port}.log", "ab")
        self.process = subprocess.Popen([*self.before, BINARY, "serve"], cwd=self.folder,
                                        env=settings(self.url, self.folder, self.port), stdout=log, stderr=log)
        if wait:
            until("a node is ready", lambda: self.ready() == 200 or self.process.poll() is not None)
        return self

    def ready(self):
        """What /readyz answers; 0 for nothing."""
        return self.ask("/readyz")

    def ask(self, path):
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=5) as answer:
                return answer.status
        except urllib.error.HTTPError as error:
            return error.code
        except OSError:
            return 0

    def kill(self):
        self.process.kill()
        self.process.wait()

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()

    def said(self):
        own = self.folder / f"node-{self.port}.log"
        return own.read_text(errors="replace") if own.exists() else ""

    def metric(self, name):
        """What /metrics says of something."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=5) as answer:
            lines = answer.read().decode().splitlines()
        return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name} "))
