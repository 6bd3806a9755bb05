"""That what stand-ins listen with ends when it is closed."""

import socket

import pytest

from listener import Listener


def test_who_is_closed_waits_for_nobody():
    """Its thread went on waiting on its number, which was the next one's, and took what came to that."""
    listener = Listener(lambda _: None)
    port = listener.port
    listener.close()
    assert not listener.thread.is_alive()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    listener.close()
