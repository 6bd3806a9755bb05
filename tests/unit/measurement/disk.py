"""Makes what `tdx-quote measure` reads, and says by itself what must come out: a second implementation."""
import hashlib
import struct
import zlib

SECTOR = 512
ESP = bytes.fromhex("28732ac11ff8d211ba4b00a0c93ec93b")
LINUX = bytes.fromhex("af3dc60f838472478e793d69d8477de4")
# EFI_CC_MEASUREMENT_PROTOCOL_GUID, in two immediate operands as compilers write it.
KNOWS_A_TD = b"\x48\xbb" + bytes.fromhex("3d1a7596f472a641") + b"\x48\xb8" + bytes.fromhex("a794ed5d0e67ae6b")


def sha384(data):
    return hashlib.sha384(data).digest()


def fold(*digests):
    register = bytes(48)
    for digest in digests:
        register = sha384(register + digest)
    return register


def pe(sections, tail=b"", certificates=b"", shuffle=False, in_memory=None, cut=0):
    """An executable of x86-64 firmware, and the hash by which firmware measures it."""
    align = 0x200
    headers = 0x400
    head = bytearray(headers)
    head[0:2] = b"MZ"
    struct.pack_into("<I", head, 0x3c, 0x80)
    head[0x80:0x84] = b"PE\0\0"
    struct.pack_into("<HHIIIHH", head, 0x84, 0x8664, len(sections), 0, 0, 0, 240, 0x22)
    optional = 0x98
    struct.pack_into("<H", head, optional, 0x20b)
    struct.pack_into("<I", head, optional + 60, headers)
    struct.pack_into("<I", head, optional + 64, 0x12345678)  # check sum
    struct.pack_into("<I", head, optional + 108, 16)
    body = b""
    rows = []
    for i, (name, content) in enumerate(sections):
        raw = content + bytes(-len(content) % align)
        rows.append(struct.pack("<8sIIIIIIHHI", name.encode(), (in_memory or {}).get(name, len(content)), 0x1000 * (i + 1), len(raw),
                                headers + len(body), 0, 0, 0, 0, 0x40000040))
        body += raw
    if shuffle:
        rows.reverse()  # the table need not be in the order of the contents
    head[optional + 240:optional + 240 + 40 * len(rows)] = b"".join(rows)
    at = headers + len(body) + len(tail)
    if certificates:
        struct.pack_into("<II", head, optional + 144, at, len(certificates))
    hashed = bytes(head[:optional + 64] + head[optional + 68:optional + 144] + head[optional + 152:])
    whole = bytes(head) + body + tail + certificates
    return whole[:len(whole) - cut], sha384(hashed + body + tail)


def fat32(content, label=b"NO NAME    ", in_root=b"", in_boot=b"", in_loader=b""):
    """A file system with \\EFI\\BOOT\\BOOTX64.EFI alone, its clusters from the last to the first; directories of
    these names, beside it, empty but for in_loader."""
    clusters = -(-len(content) // SECTOR)
    fat_sectors = -(-4 * (clusters + 8) // SECTOR)
    boot = bytearray(SECTOR)
    struct.pack_into("<HBHBHHBHHHII", boot, 11, SECTOR, 1, 32, 2, 0, 0, 0xf8, 0, 0, 0, 0, 0)
    struct.pack_into("<I", boot, 36, fat_sectors)
    struct.pack_into("<I", boot, 44, 2)
    boot[82:90] = b"FAT32   "
    boot[510:512] = b"\x55\xaa"
    end = 0x0fffffff
    chain = [5 + clusters - 1 - i for i in range(clusters)]
    table = [0x0ffffff8, end, end, end, end] + [0] * clusters + [end]
    for here, there in zip(chain, chain[1:] + [end]):
        table[here] = there
    fat = struct.pack(f"<{len(table)}I", *table)
    fat += bytes(fat_sectors * SECTOR - len(fat))

    def entry(name, attribute, cluster, size=0):
        return struct.pack("<11sB8xHHHHI", name, attribute, cluster >> 16, 0, 0, cluster & 0xffff, size)

    long_name = b"\x41" + bytes(10) + b"\x0f" + bytes(20)
    def directories(*names):
        return b"".join(entry(name, 0x10, 5 + clusters) for name in names if name)

    data = {2: entry(label, 8, 0) + long_name + directories(in_root) + entry(b"EFI        ", 0x10, 3), 3: entry(b"BOOT       ", 0x10, 4),
            4: entry(b".          ", 0x10, 4) + directories(in_boot) + entry(
                b"BOOTX64 EFI", 0x20, chain[0] if chain else 0, len(content)), 5 + clusters: directories(in_loader)}
    for i, cluster in enumerate(chain):
        data[cluster] = content[i * SECTOR:(i + 1) * SECTOR]
    area = b"".join(data[c].ljust(SECTOR, b"\0") for c in sorted(data))
    return bytes(boot) + bytes(31 * SECTOR) + fat + fat + area


def gpt(parts):
    """A disk of (type, content), and what firmware hashes of its partition table."""
    first = 34
    entries, body = b"", b""
    for i, (kind, content) in enumerate(parts):
        content += bytes(-len(content) % SECTOR)
        start = first + len(body) // SECTOR
        entries += struct.pack("<16s16sQQQ72s", kind, bytes([i + 1] * 16), start,
                               start + len(content) // SECTOR - 1, 0, "part".encode("utf-16-le"))
        body += content
    used = entries
    entries += bytes(128 * 128 - len(entries))
    last = first + len(body) // SECTOR - 1
    header = bytearray(struct.pack("<8sIIIIQQQQ16sQIII", b"EFI PART", 0x10000, 92, 0, 0, 1, last + 34, first, last,
                                   bytes([9] * 16), 2, 128, 128, zlib.crc32(entries)))
    struct.pack_into("<I", header, 16, zlib.crc32(header))
    disk = bytes(SECTOR) + bytes(header).ljust(SECTOR, b"\0") + entries + body
    return disk, sha384(bytes(header) + struct.pack("<Q", len(used) // 128) + used)


class Image:
    """A bootable disk and the registers that it leads to."""

    def __init__(self, cmdline=b"console=ttyS0 roothash=00", initrd=b"initrd" * 99, stub="252.39-1", **more):
        code = b"kernel" * 300 + more.get("kernel", KNOWS_A_TD)
        kernel, kernel_hash = pe([(".text", code)], tail=b"behind the sections", **more.get("signed", {}))
        sections = [(".text", b"stub" * 200 + more.get("stub_code", b"")), (".sdmagic", f"#### LoaderInfo: systemd-stub {stub} ####\0".encode()),
                    (".cmdline", cmdline), (".linux", kernel), (".initrd", initrd), *more.get("sections", ())]
        uki, uki_hash = pe([s for s in sections if s[0] not in more.get("without", ())], shuffle=True,
                           in_memory=more.get("in_memory"))
        self.disk, table = gpt([(ESP, fat32(uki, **more.get("esp", {}))), (LINUX, b"root" * 1000)])
        text = cmdline.rstrip(b"\0").decode()
        self.rtmr1 = fold(sha384(b"Calling EFI Application from Boot Option"), sha384(bytes(4)), table, uki_hash, kernel_hash,
                          sha384(b"Exit Boot Services Invocation"), sha384(b"Exit Boot Services Returned with Success"))
        self.rtmr2 = fold(sha384(text.encode("utf-16-le") + b"\0\0"), sha384(initrd))


class Firmware:
    """A firmware file with a TDVF descriptor, and what it leads to."""

    def __init__(self):
        volume, variables = bytes(range(256)) * 32, b"variables".ljust(4096, b"\xff")
        table = bytes.fromhex("de82b596b21ff745baeaa366c55a082d")
        tdx = bytes.fromhex("35657ae44a989847865e4685a7bf8ec2")
        # data, size in the file, address, size, type, attributes
        self.sections = [(0x1000, len(volume), 0xffc84000, 0x3000, 0, 1), (0, 4096, 0xffc00000, 4096, 1, 0),
                         (0, 0, 0x810000, 0x10000, 3, 0), (0, 0, 0x80b000, 0x2000, 3, 0), (0, 0, 0x809000, 0x2000, 2, 0),
                         (0, 0, 0x800000, 0x6000, 3, 0)]
        descriptor = struct.pack("<4sIII", b"TDVF", 16 + 32 * len(self.sections), 1, len(self.sections))
        descriptor += b"".join(struct.pack("<IIQQII", *s) for s in self.sections)
        entries = struct.pack("<IH", 0, 22) + tdx
        back = 0x20 + 18 + len(entries) + len(descriptor)
        entries = struct.pack("<IH", back, 22) + tdx
        end = entries + struct.pack("<H", len(entries) + 18) + table + bytes(0x20)
        self.file = variables + volume + descriptor + end
        self.variables = sha384(variables)
        self.mrtd = {"one_pass": self._mrtd(volume, False), "two_pass": self._mrtd(volume, True)}

    def _mrtd(self, volume, two_pass):
        calls = []
        for _, _, address, size, _, attributes in self.sections:
            later = []
            for page in range(0, size, 4096):
                calls.append(b"MEM.PAGE.ADD".ljust(16, b"\0") + struct.pack("<Q", address + page) + bytes(104))
                for chunk in range(page, page + 4096, 256) if attributes & 1 else ():
                    call = b"MR.EXTEND".ljust(16, b"\0") + struct.pack("<Q", address + chunk) + bytes(104)
                    (later if two_pass else calls).append(call + volume[chunk:chunk + 256].ljust(256, b"\0"))
            calls += later
        return sha384(b"".join(calls))
