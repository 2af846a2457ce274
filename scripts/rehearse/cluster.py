"""PostgreSQL clusters, poolers and proxies of a rehearsal's own, all on 127.0.0.1."""

import os
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import time
from pathlib import Path

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))[-1]
ROOT = os.geteuid() == 0


def free_port():
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def until(what, so, patience=60.0):
    """Looks again and again until something is so; how long that took."""
    start = time.monotonic()
    while not so():
        if time.monotonic() - start > patience:
            raise RuntimeError(f"waited in vain: {what}")
        time.sleep(0.02)
    return time.monotonic() - start


def children(process):
    """The numbers of a process and of those that it has started."""
    found = [process]
    for entry in Path("/proc").iterdir():
        try:
            status = (entry / "status").read_text()
        except OSError:
            continue
        if f"\nPPid:\t{process}\n" in status:
            found.append(int(entry.name))
    return found


def as_owner(command):
    """PostgreSQL refuses to run as root."""
    return ["runuser", "-u", "postgres", "--", *map(str, command)] if ROOT else [str(part) for part in command]


def give(path):
    if ROOT:
        owner = pwd.getpwnam("postgres")
        os.chown(path, owner.pw_uid, owner.pw_gid)


class Cluster:
    """A PostgreSQL, primary or standby."""

    def __init__(self, folder, settings="", network=None):
        self.folder = folder
        self.folder.mkdir()
        give(self.folder)
        self.port = free_port()
        self.settings = settings
        # Where it runs, if not beside the nodes.
        self.network = network
        self.addresses = network.addresses if network else ["127.0.0.1"]

    @property
    def data(self):
        return self.folder / "data"

    def run(self, program, *arguments, check=True):
        command = as_owner([PROGRAMS / program, *arguments])
        command = self.network.inside(command) if self.network else command
        done = subprocess.run(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True, check=False)
        if check and done.returncode:
            raise RuntimeError(f"{program}: {done.stderr.strip()}")
        return done.returncode == 0

    def configure(self):
        with open(self.data / "postgresql.conf", "a", encoding="utf-8") as file:
            file.write(f"""
listen_addresses = '{','.join(self.addresses)}'
port = {self.port}
unix_socket_directories = '{self.folder}'
max_connections = 100
shared_buffers = '32MB'
hot_standby = on
{self.settings}
""")

    def make(self):
        self.run("initdb", "-D", self.data, "-U", "concord", "--auth=trust", "--encoding=UTF8", "--locale=C")
        with open(self.data / "pg_hba.conf", "a", encoding="utf-8") as file:
            file.write("host replication all 127.0.0.1/32 trust\n")
            file.write("host all all samenet trust\n")
        self.configure()
        self.start()
        self.sql("CREATE DATABASE concord", "postgres")
        return self

    def follow(self, primary, name):
        """Makes this a standby of another."""
        self.run("pg_basebackup", "-D", self.data, "-h", "127.0.0.1", "-p", primary.port, "-U", "concord", "-R", "-X", "stream", "-c", "fast")
        settings = self.data / "postgresql.auto.conf"
        text = settings.read_text().replace("primary_conninfo = '", f"primary_conninfo = 'application_name={name} ")
        settings.write_text("\n".join(line for line in text.splitlines() if "synchronous_standby_names" not in line) + "\n")
        self.configure()
        self.start()
        return self

    def start(self):
        log = self.folder / "log"
        until("PostgreSQL starts", lambda: self.run("pg_ctl", "-D", self.data, "-l", log, "-w", "start", check=False))

    def stop(self, mode="fast"):
        return self.run("pg_ctl", "-D", self.data, "-m", mode, "-w", "stop", check=False)

    def kill(self):
        """As the kernel does when there is no memory left."""
        os.kill(self.first_process(), signal.SIGKILL)

    def first_process(self):
        return int((self.data / "postmaster.pid").read_text().splitlines()[0])

    def signal(self, number):
        """To every process of it."""
        for process in children(self.first_process()):
            try:
                os.kill(process, number)
            except ProcessLookupError:
                pass

    def promote(self):
        self.run("pg_ctl", "-D", self.data, "-w", "promote")

    def sql(self, text, database="concord"):
        """What a statement answers, a line a row."""
        command = [PROGRAMS / "psql", "-h", self.addresses[0], "-p", self.port, "-U", "concord", "-d", database, "-X", "-A", "-t", "-c", text]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, timeout=60)
        if done.returncode:
            raise RuntimeError(f"{text}: {done.stderr.strip()}")
        return done.stdout.split("\n")[:-1]

    def url(self, link=0):
        return f"postgres://concord@{self.addresses[link]}:{self.port}/concord"


class Somebody:
    """Somebody else's session, which begins with a statement and ends when it is told to."""

    def __init__(self, cluster, text="SELECT 1"):
        command = [PROGRAMS / "psql", "-h", "127.0.0.1", "-p", cluster.port, "-U", "concord", "-d", "concord", "-X", "-q"]
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, text=True)
        # Nothing where it was not let in.
        self.is_there = self.ask(text)

    def ask(self, text):
        """Has a statement run; whether it has been."""
        try:
            self.process.stdin.write(f"{text};\n\\echo done\n")
            self.process.stdin.flush()
        except OSError:
            return False
        return any(line == "done\n" for line in iter(self.process.stdout.readline, ""))

    def end(self):
        self.process.kill()
        self.process.communicate()


class Embedded:
    """An SQLite file, which is one node's."""

    def __init__(self, path):
        self.path = path

    def sql(self, text):
        """What a statement answers, a line a row."""
        with sqlite3.connect(self.path, timeout=10) as connection:
            return ["|".join(map(str, row)) for row in connection.execute(text)]

    def url(self):
        return f"sqlite:{self.path}"


class Bouncer:
    """PgBouncer before a cluster."""

    def __init__(self, folder, cluster, mode):
        self.folder, self.port = folder, free_port()
        folder.mkdir()
        give(folder)
        (folder / "users").write_text('"concord" ""\n')
        (folder / "ini").write_text(f"""
[databases]
concord = host=127.0.0.1 port={cluster.port} dbname=concord user=concord
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = any
auth_file = {folder}/users
pool_mode = {mode}
default_pool_size = 60
max_client_conn = 200
logfile = {folder}/log
pidfile = {folder}/pid
""")
        self.process = None

    def start(self):
        # One that was killed has left it, and the next one believes it.
        (self.folder / "pid").unlink(missing_ok=True)
        command = as_owner(["/usr/sbin/pgbouncer", self.folder / "ini"])
        self.process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until("PgBouncer listens", lambda: listens(self.port))
        return self

    def stop(self):
        for process in children(self.process.pid)[::-1]:
            os.kill(process, signal.SIGKILL)
        self.process.wait()

    def url(self):
        return f"postgres://concord@127.0.0.1:{self.port}/concord"


class Proxy:
    """HAProxy, which asks each server whether it may be sent somebody, and sends nobody to one that says no."""

    def __init__(self, folder, servers, mode, question, patience, more=""):
        """`servers`: name, port, and at which port it is asked; `question`: the path; `patience`: how long it may be still."""
        self.port = free_port()
        folder.mkdir()
        lines = "\n".join(f"    server {name} 127.0.0.1:{port} check port {asked} inter 500 fall 2 rise 1 on-marked-down shutdown-sessions"
                          for name, port, asked in servers)
        (folder / "cfg").write_text(f"""
defaults
    mode {mode}
    timeout connect 2s
    timeout client {patience}
    timeout server {patience}
{more}
frontend everybody
    bind 127.0.0.1:{self.port}
    default_backend servers
backend servers
    balance roundrobin
    option httpchk GET {question}
    http-check expect status 200
{lines}
""")
        self.process = subprocess.Popen(["/usr/sbin/haproxy", "-db", "-f", str(folder / "cfg")],
                                        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until("HAProxy listens", lambda: listens(self.port))

    def stop(self):
        self.process.kill()
        self.process.wait()


def before_nodes(folder, ports):
    """A proxy before the nodes, by /readyz: what was not sent to a node goes to the other one; what was sent is never sent twice."""
    servers = [(f"node{number}", port, port) for number, port in enumerate(ports, 1)]
    more = "    option redispatch 1\n    retries 2\n    retry-on conn-failure"
    return Proxy(folder, servers, "http", "/readyz", "60s", more)


def listens(port):
    with socket.socket() as one:
        one.settimeout(1)
        return one.connect_ex(("127.0.0.1", port)) == 0


class SmallDisk:
    """A disk of a few megabytes that can be filled."""

    def __init__(self, folder, megabytes):
        self.folder = folder
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)], check=True)
        give(folder)

    def fill(self):
        with open(self.folder / "filler", "wb") as file:
            try:
                while True:
                    file.write(b"\0" * 65536)
                    file.flush()
            except OSError:
                pass

    def make_room(self):
        (self.folder / "filler").unlink()

    def gone(self):
        subprocess.run(["umount", "-l", str(self.folder)], check=False)


def remove(folder):
    shutil.rmtree(folder, ignore_errors=True)
