"""A TCP proxy for a protocol of any length, which can fall silent, be cut, or be slow: what stands between a
coordinator and its database, or between two databases. (chaos.py is for messages, one each way.)"""

import socket
import struct
import threading
import time

from chaos import DOWN, UP
from l1 import free_port
from listener import Listener


def end(*links):
    """Wakes whoever reads. They are reset when they are closed: not before, for another may have their number then."""
    for link in links:
        try:
            link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            link.shutdown(socket.SHUT_RD)
        except OSError:
            pass


class Line:
    """In front of a port of this machine, whether somebody listens there or not.

    silence(): a partition. What is sent in these directions is taken and not delivered; nobody is told. With
    heal() it arrives, as packets do that were sent again and again, although its sender may have gone.
    cut(): all connections are reset, and new ones too until heal(). delay: seconds that each piece takes."""

    def __init__(self, port):
        self.target, self.port, self.delay, self.refusing = port, free_port(), 0, False
        self.passing = {UP: threading.Event(), DOWN: threading.Event()}
        self.lock, self.links = threading.Lock(), set()
        self.heal()
        self.listener = Listener(self.take, self.port)

    def silence(self, *directions):
        for direction in directions or (UP, DOWN):
            self.passing[direction].clear()

    def cut(self):
        self.refusing = True
        with self.lock:
            end(*self.links)

    def heal(self):
        self.refusing, self.delay = False, 0
        for event in self.passing.values():
            event.set()

    def close(self):
        self.listener.close()
        self.cut()
        for event in self.passing.values():
            event.set()

    kill = close  # as World.close() ends its parts

    def take(self, client):
        if self.refusing:
            end(client)
            client.close()
            return
        self.passing[UP].wait()
        try:
            server = socket.create_connection(("127.0.0.1", self.target))
        except OSError:
            end(client)
            client.close()
            return
        for link in (client, server):
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.lock:
            self.links |= {client, server}
            if self.refusing:
                end(client, server)
        back = threading.Thread(target=self.carry, args=(DOWN, server, client), daemon=True)
        back.start()
        self.carry(UP, client, server)
        back.join()
        with self.lock:
            self.links -= {client, server}
            client.close()
            server.close()

    def carry(self, direction, source, sink):
        """To the end, which is passed on as well."""
        try:
            while piece := source.recv(1 << 16):
                if self.delay:
                    time.sleep(self.delay)
                self.passing[direction].wait()
                sink.sendall(piece)
            self.passing[direction].wait()
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            end(source, sink)
