"""Clusters that Patroni steers, over an etcd of their own, and HAProxy that asks Patroni who is the primary."""

import json
import os
import shutil
import signal
import subprocess
import urllib.error
import urllib.request

from cluster import PROGRAMS, Cluster, Proxy, as_owner, children, free_port, listens, until

# What Patroni takes for gone: it accepts no less.
LEASE_S = 20


def missing():
    """Why there can be none here, if that is so."""
    lacking = [name for name in ("patroni", "etcd") if not shutil.which(name)]
    return f"{' and '.join(lacking)} cannot be had" if lacking else None


def end(process):
    """A process and those that it has started."""
    for one in children(process.pid)[::-1]:
        try:
            os.kill(one, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait()


class Etcd:
    """Where the members agree on who is the primary."""

    def __init__(self, folder):
        self.port, peers = free_port(), free_port()
        mine, own = f"http://127.0.0.1:{self.port}", f"http://127.0.0.1:{peers}"
        with open(f"{folder}.log", "ab") as log:
            self.process = subprocess.Popen(
                ["etcd", "--data-dir", str(folder), "--listen-client-urls", mine, "--advertise-client-urls", mine,
                 "--listen-peer-urls", own, "--initial-advertise-peer-urls", own, "--initial-cluster", f"default={own}"],
                stdout=log, stderr=log)
        until("etcd listens", lambda: listens(self.port))

    def stop(self):
        end(self.process)


class Member(Cluster):
    """A PostgreSQL that Patroni starts, stops and promotes."""

    def __init__(self, folder, name, etcd):
        super().__init__(folder)
        self.name, self.rest = name, free_port()
        here = lambda port: f"127.0.0.1:{port}"
        settings = {
            "scope": "rehearsal", "name": name,
            "restapi": {"listen": here(self.rest), "connect_address": here(self.rest)},
            "etcd3": {"host": here(etcd.port)},
            "bootstrap": {
                "dcs": {
                    "ttl": LEASE_S, "loop_wait": 1, "retry_timeout": 3, "synchronous_mode": True,
                    "postgresql": {"parameters": {"max_connections": 100, "shared_buffers": "32MB"}},
                },
                "initdb": [{"encoding": "UTF8"}, {"locale": "C"}, {"auth": "trust"}],
            },
            "postgresql": {
                "listen": here(self.port), "connect_address": here(self.port), "bin_dir": str(PROGRAMS),
                "data_dir": str(self.data), "pgpass": str(self.folder / "pgpass"),
                "authentication": {"superuser": {"username": "concord"}, "replication": {"username": "replicator"}},
                "parameters": {"unix_socket_directories": str(self.folder)},
                "pg_hba": ["local all all trust", "host all all 127.0.0.1/32 trust", "host replication all 127.0.0.1/32 trust"],
            },
        }
        self.file = self.folder / "patroni.yml"
        # JSON is YAML.
        self.file.write_text(json.dumps(settings))
        self.process = None

    def start(self):
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(as_owner(["patroni", self.file]), cwd=self.folder, stdout=log, stderr=log)
        return self

    def is_it(self, what):
        """Whether Patroni says so: `primary`, `replica`, `sync`."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.rest}/{what}", timeout=2) as answer:
                return answer.status == 200
        except (OSError, urllib.error.HTTPError):
            return False

    def lost(self):
        """As its machine is: what Patroni has started is not its child, and would go on."""
        end(self.process)
        self.kill()

    def stop(self, mode="fast"):
        if self.process and self.process.poll() is None:
            self.lost()


class Members:
    """Two members, the first of which is the primary, and commits wait for the second."""

    def __init__(self, stage):
        etcd = Etcd(stage.folder / "etcd")
        stage.cleared.append(etcd.stop)
        self.all = []
        for name in ("one", "two"):
            member = Member(stage.folder / name, name, etcd).start()
            stage.cleared.append(member.stop)
            self.all.append(member)
            until(f"{name} is a member", lambda: member.is_it("primary" if name == "one" else "sync"), 120)
        self.first, self.second = self.all
        self.first.sql("CREATE DATABASE concord", "postgres")

    def url(self):
        hosts = ",".join(f"127.0.0.1:{member.port}" for member in self.all)
        return f"postgres://concord@{hosts}/concord?target_session_attrs=read-write"

    def switch_over(self):
        """As operators do before they work on a machine."""
        subprocess.run(["patronictl", "-c", str(self.first.file), "switchover", "--candidate", "two", "--force"],
                       check=True, capture_output=True)
        until("the other is the primary", lambda: self.second.is_it("primary"), 60)


class Steering(Proxy):
    """HAProxy that sends everybody to the member which Patroni calls the primary."""

    def __init__(self, folder, members):
        super().__init__(folder, [(member.name, member.port, member.rest) for member in members.all], "tcp", "/primary", "30m")

    def url(self):
        return f"postgres://concord@127.0.0.1:{self.port}/concord"
