//! Runs the program as its users do, and finds the vectors.
#![allow(dead_code)] // each test file uses its part

use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

pub struct Ended {
    /// None: by a signal.
    pub status: Option<i32>,
    pub output: Vec<u8>,
    pub said: String,
}

pub const PROGRAM: &str = env!("CARGO_BIN_EXE_ethrex-executor");

pub fn execute(input: &[u8], flags: &[&str]) -> Ended {
    execute_by(Command::new(PROGRAM).args(flags), input)
}

/// The same, started by `command`.
pub fn execute_by(command: &mut Command, input: &[u8]) -> Ended {
    let mut child = command
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the executor starts");
    let mut stdin = child.stdin.take().expect("a pipe");
    let input = input.to_vec();
    // It may end before it has read everything.
    let feeder = std::thread::spawn(move || stdin.write_all(&input).ok());
    let done = child.wait_with_output().expect("it ends");

    feeder.join().expect("the feeder ends");
    Ended { status: done.status.code(), output: done.stdout, said: String::from_utf8(done.stderr).expect("text") }
}

/// The vector's path, or None with a loud word.
pub fn vector(name: &str) -> Option<PathBuf> {
    let directory = std::env::var_os("VECTORS_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"), PathBuf::from);
    let path = directory.join(name);

    if path.exists() {
        return Some(path);
    }
    eprintln!("SKIPPED: {} is absent (VECTORS_DIR)", path.display());
    None
}

pub fn read(name: &str) -> Option<Vec<u8>> {
    vector(name).map(|path| std::fs::read(path).expect("a readable vector"))
}

pub fn bytes(hex_text: &str) -> Vec<u8> {
    hex::decode(hex_text.trim_start_matches("0x")).expect("hex")
}

/// Refused with this status and one line that says all of `words`; no output.
pub fn refused(input: &Value, status: i32, words: &[&str]) {
    let ended = execute(input.to_string().as_bytes(), &[]);

    assert_eq!(ended.status, Some(status), "{}", ended.said);
    assert!(ended.output.is_empty());
    assert_eq!(ended.said.lines().count(), 1, "{}", ended.said);
    // quote-gen passes on no more.
    assert!(ended.said.trim_end().len() < 400, "{}", ended.said);
    for word in words {
        assert!(ended.said.contains(word), "\"{}\" does not say \"{word}\"", ended.said);
    }
}

/// How many mutations a test tries: MUTATIONS (300).
pub fn mutations() -> usize {
    std::env::var("MUTATIONS").ok().and_then(|n| n.parse().ok()).unwrap_or(300)
}

/// xorshift: the same mutations in every run.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}
