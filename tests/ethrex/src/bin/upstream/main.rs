//! ethrex-upstream: a stand-in for ethrex's own proof coordinator and proof sender, for tests.
mod book;
mod journal;
mod sender;
mod wire;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use book::{Book, Outcome};
use journal::Journal;
use sender::Sender;
use serde_json::json;
use wire::{Dialect, Reply, Request};

pub type Error = Box<dyn std::error::Error + Send + Sync>;

const USAGE: &str = "usage: ethrex-upstream --dir DIR [options]
  --dir DIR              inputs/N.COMMITHASH.json are there, or come; proofs/, latest_sent and journal.jsonl
                         are written; clock_ahead has the milliseconds that its clock is moved ahead
  --listen HOST:PORT     for provers (127.0.0.1:3901)
  --dialect p7           or p3 ... p6; several with commas: each message in the newest that can read it
  --commit-hash HASH     the coordinator's own code version (52e4b64)
  --needed TDX           proof types that the contract wants
  --prover-timeout MS    until an assigned batch is given again (600000); 0 spins, as there
  --l1 HOST:PORT         L1 node; without it nothing is verified
  --proposer ADDRESS     of the OnChainProposer
  --sender ADDRESS       an account whose key the node holds; without it nobody sends verifyBatches here
  --target ADDRESS       contract that takes verifyBatches (the proposer)
  --send-interval MS     (5000)";

struct Coordinator {
    dialects: Vec<Dialect>,
    book: Arc<Book>,
    journal: Arc<Journal>,
}

impl Coordinator {
    /// Reads to the end, however long that takes; answers, or closes without a word.
    fn serve(&self, mut stream: TcpStream) -> Result<(), Error> {
        let mut text = Vec::new();
        stream.read_to_end(&mut text)?;
        let (dialect, request) = match wire::read(&self.dialects, &text) {
            Ok(read) => read,
            Err(why) => {
                self.journal.say("unreadable", json!({"bytes": text.len(), "why": why}));
                return Ok(());
            }
        };
        match request {
            Request::Setup { kind, payload } => self.setup(&mut stream, dialect, &kind, payload),
            Request::Input { commit_hash, kind } => self.input(&mut stream, dialect, &commit_hash, kind.as_deref()),
            Request::Submit { number, proof } => self.submit(&mut stream, dialect, number, &proof),
            Request::Unexpected => {
                self.journal.say("unexpected", json!({"dialect": dialect.name()}));
                Ok(())
            }
        }
    }

    fn reply(&self, stream: &mut TcpStream, dialect: Dialect, reply: &Reply) -> Result<(), Error> {
        Ok(stream.write_all(&wire::write(dialect, reply)?)?)
    }

    /// A TDX key is registered by nobody here, and what cannot be handled is not answered.
    fn setup(&self, stream: &mut TcpStream, dialect: Dialect, kind: &str, payload: usize) -> Result<(), Error> {
        self.journal.say("setup", json!({"dialect": dialect.name(), "type": kind, "bytes": payload}));
        if kind == "TDX" {
            return Ok(());
        }
        self.reply(stream, dialect, &Reply::SetupAck)
    }

    fn input(&self, stream: &mut TcpStream, dialect: Dialect, theirs: &str, kind: Option<&str>) -> Result<(), Error> {
        let outcome = self.book.next(dialect, theirs, kind)?;
        let (event, number) = match &outcome {
            Outcome::Work(number, _) => ("gave", json!(number)),
            Outcome::NoWork => ("no_work", json!(null)),
            Outcome::WrongVersion => ("wrong_version", json!(null)),
            Outcome::NotNeeded => ("not_needed", json!(null)),
        };
        let told = json!({"dialect": dialect.name(), "type": kind, "commit_hash": theirs, "batch": number});
        self.journal.say(event, told);
        let ours = &self.book.commit_hash;
        self.reply(
            stream,
            dialect,
            &match &outcome {
                Outcome::Work(number, input) => Reply::Work { number: *number, input },
                Outcome::NoWork => Reply::NoWork,
                Outcome::WrongVersion => Reply::WrongVersion { ours, theirs },
                Outcome::NotNeeded => Reply::NotNeeded { kind: kind.unwrap_or_default() },
            },
        )
    }

    fn submit(&self, stream: &mut TcpStream, dialect: Dialect, number: u64, proof: &wire::Proof) -> Result<(), Error> {
        let first = self.book.keep(number, proof)?;
        let hex: String = proof.bytes.iter().map(|b| format!("{b:02x}")).collect();
        let told = json!({"dialect": dialect.name(), "type": proof.kind, "batch": number, "kept": first, "proof": hex});
        self.journal.say("received", told);
        self.reply(stream, dialect, &Reply::Ack { number })
    }
}

/// Options as `--name value`, each at most once.
fn options() -> Result<HashMap<String, String>, Error> {
    let mut args = std::env::args().skip(1);
    let mut found = HashMap::new();

    while let Some(name) = args.next() {
        let known = name.strip_prefix("--").filter(|name| USAGE.contains(&format!("  --{name} ")));
        let (Some(name), Some(value)) = (known, args.next()) else { return Err(USAGE.into()) };
        found.insert(name.to_string(), value);
    }
    Ok(found)
}

fn run() -> Result<(), Error> {
    let options = options()?;
    let option = |name: &str, default: &'static str| options.get(name).map_or(default, String::as_str);
    let milliseconds = |name: &str, default| {
        option(name, default).parse().map(Duration::from_millis).map_err(|e| format!("{name}: {e}"))
    };
    let dir = Path::new(options.get("dir").ok_or(USAGE)?);
    let mut dialects = option("dialect", "p7")
        .split(',')
        .map(|name| Dialect::named(name).ok_or_else(|| format!("no dialect is called {name}")))
        .collect::<Result<Vec<_>, _>>()?;
    dialects.sort_by(|a, b| b.cmp(a));
    let needed: Vec<&str> = option("needed", "TDX").split(',').collect();
    let timeout = milliseconds("prover-timeout", "600000")?;
    let book = Arc::new(Book::open(dir, option("commit-hash", "52e4b64"), &needed, timeout)?);
    let journal = Arc::new(Journal::open(&dir.join("journal.jsonl"))?);

    if let Some(node) = options.get("l1") {
        let proposer = options.get("proposer").ok_or("--l1 wants --proposer")?;
        let target = options.get("target").unwrap_or(proposer);
        let sender = Sender {
            node: node.trim_start_matches("http://").to_string(),
            proposer: proposer.clone(),
            sends: options.get("sender").map(|account| (account.clone(), target.clone())),
            interval: milliseconds("send-interval", "5000")?,
            book: book.clone(),
            journal: journal.clone(),
        };
        std::thread::spawn(move || sender.run());
    }
    let coordinator = Arc::new(Coordinator { dialects, book, journal });
    let listener = TcpListener::bind(option("listen", "127.0.0.1:3901"))?;
    println!("ethrex-upstream listens on {}", listener.local_addr()?);
    for stream in listener.incoming() {
        let (coordinator, stream) = (coordinator.clone(), stream?);
        std::thread::spawn(move || {
            if let Err(e) = coordinator.serve(stream) {
                coordinator.journal.say("failed", json!({"why": e.to_string()}));
            }
        });
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("ethrex-upstream: {e}");
            ExitCode::FAILURE
        }
    }
}
