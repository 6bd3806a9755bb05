"""What stand-ins that speak no HTTP listen with."""

import socket
import threading


class Listener:
    """Each connection is given to `serve`, in a thread of its own. port 0: any free one."""

    def __init__(self, serve, port=0):
        self.socket = socket.create_server(("127.0.0.1", port), backlog=128)
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.accept, args=(serve,), daemon=True)
        self.thread.start()

    def accept(self, serve):
        while True:
            try:
                client, _ = self.socket.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(client,), daemon=True).start()

    def close(self):
        """Its thread ends before: one that waits on a number that is closed is, once something interrupts that, the
        thread of whoever has this number next, and takes his connections."""
        if self.thread.is_alive():
            self.socket.shutdown(socket.SHUT_RDWR)
            self.thread.join()
        self.socket.close()
