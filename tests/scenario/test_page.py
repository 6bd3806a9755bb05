"""The status page in a browser: what it shows, what it lets be changed, and that no stranger's words become markup.

SCREENSHOTS names a directory that gets a picture of every state, in the widths of a desk and of a phone.
"""

import http.client
import json
import os
import pathlib
import socket
import time

import pytest

from browser import Browser
from page_states import STATES, Stage, hostile, normal
from world import Key, until

WIDTHS = {"desk": (1280, 900), "phone": (360, 800)}
PAGES = ("/", "/page.css", "/page.js")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    made = Browser(tmp_path_factory.mktemp("browser"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def files(templates, tmp_path_factory):
    """The page as a daemon gives it, with its headers."""
    from world import World
    world = World(templates, tmp_path_factory.mktemp("page") / "world", "tdx")
    c = world.coordinator().start()
    try:
        return {path: fetch(c, path) for path in PAGES}
    finally:
        world.close()


def fetch(c, path):
    link = http.client.HTTPConnection("127.0.0.1", c.admin_port, timeout=30)
    link.request("GET", path)
    reply = link.getresponse()
    assert reply.status == 200
    wanted = ("Content-Type", "Content-Security-Policy", "X-Content-Type-Options", "Referrer-Policy")
    return {name: reply.getheader(name) for name in wanted}, reply.read()


@pytest.fixture
def stage(files, request):
    made = []

    def new(state, **options):
        copied = {path: (dict(headers), body) for path, (headers, body) in files.items()}
        made.append(Stage(copied, state, **options))
        return made[-1]
    yield new
    for s in made:
        s.close()


@pytest.fixture
def shots(tmp_path):
    where = pathlib.Path(os.environ.get("SCREENSHOTS") or tmp_path)
    where.mkdir(parents=True, exist_ok=True)
    return where


# ---- pictures ----

@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", STATES)
def test_every_state_has_its_picture(browser, stage, shots, name, width):
    browser.resize(*WIDTHS[width])
    browser.open(stage(STATES[name]).url)
    browser.sees(STATES[name]()["work"]["oldest_waiting"])
    browser.sees("live", "#link")
    browser.screenshot(shots / f"{name}-{width}.png")
    assert browser.run("return document.documentElement.scrollWidth <= document.documentElement.clientWidth"), "it is too wide"
    assert browser.errors() == []


def test_the_dark_has_its_picture(browser, stage, shots):
    browser.resize(*WIDTHS["desk"])
    browser.devtools("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": "dark"}])
    try:
        browser.open(stage(STATES["trouble"]).url)
        browser.sees("live", "#link")
        browser.screenshot(shots / "trouble-dark.png")
    finally:
        browser.devtools("Emulation.setEmulatedMedia", features=[])


@pytest.mark.parametrize("width", WIDTHS)
def test_dialogs_have_their_pictures(browser, stage, shots, width):
    browser.resize(*WIDTHS[width])
    browser.open(stage(normal, token="secret").url)
    browser.sees("The admin token", "#token-dialog")
    browser.screenshot(shots / f"token-{width}.png")
    browser.type("#token", "secret")
    browser.click("#token-use")
    browser.sees("Revoke".lower(), "#provers")
    browser.click('#provers [data-verb="promote"]')
    browser.sees("Promote this key?", "#ask-dialog")
    browser.screenshot(shots / f"promote-{width}.png")
    browser.click("#ask-no")


# ---- what it shows ----

def test_it_says_all_that_it_is_told(browser, stage):
    browser.resize(*WIDTHS["desk"])
    browser.open(stage(normal).url)
    browser.sees("verifying batches 117 to 119", "#next")
    browser.click("#batches summary")
    browser.sees("132–133", "#batches")
    seen = browser.text()
    for words in ("116", "131", "resting", "last error: HTTP status 502", "TDX leased to 10.0.0.7 for", "judged good, to be sent: 2",
                  "not committed yet", "attempt 2", "3.1 gwei", "412,000", "1.834 ETH", "active, 412 proofs shown", "standby",
                  " days left", "SWHardeningNeeded", "verify batches 113–116", "rtmr1 is 3c…e1", "90c06f000000", "1 bad proof"):
        assert words in seen, f"{words!r} is not in: {seen}"
    # Without colour too: each cell has a letter, and says in words what it is.
    cells = browser.run("return [...document.querySelectorAll('.strip li')].map((c) => [c.innerText, c.title])")
    assert len(cells) == 34 and all(len(letter) == 1 for letter, _ in cells)
    assert cells[23][0] == "L" and "batch 124: TDX leased to 10.0.0.7" == cells[23][1]
    assert cells[16][0] == "T" and "transaction 0x" in cells[16][1]
    assert cells[12][0] == "V" and "by transaction 0x" in cells[12][1]


def test_the_coordinators_beside_it(browser, stage):
    """Who leads, who is gone, whose clock is off: in words, also where there is no colour."""
    browser.errors()
    browser.open(stage(STATES["follower"]).url)
    browser.sees("another coordinator leads: host-b-3900", "#next")
    rows = browser.run("return [...document.querySelectorAll('#cluster tbody tr')].map((r) => r.innerText)")
    assert browser.text("#about").startswith("host-a-3900: ready, ")
    assert len(rows) == 4 and "(this one)" in rows[0] and "follows" in rows[0] and "leads" in rows[1]
    assert "read by the coordinator that leads" in browser.text("#funds")
    assert "\u22122.7 s OFF" in rows[2] and "gone" in rows[3] and "5 min ago" in rows[3]
    seen = browser.text("#alarms")
    assert "host-d-3900 was last seen 5 min ago" in seen and "is \u22122.7 s off the database's" in seen and "No coordinator leads" not in seen
    state = STATES["follower"]()
    state["cluster"]["coordinators"][1]["leads"] = False
    browser.run("draw(arguments[0])", state)
    assert "No coordinator leads." in browser.text("#alarms")
    state["cluster"]["trouble"] = "the server closed the connection"
    browser.run("draw(arguments[0])", state)
    assert browser.text("#about").startswith("host-a-3900: not ready, ")
    seen = browser.text("#alarms")
    assert "The database cannot be reached." in seen and "the server closed the connection" in seen and "No coordinator leads" not in seen
    # Alone it says so, and has no table.
    browser.run("draw(arguments[0])", normal())
    assert "alone" in browser.text("#cluster") and browser.run("return document.querySelectorAll('#cluster table').length") == 0
    assert browser.errors() == []


def test_fifty_thousand_batches(browser, stage):
    browser.open(stage(STATES["many"]).url)
    browser.sees("And 49,760 more, up to batch 50,016")
    assert browser.run("return document.querySelectorAll('*').length") < 3000
    took = browser.run("const o = arguments[0], t = performance.now(); draw(o); o.batches.last++; draw(o); return performance.now() - t",
                       STATES["many"]())
    assert took < 1000, f"{took} ms to draw it"


def test_what_is_open_stays_open(browser, stage):
    """explain is asked once it is opened, and a picture that is drawn anew does not shut it."""
    state = normal()
    browser.open(stage(lambda: state).url)
    browser.sees("explain 9a1c", "#refusals")
    browser.click("#refusals summary")
    browser.sees('"check": "rtmr1"', "#refusals")
    state["verdicts"][0]["reason"] = "said in other words"
    browser.sees("said in other words", "#refusals")
    browser.sees('"check": "rtmr1"', "#refusals")


def test_what_is_held_is_not_drawn_anew(browser, stage):
    """A button under a finger, and a hash that is being copied."""
    browser.open(stage(normal).url)
    browser.sees("live", "#link")
    drawn_anew = """const old = document.querySelector(arguments[0] + ' .mono'), o = arguments[1];
        const press = (kind) => old.dispatchEvent(new PointerEvent(kind, {bubbles: true}));
        if (arguments[2] === 'press') press('pointerdown'); else getSelection().selectAllChildren(old);
        o.provers[0].proofs += 1000;
        draw(o);
        const kept = old.isConnected;
        getSelection().removeAllRanges();
        press('pointerup');
        return kept;"""
    for how in ("press", "select"):
        assert browser.run(drawn_anew, "#provers", normal(), how) is True
    state = normal()
    state["provers"][0]["proofs"] = 7777
    browser.run("draw(arguments[0])", state)
    assert "7,777" in browser.text("#provers")


# ---- strangers ----

def test_no_string_becomes_markup(browser, stage):
    browser.errors()
    browser.open(stage(hostile).url)
    browser.sees("<script>window.hit=1</script>", "#refusals")
    browser.run("for (const d of document.querySelectorAll('details')) d.open = true")
    browser.sees('"said": "<img src=x', "#refusals")
    for place in ("#next", "#waiting", "#alarms", "#chain", "#transaction", "#provers", "#funds", "#collateral", "#transactions",
                  "#batches", "#about", "#cluster"):
        assert "<script>window.hit=1</script>" in browser.text(place), place
    time.sleep(0.5)
    assert browser.run("return window.hit === undefined && document.querySelectorAll('img, .hostile, body script').length === 0")
    # Nothing tried to load, to run, or to be made markup.
    assert browser.errors() == []


def test_the_policy_holds_what_the_script_does_not(browser, stage):
    """What a mistake in the script would do is refused by the browser."""
    browser.open(stage(normal).url)
    browser.sees("live", "#link")
    assert browser.run("try { document.body.innerHTML = '<b>x</b>'; return 'made'; } catch (e) { return e.name; }") == "TypeError"
    browser.run("const i = new Image(); i.src = 'http://127.0.0.1:9/x.png'; document.body.append(i)")
    browser.run("fetch('http://127.0.0.1:9/').catch(() => {})")
    until("both refused", lambda: len([e for e in browser.errors() if "Content Security Policy" in e]) >= 1)


# ---- the token ----

def test_the_token_is_kept_in_memory_alone(browser, stage):
    s = stage(normal, token="a very secret token")
    browser.open(s.url)
    browser.sees("the token is wanted", "#link")
    browser.type("#token", "wrong")
    browser.click("#token-use")
    browser.sees("this token is refused", "#link")
    browser.type("#token", "a very secret token")
    browser.click("#token-use")
    browser.sees("verifying batches", "#next")
    browser.click('#provers [data-verb="promote"]')
    browser.sees("is registered next", "#ask-text")
    assert not [c for c in s.seen if c[0] == "POST"], "asked before it was confirmed"
    browser.click("#ask-yes")
    browser.sees("done: <img", "#ask-answer")
    done = [c for c in s.seen if c[0] == "POST"]
    assert len(done) == 1 and done[0][1].endswith("/promote") and done[0][2] == "Bearer a very secret token"
    assert not any("secret" in path for _, path, _ in s.seen)
    assert browser.run("return [localStorage.length, sessionStorage.length, document.cookie, location.href, document.querySelector('#token').value]"
                       ) == [0, 0, "", s.url, ""]
    browser.open(s.url)
    browser.sees("the token is wanted", "#link")


def test_with_the_keyboard_alone(browser, stage):
    """Nothing is done by a key that was pressed for something else, and the focus is never lost in a dialog."""
    s = stage(normal, token="secret")
    browser.resize(*WIDTHS["desk"])
    browser.open(s.url)
    browser.sees("the token is wanted", "#link")
    assert browser.focus() == "token"
    browser.press(*"secret", browser.ENTER)
    browser.sees("verifying batches", "#next")
    browser.run("useToken('')")  # as after a look with open reads
    browser.sees("the token is wanted", "#link")
    browser.press(browser.ESCAPE)
    until("closed", lambda: not browser.run("return document.querySelector('#token-dialog').open"))
    for _ in range(40):
        if browser.focus() == "promote":
            break
        browser.press(browser.TAB)
    assert browser.focus() == "promote"
    browser.press(browser.ENTER)
    browser.sees("The admin token", "#token-dialog")
    browser.press(*"secret", browser.ENTER)
    browser.sees("Promote this key?", "#ask-dialog")
    time.sleep(0.5)
    assert browser.text("#ask-answer") == "" and not [c for c in s.seen if c[0] == "POST"], "the token's key confirmed it"
    assert browser.focus() == "ask-yes"
    browser.press(browser.ENTER)
    browser.sees("done: <img", "#ask-answer")
    assert len([c for c in s.seen if c[0] == "POST"]) == 1 and browser.focus() == "ask-no"
    browser.press(browser.ENTER)
    until("closed", lambda: not browser.run("return document.querySelector('#ask-dialog').open"))


def test_a_tab_that_nobody_sees_holds_no_connection(browser, stage):
    """A browser has six to a host: the seventh tab would wait for ever."""
    state = normal()
    s = stage(lambda: state)

    def shown(is_shown):
        browser.run("""Object.defineProperty(document, 'hidden', {value: !arguments[0], configurable: true});
            document.dispatchEvent(new Event('visibilitychange'))""", is_shown)
    browser.open(s.url)
    browser.sees("live", "#link")
    assert s.open_streams == 1
    state["l1"]["next"] = "said to whoever looks now and then"
    shown(False)
    browser.sees("not seen: looking every 30 s", "#link")
    browser.sees("said to whoever looks now and then", "#next")
    until("the stream is given up", lambda: s.open_streams == 0)
    shown(True)
    browser.sees("live", "#link", 5)
    until("a stream again", lambda: s.open_streams == 1)


def test_without_a_stream_it_looks(browser, stage):
    state = normal()
    browser.open(stage(lambda: state, streams=False).url)
    browser.sees("no stream is free", "#link")
    state["l1"]["next"] = "something else"
    browser.sees("something else", "#next")


def test_a_coordinator_that_goes_away(browser, stage):
    s = stage(normal)
    browser.open(s.url)
    browser.sees("live", "#link")
    s.close()
    browser.sees("no connection", "#link")


# ---- with the daemon ----

def test_a_whole_story(browser, world):
    browser.errors()
    c = world.coordinator(ADMIN_OPEN_READS="true", PROVER_TIMEOUT=60000).start()
    browser.resize(*WIDTHS["desk"])
    browser.open(f"http://127.0.0.1:{c.admin_port}/")
    browser.sees("No prover has shown a key yet")
    key, other = Key(), Key()
    c.enroll(key)
    c.enroll(other)
    browser.sees("standby", "#provers")
    world.feed(c, 4)
    browser.sees("waits for a TDX prover", "#batches")
    number, _ = c.request()
    browser.sees("TDX leased to 127.0.0.1 for", "#batches")
    assert c.submit(number, world.proof(key, number)) is True
    browser.sees("verify batch 1", "#transactions", 60)
    until("L1 has it", lambda: world.verified >= 1)
    browser.sees("active, ", "#provers")
    # A change wants the token.
    browser.click('#provers [data-verb="promote"]')
    browser.type("#token", c.token)
    browser.click("#token-use")
    browser.sees("Promote this key?", "#ask-dialog")
    browser.click("#ask-yes")
    browser.sees("is registered next", "#ask-answer")
    c.saw("event=prover_promoted")
    browser.click("#ask-no")
    c.put(9, b'{"a":1}')
    browser.run("document.querySelector('#drop').open = true")
    browser.type("#drop-batch", "9")
    browser.type("#drop-hash", "52e4b64")
    browser.click("#drop-button")
    browser.click("#ask-yes")
    browser.sees("deleted", "#ask-answer")
    until("gone", lambda: c.status()["work"]["inputs"] == 4)
    browser.click("#ask-no")
    assert browser.errors() == []
    assert c.stop() == 0
    browser.sees("no connection", "#link")
    c.start()
    browser.sees("live", "#link")


def test_who_may_read(world):
    c = world.coordinator(ADMIN_OPEN_READS="true").start()
    assert c.admin("GET", "/api/v1/overview", authorization="")[0] == 200
    assert c.admin("GET", "/api/v1/provers", authorization="")[0] == 200
    for method, path in (("POST", "/api/v1/collateral/refresh"), ("POST", f"/api/v1/provers/{Key().address}/promote"),
                         ("DELETE", "/api/v1/batches/1?commit_hash=52e4b64"), ("POST", "/api/v1/sender/resume")):
        assert c.admin(method, path, authorization="")[0] == 401, path
    # Another site's page can make a browser ask, and hold its places.
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200), ("none", 200)):
        assert c.admin("GET", "/api/v1/overview", authorization="", sec_fetch_site=site)[0] == status
    assert c.admin("GET", "/", authorization="", sec_fetch_site="cross-site")[0] == 200
    c.stop()
    c.change(ADMIN_OPEN_READS="false")
    c.start()
    for path in ("/api/v1/overview", "/api/v1/events", "/api/v1/verdicts"):
        assert c.admin("GET", path, authorization="")[0] == 401
    for path in PAGES:
        assert c.admin("GET", path, authorization="")[0] == 200
    c.stop()
    c.change(ADMIN_OPEN_READS="true", ADMIN_LISTEN=f"unix:{world.dir}/admin.sock")
    done = c.verb("config")
    assert done.returncode == 78 and "ADMIN_OPEN_READS needs ADMIN_LISTEN to be a loopback port" in done.stderr


def test_on_ipv6(world):
    c = world.coordinator(ADMIN_LISTEN="[::1]:0")
    c.change(ADMIN_LISTEN=f"[::1]:{c.admin_port}")
    c.start()
    assert c.verb("healthcheck").returncode == 0
    for host, status in ((f"[::1]:{c.admin_port}", 200), ("localhost", 200), ("[::1].example.org", 403), ("[::2]:80", 403)):
        link = http.client.HTTPConnection("::1", c.admin_port, timeout=30)
        link.request("GET", "/healthz", headers={"host": host})
        assert link.getresponse().status == status, host
        link.close()


def open_stream(c):
    s = socket.create_connection(("127.0.0.1", c.admin_port), 30)
    s.sendall(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return s


def test_streams_have_a_ceiling(world):
    """Eight are open, and no more; whoever reads nothing, or goes, takes no place from /healthz."""
    c = world.coordinator(ADMIN_OPEN_READS="true").start()
    streams = [open_stream(c) for _ in range(8)]
    assert all(b"200 OK" in s.recv(100) for s in streams)
    for _ in range(3):
        status, text = c.admin("GET", "/api/v1/events", authorization="")
        assert (status, json.loads(text)["code"]) == (503, "too_many_streams")
    silent = [socket.create_connection(("127.0.0.1", c.admin_port), 30) for _ in range(64)]
    for _ in range(5):
        assert c.verb("healthcheck").returncode == 0
    for s in streams[:4]:
        s.close()

    def room():
        s = open_stream(c)
        found = b"200 OK" in s.recv(100)
        s.close()
        return found
    until("a place that was given back", room, 10)
    for s in silent:
        s.close()
    # The others go on to be told.
    data, end = b"", time.monotonic() + 30
    while data.count(b"event: overview") < 2 and time.monotonic() < end:
        data += streams[-1].recv(1 << 16)
    assert data.count(b"event: overview") >= 2
    begin = time.monotonic()
    assert c.stop() == 0 and time.monotonic() - begin < 5
    rest = b"".join(iter(lambda: streams[-1].recv(1 << 16), b""))
    assert rest.endswith(b"0\r\n\r\n"), "the stream did not end in order"


def test_the_overview_is_bounded(world):
    """However far ahead inputs are put, it tells of a window, and of the rest as a range."""
    c = world.coordinator(ADMIN_OPEN_READS="true").start()
    for number in range(1, 301):
        assert c.put(number * 7, b'{"a":1}')[0] == 201
    text = c.admin("GET", "/api/v1/overview", authorization="")[1]
    seen = json.loads(text)["batches"]
    assert seen["last"] == 2100 and seen["beyond"] == {"first": 257, "last": 2100}
    assert seen["runs"][-1]["last"] == 256 and len(text) < 60000
