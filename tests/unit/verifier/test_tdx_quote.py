"""The program tdx-quote: input forms, verbs, exit statuses, against the shared vectors."""
import base64
import json
import os
import shutil
import subprocess

import pytest

TOOL = os.environ["TDX_QUOTE"]
VECTORS = os.environ.get("VECTORS_DIR") or os.path.join(
    os.environ.get("SOURCE_DIR", "."), "..", "shared", "vectors")
DCAP = os.path.join(VECTORS, "dcap")
EXAMPLE = os.path.join(VECTORS, "quote.example")

pytestmark = pytest.mark.skipif(
    not os.path.exists(EXAMPLE), reason="SKIPPED: there are no vectors (set VECTORS_DIR)")


def run(*args, stdin=b""):
    done = subprocess.run([TOOL, *args], input=stdin, capture_output=True, timeout=30)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def example_hex():
    with open(EXAMPLE) as f:
        return f.read().strip()


@pytest.fixture(name="collateral")
def _collateral(tmp_path):
    with open(os.path.join(DCAP, "MANIFEST.json")) as f:
        entry = next(e for e in json.load(f)["positive"] if e["id"] == "seed_quote_example")
    for key, name in (("tcb_info", "tcb_info.json"), ("qe_identity", "qe_identity.json"),
                      ("pck_crl", "pck_crl.der"), ("root_ca_crl", "root_ca_crl.der"),
                      ("tcb_signing_chain", "tcb_signing_chain.pem"),
                      ("pck_crl_issuer_chain", "pck_crl_issuer_chain.pem")):
        shutil.copy(os.path.join(DCAP, entry[key]), tmp_path / name)
    return tmp_path, entry["now"]


def test_the_same_quote_in_every_form(tmp_path):
    text = example_hex()
    raw = bytes.fromhex(text)
    wrapped = "\n".join(text[i:i + 60] for i in range(0, len(text), 60))
    want = run("inspect", "--json", EXAMPLE)
    assert want[0] == 0
    log = f"2025-07-04 INFO start\n12:00 Sending quote {text}\nProcessed batch 7\n"
    for form in (raw, text.encode(), b"0x" + text.encode(), wrapped.encode(), log.encode()):
        assert run("inspect", "--json", stdin=form) == want
    path = tmp_path / "quote.bin"
    path.write_bytes(raw)
    assert run("inspect", "--json", str(path)) == want
    fields = json.loads(want[1])
    assert fields["version"] == 4 and fields["tee"] == "TDX"
    assert fields["declared_size"] == 4936 and fields["trailing_size"] == 70
    assert fields["mrtd"].startswith("91eb2b44") and fields["pck_fmspc"] == "b0c06f000000"
    assert fields["td_attribute_names"] == ["SEPT_VE_DISABLE"]


def test_base64_and_byte_arrays(tmp_path):
    raw = bytes.fromhex(example_hex())
    want = run("inspect", "--json", EXAMPLE)
    plain, url = base64.b64encode(raw), base64.urlsafe_b64encode(raw)
    wrapped = b"\n".join(plain[i:i + 76] for i in range(0, len(plain), 76))
    array = str(list(raw)).encode()
    compact = array.replace(b" ", b"")
    for form in (plain, plain.rstrip(b"="), url, url.rstrip(b"="), wrapped, array, compact,
                 b'"' + plain + b'"'):
        assert run("inspect", "--json", stdin=form + b"\n") == want
        if form is not wrapped:
            log = b"12:00 start\n12:01 Sending quote: " + form + b"\n12:02 done [1, 2]\n"
            assert run("inspect", "--json", stdin=log) == want
    for form in (b"[4, 0, 2, 256]", b"[4,,0]", b"[4, 0", b"[]", b"A" * 5):
        assert run("inspect", stdin=form)[0] == 2


def test_report_is_the_one_of_the_documentation(collateral):
    where, now = collateral
    raw = bytes.fromhex(example_hex())
    want = bytes.fromhex("00048100000000b0c06f000000") + raw[48:632]
    code, out, _ = run("report", EXAMPLE, "--collateral", str(where), "--time", str(now))
    assert code == 0 and bytes.fromhex(out.strip()) == want
    code, out, _ = run("report", EXAMPLE, "--collateral", str(where), "--time", str(now), "--json")
    assert json.loads(out) == {"layout": "1.0", "report": want.hex()}
    assert want[149:197].hex().startswith("91eb2b44")
    code, out, err = run("report", EXAMPLE)
    assert code == 0 and bytes.fromhex(out.strip()) == want and "nothing was verified" in err
    code, out, _ = run("report", "--layout", "1.1", "--status", "OutOfDate", EXAMPLE)
    assert bytes.fromhex(out.strip()) == bytes.fromhex("0004000204b0c06f000000") + raw[48:632]
    code, _, err = run("report", EXAMPLE, "--collateral", str(where), "--time", "1")
    assert code == 1 and "not valid yet" in err


def test_verify_says_why(collateral, tmp_path):
    where, now = collateral
    code, out, _ = run("verify", EXAMPLE, "--collateral", str(where), "--time", str(now))
    assert code == 0 and "verdict      genuine; image not compared" in out and "valid until  2025-07-19T10:00:35Z" in out
    code, out, _ = run("measurements", EXAMPLE, "--policy-json", "--name", "release")
    policy = tmp_path / "policy.json"
    policy.write_text(out)
    args = ("verify", EXAMPLE, "--collateral", str(where), "--time", str(now))
    code, out, _ = run(*args, "--policy", str(policy), "--json")
    verdict = json.loads(out)
    assert code == 0 and verdict["image"] == "release" and verdict["tcb_status"] == "UpToDate"
    policy.write_text(policy.read_text().replace("91eb2b44", "91eb2b45"))
    code, out, _ = run(*args, "--policy", str(policy), "--json")
    failed = [c["check"] for c in json.loads(out)["checks"] if c["status"] == "fail"]
    assert code == 1 and failed == ["policy_image", "policy_mrtd"]
    policy.write_text('{"unknown":1}')
    assert run(*args, "--policy", str(policy))[0] == 2
    assert run("verify", EXAMPLE)[0] == 64
    code, _, err = run("verify", EXAMPLE, "--collateral", str(tmp_path / "none"))
    assert code == 2 and "no directory or file" in err
    for name in ("", 'a"b', "a\\b", "a\nb", "x" * 64):
        code, out, err = run("measurements", EXAMPLE, "--policy-json", "--name", name)
        assert code == 2 and not out and "image name" in err
    assert run(*args[:-1], "yesterday")[0] == 2


def test_collateral_in_one_file(collateral, tmp_path):
    where, now = collateral
    bundle = {}
    for path in where.glob("*"):
        data = path.read_bytes()
        bundle[path.name.split(".")[0]] = data.hex() if path.suffix == ".der" else data.decode()
    one = tmp_path / "one.json"
    one.write_text(json.dumps(bundle))
    args = ("verify", EXAMPLE, "--time", str(now), "--json", "--collateral")
    assert run(*args, str(one)) == run(*args, str(where))
    assert run(*args, str(one))[0] == 0
    del bundle["pck_crl"]
    one.write_text(json.dumps(bundle))
    code, out, _ = run(*args, str(one))
    assert code == 1 and "pck_crl_format" in out
    for bad in ({}, [], {"tcb_inf": "x"}, {"tcb_info": {}}):
        one.write_text(json.dumps(bad))
        assert run(*args, str(one))[0] == 2
    one.write_text("{")
    assert run(*args, str(one))[0] == 2
    one.write_text("")
    code, out, err = run(*args, str(one))
    assert code == 2 and not out and "it is empty" in err
    (tmp_path / "empty").mkdir()
    code, out, err = run(*args, str(tmp_path / "empty"))
    assert code == 2 and not out and "no piece of collateral" in err


def test_an_option_that_says_nothing_is_none(collateral, tmp_path):
    where, now = collateral
    nothing = tmp_path / "nothing"
    nothing.write_bytes(b"")
    args = ("verify", EXAMPLE, "--collateral", str(where))
    # Intel's root is not trusted in the place of one that is missing.
    for root in (nothing, "/dev/null"):
        code, out, err = run(*args, "--time", str(now), "--root", str(root))
        assert code == 2 and not out and "no root certificate" in err, err
    for when in ("", " 5", "+5", "5 ", "-", "1e9", "0x10", "9223372036854775808", "2025-07-04",
                 "2025-06-30T23:59:60Z", "2025-02-29T00:00:00Z", "2025-07-04T10:16:31.5Z",
                 "2025-07-04T10:16:31+00:00", "2025-07-04 10:16:31Z"):
        code, out, err = run(*args, "--time", when)
        assert code == 2 and not out and f"'{when}'" in err, err
    assert run(*args, "--time", "9999-12-31T23:59:59Z")[0] == run(*args, "--time", "-5")[0] == 1


def test_the_end_says_what_failed(collateral):
    where, now = collateral
    code, out, _ = run("verify", EXAMPLE, "--collateral", str(where), "--time", "1")
    end = out[out.index("verdict      REFUSED"):]
    assert code == 1 and "FAIL  tcb_info_time" in end
    assert out.count("FAIL  tcb_info_time") == 2 and "ok  " not in end
    # A platform that is not behind lacks nothing.
    assert "short  " not in run("verify", EXAMPLE, "--collateral", str(where), "--time",
                                str(now))[1]


def test_what_is_short_is_named(tmp_path):
    with open(os.path.join(DCAP, "MANIFEST.json")) as f:
        entries = json.load(f)["positive"]
    behind = next(e for e in entries if e["id"] == "pos0000")
    for key, name in (("tcb_info", "tcb_info.json"), ("qe_identity", "qe_identity.json"),
                      ("pck_crl", "pck_crl.der"), ("root_ca_crl", "root_ca_crl.der"),
                      ("tcb_signing_chain", "tcb_signing_chain.pem"),
                      ("pck_crl_issuer_chain", "pck_crl_issuer_chain.pem")):
        shutil.copy(os.path.join(DCAP, behind[key]), tmp_path / name)
    code, out, _ = run("verify", os.path.join(DCAP, behind["quote"]), "--collateral",
                       str(tmp_path), "--time", str(behind["now"]))
    assert code == 1 and "TCB status   OutOfDate" in out
    end = out[out.index("TCB status"):]
    assert "short        " in end and ", an up-to-date platform has " in end
    assert "FAIL  policy_tcb_status" in end


def test_measurements_and_diff(tmp_path):
    report = subprocess.run([TOOL, "report", "--raw", EXAMPLE], capture_output=True,
                            check=True).stdout
    (tmp_path / "report.bin").write_bytes(report)
    from_quote = run("measurements", "--json", EXAMPLE)
    assert from_quote == run("measurements", "--json", str(tmp_path / "report.bin"))
    m = json.loads(from_quote[1])
    code, out, _ = run("measurements", "--solidity", EXAMPLE)
    assert out == ",\n".join(f'hex"{m[k]}"' for k in ("mrtd", "rtmr0", "rtmr1", "rtmr2")) + "\n"
    assert run("diff", EXAMPLE, str(tmp_path / "report.bin"))[0] == 0
    changed = bytearray(report)
    changed[149] ^= 1
    changed[389] ^= 1
    (tmp_path / "changed.bin").write_bytes(changed)
    code, out, _ = run("diff", "--json", EXAMPLE, str(tmp_path / "changed.bin"))
    found = json.loads(out)["differences"]
    assert code == 1 and [d["field"] for d in found] == ["mrtd", "rtmr1"]
    assert all(d["usual_cause"] for d in found)
    every = bytearray(report)
    every[13:] = bytes(b ^ 1 for b in every[13:])
    (tmp_path / "every.bin").write_bytes(every)
    code, out, _ = run("diff", "--json", EXAMPLE, str(tmp_path / "every.bin"))
    found = json.loads(out)["differences"]
    assert code == 1 and len(found) == 14 and all(len(d["usual_cause"]) > 20 for d in found)
    words = run("diff", EXAMPLE, str(tmp_path / "every.bin"))[1]
    assert words.count("usual cause: ") == 14 and found[6]["usual_cause"] in words
    # Either side is read from stdin as well, and as a log line.
    log = b"Sending quote " + bytes(changed).hex().encode() + b"\n"
    assert run("diff", "--json", EXAMPLE, "-", stdin=log)[0] == 1
    assert run("diff", "--json", "-", EXAMPLE, stdin=log)[0] == 1


@pytest.mark.parametrize("verb, two", [
    ("measurements", ("--json", "--solidity")), ("measurements", ("--json", "--policy-json")),
    ("measurements", ("--solidity", "--policy-json")), ("report", ("--json", "--raw")),
    ("report", ("--collateral=.", "--status=OutOfDate")), ("report", ("--collateral=.", "--fmspc=00806f050000")),
])
def test_two_flags_that_contradict_each_other(verb, two):
    code, out, err = run(verb, *two, EXAMPLE)
    first, second = (flag.split("=")[0] for flag in two)
    assert (code, out) == (64, "") and f"{first} and {second} are two " in err


def test_bad_input():
    for stdin in (b"", b"hello", b"00", b"\x04\x00\x02", bytes(5000), b"0x", b"Sending quote "):
        code, out, err = run("inspect", stdin=stdin)
        assert code == 2 and not out and err.startswith("tdx-quote: ")
    # What nobody can make sense of is told from what cannot be judged, and leads on.
    for args, words in ((("nonsense",), '"nonsense" is not a verb; see tdx-quote --help'),
                        (("verfy", EXAMPLE), "(is verify meant?)"), ((), "a verb is missing"),
                        (("diff", EXAMPLE), "diff needs QUOTE|REPORT QUOTE|REPORT; see tdx-quote diff --help"),
                        (("inspect", "--policy", "x", EXAMPLE), "inspect takes no --policy"),
                        (("verify", "--colateral=x", EXAMPLE), "(is --collateral meant?)"),
                        (("collateral", "look", EXAMPLE), "collateral can only be fetched")):
        code, out, err = run(*args)
        assert code == 64 and not out and words in err, err
    # Flags stand where they like.
    assert run("--json", "inspect", EXAMPLE)[1] == run("inspect", EXAMPLE, "--json")[1] != ""
    for verb in ("inspect", "verify", "measurements", "report", "diff", "collateral"):
        code, out, _ = run(verb, "--help")
        assert code == 0 and out.startswith(f"usage: tdx-quote {verb} ")
    assert run("inspect", "/nonexistent")[0] == 2
    assert run("--help")[0] == 0 and run("--version")[0] == 0
