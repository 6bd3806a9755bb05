"""Copies its input to its output, each piece so many seconds after it came: late.py SECONDS."""

import os
import queue
import sys
import threading
import time


def main(seconds):
    pieces = queue.Queue()

    def read():
        while piece := os.read(0, 1 << 20):
            pieces.put((time.monotonic() + seconds, piece))
        pieces.put(None)

    threading.Thread(target=read, daemon=True).start()
    while found := pieces.get():
        due, piece = found
        time.sleep(max(0, due - time.monotonic()))
        while piece:
            piece = piece[os.write(1, piece):]


if __name__ == "__main__":
    main(float(sys.argv[1]))
