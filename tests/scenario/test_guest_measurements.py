"""Predicted registers beside what firmware, stub and kernel measured, into a software TPM: there is no TD here."""

import json
import shutil
import subprocess

import pytest

from guest import GUEST, Machine, make_image
from l1 import REPO
from process import clean_env, until

TOOL = REPO / "build" / "guest" / "verifier" / "tdx-quote"
SETTINGS = ("coordinator=10.0.2.2:1", "without-quote=wait", "interval=500")


def need_tool():
    subprocess.run([REPO / "scripts" / "build", "guest", "tdx-quote"], check=True, stdout=subprocess.DEVNULL)


def run(*args):
    done = subprocess.run([TOOL, *args, "--json"], capture_output=True, text=True, timeout=120)
    return done.returncode, json.loads(done.stdout)


def predict(image):
    """What guest/measure writes beside an image."""
    done = subprocess.run([GUEST / "measure", image, "packaged", "2G"], env=clean_env(TDX_QUOTE=TOOL), text=True,
                          capture_output=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return image / "measurements.json"


@pytest.fixture(scope="module", name="measured")
def _measured(tmp_path_factory):
    """An image, the prediction for it, the log of a boot, and the TPM's registers."""
    if not shutil.which("swtpm") or not shutil.which("swtpm_setup"):
        pytest.skip("SKIPPED: no prediction was compared with a boot: swtpm is missing (scripts/install-deps guest)")
    image = make_image(tmp_path_factory.mktemp("image"), *SETTINGS, EVENTS="serial")
    need_tool()
    work = tmp_path_factory.mktemp("boot")
    machine = Machine(image, work / "console", "--tpm-log", work / "log")
    try:
        until("the event log", lambda: "guest: pcr-sha384 23" in machine.log(), 180, 0.5)
    finally:
        machine.stop()
    until("the log's file", lambda: (work / "log.pcrs").exists(), 20)
    pcrs = dict(line.lower().split() for line in (work / "log.pcrs").read_text().splitlines())
    return image, predict(image), work / "log", pcrs


def test_the_prediction_is_what_was_measured(measured):
    _, prediction, log, pcrs = measured
    predicted = json.loads(prediction.read_text())
    status, told = run("replay", "--tpm", log, "--expect", prediction)
    assert told["differences"] == [] and status == 0
    assert told["rtmr1"] == predicted["rtmr1"]["value"]
    assert told["rtmr2"] == predicted["rtmr2"]["value"]
    # The log is the TPM's: command line and initial RAM disk are all of PCR 9, as they are of RTMR2.
    assert pcrs["9"] == predicted["rtmr2"]["value"]
    # MRTD and RTMR0 stay what they are without a TD.
    assert predicted["mrtd"]["value"] is None and predicted["rtmr0"]["value"] is None


def test_another_command_line_is_named(measured, tmp_path):
    """The disk boots as well as before; the measurement alone tells."""
    image, _, log, _ = measured
    other = tmp_path / "image"
    make_image(other, *SETTINGS, "batches=1", EVENTS="serial")
    status, told = run("replay", "--tpm", log, "--expect", predict(other))
    assert status == 1
    words = next(d for d in told["differences"] if d.startswith("RTMR2"))
    assert words.startswith("RTMR2: the command line differs") and "quote-gen.batches=1" in words
    assert any(d.startswith("RTMR1: the disk's partition table differs") for d in told["differences"])
    assert json.loads((image / "measurements.json").read_text())["rtmr2"] != json.loads(
        (other / "measurements.json").read_text())["rtmr2"]


def test_on_trust_domains():
    pytest.skip("SKIPPED: no host for trust domains: MRTD, RTMR0 and a CCEL's own log were compared with nothing")
