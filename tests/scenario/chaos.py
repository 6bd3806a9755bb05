"""A TCP proxy for messages as ethrex has them, one each way a connection, that does what networks do at a
message that is named: cut, delay, truncate, duplicate; up (to the server) or down (to the client)."""

import dataclasses
import re
import socket
import struct
import threading
import time

from l1 import free_port
from listener import Listener

UP, DOWN = "up", "down"
ACTIONS = ("cut", "delay", "truncate", "duplicate")
NAME = re.compile(rb'\s*(?:\{\s*)?"(\w+)"')
PATIENCE = 90


@dataclasses.dataclass
class Fault:
    """What happens to the next `times` messages of that name (None: any) in that direction.

    cut: the first `at` bytes pass, then both ends are reset. truncate: they pass, and the message ends in
    order. delay: the rest comes `seconds` later. duplicate: up, it is sent on a connection of its own first,
    whose answer nobody gets; down, it comes twice."""

    action: str
    direction: str
    message: str | None = None
    at: int = 0
    seconds: float = 0.5
    times: int = 1
    happened: int = 0


def reset(*links):
    """Closed without the end that a reader would take for one."""
    for link in links:
        try:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            link.shutdown(socket.SHUT_RD)  # wakes whoever reads
            link.close()
        except OSError:
            pass


class Chaos:
    """In front of a port of this machine, whether somebody listens there or not."""

    def __init__(self, port):
        self.target, self.port, self.faults = port, free_port(), []
        self.lock, self.storming = threading.Lock(), None
        self.seen = []  # (direction, name, bytes), whatever became of it
        self.listener = Listener(self.exchange, self.port)

    def close(self):
        self.listener.close()

    kill = close  # as World.close() ends its parts

    def fault(self, action, direction, message=None, **more):
        assert action in ACTIONS and direction in (UP, DOWN)
        with self.lock:
            self.faults.append(Fault(action, direction, message, **more))
        return self.faults[-1]

    def storm(self, rng=None, rate=0.2):
        """From now on something happens to that part of all messages (0: to none any more)."""
        with self.lock:
            self.storming = (rng, rate) if rate else None

    def what_happens_to(self, direction, name, size):
        with self.lock:
            self.seen.append((direction, name, size))
            for fault in self.faults:
                if fault.direction == direction and fault.message in (None, name) and fault.happened < fault.times:
                    fault.happened += 1
                    return fault
            if self.storming and self.storming[0].random() < self.storming[1]:
                rng = self.storming[0]
                return Fault(rng.choice(ACTIONS), direction, at=rng.randrange(max(size, 1)), seconds=rng.random())
        return None

    def connect(self):
        link = socket.create_connection(("127.0.0.1", self.target), PATIENCE)
        link.settimeout(PATIENCE)
        return link

    def exchange(self, client):
        server = None
        try:
            client.settimeout(PATIENCE)
            request = read_all(client)
            server = self.connect()
            if not self.pass_on(UP, request, server, client):
                return
            self.pass_on(DOWN, read_all(server), client, server)
        except OSError:
            reset(client, *([server] if server else []))
        finally:
            for link in (client, server):
                if link:
                    link.close()

    def pass_on(self, direction, message, to, other):
        """False: this exchange is over."""
        name = NAME.match(message)
        fault = self.what_happens_to(direction, name[1].decode() if name else "", len(message))
        action, at = (fault.action, fault.at) if fault else (None, len(message))
        if action == "duplicate" and direction == UP:
            with self.connect() as twin:
                twin.sendall(message)
                twin.shutdown(socket.SHUT_WR)
                read_all(twin)
        to.sendall(message[:at] if action in ("cut", "truncate", "delay") else message)
        if action == "cut":
            reset(to, other)
            return False
        if action == "delay":
            time.sleep(fault.seconds)
            to.sendall(message[at:])
        if action == "duplicate" and direction == DOWN:
            to.sendall(message)
        to.shutdown(socket.SHUT_WR)
        return True


def read_all(link):
    """To the end; never a part of what was reset."""
    message = b""
    while piece := link.recv(1 << 16):
        message += piece
    return message
