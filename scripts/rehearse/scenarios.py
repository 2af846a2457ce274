"""The scenarios: each prepares a stage and says what load it is under, what fails, and how it is mended."""

import os
import signal
import time

import backup
import network
import patroni
from cluster import Bouncer, Cluster, Embedded, SmallDisk, Somebody, before_nodes, until
from load import Client, reading
from nodes import LIMIT_MS, Node, command

# How long something is away that comes back, in seconds.
AWAY = 3.0


def primary(stage, settings="", name="primary"):
    cluster = Cluster(stage.folder / name, settings).make()
    stage.cleared.append(lambda: cluster.stop("immediate"))
    return cluster


def nothing():
    pass


def is_told(stage, status):
    """Every node's /readyz says so, while /healthz goes on."""
    for node in stage.nodes:
        until(f"/readyz is {status}", lambda: node.ready() == status, 20)
        assert node.ask("/healthz") == 200


def ended(end):
    """The database ends in some way and is started again."""
    def scenario(stage):
        cluster = primary(stage)
        stage.prepare(cluster)

        def fault():
            end(cluster)
            time.sleep(AWAY)
            is_told(stage, 503)

        return stage.load(), fault, cluster.start, None
    return scenario


def cut(stage):
    """Every connection is cut, again and again."""
    cluster = primary(stage)
    stage.prepare(cluster)

    def fault():
        for _ in range(10):
            cluster.sql("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND "
                        "backend_type = 'client backend'")
            time.sleep(0.2)

    return stage.load(), fault, nothing, None


def none_left(stage):
    """Somebody else has every connection that the database gives, as when there are too many nodes."""
    cluster = primary(stage, "max_connections = 40")
    stage.prepare(cluster)
    taken = []

    def take():
        if taken:
            taken[0].ask("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name <> 'psql' AND "
                         "backend_type = 'client backend'")
        while (one := Somebody(cluster)).is_there:
            taken.append(one)
        one.end()
        return len(taken) == 40

    def fault():
        until("somebody has all connections", take)
        is_told(stage, 503)
        time.sleep(LIMIT_MS / 1000 + 2)

    def mend():
        for one in taken:
            one.end()

    return stage.load(), fault, mend, None


def locked(stage):
    """Somebody else holds what everybody needs, longer than a request may take."""
    cluster = primary(stage)
    stage.prepare(cluster)
    held = []

    def fault():
        held.append(Somebody(cluster, "BEGIN; LOCK TABLE resource, entry, history, audit IN ACCESS EXCLUSIVE MODE"))
        is_told(stage, 503)
        time.sleep(LIMIT_MS / 1000 + 2)

    return stage.load(), fault, lambda: held[0].end(), None


def read_only(stage):
    """Nothing can be written, as on a server that only follows another."""
    cluster = primary(stage)
    stage.prepare(cluster)
    end_all = ("SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND "
               "backend_type = 'client backend'")

    def set_to(what):
        cluster.sql(f"ALTER SYSTEM {what}")
        cluster.sql("SELECT pg_reload_conf()")
        cluster.sql(end_all)

    def fault():
        set_to("SET default_transaction_read_only = on")
        is_told(stage, 503)
        time.sleep(AWAY)

    return stage.load(), fault, lambda: set_to("RESET default_transaction_read_only"), None


def logs_lost(stage):
    """One node's log is on a full disk, the other's is read by nobody: all that is lost are lines, and they are counted."""
    cluster = primary(stage)
    stage.prepare(cluster)
    read, unread = os.pipe()
    stage.cleared.append(lambda: os.close(read))
    for place, log in enumerate((open("/dev/full", "wb", buffering=0), unread)):
        stage.nodes[place].stop()
        stage.nodes[place] = Node(cluster.url(), stage.folder, log=log).start()
    os.close(unread)
    lost = []

    def fault():
        until("lines are lost", lambda: stage.nodes[0].metric("concord_log_lines_lost_total") > 100)
        time.sleep(AWAY)
        assert all(node.ready() == 200 for node in stage.nodes)
        lost.append(int(stage.nodes[0].metric("concord_log_lines_lost_total")))

    return stage.load(), fault, nothing, lambda: f"{lost[0]} lines lost, and counted"


def paused(stage):
    """The database hangs longer than a request may take."""
    cluster = primary(stage)
    stage.prepare(cluster)

    def fault():
        cluster.signal(signal.SIGSTOP)
        is_told(stage, 503)
        time.sleep(LIMIT_MS / 1000 + 2)

    return stage.load(), fault, lambda: cluster.signal(signal.SIGCONT), None


def with_standby(stage):
    """A primary whose commits wait for its standby, and that."""
    cluster = primary(stage, "synchronous_standby_names = 'standby'\nsynchronous_commit = local\nwal_keep_size = 64")
    standby = Cluster(stage.folder / "standby", "synchronous_standby_names = ''").follow(cluster, "standby")
    stage.cleared.append(lambda: standby.stop("immediate"))
    cluster.sql("ALTER SYSTEM SET synchronous_commit = on")
    cluster.sql("SELECT pg_reload_conf()")
    until("the standby is synchronous", lambda: cluster.sql("SELECT sync_state FROM pg_stat_replication") == ["sync"])
    return cluster, standby


def promotion(stage):
    """The primary dies and its standby takes over: two hosts in the address, and whichever can be written."""
    cluster, standby = with_standby(stage)
    url = f"postgres://concord@127.0.0.1:{cluster.port},127.0.0.1:{standby.port}/concord?target_session_attrs=read-write"
    stage.prepare(cluster, url)

    def fault():
        cluster.kill()
        time.sleep(1)
        is_told(stage, 503)

    def mend():
        standby.promote()
        stage.cluster = standby

    return stage.load(), fault, mend, None


def standby_gone(stage):
    """The standby that commits wait for is gone for longer than a request may take."""
    cluster, standby = with_standby(stage)
    stage.prepare(cluster)

    def fault():
        standby.stop("immediate")
        is_told(stage, 503)
        time.sleep(LIMIT_MS / 1000 + 2)

    return stage.load(), fault, standby.start, None


def full_disk(stage):
    """The disk of the data is full (that of the WAL is another)."""
    disk = SmallDisk(stage.folder / "disk", 64)
    stage.cleared.append(disk.gone)
    cluster = primary(stage)
    cluster.sql(f"CREATE TABLESPACE small LOCATION '{disk.folder}'", "postgres")
    cluster.sql("ALTER DATABASE concord SET TABLESPACE small", "postgres")
    stage.prepare(cluster)

    def fault():
        disk.fill()
        is_told(stage, 503)
        time.sleep(AWAY)

    return stage.load(), fault, disk.make_room, None


def embedded(stage):
    """A node over SQLite on a small disk: with room for the write-ahead log, which is 48 MB before it is written back."""
    disk = SmallDisk(stage.folder / "disk", 160)
    stage.cleared.append(disk.gone)
    stage.prepare(Embedded(disk.folder / "concord.db"), before=((),))
    return disk


def embedded_full(stage):
    """The disk of an SQLite database is full, its write-ahead log's too."""
    disk = embedded(stage)

    def fault():
        disk.fill()
        is_told(stage, 503)
        time.sleep(AWAY)

    return stage.load(), fault, disk.make_room, None


def embedded_killed(stage):
    """The only node is killed and started again."""
    embedded(stage)

    def fault():
        stage.nodes[0].kill()
        time.sleep(AWAY)

    return stage.load(dropped=True), fault, lambda: stage.nodes[0].start(), None


def bouncer(stage):
    """PgBouncer in session mode, through a restart of PostgreSQL and one of its own."""
    cluster = primary(stage)
    pool = Bouncer(stage.folder / "bouncer", cluster, "session").start()
    stage.cleared.append(pool.stop)
    stage.prepare(cluster, pool.url())

    def fault():
        cluster.stop("fast")
        time.sleep(AWAY)
        cluster.start()
        time.sleep(1)
        pool.stop()
        time.sleep(1)
        is_told(stage, 503)

    return stage.load(), fault, pool.start, None


def bouncer_refused(stage):
    """PgBouncer in transaction mode: a node that is to be started on it says why it does not."""
    cluster = primary(stage)
    stage.prepare(cluster)
    pool = Bouncer(stage.folder / "bouncer", cluster, "transaction").start()
    stage.cleared.append(pool.stop)
    refused = []

    def fault():
        whole, told = command(pool.url(), stage.folder, "serve", "--check", check=False)
        node = Node(pool.url(), stage.folder).start(wait=False)
        until("the node ends", lambda: node.process.poll() is not None, 30)
        assert not whole and "pool_mode = session" in told, told
        assert "pool_mode = session" in node.said(), node.said()
        refused.append(True)

    return stage.load(), fault, nothing, lambda: "refused with a line" if refused else "NOT REFUSED"


def proxied(stage):
    """HAProxy before two nodes, of which one is killed and started again."""
    cluster = primary(stage)
    stage.prepare(cluster)
    proxy = before_nodes(stage.folder / "proxy", [node.port for node in stage.nodes])
    stage.cleared.append(proxy.stop)
    time.sleep(1.5)

    def fault():
        stage.nodes[0].kill()
        time.sleep(AWAY)

    # A request that was on its way to the node that was killed is answered 502 by the proxy, which knows no more of it.
    load = stage.load(ports=[proxy.port, proxy.port], busy=(502, 503), dropped=True)
    return load, fault, lambda: stage.nodes[0].start(), None


def node_stops(stage):
    """A node is told to stop: what it has begun it ends, and the other goes on."""
    cluster = primary(stage)
    stage.prepare(cluster)
    proxy = before_nodes(stage.folder / "proxy", [node.port for node in stage.nodes])
    stage.cleared.append(proxy.stop)
    time.sleep(1.5)

    def fault():
        stage.nodes[0].stop()
        time.sleep(AWAY)

    load = stage.load(ports=[proxy.port, proxy.port], busy=(502, 503), dropped=True)
    return load, fault, lambda: stage.nodes[0].start(), None


def clocks(stage):
    """The clock of one node is an hour ahead from its start; it is told to be."""
    cluster = primary(stage)
    stage.prepare(cluster)
    ahead = Node(cluster.url(), stage.folder, ("faketime", "-f", "+1h"))
    stage.nodes[1].stop()
    ahead.start(wait=False)
    stage.nodes[1] = ahead
    until("the node serves", lambda: ahead.ask("/healthz") == 200)

    def fault():
        assert stage.nodes[0].ready() == 200
        assert ahead.ready() == 503
        time.sleep(AWAY)

    def extra():
        hour = cluster.sql("SELECT max(updated) - min(updated) < 1800000, max(at) - min(at) < 1800000 FROM resource, audit "
                           "WHERE resource.deleted = 0")
        return "not ready, and in order" if hour == ["t|t"] else f"OUT OF ORDER {hour}"

    return stage.load(), fault, nothing, extra


# How long a cut lasts: longer than anybody waits for a server that is gone without a word.
CUT = 30.0


def in_a_network(stage, links):
    """A primary in a namespace of its own, with so many links to it."""
    around = network.Network(links)
    stage.cleared.append(around.gone)
    cluster = Cluster(stage.folder / "primary", network=around).make()
    stage.cleared.append(lambda: cluster.stop("immediate"))
    return cluster, around


def database_cut_off(stage):
    """Nobody reaches the database: packets are lost, and nobody says so."""
    cluster, around = in_a_network(stage, 1)
    stage.prepare(cluster)

    def fault():
        around.cut(0)
        is_told(stage, 503)
        time.sleep(CUT)

    return stage.load(), fault, lambda: around.heal(0), None


def node_cut_off(stage):
    """One of two nodes reaches the database no longer: the other goes on, whatever the lost one has left open."""
    cluster, around = in_a_network(stage, 2)
    stage.prepare(cluster, urls=[cluster.url(0), cluster.url(1)])
    here, lost = stage.nodes
    took = []

    def fault():
        around.cut(1)
        until("the lost node says so", lambda: lost.ready() == 503, 20)
        assert lost.ask("/healthz") == 200
        time.sleep(CUT)
        assert here.ready() == 200
        status, text, _ = Client(here.port, stage.tokens["amina"]).ask("POST", "/fhir/Observation", reading("meanwhile"))
        assert status == 201, (status, text)
        left = cluster.sql("SELECT count(*) FROM pg_stat_activity WHERE client_addr = "
                           f"'{around.links[1][1]}' AND xact_start < now() - interval '30 seconds'")
        assert left == ["0"], f"{left} transactions of the lost node are open"

    def mend():
        around.heal(1)
        took.append(until("the lost node is back", lambda: lost.ready() == 200))

    return stage.load(), fault, mend, lambda: f"it served {took[0]:.1f} s after" if took[0] < 2 else f"TOO LATE: {took[0]:.1f} s"


def steered(stage):
    """The primary's machine is lost, and Patroni promotes the other member once its lease is over."""
    members = patroni.Members(stage)
    stage.prepare(members.first, members.url())

    def fault():
        members.first.lost()
        is_told(stage, 503)

    def mend():
        until("Patroni promotes", lambda: members.second.is_it("primary"), 120)
        stage.cluster = members.second

    return stage.load(), fault, mend, None


def switched_over(stage):
    """Operators switch over, and HAProxy asks Patroni who is the primary."""
    members = patroni.Members(stage)
    steering = patroni.Steering(stage.folder / "steering", members)
    stage.cleared.append(steering.stop)
    until("HAProxy knows the primary", lambda: command(steering.url(), stage.folder, "migrate", check=False)[0])
    stage.prepare(members.first, steering.url())

    def fault():
        members.switch_over()
        stage.cluster = members.second

    return stage.load(), fault, nothing, None


def restored(stage):
    """Back to a point in time from a backup that was taken under load: what came after is given up on purpose."""
    kept = backup.Backup(stage.folder)
    cluster = primary(stage, kept.settings())
    kept.begin(cluster)
    stage.prepare(cluster)
    load = stage.load(dropped=True)
    told = []

    def fault():
        kept.take()
        time.sleep(AWAY)
        # What is under way at that moment may be on either side of it.
        load.pause()
        point, mark = cluster.sql("SELECT now()")[0], load.mark()
        load.go_on()
        time.sleep(AWAY)
        for node in stage.nodes:
            node.stop()
        given_up = load.give_up_since(mark)
        cluster.stop("fast")
        kept.restore(point)
        cluster.start()
        until("PostgreSQL has been recovered", lambda: cluster.sql("SELECT pg_is_in_recovery()") == ["f"])
        there = cluster.sql("SELECT body FROM resource WHERE body LIKE '%rehearsal.test/name%'")
        assert given_up and not any(f'"{name}"' in body for name in given_up for body in there), "what came after is there"
        told.extend(backup.tell_apart(cluster.url(), stage.folder))

    def mend():
        for node in stage.nodes:
            node.start()

    return load, fault, mend, lambda: ", ".join(told)


SCENARIOS = {
    "kill": ("`kill -9` of PostgreSQL", ended(lambda cluster: cluster.kill())),
    "fast": ("fast restart", ended(lambda cluster: cluster.stop("fast"))),
    "immediate": ("immediate restart", ended(lambda cluster: cluster.stop("immediate"))),
    "cut": ("connections cut ten times", cut),
    "none": ("no connection left", none_left),
    "locked": ("tables locked by somebody else", locked),
    "read-only": ("read-only", read_only),
    "paused": ("paused", paused),
    "promotion": ("promotion of the standby, two hosts", promotion),
    "standby": ("synchronous standby gone", standby_gone),
    "disk": ("full disk", full_disk),
    "bouncer": ("PgBouncer, session mode: both restarted", bouncer),
    "transaction": ("PgBouncer, transaction mode", bouncer_refused),
    "proxy": ("HAProxy, a node killed", proxied),
    "stop": ("HAProxy, a node told to stop", node_stops),
    "sqlite-disk": ("SQLite: full disk", embedded_full),
    "sqlite-kill": ("SQLite: `kill -9` of the node", embedded_killed),
    "logs": ("logs: a full disk, read by nobody", logs_lost),
    "clocks": ("a node's clock an hour ahead", clocks),
    "network": ("the database cut off without a word", database_cut_off, network.missing),
    "lost-node": ("a node cut off without a word", node_cut_off, network.missing),
    "patroni": ("Patroni: the primary's machine lost", steered, patroni.missing),
    "switchover": ("Patroni, HAProxy by its check: switched over", switched_over, patroni.missing),
    "backup": ("pgBackRest: back to a point in time", restored, backup.missing),
}
