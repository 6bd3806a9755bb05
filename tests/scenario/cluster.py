"""Several coordinators on one PostgreSQL, each with a data directory, ports and a name of its own, and with lines of
its own to the database, so that any one can be cut off.
"""

import contextlib
import random

from line import Line
from postgres import PASSWORD, Postgres
from process import until


class Cluster:
    """Made, not started. server: a Postgres that runs (None: a new one). standby: its replica, which coordinators may
    turn to. settings: of every coordinator."""

    def __init__(self, world, count, server=None, standby=None, **settings):
        self.world = world
        self.server = server or world.add(Postgres(world.dir)).start()
        self.standby = standby
        self.password = world.secret("database.password", PASSWORD)
        self.lines, self.coordinators = {}, []
        for n in range(1, count + 1):
            self.add(f"c{n}", **settings)

    def add(self, name, **settings):
        """One more."""
        lines = [self.world.add(Line(server.port)) for server in (self.server, self.standby) if server]
        query = {"target_session_attrs": "read-write"} if self.standby else {}
        c = self.world.coordinator(name, **{"STORE": self.server.url(*(line.port for line in lines), **query),
                                            "STORE_PASSWORD_FILE": self.password, "INSTANCE": name, **settings})
        c.name, self.lines[name] = name, lines
        self.coordinators.append(c)
        return c

    def __iter__(self):
        return iter(self.coordinators)

    def __getitem__(self, n):
        return self.coordinators[n]

    def start(self):
        """All at once: none waits for another."""
        for c in self:
            c.start(ready=False)
        for c in self:
            c.saw(r"event=ready\b")
        return self

    def others(self, *without):
        return [c for c in self if c not in without]

    # --- the network ---

    def silence(self, c, *directions):
        for line in self.lines[c.name]:
            line.silence(*directions)

    def slow(self, c, seconds):
        """Each piece takes so long, in each direction."""
        for line in self.lines[c.name]:
            line.delay = seconds

    def cut(self, c):
        for line in self.lines[c.name]:
            line.cut()

    def heal(self, *some):
        for c in some or self:
            for line in self.lines[c.name]:
                line.heal()

    # --- who leads ---

    @contextlib.contextmanager
    def led_by_nobody(self):
        """Somebody else is the next to have the lock that makes a leader, or has it, and keeps it from all of them."""
        with self.server.session("SELECT pg_advisory_lock(1414809688, 2)") as link:
            until("it is the next", lambda: self.server.sql(
                "SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) WHERE l.locktype = 'advisory' "
                "AND l.classid = 1414809688 AND l.objid = 2 AND a.application_name = 'psql'"))
            yield link

    def leader(self):
        """The one that holds the lock, or None. As the database sees it."""
        rows = self.server.sql("SELECT a.application_name FROM pg_locks l JOIN pg_stat_activity a USING (pid) "
                               "WHERE l.locktype = 'advisory' AND l.objid = 2 AND l.granted")
        return next((c for c in self for row in rows if row[0].endswith(c.name)), None)

    def until_leader(self, *among, seconds=20):
        """One of these (all) that leads."""
        return until("a leader", lambda: next((c for c in [self.leader()] if c and c in (among or self)), None), seconds)


class AnyOf:
    """Coordinators as a prover sees them that has a list of addresses: it goes to the next one where one is not
    there or has nothing to say. With the methods of a Coordinator's provers' listener."""

    def __init__(self, coordinators, rng=random):
        self.coordinators, self.rng = list(coordinators), rng

    def each(self, action, good):
        answer = None
        for c in self.rng.sample(self.coordinators, len(self.coordinators)):
            try:
                answer = action(c)
            except (OSError, ValueError):
                continue
            if good(answer):
                break
        return answer

    def request(self, **options):
        return self.each(lambda c: c.request(**options), lambda a: a[0] is not None) or (None, None)

    def submit(self, number, proof, **options):
        return self.each(lambda c: c.submit(number, proof, **options), lambda a: a is True)

    def setup(self, payload, **options):
        return self.each(lambda c: c.setup(payload, **options), lambda a: a is True)

    def enroll(self, key):
        until("ProverSetupACK", lambda: self.setup(key.payload) is True, pause=0.2)
