"""The collateral client as a real process: TLS, a redirect, kill -9, and its cache under tdx-quote."""

import contextlib
import http.server
import os
import pathlib
import random
import ssl
import subprocess
import threading
import time
import urllib.parse

import pytest

from l1 import REPO

BUILD = pathlib.Path(os.environ.get("BUILD_DIR") or REPO / "build" / "release")
PROBE = BUILD / "tests" / "scenario" / "collateral" / "collateral_probe"
TDX_QUOTE = BUILD / "verifier" / "tdx-quote"
KEY = "90c06f000000-platform"
NOW = "2026-01-15T00:00:00Z"
ROUTES = {  # path -> file, issuer chain's header, its file
    "/tdx/certification/v4/tcb": ("tcb_info.json", "TCB-Info-Issuer-Chain", "tcb_signing_chain.pem"),
    "/tdx/certification/v4/qe/identity":
        ("qe_identity.json", "SGX-Enclave-Identity-Issuer-Chain", "tcb_signing_chain.pem"),
    "/sgx/certification/v4/pckcrl": ("pck_crl.der", "SGX-PCK-CRL-Issuer-Chain", "pck_crl_issuer_chain.pem"),
    "/sgx/certification/v4/rootcacrl": ("root_ca_crl.der", None, None),
}


@pytest.fixture
def forged(tmp_path):
    directory = tmp_path / "forged"
    directory.mkdir()
    subprocess.run([PROBE, "forge", directory], check=True)
    return directory


@contextlib.contextmanager
def pccs(forged, tls=True, redirect_to=None):
    """A PCCS on a free port; gives its URL and the paths that it was asked for."""
    asked = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            if redirect_to:
                self.send_response(302)
                self.send_header("Location", redirect_to + self.path)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            body, header, chain = ROUTES[urllib.parse.urlparse(self.path).path]
            content = (forged / body).read_bytes()
            self.send_response(200)
            if header:
                self.send_header(header, urllib.parse.quote((forged / chain).read_text()))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *args):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(forged / "tls.pem", forged / "tls.key")
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http{'s' if tls else ''}://127.0.0.1:{server.server_port}", asked
    finally:
        server.shutdown()
        server.server_close()


def get(sources, forged, ca="", data=""):
    return subprocess.run([PROBE, "get", sources, forged / "root.pem", ca, data], capture_output=True, text=True,
                          timeout=60)


def test_a_certificate_that_nobody_vouches_for_is_refused(forged):
    with pccs(forged) as (url, asked):
        done = get(f"pccs+{url}", forged)
    assert done.returncode == 1
    assert "SSL certificate problem: self-signed certificate" in done.stdout
    assert asked == []


def test_the_settings_may_vouch_for_it(forged):
    with pccs(forged) as (url, asked):
        done = get(f"pccs+{url}", forged, ca=forged / "tls.pem")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines() == ["served"] + [f"pccs+{url}"] * 4
    assert len(asked) == 4


def test_what_vouches_for_a_pccs_does_not_for_intel(forged):
    with pccs(forged) as (url, asked):
        done = get(url, forged, ca=forged / "tls.pem")
    assert done.returncode == 1
    assert asked == []


def test_a_redirect_leads_nowhere(forged):
    with pccs(forged, tls=False) as (there, visited), pccs(forged, tls=False, redirect_to=there) as (here, asked):
        done = get(f"pccs+{here}", forged)
    assert done.returncode == 1
    assert "it redirects (HTTP 302), which is not followed" in done.stdout
    assert len(asked) == 4 and visited == []


def test_the_cache_serves_the_next_process_and_tdx_quote(forged, tmp_path):
    with pccs(forged, tls=False) as (url, _):
        assert get(f"pccs+{url}", forged, data=tmp_path).returncode == 0
    done = get("pccs+http://127.0.0.1:1", forged, data=tmp_path)
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[1] == f"pccs+{url}"
    verdict = subprocess.run([TDX_QUOTE, "verify", "--collateral", tmp_path / "collateral" / KEY, "--root",
                              forged / "root.pem", "--time", NOW, forged / "quote.bin"], capture_output=True, text=True)
    assert verdict.returncode == 0, verdict.stdout + verdict.stderr


def test_kill_9_while_it_is_written(forged, tmp_path):
    """Whatever a killed process leaves behind is either whole or asked for anew."""
    dice = random.Random(5)
    cached = 0
    with pccs(forged, tls=False) as (url, _):
        begun = time.monotonic()
        assert get(f"pccs+{url}", forged, data=tmp_path).returncode == 0
        life = time.monotonic() - begun
        for _ in range(40):
            probe = subprocess.Popen([PROBE, "get", f"pccs+{url}", forged / "root.pem", "", tmp_path],
                                     stdout=subprocess.DEVNULL)
            time.sleep(dice.uniform(0, life))
            probe.kill()
            probe.wait()
            done = get("pccs+http://127.0.0.1:1", forged, data=tmp_path)
            assert done.returncode in (0, 1), done.stderr
            cached += done.returncode == 0
            if done.returncode == 0 and dice.random() < 0.5:
                victim = dice.choice(sorted((tmp_path / "collateral" / KEY).iterdir()))
                victim.unlink()
        assert get(f"pccs+{url}", forged, data=tmp_path).returncode == 0
    assert cached > 0
    assert get("pccs+http://127.0.0.1:1", forged, data=tmp_path).returncode == 0
