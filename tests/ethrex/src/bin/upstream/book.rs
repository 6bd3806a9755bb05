//! What ethrex's coordinator knows: inputs and proofs, which are files here, the verified cursor, and
//! who was given what, which a restart forgets.
use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::Error;
use crate::wire::{Dialect, Proof};

pub struct Book {
    inputs: PathBuf,
    proofs: PathBuf,
    cursor_file: PathBuf,
    pub commit_hash: String,
    pub needed: Vec<String>,
    prover_timeout: Duration,
    started: Instant,
    clock_file: PathBuf,
    state: Mutex<State>,
}

struct State {
    /// The last batch that is verified as far as the sender knows.
    verified: u64,
    /// When, by now().
    assigned: HashMap<(u64, String), Duration>,
}

/// What a request for an input comes to.
pub enum Outcome {
    Work(u64, String),
    NoWork,
    WrongVersion,
    NotNeeded,
}

impl Book {
    /// `dir` holds inputs/N.COMMITHASH.json, to which more may be added at any time (written elsewhere,
    /// then renamed), and gets proofs/N.TYPE and latest_sent. Its clock is as many milliseconds ahead as
    /// clock_ahead there says, which may change at any time.
    pub fn open(dir: &Path, commit_hash: &str, needed: &[&str], prover_timeout: Duration) -> Result<Self, Error> {
        let book = Self {
            inputs: dir.join("inputs"),
            proofs: dir.join("proofs"),
            cursor_file: dir.join("latest_sent"),
            commit_hash: commit_hash.to_string(),
            needed: needed.iter().map(|kind| kind.to_string()).collect(),
            prover_timeout,
            started: Instant::now(),
            clock_file: dir.join("clock_ahead"),
            state: Mutex::new(State { verified: 0, assigned: HashMap::new() }),
        };
        fs::create_dir_all(&book.inputs)?;
        fs::create_dir_all(&book.proofs)?;
        if let Ok(text) = fs::read_to_string(&book.cursor_file) {
            book.lock().verified = text.trim().parse()?;
        }
        Ok(book)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn now(&self) -> Duration {
        let text = fs::read_to_string(&self.clock_file).unwrap_or_default();
        self.started.elapsed() + Duration::from_millis(text.trim().parse().unwrap_or(0))
    }

    pub fn verified(&self) -> u64 {
        self.lock().verified
    }

    /// The cursor goes only forward.
    pub fn verify(&self, number: u64) -> io::Result<()> {
        let mut state = self.lock();
        if number > state.verified {
            write_whole(&self.cursor_file, number.to_string().as_bytes())?;
            state.verified = number;
        }
        Ok(())
    }

    fn input(&self, number: u64, commit_hash: &str) -> io::Result<Option<String>> {
        // A hash that names no file is a hash that nothing was stored under.
        if commit_hash.is_empty() || !commit_hash.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Ok(None);
        }
        match fs::read_to_string(self.inputs.join(format!("{number}.{commit_hash}.json"))) {
            Ok(text) => Ok(Some(text.trim_end().to_string())),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// Whether it was sealed, for whatever code version.
    fn contains(&self, number: u64) -> io::Result<bool> {
        let prefix = format!("{number}.");
        for entry in fs::read_dir(&self.inputs)? {
            if entry?.file_name().to_string_lossy().starts_with(&prefix) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn proof_path(&self, number: u64, kind: &str) -> PathBuf {
        self.proofs.join(format!("{number}.{kind}"))
    }

    pub fn proof(&self, number: u64, kind: &str) -> Option<Vec<u8>> {
        fs::read(self.proof_path(number, kind)).ok()
    }

    pub fn delete_proof(&self, number: u64, kind: &str) -> io::Result<()> {
        fs::remove_file(self.proof_path(number, kind))
    }

    /// Nothing is looked into; the first one of its batch and type stays. True if it is this one.
    pub fn keep(&self, number: u64, proof: &Proof) -> io::Result<bool> {
        let mut state = self.lock();
        let path = self.proof_path(number, &proof.kind);
        let first = !path.exists();
        if first {
            write_whole(&path, &proof.bytes)?;
        }
        state.assigned.remove(&(number, proof.kind.clone()));
        Ok(first)
    }

    pub fn next(&self, dialect: Dialect, commit_hash: &str, kind: Option<&str>) -> io::Result<Outcome> {
        match kind {
            Some(kind) if dialect.assigns() => self.assign(commit_hash, kind),
            _ if dialect < Dialect::P5 => self.the_base(commit_hash),
            _ => self.first_of_version(commit_hash),
        }
    }

    /// p6 and p7. With a timeout of nothing it never leaves the loop once the base batch has a proof
    /// that is not verified: its own claim has run out before it looks again.
    fn assign(&self, commit_hash: &str, kind: &str) -> io::Result<Outcome> {
        if !self.needed.iter().any(|needed| needed == kind) {
            return Ok(Outcome::NotNeeded);
        }
        loop {
            let number = self.claim(kind);
            let Some(input) = self.input(number, commit_hash)? else {
                self.lock().assigned.remove(&(number, kind.to_string()));
                break;
            };
            if self.proof(number, kind).is_none() {
                return Ok(Outcome::Work(number, input));
            }
            sleep(Duration::from_micros(100)); // the real one spins harder
        }
        Ok(if commit_hash == self.commit_hash { Outcome::NoWork } else { Outcome::WrongVersion })
    }

    fn claim(&self, kind: &str) -> u64 {
        let now = self.now();
        let mut state = self.lock();
        let base = state.verified + 1;
        state.assigned.retain(|(number, _), _| *number >= base);
        let free = |number: &u64| match state.assigned.get(&(*number, kind.to_string())) {
            Some(since) => now.saturating_sub(*since) > self.prover_timeout,
            None => true,
        };
        let number = (base..).find(free).unwrap_or(base);
        state.assigned.insert((number, kind.to_string()), now);
        number
    }

    fn all_proven(&self, number: u64) -> bool {
        self.needed.iter().all(|kind| self.proof(number, kind).is_some())
    }

    /// p3 and p4: the hash first, then the one batch that is next, to everybody.
    fn the_base(&self, commit_hash: &str) -> io::Result<Outcome> {
        if commit_hash != self.commit_hash {
            return Ok(Outcome::WrongVersion);
        }
        let base = self.verified() + 1;
        if self.all_proven(base) {
            return Ok(Outcome::NoWork);
        }
        Ok(self.input(base, commit_hash)?.map_or(Outcome::NoWork, |input| Outcome::Work(base, input)))
    }

    /// p5: the first batch with an input for the prover's version, to everybody.
    fn first_of_version(&self, commit_hash: &str) -> io::Result<Outcome> {
        let mut number = self.verified() + 1;
        loop {
            if let Some(input) = self.input(number, commit_hash)? {
                let proven = self.all_proven(number);
                return Ok(if proven { Outcome::NoWork } else { Outcome::Work(number, input) });
            }
            if !self.contains(number)? {
                return Ok(if commit_hash == self.commit_hash { Outcome::NoWork } else { Outcome::WrongVersion });
            }
            number += 1;
        }
    }
}

fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let part = path.with_extension("part");
    fs::write(&part, bytes)?;
    fs::rename(&part, path)
}
