"""Puts a directory into the state that a power cut would leave.

    powercut.py JOURNAL DIR [SEED]

The journal is powercut.c's. Without a seed nothing survives but what was synced. With one, a
subset of the rest does: of each directory a prefix of what happened to its entries, of each file
some of its 512- or 4096-byte blocks, and its old or its new length. The journal is removed.
"""

import os
import random
import shutil
import sys


def environment(library, directory, journal, ignore=""):
    """The variables under which a program is watched."""
    return {
        "LD_PRELOAD": str(library),
        "POWERCUT_DIR": str(directory),
        "POWERCUT_JOURNAL": str(journal),
        "POWERCUT_IGNORE": ignore,
        # For sanitized builds: the preloaded object comes before their run-time library.
        "ASAN_OPTIONS": "verify_asan_link_order=0",
    }


class Journal:
    def __init__(self, path, directory, seed):
        self.path = path
        self.rng = None if seed is None else random.Random(seed)
        self.current = {}  # uid -> path in the tree as it is now
        if self.rng:
            uids = {}
            with open(os.path.join(path, "inodes"), encoding="ascii") as f:
                for line in f:
                    inode, uid = line.split()
                    uids[int(inode)] = int(uid)
            for where, _, names in os.walk(directory):
                for name in names:
                    full = os.path.join(where, name)
                    uid = uids.get(os.lstat(full).st_ino)
                    if uid is not None:
                        self.current[uid] = full

    def entries(self, uid):
        """What survives of a directory: name -> (kind, uid)."""
        try:
            with open(os.path.join(self.path, f"d{uid}"), encoding="utf-8") as f:
                lines = [line.rstrip("\n") for line in f if line.endswith("\n")]
        except FileNotFoundError:
            return {}
        synced = max((i + 1 for i, line in enumerate(lines) if line == "sync"), default=0)
        kept = self.rng.randint(synced, len(lines)) if self.rng else synced
        found = {}
        for line in lines[:kept]:
            op, _, rest = line.partition(" ")
            if op == "+":
                kind, child, name = rest.split(" ", 2)
                found[name] = (kind, int(child))
            elif op == "-":
                found.pop(rest, None)
            elif op == ">":
                old, new = rest.split("\t")
                if old in found:
                    found[new] = found.pop(old)
        return found

    def content(self, uid):
        """What survives of a file's bytes."""
        try:
            with open(os.path.join(self.path, f"f{uid}"), "rb") as f:
                durable = f.read()
        except FileNotFoundError:
            durable = b""
        if not self.rng or uid not in self.current:
            return durable
        with open(self.current[uid], "rb") as f:
            now = f.read()
        if now == durable:
            return durable
        block = self.rng.choice((512, 4096))
        length = self.rng.choice((len(durable), len(now)))
        out = bytearray(length)
        for at in range(0, length, block):
            source = self.rng.choice((durable, now))
            piece = source[at : min(at + block, length)]
            out[at : at + len(piece)] = piece
        return bytes(out)

    def rebuild(self, uid, where):
        os.makedirs(where, mode=0o700, exist_ok=True)
        for name, (kind, child) in sorted(self.entries(uid).items()):
            if name.endswith("-shm"):
                continue  # shared memory in a file: SQLite's never outlives a boot
            full = os.path.join(where, name)
            if kind == "d":
                self.rebuild(child, full)
            else:
                with open(full, "wb") as f:
                    f.write(self.content(child))
                os.chmod(full, 0o600)


def replay(journal, directory, seed=None):
    journal, directory = str(journal), str(directory)
    after = directory + ".after"
    shutil.rmtree(after, ignore_errors=True)
    Journal(journal, directory, seed).rebuild(0, after)
    shutil.rmtree(directory)
    os.rename(after, directory)
    shutil.rmtree(journal)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    replay(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) == 4 else None)
