"""What becomes of several nodes when their database is slow, full, takes no writes, or is another one all of a sudden."""

import os
import time

from cluster_rig import PATIENCE_S, Database, Receiver, fail, until


def slow_database(rig):
    """Every word to the database and from it takes half a second: slower, and nothing lost."""
    for node in rig.nodes.values():
        node.way.delay_s = 0.25
    rig.await_alert_of(rig.drop(2), "with a slow database")
    for node in rig.nodes.values():
        node.way.delay_s = 0
    rig.await_alert_of(rig.drop(1), "after a slow database")


def read_only_database(rig):
    """A server that only reads for now, as a standby that is not promoted yet: everybody waits, and goes on."""
    rig.database.stop("fast")
    (rig.database.data / "standby.signal").touch()
    rig.database.start()
    titles = rig.drop(2)
    until(rig, lambda: all("takes no writes" in node.log() for node in rig.nodes.values()), "a server that takes no writes is told of")
    if any(node.process.poll() is not None for node in rig.nodes.values()):
        rig.show()
        fail("somebody ended over a server that only reads for now")
    rig.database.promote()
    rig.await_alert_of(titles, "after the database only read")


def full_database(rig):
    """Its disk is full: what comes waits where it is, and goes on when there is room."""
    ballast = rig.database.room / "ballast"
    with open(ballast, "wb") as file:
        try:
            while True:
                file.write(bytes(1 << 20))
                file.flush()
        except OSError:
            pass
    number = 0
    end = time.monotonic() + PATIENCE_S
    while not any("no space left" in node.log() for node in rig.nodes.values()):
        if time.monotonic() > end:
            rig.show()
            fail("never: a full disk is told of")
        number += 1
        # Each has words of its own: a text that is like another one is no item, and takes no room.
        words = " ".join(os.urandom(6).hex() for _ in range(12_000))
        rig.put(f"long-{number}", {"id": f"long-{number}", "title": f"Reading {words[:60]}", "url": f"https://long.example/{number}",
                                   "publisher": "Long Paper", "text": words})
        time.sleep(0.05)
    titles = rig.drop(1)
    ballast.unlink()
    rig.await_alert_of(titles, "after a full disk")
    # What is long is no article that the count at the end knows of.
    rig.others = number


def failover(rig):
    """The database's server is gone and its synchronous standby is promoted: goes on, with everything."""
    standby = Database(rig.home / "standby", copy_of=rig.database)
    rig.databases.append(standby)
    rig.database.administer("ALTER SYSTEM SET synchronous_standby_names = '*'")
    rig.database.ask("SELECT pg_reload_conf()")
    until(rig, lambda: rig.database.ask("SELECT sync_state FROM pg_stat_replication") in (["sync"], ["quorum"]), "the standby is synchronous")
    early = rig.drop(3)
    rig.await_alert_of(early, "before a failover of the database")
    rig.database.stop()
    between = rig.drop(1)
    standby.promote()
    standby.administer("ALTER SYSTEM RESET synchronous_standby_names")
    standby.ask("SELECT pg_reload_conf()")
    rig.database = standby
    for node in rig.nodes.values():
        node.way.lead_to(standby.port)
    rig.await_alert_of(between, "after a failover of the database")
    rig.await_alert_of(early, "from before a failover of the database")


def failover_with_loss(rig):
    """A standby that had not heard of the last commits is promoted: everybody refuses it, also when started anew, until
    somebody decides to go on from what is there."""
    rig.begin()
    rig.await_alert_of(rig.drop(3), "at first")
    standby = Database(rig.home / "behind", copy_of=rig.database)
    rig.databases.append(standby)
    items = "SELECT count(*) FROM items"
    until(rig, lambda: standby.ask(items) == rig.database.ask(items), "the standby has everything")
    standby.stop("fast")
    lost = rig.drop(3)
    for title in lost:
        rig.await_alert_of([title], "before a failover with loss")
    # Those that wait have heard of it as well.
    until(rig, lambda: rig.database.ask(
        "SELECT count(*) FROM nodes WHERE change_seen < (SELECT max(seq) FROM changes)") == ["0"], "all of them have heard of the last")
    rig.database.stop()
    standby.start()
    standby.promote()
    had = standby.ask(items)
    rig.database = standby
    for node in rig.nodes.values():
        node.way.lead_to(standby.port)
    refusal = "lost what it acknowledged"
    until(rig, lambda: all(node.process.poll() is not None for node in rig.nodes.values()), "everybody refuses a server that has lost commits")
    silent = [node.name for node in rig.nodes.values() if refusal not in node.log()]
    waiting = rig.drop(1)
    for node in rig.nodes.values():
        mark = len(node.log())
        node.start()
        if node.process.wait(PATIENCE_S) == 0 or refusal not in node.log()[mark:]:
            silent.append(f"{node.name}, started anew")
    if silent:
        rig.show()
        fail(f"a server that has lost commits is not refused by: {', '.join(silent)}")
    if standby.ask(items) != had:
        fail("something was stored on a server that has lost commits")
    for node in rig.nodes.values():
        (node.home / "state" / "wirewatch.acknowledged").unlink()
        node.start()
    rig.await_alert_of(waiting, "after somebody decided to go on")
    for title in lost + waiting:
        if len(set(Receiver.told[title])) != 1:
            fail(f"{title} is told under {len(set(Receiver.told[title]))} ids after a failover with loss")
