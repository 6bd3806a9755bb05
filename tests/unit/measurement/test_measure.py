"""tdx-quote measure and replay: predictions beside a second implementation, words, exit statuses."""
import json
import os
import struct
import subprocess

import pytest

import disk

TOOL = os.environ["TDX_QUOTE"]
GUEST = os.path.join(os.environ.get("VECTORS_DIR") or os.path.join(os.environ.get("SOURCE_DIR", "."), "..", "shared", "vectors"),
                     "guest")
# What real TDs logged for OVMF's layout of sections: their memory is 2 and 8 GiB.
HOB_2G = ("0b8772e5b0b41b83e6044a68397e02f49fb47066b4fbe4917ea2c45c64f323fd"
          "acbb37948f821ebaf8bc9c938ba8a749")
HOB_8G = "2e070cda358b5aa0"

real_logs = pytest.mark.skipif(not os.path.exists(GUEST), reason="SKIPPED: no real event logs (guest/ of the vectors)")


def run(*args):
    done = subprocess.run([TOOL, *map(str, args)], stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def put(path, data):
    path.write_bytes(data)
    return path


@pytest.fixture(name="image")
def _image(tmp_path):
    image = disk.Image()
    image.path = put(tmp_path / "disk.raw", image.disk)
    return image


@pytest.fixture(name="firmware")
def _firmware(tmp_path):
    firmware = disk.Firmware()
    firmware.path = put(tmp_path / "firmware.fd", firmware.file)
    return firmware


def measure(*args):
    status, out, err = run("measure", *args, "--json")
    assert status == 0, err
    return json.loads(out)


def test_an_image_s_registers_are_predicted(image):
    m = measure(image.path)
    assert m["rtmr1"] == {"value": image.rtmr1.hex(), "confirmed": False, "how": "computed from the image"}
    assert m["rtmr2"]["value"] == image.rtmr2.hex() and not m["rtmr2"]["confirmed"]
    assert m["mrtd"]["value"] is None and m["rtmr0"]["value"] is None
    assert [e["rtmr"] for e in m["events"]] == [1, 1, 1, 1, 1, 2, 2, 1, 1]


def test_firmware_s_registers_are_predicted(image, firmware):
    m = measure(image.path, "--firmware", firmware.path, "--memory", "2G")
    assert m["mrtd_computed"] == {k: v.hex() for k, v in firmware.mrtd.items()}
    assert m["events"][0]["digest"] == HOB_2G
    assert m["events"][1]["digest"] == firmware.variables.hex()
    assert measure(image.path, "--firmware", firmware.path, "--memory", "8G")["events"][0]["digest"].startswith(HOB_8G)
    status, _, err = run("measure", image.path, "--firmware", firmware.path, "--memory", "8M")
    assert status == 2 and "a machine with 0x800000 bytes below 4 GiB has not" in err


@pytest.mark.parametrize("change", ["cmdline", "initrd"])
def test_what_changes_changes_its_register(tmp_path, image, change):
    other = disk.Image(**{change: b"another"})
    m = measure(put(tmp_path / "other.raw", other.disk))
    assert m["rtmr2"]["value"] == other.rtmr2.hex() != image.rtmr2.hex()
    assert m["rtmr1"]["value"] == other.rtmr1.hex() != image.rtmr1.hex()


def quote(tmp_path, mrtd, rtmrs, name="quote.bin"):
    """A quote as far as it is read here: a header, a TD's report, a signature that nobody looks at."""
    example = os.path.join(os.path.dirname(GUEST), "quote.example")
    if not os.path.exists(example):
        pytest.skip("SKIPPED: no quote.example")
    with open(example) as f:
        data = bytearray.fromhex(f.read().strip())
    data[48 + 136:48 + 184] = mrtd
    for i, value in enumerate(rtmrs):
        data[48 + 328 + 48 * i:48 + 376 + 48 * i] = value
    return put(tmp_path / name, bytes(data))


def test_what_a_quote_confirms(tmp_path, image, firmware):
    acpi = os.urandom(48)
    seen = quote(tmp_path, firmware.mrtd["two_pass"], [acpi, image.rtmr1, image.rtmr2])
    m = measure(image.path, "--firmware", firmware.path, "--memory", "2G", "--from-quote", seen)
    assert all(m[r]["confirmed"] for r in ("mrtd", "rtmr0", "rtmr1", "rtmr2"))
    assert "two passes" in m["mrtd"]["how"] and m["rtmr0"]["value"] == acpi.hex()
    kept = put(tmp_path / "measurements.json", json.dumps(m).encode())
    # For a later image MRTD and RTMR0 hold, what is in the image is a prediction again.
    later = disk.Image(cmdline=b"later")
    path = put(tmp_path / "later.raw", later.disk)
    m = measure(path, "--firmware", firmware.path, "--memory", "2G", "--learnt", kept)
    assert [m[r]["confirmed"] for r in ("mrtd", "rtmr0", "rtmr1", "rtmr2")] == [True, True, False, False]
    assert m["rtmr2"]["value"] == later.rtmr2.hex()
    status, _, err = run("measure", path, "--firmware", firmware.path, "--memory", "4G", "--learnt", kept)
    assert status == 2 and "a machine with 2147483648 bytes of memory, here 4294967296" in err
    status, _, err = run("measure", path, "--memory", "2G", "--learnt", kept)
    assert status == 2 and "another firmware" in err
    other = quote(tmp_path, os.urandom(48), [acpi, image.rtmr1, image.rtmr2], "other.bin")
    status, out, err = run("measure", image.path, "--firmware", firmware.path, "--from-quote", other)
    assert status == 0 and "NOT what this firmware file leads to" in out and "another firmware?" in err


def test_what_nobody_has_seen_is_no_policy(tmp_path, image, firmware):
    status, out, err = run("measure", image.path, "--policy-json")
    assert status == 1 and out == "" and "mrtd is not known" in err and "rtmr1 is not confirmed" in err
    seen = quote(tmp_path, firmware.mrtd["one_pass"], [bytes(48), image.rtmr1, bytes(48)])
    arguments = ("measure", image.path, "--firmware", firmware.path, "--from-quote", seen)
    status, out, err = run(*arguments, "--solidity")
    assert status == 1 and out == "" and "rtmr2 is not confirmed" in err and "rtmr1" not in err
    status, out, err = run(*arguments, "--solidity", "--accept-unconfirmed")
    assert status == 0 and out.split("hex")[1].strip(' ",\n') == firmware.mrtd["one_pass"].hex()
    for two in (("--solidity", "--policy-json"), ("--json", "--solidity"), ("--json", "--policy-json")):
        status, out, err = run(*arguments, *two, "--accept-unconfirmed")
        assert (status, out) == (64, "") and "are two forms of output: one of them" in err
    status, out, err = run(*arguments, "--policy-json", "--accept-unconfirmed", "--name", "mine")
    only = json.loads(out)["images"][0]
    assert only["name"] == "mine" and only["rtmr2"] == image.rtmr2.hex()


@pytest.mark.parametrize("what,words", [
    ({"stub": "262.1"}, "systemd-stub 262; what 252 to 255 measure is known"),
    ({"stub": "256.7-2"}, "systemd-stub 256; what 252 to 255 measure is known"),
    ({"stub_code": disk.KNOWS_A_TD}, "was changed to measure into a TD's registers itself"),
    ({"kernel": b"a TPM alone"}, "the kernel: it does not measure into a TD's registers (Linux does since 6.9)"),
    ({"kernel": disk.KNOWS_A_TD[:-4]}, "the kernel: it does not measure into a TD's registers"),
    ({"signed": {"certificates": bytes(800), "cut": 100}}, "certificates have 800 bytes, and 719 are left behind its sections"),
    ({"without": [".initrd"]}, "no section .initrd"),
    ({"without": [".linux"]}, "no section .linux"),
    ({"without": [".sdmagic"]}, "no systemd-stub"),
    ({"cmdline": b"a\nb"}, "byte 1 of the command line is 0x0a"),
    ({"cmdline": b"x" * 5000}, "at most 4096"),
    ({"cmdline": b" quiet"}, "starts or ends in a blank"),
    ({"cmdline": b"quiet "}, "starts or ends in a blank"),
    ({"cmdline": b""}, "section .cmdline has 0 bytes in memory"),
    ({"initrd": b""}, "section .initrd has 0 bytes in memory"),
    ({"in_memory": {".initrd": 70000}}, "section .initrd has 70000 bytes in memory, and 1024 in the file"),
    ({"sections": [(".cmdline", b"init=/bin/sh")]}, "2 sections whose names start with .cmdline"),
    ({"sections": [(".initrd2", b"another")]}, "2 sections whose names start with .initrd"),
    ({"sections": [(".linux", b"another")]}, "2 sections whose names start with .linux"),
    ({"sections": [(".sdmagic", b"systemd-stub 252")]}, "2 sections whose names start with .sdmagic"),
    ({"sections": [(".pcrsig", b"{}")]}, "a section .pcrsig"),
    ({"sections": [(".pcrpkey", b"key")]}, "a section .pcrpkey"),
    ({"sections": [(".ucode", b"cpio")]}, "a section .ucode"),
    ({"esp": {"in_boot": b"BOOTX6~1D  "}}, "\\EFI\\BOOT on the EFI system partition holds a directory"),
    ({"esp": {"in_root": b"LOADER     ", "in_loader": b"CREDEN~1   "}}, "holds a directory CREDEN"),
    ({"esp": {"in_root": b"LOADER     ", "in_loader": b"ADDONS     "}}, "holds a directory ADDONS"),
])
def test_what_cannot_be_predicted_is_said(tmp_path, what, words):
    path = put(tmp_path / "disk.raw", disk.Image(**what).disk)
    status, out, err = run("measure", path)
    assert (status, out) == (2, "") and words in err and str(path) in err


def test_a_signed_kernel(tmp_path, image):
    """Its certificates are of the file, and so of the unified image's hash, but not of its own."""
    signed = disk.Image(signed={"certificates": bytes(800)})
    assert measure(put(tmp_path / "signed.raw", signed.disk))["rtmr1"]["value"] == signed.rtmr1.hex() != image.rtmr1.hex()


def test_the_newest_stub_that_is_known(tmp_path, image):
    """And its initial RAM disk may hold any bytes."""
    newest = disk.Image(stub="255.4", initrd=disk.KNOWS_A_TD * 9)
    assert measure(put(tmp_path / "newest.raw", newest.disk))["rtmr2"]["value"] == newest.rtmr2.hex() != image.rtmr2.hex()


@pytest.mark.parametrize("esp", [{"label": b"EFI        "}, {"label": b"BOOT       "},
                                 {"in_root": b"LOADER     ", "in_loader": b"ENTRIES    "}])
def test_what_else_is_on_the_system_partition_is_no_matter(tmp_path, image, esp):
    m = measure(put(tmp_path / "other.raw", disk.Image(esp=esp).disk))
    assert (m["rtmr1"]["value"], m["rtmr2"]["value"]) == (image.rtmr1.hex(), image.rtmr2.hex())


def broken(kind, data):
    data = bytearray(data)
    if kind == "check sum":
        data[512 + 60] ^= 1
    elif kind == "no fat":
        data[34 * 512 + 82] ^= 1
    elif kind == "chain":
        struct.pack_into("<I", data, 34 * 512 + 32 * 512 + 4 * 6, 0x123456)
    elif kind == "cut":
        del data[34 * 512 + 1024:]
    elif kind == "no entry":
        data[:] = data.replace(b"BOOTX64 EFI", b"BOOTX65 EFI")
    elif kind == "no gpt":
        del data[600:]
    return bytes(data)


@pytest.mark.parametrize("kind,words", [
    ("check sum", "check sums of the disk image's GPT are wrong"), ("no fat", "is not FAT32"),
    ("chain", "leads nowhere (cluster 1193046)"), ("cut", "no EFI system partition"), ("no entry", "no \\EFI\\BOOT\\BOOTX64.EFI"),
    ("no gpt", "no GPT"),
])
def test_a_broken_disk_is_said(tmp_path, image, kind, words):
    path = put(tmp_path / "broken.raw", broken(kind, image.disk))
    status, out, err = run("measure", path)
    assert (status, out) == (2, "") and words in err, err


def test_files_that_are_not_there_and_that_are_no_firmware(tmp_path, image, firmware):
    status, _, err = run("measure", tmp_path / "none")
    assert status == 2 and "No such file" in err
    status, _, err = run("measure", image.path, "--firmware", image.path)
    assert status == 2 and "no TDVF descriptor" in err
    half = put(tmp_path / "code.fd", firmware.file[4096:])
    status, _, err = run("measure", image.path, "--firmware", half)
    assert status == 2 and "half of a split pair" in err
    for wrong in ("2T", "0", "-1", "", "x", "99999999G", "+2G", " 2G", "2 G", "2GiB", "0x80000000", "2g"):
        status, _, err = run("measure", image.path, "--memory", wrong)
        assert status == 2 and f"--memory '{wrong}' is not" in err
    status, _, err = run("measure", image.path, "--memory", "2147483649")
    assert status == 2 and "--memory '2147483649' is not a whole number of pages" in err


def event_log(events):
    """A CCEL of (register, type, hashed, data)."""
    log = struct.pack("<II20xI", 0, 3, 33) + b"Spec ID Event03\0" + struct.pack("<IIIHHx", 0, 0x2000200, 1, 12, 48)
    for register, kind, hashed, data in events:
        log += struct.pack("<IIIH", register, kind, 1, 12) + disk.sha384(hashed) + struct.pack("<I", len(data)) + data
    return log


def log_of(algorithms, digests):
    """A first record that names (id, size), and an event with these (id, digest)."""
    spec = b"Spec ID Event03\0" + struct.pack("<III", 0, 0x2000200, len(algorithms))
    spec += b"".join(struct.pack("<HH", *a) for a in algorithms) + b"\0"
    event = struct.pack("<III", 2, 4, len(digests)) + b"".join(struct.pack("<H", i) + d for i, d in digests)
    return struct.pack("<II20xI", 0, 3, len(spec)) + spec + event + struct.pack("<I", 4) + bytes(4)


@pytest.mark.parametrize("algorithms, digests, words", [
    ([(12, 48)], [(12, b"a" * 48), (12, b"b" * 48)], "event 1 of the log has two SHA-384 digests"),
    ([(12, 48), (12, 20)], [(12, b"a" * 48)], "names the hash algorithm 0x000c twice, or with digests of 0 bytes"),
    ([(4, 0), (12, 48)], [(4, b""), (12, b"a" * 48)], "names the hash algorithm 0x0004 twice, or with digests of 0 bytes"),
    ([(12, 48)], [(11, b"a" * 32)], "a digest of algorithm 0x000b, which its first record does not name"),
    ([(11, 32)], [(11, b"a" * 32)], "has no SHA-384 digests"),
])
def test_a_log_that_may_be_read_in_two_ways_is_none(tmp_path, algorithms, digests, words):
    status, out, err = run("replay", put(tmp_path / "log", log_of(algorithms, digests)))
    assert (status, out) == (2, "") and words in err, err


def test_a_log_with_several_algorithms_is_read_by_one(tmp_path):
    mixed = log_of([(4, 20), (11, 32), (12, 48)], [(11, b"b" * 32), (12, b"a" * 48), (4, b"c" * 20)])
    status, out, _ = run("replay", "--json", put(tmp_path / "log", mixed))
    assert status == 0 and json.loads(out)["rtmr1"] == disk.fold(b"a" * 48).hex()


def test_a_long_command_line_is_told_whole(tmp_path):
    """As long as a kernel takes."""
    line = b"console=ttyS0 " + b"x" * 2000 + b" last=1"
    m = measure(put(tmp_path / "disk.raw", disk.Image(cmdline=line).disk))
    assert m["events"][5]["what"] == f'the command line "{line.decode()}"'


def test_the_first_event_that_differs_is_named(tmp_path, image):
    prediction = put(tmp_path / "measurements.json", json.dumps(measure(image.path)).encode())
    wide = "console=ttyS0 roothash=01".encode("utf-16-le") + b"\0\0"
    log = put(tmp_path / "log", event_log([(3, 6, wide, struct.pack("<II", 0x8f3b22ed, 0))]))
    status, out, _ = run("replay", log, "--expect", prediction)
    assert status == 1
    assert 'RTMR2: the command line differs (event 1): expected the command line "console=ttyS0 roothash=00"' in out
    assert 'RTMR1: the step "Calling EFI Application from Boot Option" is expected, and the log has no such event' in out


def test_what_the_running_system_extended_is_not_passed_over(tmp_path):
    log = put(tmp_path / "log", event_log([(2, 4, b"x", b"")]))
    registers = [bytes(48), disk.fold(disk.sha384(b"x")), bytes(48)]
    status, out, err = run("replay", log, "--quote", quote(tmp_path, bytes(48), [*registers, bytes(48)]))
    assert (status, err) == (0, "") and out.endswith("the log leads to it\n")
    extended = quote(tmp_path, bytes(48), [*registers, b"\x03" * 48], "extended.bin")
    status, out, err = run("replay", log, "--quote", extended)
    assert status == 0 and "RTMR3 is not compared: the quote's is not empty, and the log has no event for it" in err
    # A log that has events for it is held against it.
    kept = put(tmp_path / "kept", event_log([(2, 4, b"x", b""), (4, 4, b"y", b"")]))
    status, out, err = run("replay", kept, "--quote", extended)
    assert (status, err) == (1, "") and "RTMR3 differs" in out


def test_a_file_that_was_changed_is_no_prediction(tmp_path, image, firmware):
    right = measure(image.path, "--firmware", firmware.path, "--memory", "2G")
    log = put(tmp_path / "log", event_log([(3, 6, b"any", struct.pack("<II", 0x8f3b22ed, 0))]))
    flipped = f"{int(right['rtmr1']['value'][:2], 16) ^ 1:02x}" + right["rtmr1"]["value"][2:]
    events = right["events"]
    dropped = [e for i, e in enumerate(events) if i != len(events) - 1]
    for change, words in (
            ({"rtmr1": {**right["rtmr1"], "value": flipped}}, f"rtmr1 is {flipped}, which is not what its 7 events lead to"),
            ({"events": dropped}, "which is not what its 6 events lead to"),
            ({"events": [*events, events[-1]]}, "which is not what its 8 events lead to"),
            ({"events": [*events[:-1], {**events[-1], "digest": "00" * 48}]}, "which is not what its 7 events lead to"),
            ({"rtmr2": {**right["rtmr2"], "value": 5}}, "rtmr2 has no value of 48 bytes in hex, nor null"),
            ({"events": [{"rtmr": 4, "digest": "00" * 48, "what": "x"}]}, "event 1 has not an rtmr of 0 to 3")):
        path = put(tmp_path / "changed.json", json.dumps({**right, **change}).encode())
        status, out, err = run("replay", log, "--expect", path)
        assert (status, out) == (2, "") and words in err and str(path) in err, err
        status, _, err = run("measure", image.path, "--firmware", firmware.path, "--memory", "2G", "--learnt", path)
        assert status == 2 and words in err, err
    status, _, err = run("replay", log, "--expect", put(tmp_path / "cut.json", json.dumps(right, indent=2).encode()[:-20]))
    assert status == 2 and "not a measurements.json: no JSON: " in err and ", line " in err


@real_logs
def test_a_real_log_leads_to_its_quote():
    log, pair = f"{GUEST}/gt_ccel_data.dat", f"{GUEST}/gt_cos-113-tdx-quote.dat"
    status, out, _ = run("replay", log, "--quote", pair)
    assert status == 0 and out.endswith(f"{pair}: the log leads to it\n")
    status, out, _ = run("replay", log, "--quote", f"{GUEST}/coco_tdx_quote_4.dat")
    assert status == 1
    assert "RTMR0 differs, and no single event explains it; the first that it is made of is event 1, the hand-off block" in out
    assert "RTMR2 differs: the quote's is empty; the log's first for it is event 19, the boot loader's \"MokList\"" in out


@real_logs
def test_two_real_logs_part_where_they_differ():
    status, out, _ = run("replay", "--json", f"{GUEST}/ge_cos-113-intel-tdx-dupe-separator-unpadded.bin",
                         "--expect", f"{GUEST}/gt_ccel_data.dat")
    told = json.loads(out)
    assert status == 1 and told["rtmr2"].startswith("4969684dc87381fc") and len(told["events"]) == 43
    assert told["differences"][0].startswith("RTMR0: the firmware's configuration volume differs (event 2)")
    assert told["differences"][1].startswith("RTMR1: event 17 differs: expected the separator")
    assert len(told["differences"]) == 2


@real_logs
def test_what_is_no_log_is_said(tmp_path):
    status, _, err = run("replay", f"{GUEST}/gt_cos-113-tdx-quote.dat")
    assert status == 2 and "not an event log" in err
    with open(f"{GUEST}/gt_ccel_data.dat", "rb") as f:
        cut = put(tmp_path / "cut", f.read(18000))
    status, _, err = run("replay", cut)
    assert status == 2 and "ends inside" in err
    status, _, err = run("replay", f"{GUEST}/gt_ccel_data.dat", "--expect", put(tmp_path / "x.json", b"{}"))
    assert status == 2 and "not a measurements.json: mrtd has no value" in err
