// The status page. Whatever comes from the API is set as text, never as markup; the token is kept in a
// variable of this script and goes into a header alone.
"use strict";

const id = (name) => document.getElementById(name);
const number = (n) => Number(n).toLocaleString("en");
let token = "";
let clockAhead = 0; // ms that the coordinator's clock is ahead of this one

// el("td", {class: "num"}, "text", element, ...); null and undefined are left out.
function el(name, attributes, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {}))
    if (value !== null && value !== undefined && value !== false) node.setAttribute(key, value);
  node.append(...children.filter((c) => c !== null && c !== undefined && c !== ""));
  return node;
}

// ---- words ----

function span(seconds) {
  const s = Math.max(0, Math.round(seconds));
  if (s < 120) return `${s} s`;
  if (s < 7200) return `${Math.floor(s / 60)} min`;
  if (s < 172800) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} days`;
}

const now = () => Date.now() + clockAhead;

// A time that goes on by itself: "3 s ago", "in 5 days".
function since(ms, words) {
  const node = el("time", {"data-at": ms, "data-words": words || "ago", datetime: new Date(ms).toISOString(), title: new Date(ms).toISOString()});
  tick(node);
  return node;
}

function tick(node) {
  const s = (now() - Number(node.dataset.at)) / 1000;
  const words = node.dataset.words;
  node.textContent = words === "left" ? (s < 0 ? `${span(-s)} left` : `ended ${span(s)} ago`)
    : words === "for" ? `for ${span(s)}` : s < 0 ? `in ${span(-s)}` : `${span(s)} ago`;
}

function decimal(wei, digits, shown) {
  if (!/^[0-9]{1,78}$/.test(String(wei))) return "?";
  const text = String(wei).padStart(digits + 1, "0");
  const rest = text.slice(-digits).slice(0, shown).replace(/0+$/, "");
  return number(text.slice(0, -digits)) + (rest ? `.${rest}` : "");
}
const ether = (wei) => `${decimal(wei, 18, 6)} ETH`;
const gwei = (wei) => `${decimal(wei, 9, 4)} gwei`;
const mono = (text) => el("span", {class: "mono"}, String(text));
const short = (hex) => el("span", {class: "mono", title: hex}, hex.length > 20 ? `${hex.slice(0, 10)}…${hex.slice(-6)}` : hex);
const range = (first, last) => (first === last ? `${number(first)}` : `${number(first)}–${number(last)}`);
const batches = (first, last) => `${first === last ? "batch" : "batches"} ${range(first, last)}`;
const several = (n, what) => `${number(n)} ${what}${n === 1 ? "" : "s"}`;

function table(heads, rows) {
  const cells = (row) => row.map((c, i) => el("td", {class: heads[i].startsWith("#") ? "num" : null, "data-head": heads[i].replace("#", "")},
    ...(Array.isArray(c) ? c : [c])));
  return el("table", null,
    el("thead", null, el("tr", null, ...heads.map((h) => el("th", {class: h.startsWith("#") ? "num" : null}, h.replace("#", ""))))),
    el("tbody", null, ...rows.map((row) => el("tr", null, ...cells(row)))));
}

function list(...pairs) {
  const nodes = [];
  for (const [name, ...values] of pairs) nodes.push(el("dt", null, name), el("dd", null, ...values));
  return el("dl", null, ...nodes);
}

// Keeps open what was open when its section is drawn again.
function fold(key, title, make) {
  const node = el("details", {"data-key": key}, el("summary", null, title));
  node.addEventListener("toggle", () => {
    if (node.open && node.children.length === 1) node.append(make());
  });
  return node;
}

// ---- sections ----

const STATES = {
  waiting_for_input: ["·", "waits for its input"], input_broken: ["!", "input cannot be read: put it again"],
  open: ["o", "waits for a prover"], leased: ["L", "leased to a prover"], proven: ["P", "proof kept, not judged"],
  judged: ["J", "judged good, to be sent"], sent: ["T", "in the transaction under way"], verified: ["V", "verified on L1"],
};
const stateOf = (run) => STATES[run.state] || ["?", String(run.state)];

function sentence(run, o) {
  const parts = [stateOf(run)[1]];
  if (run.state === "open" && run.wants) parts[0] = `waits for a ${run.wants} prover`;
  if (run.state === "leased") parts[0] = `${run.wants} leased to ${run.leased_to}`;
  if (run.state === "sent" && o.transaction && o.transaction.attempts.length)
    parts[0] = `in transaction ${o.transaction.attempts.at(-1).hash}, under way`;
  if (run.state === "verified") {
    const past = o.transactions.find((t) => t.kind === "verify" && t.hash && t.first_batch <= run.first && t.last_batch >= run.first);
    if (past) parts.push(`by transaction ${past.hash}`);
  }
  if (run.bad_proofs) parts.push(several(run.bad_proofs, "bad proof"));
  if (!run.committed && run.state !== "verified") parts.push("not committed yet");
  return parts.join(", ");
}

function drawBatches(o) {
  const counts = {}, cells = [];
  for (const run of o.batches.runs) {
    const [letter] = stateOf(run), together = sentence(run, o);
    counts[run.state] = (counts[run.state] || 0) + run.last - run.first + 1;
    for (let n = run.first; n <= run.last; n++) {
      // Neighbours may have been verified by different transactions.
      const words = run.state === "verified" ? sentence({...run, first: n, last: n}, o) : together;
      cells.push(el("li", {class: `cell ${run.state in STATES ? run.state : ""}${run.committed || run.state === "verified" ? "" : " ahead"}`,
        title: `batch ${n}: ${words}`, "aria-label": `batch ${n}: ${words}`}, letter));
    }
  }
  const legend = Object.entries(STATES).map(([state, [letter, words]]) => el("li", {class: counts[state] ? null : "none"},
    el("span", {class: `cell ${state}`}, letter), ` ${words}: ${counts[state] || 0}`));
  if (!cells.length) return [el("p", {class: "soft"}, "No batch is known yet.")];
  const rows = o.batches.runs.filter((r) => r.state !== "verified").map((r) => [range(r.first, r.last),
    [sentence(r, o), ...(r.state === "leased" && r.since_ms ? [" ", since(r.since_ms, "for")] : [])]]);
  const beyond = o.batches.beyond;
  const folds = [];
  if (beyond)
    folds.push(el("p", null, `And ${number(beyond.last - beyond.first + 1)} more, up to batch ${number(beyond.last)}: `
      + `${number(o.work.batches)} with something stored, ${number(o.work.leases)} leased, in all.`));
  if (rows.length > 8) folds.push(fold("runs", several(rows.length - 8, "more line"), () => table(["Batches", "State"], rows.slice(8))));
  const runs = o.batches.runs;
  return [el("p", {class: "range"}, `B${batches(runs[0].first, runs.at(-1).last).slice(1)}`), el("ol", {class: "strip"}, ...cells), el("ul", {class: "legend"}, ...legend),
    rows.length ? table(["Batches", "State"], rows.slice(0, 8)) : el("p", {class: "soft"}, "All that is known is verified."), ...folds];
}

function drawChain(o) {
  const l1 = o.l1, ends = {unproven: "not asked yet", ready: "ready", resting: "resting", set_aside: "set aside"};
  return [
    list(["Committed", el("span", {class: "big"}, number(l1.last_committed_batch))],
      ["Verified", el("span", {class: "big"}, number(l1.last_verified_batch))],
      ["Head", l1.head_time ? since(l1.head_time * 1000) : "not read in this run"],
      ["Chain", `L1 ${l1.chain_id || "?"}, L2 ${l1.l2_chain_id || "?"}`],
      ["Needs", l1.needs.length ? l1.needs.join(", ") : l1.chain_id ? "no proofs" : "not known yet"],
      ["Key on chain", l1.signer ? mono(l1.signer) : "none"]),
    o.relay ? el("h3", null, "ethrex behind this coordinator") : null,
    o.relay ? el("p", {class: "relay"}, el("span", {class: o.relay.state === "up" ? "tag on" : "tag"}, o.relay.asks ? o.relay.state : "asked by another"),
      ` ${o.relay.host}:${o.relay.port}`, el("span", {class: "soft"}, ` has ${several(o.relay.proofs.acknowledged, "proof")} from here`)) : null,
    o.relay ? el("p", {class: "says"}, o.relay.says) : null,
    el("h3", null, "Endpoints"),
    el("ul", {class: "plain"}, ...l1.endpoints.map((e) => el("li", null,
      el("span", {class: e.state === "ready" ? "tag on" : "tag"}, ends[e.state] || e.state), " ", e.endpoint,
      el("span", {class: "soft"}, ` ${number(e.latency_ms)} ms`), e.last_error ? el("div", {class: "soft"}, `last error: ${e.last_error}`) : null))),
  ];
}

function about(t) {
  if (t.kind === "verify") return `verify ${batches(t.first_batch, t.last_batch)}`;
  return `${t.kind === "register" ? "register key" : "upload collateral for key"} ${t.signer || "?"}`;
}

function drawTransaction(o) {
  const t = o.transaction, says = el("p", null, o.l1.sender);
  if (!t) return [says];
  return [says, list(["What", about(t)], ["From", mono(t.from)], ["To", mono(t.to)],
    ["Gas limit", t.gas_limit ? number(t.gas_limit) : "not estimated yet"], ["Attempts", number(t.attempts_made)]),
  t.attempts.length ? table(["#Nonce", "#Max fee", "#Tip", "Hash"], t.attempts.map((a) =>
    [number(a.nonce), gwei(a.max_fee_per_gas_wei), gwei(a.max_priority_fee_per_gas_wei), short(a.hash)])) : null];
}

// ---- the coordinators on one database ----

const CLOCK_OFF_MS = 2000, SILENT_S = 5, DAY_S = 86400;
const figure = (f, name) => (f && f[name] !== null ? number(f[name]) : "");
const clock = (ms) => `${ms <= -50 ? "−" : "+"}${(Math.abs(ms) / 1000).toFixed(1)} s`;
const isLeader = (c) => c.leads && !c.gone;

function role(c) {
  if (c.gone) return el("span", {class: "tag"}, "gone");
  return el("span", {class: c.leads ? "tag on" : "tag"}, c.leads ? "leads" : "follows");
}

function state(c) {
  if (c.gone) return "";
  if (!c.this && c.seen_s_ago > SILENT_S) return " silent";
  return c.figures && c.figures.state && c.figures.state !== "ready" ? ` ${c.figures.state}` : "";
}

function coordinator(c, o) {
  const f = c.figures, block = f && f.l1_block;
  return [[mono(c.name), c.this ? " (this one)" : "", el("div", {class: "soft"}, `slot ${number(c.slot)}, version ${c.version}`)],
    [role(c), state(c)], since(o.at_ms - c.seen_s_ago * 1000),
    [clock(c.clock_skew_ms), Math.abs(c.clock_skew_ms) > CLOCK_OFF_MS ? el("span", {class: "bad"}, " OFF") : null],
    figure(f, "connections"), figure(f, "leases"), figure(f, "proofs_accepted"),
    block ? [number(block), f.l1_age_s === null ? null : el("div", {class: "soft"}, `${span(f.l1_age_s)} old`)] : ""];
}

function drawCluster(o) {
  const c = o.cluster, says = el("p", {class: "says"}, c.says);
  if (!c.shared) return [says];
  return [says, table(["Coordinator", "Role", "Seen", "Clock", "#Provers connected", "#Leases", "#Proofs", "#L1 block"],
    c.coordinators.map((one) => coordinator(one, o)))];
}

function clusterAlarms(c, say) {
  if (!c.shared) return;
  if (c.trouble) {
    say("The database cannot be reached.", `Provers are told to try again. ${c.trouble}`);
    return; // of the others nothing is known now
  }
  if (!c.leads && !c.coordinators.some(isLeader)) say("No coordinator leads.", "Nothing is judged or sent until one takes over.");
  for (const one of c.coordinators) {
    if (one.gone && one.seen_s_ago < DAY_S) say("Coordinator gone.", `${one.name} was last seen ${span(one.seen_s_ago)} ago.`);
    else if (!one.gone && Math.abs(one.clock_skew_ms) > CLOCK_OFF_MS)
      say("Clock.", `${one.name}'s is ${clock(one.clock_skew_ms)} off the database's.`);
  }
}

function evidence(e) {
  if (!e) return [el("span", {class: "soft"}, "no quote was shown")];
  const parts = [e.tcb_status];
  if (e.valid_to) parts.push(", ", el("span", {class: Date.parse(e.valid_to) < now() ? "bad" : null}, since(Date.parse(e.valid_to), "left")));
  if (e.ahead) parts.push(el("div", {class: "bad"}, e.ahead));
  if (e.contract) parts.push(el("div", {class: "soft"}, e.contract));
  return parts;
}

function prover(p) {
  const act = (verb, title, text) => {
    const button = el("button", {type: "button", "data-verb": verb}, verb);
    button.addEventListener("click", () => ask(title, text, "POST", `/api/v1/provers/${encodeURIComponent(p.signer)}/${verb}`));
    return button;
  };
  return [[mono(p.signer), el("div", null, el("span", {class: p.active ? "tag on" : "tag"}, p.active ? "active" : "standby"), ` ${p.state}`)],
    [p.source, el("div", {class: "soft"}, "seen ", p.last_seen_ms ? since(p.last_seen_ms) : "never")],
    evidence(p.evidence),
    [number(p.proofs), p.last_proof_ms ? el("div", {class: "soft"}, "last ", since(p.last_proof_ms)) : null],
    [p.active ? null : act("promote", "Promote this key?", `${p.signer} is registered next; proofs of the key on chain are verified first.`), " ",
      act("revoke", "Revoke this key?", `Nothing more is sent with proofs of ${p.signer}. \`unrevoke\` takes it back.`)]];
}

function drawProvers(o) {
  if (!o.provers.length) return [el("p", {class: "soft"}, "No prover has shown a key yet.")];
  const more = o.provers_known - o.provers.length;
  return [table(["Key", "From", "Evidence", "#Proofs", ""], o.provers.map(prover)),
    more > 0 ? el("p", {class: "soft"}, `and ${number(more)} more: proof-coordinator provers`) : null];
}

function drawFunds(o) {
  if (!o.l1.funds.length) return [el("p", {class: "soft"}, "No sending key is known yet.")];
  const none = o.cluster.leads ? "not read yet" : "read by the coordinator that leads";
  return [list(...o.l1.funds.flatMap((f) => [[f.key, f.balance_wei === null || !o.cluster.leads ? none
    : el("span", {class: f.low ? "big bad" : "big"}, ether(f.balance_wei)), f.low ? el("span", {class: "bad"}, " LOW") : null],
  ["", mono(f.address || "?")]]))];
}

function drawCollateral(o) {
  const rows = o.platforms.map((p) => [mono(p.platform), [p.valid_to ? since(Date.parse(p.valid_to), "left") : "none yet",
    p.stale ? el("span", {class: "bad"}, " STALE") : null, p.fetching ? " fetching" : null,
    p.last_failure ? el("div", {class: "soft"}, p.last_failure) : null]]);
  const sources = o.sources.map((s) => el("li", null, s.source, s.failures_in_a_row ? el("span", {class: "bad"},
    ` failed ${several(s.failures_in_a_row, "time")} in a row`) : null, s.last_failure ? el("div", {class: "soft"}, s.last_failure) : null));
  return [rows.length ? table(["Platform", "Good for"], rows) : el("p", {class: "soft"}, "No quote has asked for any yet."),
    sources.length ? el("h3", null, "Sources") : null, el("ul", {class: "plain"}, ...sources)];
}

function drawTransactions(o) {
  if (!o.transactions.length) return [el("p", {class: "soft"}, "None yet.")];
  const rows = o.transactions.map((t) => [since(t.at_ms), about(t), [el("span", {class: t.outcome === "confirmed" ? null : "bad"}, t.outcome),
    t.sentence ? el("div", {class: "soft"}, t.sentence) : null], t.gas_used === null ? "" : number(t.gas_used),
  t.gas_price_wei === null ? "" : gwei(t.gas_price_wei), t.hash ? short(t.hash) : ""]);
  return [table(["When", "What", "Outcome", "#Gas", "#Price", "Hash"], rows)];
}

function explain(hash) {
  const pre = el("pre", null, "asking …");
  api("GET", `/api/v1/verdicts/${encodeURIComponent(hash)}`).then((answer) => {
    pre.textContent = answer.json ? JSON.stringify(answer.json.verdict || answer.json, null, 2) : answer.text;
  });
  return pre;
}

function drawRefusals(o) {
  const refused = o.verdicts.filter((v) => v.answer !== "accepted");
  if (!refused.length) return [el("p", {class: "soft"}, "None is kept.")];
  return [el("ul", {class: "plain"}, ...refused.map((v) => el("li", null, since(v.at * 1000), el("span", {class: "soft"}, ` from ${v.source}: `), v.reason,
    v.contract ? el("div", {class: "soft"}, v.contract) : null,
    fold(`explain-${v.quote_sha256}`, `explain ${v.quote_sha256.slice(0, 12)}`, () => explain(v.quote_sha256)))))];
}

function alarms(o) {
  const found = [];
  const say = (title, text) => found.push(el("li", null, el("strong", null, title), text));
  if (o.tdx_dev_mode) say("Development mode.", "Provers are taken at their word, nothing is attested.");
  if (o.state !== "ready") say(`The coordinator is ${o.state}.`, "Provers are not served.");
  clusterAlarms(o.cluster, say);
  if (!o.l1.readable) say("L1 is not readable.", o.l1.trouble || "No answer has come yet.");
  for (const f of o.l1.funds) if (f.low) say("Low balance.", `The ${f.key} key ${f.address} has ${ether(f.balance_wei)}: fund it.`);
  for (const s of o.l1.signers) if (s.trouble) say("Not signed.", `The ${s.key} key, ${s.where}: ${s.trouble}`);
  if (o.relay && o.relay.last_failure) say("Upstream.", `ethrex at ${o.relay.host}:${o.relay.port} is ${o.relay.state}: ${o.relay.last_failure}`);
  for (const b of o.work.inputs_broken) say("Input cannot be read.", `Batch ${b.batch} for ${b.commit_hash}: put it again.`);
  for (const p of o.provers) if (p.evidence && p.evidence.valid_to && Date.parse(p.evidence.valid_to) < now())
    say("Evidence has ended.", `${p.signer} has no valid collateral any more.`);
  for (const p of o.provers) if (p.evidence && p.evidence.ahead) say("TCB recovery ahead.", `${p.signer}: ${p.evidence.ahead}`);
  return found;
}

const SECTIONS = {
  batches: [drawBatches, (o) => [o.batches, o.transaction, o.transactions, o.work.batches, o.work.leases]],
  chain: [drawChain, (o) => [o.l1, o.relay]],
  cluster: [drawCluster, (o) => o.cluster],
  transaction: [drawTransaction, (o) => [o.transaction, o.l1.sender]],
  provers: [drawProvers, (o) => [o.provers, o.provers_known]],
  funds: [drawFunds, (o) => [o.l1.funds, o.cluster.leads]],
  collateral: [drawCollateral, (o) => [o.platforms, o.sources]],
  transactions: [drawTransactions, (o) => o.transactions],
  refusals: [drawRefusals, (o) => o.verdicts],
  alarms: [alarms, (o) => [o.tdx_dev_mode, o.state, o.cluster, o.l1.readable, o.l1.trouble, o.l1.funds, o.l1.signers, o.relay, o.work.inputs_broken,
    o.provers.map((p) => p.evidence)]],
};
const drawn = {};

// A click ends on what it began on, and what is being selected stays: that section waits.
let pressed = null;
addEventListener("pointerdown", (e) => { pressed = e.target; });
for (const name of ["pointerup", "pointercancel"]) addEventListener(name, () => setTimeout(() => { pressed = null; }, 0));

function isHeld(node) {
  const selected = getSelection();
  return node.contains(pressed) || (!selected.isCollapsed && node.contains(selected.anchorNode));
}

function draw(o) {
  clockAhead = o.at_ms - Date.now();
  for (const [name, [make, part]] of Object.entries(SECTIONS)) {
    const text = JSON.stringify(part(o));
    const node = id(name);
    if (drawn[name] === text || isHeld(node)) continue;
    drawn[name] = text;
    const open = [...node.querySelectorAll("details[open]")].map((d) => d.dataset.key);
    const focus = node.contains(document.activeElement) ? [...node.querySelectorAll("button, summary")].indexOf(document.activeElement) : -1;
    node.replaceChildren(...make(o).filter(Boolean));
    for (const d of node.querySelectorAll("details")) if (open.includes(d.dataset.key)) d.open = true;
    if (focus >= 0) node.querySelectorAll("button, summary")[focus]?.focus();
    node.closest("section")?.removeAttribute("hidden");
  }
  id("next-section").hidden = false;
  id("next").textContent = o.l1.next || "Nothing is to be done.";
  id("waiting").textContent = o.work.oldest_waiting;
  const me = o.cluster.shared && o.cluster.coordinators.find((c) => c.this);
  id("about").textContent = `${me ? `${me.name}: ` : ""}${o.cluster.trouble ? "not ready" : o.state}, version ${o.version}, up ${span(o.uptime_s)}`;
  document.title = `${o.l1.last_verified_batch}/${o.l1.last_committed_batch} verified: proof coordinator`;
}

setInterval(() => document.querySelectorAll("time[data-at]").forEach(tick), 1000);

// ---- talking to the coordinator ----

const headers = () => (token ? {Authorization: `Bearer ${token}`} : {});

async function api(method, path) {
  try {
    const reply = await fetch(path, {method, headers: headers(), cache: "no-store", redirect: "error"});
    const text = await reply.text();
    let json = null;
    try { json = JSON.parse(text); } catch { /* said as text */ }
    return {status: reply.status, json, text: json && json.message ? json.message : text};
  } catch (e) {
    return {status: 0, json: null, text: `no answer: ${e.message}`};
  }
}

function link(text, lost) {
  id("link").textContent = text;
  id("link").className = lost ? "lost" : "";
}

let wake = () => {}; // ends the pause
const pause = (ms) => new Promise((done) => {
  const timer = setTimeout(done, ms);
  wake = () => { clearTimeout(timer); done(); };
});
let attempt = null; // of this stream; aborted when the token changes, and when nobody sees the page
const UNSEEN_MS = 30000;
const SILENCE_MS = 25000; // the coordinator says something every ten seconds

async function read(reply, controller) {
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const timer = setTimeout(() => controller.abort(), SILENCE_MS);
    const {done, value} = await reader.read();
    clearTimeout(timer);
    if (done) return;
    text += value;
    let end;
    while ((end = text.indexOf("\n\n")) >= 0) {
      const data = text.slice(0, end).split("\n").filter((l) => l.startsWith("data: ")).map((l) => l.slice(6)).join("\n");
      text = text.slice(end + 2);
      if (data) draw(JSON.parse(data));
      link("live");
    }
  }
}

function restart() {
  if (!attempt) return;
  attempt.again = true;
  attempt.abort();
}

document.addEventListener("visibilitychange", () => (document.hidden ? restart() : wake()));

async function lookOnce(words) {
  const answer = await api("GET", "/api/v1/overview");
  if (answer.status === 200) draw(answer.json);
  link(answer.status === 200 ? words : answer.text, answer.status !== 200);
}

// One try: a stream, or a look where there is no stream to be had. Returns ms until the next.
async function look() {
  // A browser has six connections to a host: a tab that nobody sees holds none.
  if (document.hidden) {
    await lookOnce("not seen: looking every 30 s");
    return UNSEEN_MS;
  }
  const controller = attempt = new AbortController();
  const reply = await fetch("/api/v1/events", {headers: headers(), cache: "no-store", signal: controller.signal});
  if (reply.status === 401) {
    link(token ? "this token is refused" : "the token is wanted", true);
    if (!id("token-dialog").open && !id("ask-dialog").open) openToken();
    return 0;
  }
  if (reply.ok) {
    await read(reply, controller);
    return 1000;
  }
  await lookOnce("no stream is free: looking every 3 s");
  return 3000;
}

async function follow() {
  for (;;) {
    let wait = 2000;
    try {
      wait = await look();
    } catch (e) {
      if (attempt && attempt.again) wait = 1;
      else link("no connection; what is shown is old", true);
    }
    if (wait === 0) await new Promise((again) => { follow.again = again; });
    else await pause(wait);
  }
}

// ---- what changes something ----

let tokenFor = null; // what waits for a token

function openToken(then) {
  tokenFor = then || null;
  id("token").value = "";
  if (!id("token-dialog").open) id("token-dialog").showModal();
  id("token").focus();
}

function useToken(text) {
  token = text;
  id("token").value = "";
  id("token-dialog").close();
  restart();
  if (follow.again) follow.again();
  if (token && tokenFor) tokenFor();
}

function ask(title, text, method, path) {
  if (!token) {
    openToken(() => ask(title, text, method, path));
    return;
  }
  id("ask-title").textContent = title;
  id("ask-text").textContent = text;
  id("ask-answer").textContent = "";
  id("ask-answer").className = "";
  id("ask-yes").hidden = false;
  id("ask-no").textContent = "Cancel";
  id("ask-yes").onclick = async () => {
    id("ask-yes").hidden = true;
    id("ask-no").focus(); // where the keyboard goes on
    id("ask-answer").textContent = "asking …";
    const answer = await api(method, path);
    id("ask-answer").className = answer.status >= 200 && answer.status < 300 ? "" : "bad";
    id("ask-answer").textContent = answer.text;
    id("ask-no").textContent = "Close";
  };
  if (!id("ask-dialog").open) id("ask-dialog").showModal();
}

id("token-button").onclick = () => openToken();
id("token-use").onclick = () => useToken(id("token").value.trim());
id("token").onkeydown = (e) => {
  if (e.key !== "Enter") return;
  e.preventDefault(); // or the same key confirms what waited for the token
  useToken(id("token").value.trim());
};
id("token-forget").onclick = () => useToken("");
id("token-cancel").onclick = () => id("token-dialog").close();
id("ask-no").onclick = () => id("ask-dialog").close();
id("drop-button").onclick = () => {
  const batch = id("drop-batch").value.trim(), hash = id("drop-hash").value.trim();
  ask("Delete this input?", `The stored input of batch ${batch} for commit hash ${hash}.`, "DELETE",
    `/api/v1/batches/${encodeURIComponent(batch)}?commit_hash=${encodeURIComponent(hash)}`);
};

follow();
