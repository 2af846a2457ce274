"""Networks in which packets are lost without a word: a namespace that can be reached by some links, each of which can be cut."""

import os
import shutil
import subprocess

# Nobody has it: what is sent there is lost, and nobody says so.
NOBODY = "02:00:00:00:00:99"


def ip(*arguments, check=True):
    return subprocess.run(["ip", *arguments], check=check, capture_output=True, text=True)


def missing():
    """Why there can be no namespaces here, if that is so."""
    if not shutil.which("ip"):
        return "iproute2 is missing"
    name = f"concord-try-{os.getpid()}"
    made = ip("netns", "add", name, check=False)
    if made.returncode:
        return f"no network namespace may be made here: {made.stderr.strip()}"
    linked = ip("link", "add", f"ct{os.getpid() % 100000}", "type", "veth", "peer", "name", "there", "netns", name, check=False)
    ip("netns", "del", name, check=False)
    return f"no virtual link may be made here: {linked.stderr.strip()}" if linked.returncode else None


class Network:
    """A namespace with links to it."""

    def __init__(self, links):
        self.name = f"concord-{os.getpid()}"
        ip("netns", "add", self.name)
        ip("-n", self.name, "link", "set", "lo", "up")
        self.links = []
        for number in range(links):
            # Addresses that are nobody's but those of the two ends (RFC 3927).
            here, there = (f"169.254.{200 + number}.{host}" for host in (1, 2))
            device, peer = f"c{os.getpid() % 100000}n{number}", f"link{number}"
            ip("link", "add", device, "type", "veth", "peer", "name", peer, "netns", self.name)
            ip("addr", "add", f"{here}/30", "dev", device)
            ip("link", "set", device, "up")
            ip("-n", self.name, "addr", "add", f"{there}/30", "dev", peer)
            ip("-n", self.name, "link", "set", peer, "up")
            self.links.append((device, here, peer, there))

    def inside(self, command):
        """A command as it is run in there."""
        return ["ip", "netns", "exec", self.name, *command]

    @property
    def addresses(self):
        """Of the namespace, link by link."""
        return [there for _, _, _, there in self.links]

    def cut(self, number):
        """From now on all that is sent by that link is lost, in both directions."""
        device, here, peer, there = self.links[number]
        ip("neigh", "replace", there, "lladdr", NOBODY, "dev", device, "nud", "permanent")
        ip("-n", self.name, "neigh", "replace", here, "lladdr", NOBODY, "dev", peer, "nud", "permanent")

    def heal(self, number):
        device, here, peer, there = self.links[number]
        ip("neigh", "del", there, "dev", device)
        ip("-n", self.name, "neigh", "del", here, "dev", peer)

    def gone(self):
        for device, *_ in self.links:
            ip("link", "del", device, check=False)
        ip("netns", "del", self.name, check=False)
