"""Runs the scenarios and prints the table: `make rehearse`, or `make rehearse ARGS='kill promotion'`."""

import json
import re
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

from cluster import remove
from load import Client, Load, consent, reading
from nodes import LIMIT_MS, Node, command
from scenarios import SCENARIOS

# How long the load runs before a fault, and after all is well again, in seconds.
BEFORE, AFTER = 2.0, 3.0


class Stage:
    """Two nodes over a database, people in it, and who asks what."""

    def __init__(self, folder):
        self.folder = folder
        self.cleared = []
        self.nodes = []

    def prepare(self, cluster, url=None, before=((), ()), urls=None):
        """Makes the database and starts the nodes; `url`: how they reach it, if not directly; `urls`: each of them."""
        self.cluster, self.url = cluster, url or cluster.url()
        command(cluster.url(), self.folder, "migrate")
        people = Path(__file__).resolve().parents[2] / "fixtures" / "people"
        for name in ("1-places-and-professionals.ndjson", "2-patients-and-carers.ndjson"):
            command(cluster.url(), self.folder, "import", str(people / name))
        self.tokens = {
            name: command(cluster.url(), self.folder, "token", *who, "--expires-in", "12h")[1].strip()
            for name, who in {
                "amina": ["--patient", "amina"],
                "yusuf": ["--fhir-user", "RelatedPerson/yusuf"],
                "system": ["--system"],
            }.items()
        }
        urls = urls or [self.url] * len(before)
        self.nodes = [Node(own, self.folder, more).start() for own, more in zip(urls, before)]
        self.shared = self.create("Observation", reading("shared"))
        self.sharing = self.create("Consent", consent("active"))

    def create(self, kind, resource):
        status, text, _ = Client(self.nodes[0].port, self.tokens["amina"]).ask("POST", f"/fhir/{kind}", resource)
        assert status == 201, (status, text)
        return json.loads(text)["id"]

    def load(self, ports=None, **more):
        return Load(ports or [node.port for node in self.nodes], self.tokens, self.shared, self.sharing, **more)

    def clear(self):
        for node in self.nodes:
            node.stop()
        for what in reversed(self.cleared):
            what()


def measure(load, fault, mend):
    """What became of a fault: how long it lasted, and how long it took from its end until somebody was served."""
    load.start()
    time.sleep(BEFORE)
    try:
        started = time.monotonic()
        fault()
        mend()
        ended = time.monotonic()
        while not load.succeeds_after(ended) and time.monotonic() - ended < 60:
            time.sleep(0.01)
        back = (load.first_after(ended) or time.monotonic()) - ended
        time.sleep(AFTER)
    finally:
        load.stop()
    return ended - started, back


def judge(stage, load):
    """What was lost, is there twice, was answered wrongly, and whether all that is kept is whole."""
    bodies = stage.cluster.sql("SELECT body FROM resource WHERE deleted = 0 AND body LIKE '%rehearsal.test/name%'")
    stored = Counter(name for body in bodies for name in re.findall(r'rehearsal.test/name","value":"(w-[^"]+)"', body))
    lost = [name for name in load.written if not stored[name]]
    doubled = [name for name, count in stored.items() if count > 1]
    logged = set(stage.cluster.sql("SELECT DISTINCT request FROM audit"))
    unlogged = [request for request in load.reads if request not in logged]
    for node in stage.nodes:
        node.stop()
    whole, told = command(stage.cluster.url(), stage.folder, "audit", "verify", check=False)
    kept, also = command(stage.cluster.url(), stage.folder, "verify", check=False)
    problems = [] if whole and kept else [told, also]
    return lost, doubled, unlogged, problems


def run(name, about, scenario):
    folder = Path(tempfile.mkdtemp(prefix="concord-rehearsal-", dir="/tmp"))
    folder.chmod(0o755)
    stage = Stage(folder)
    try:
        load, fault, mend, extra = scenario(stage)
        lasted, back = measure(load, fault, mend)
        remark = extra() if extra else ""
        lost, doubled, unlogged, problems = judge(stage, load)
        good = not (lost or doubled or unlogged or load.wrong or problems)
        good = good and back < 2.0 and load.longest < LIMIT_MS / 1000 + 1
        cells = [about + (f" ({remark})" if remark else ""), f"{lasted:.1f}", f"{back:.1f}", f"{load.longest:.1f}", load.answered,
                 f"{len(lost)}, {len(unlogged)}", len(doubled), len(load.wrong), "whole" if not problems else "PROBLEMS"]
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)
        for what in [*load.wrong[:5], *lost[:5], *problems]:
            print(f"    {what}", file=sys.stderr, flush=True)
        return good
    except Exception:
        traceback.print_exc()
        for node in stage.nodes:
            print(node.said()[-2000:], file=sys.stderr)
        return False
    finally:
        stage.clear()
        remove(folder)


def main():
    wanted = sys.argv[1:] or list(SCENARIOS)
    unknown = [name for name in wanted if name not in SCENARIOS]
    if unknown:
        sys.exit(f"no scenario {unknown[0]!r}: there are {', '.join(SCENARIOS)}")
    print("| scenario | lasted, s | back after, s | longest request, s | answered | lost, unlogged | doubled | wrong | chain and versions |")
    print("|---|---|---|---|---|---|---|---|---|", flush=True)
    results = []
    for name in wanted:
        about, scenario, *needs = SCENARIOS[name]
        lacking = next(filter(None, (need() for need in needs)), None)
        if lacking:
            print(f"skipped: {about}: {lacking}", file=sys.stderr, flush=True)
        else:
            results.append(run(name, about, scenario))
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
