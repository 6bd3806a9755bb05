//! What the executor says when the machine fails it, not the input.

mod common;

use common::{Ended, PROGRAM, execute_by};
use std::process::Command;

/// Through a shell, which knows limits and redirections.
fn by_shell(script: &str, input: &[u8]) -> Ended {
    execute_by(Command::new("/bin/sh").args(["-c", script, PROGRAM]), input)
}

fn one_line(ended: &Ended, status: i32, words: &str) {
    assert_eq!(ended.status, Some(status), "{}", ended.said);
    assert_eq!(ended.said.lines().count(), 1, "{}", ended.said);
    assert!(ended.said.contains(words), "{}", ended.said);
}

#[test]
fn stdin_that_fails() {
    one_line(&by_shell("exec \"$0\" </", b""), 74, "stdin: Is a directory");
    one_line(&by_shell("exec \"$0\" <&-", b""), 65, "the input is not a batch input: ");
}

#[test]
fn stdout_that_fails() {
    one_line(&by_shell("exec \"$0\" --version >/dev/full", b""), 74, "stdout: No space left on device");
}

#[test]
fn too_little_memory_for_its_stack() {
    one_line(&by_shell("ulimit -v 60000; exec \"$0\"", b"{}"), 70, "no thread with a stack of 67108864 bytes: ");
}

/// An abort, of which quote-gen passes on the first line; the standard library adds a note about backtraces.
#[test]
fn too_little_memory_for_the_input() {
    let codes = "0,".repeat(34 << 20);
    let input = format!("{{\"blocks\":[],\"execution_witness\":{{\"codes\":[[{}0]]}}}}", codes);
    let ended = by_shell("ulimit -v 100000; exec \"$0\"", input.as_bytes());

    assert_eq!(ended.status, None, "by a signal: {}", ended.said);
    let first = ended.said.lines().next().expect("a line");
    assert!(first.starts_with("memory allocation of ") && first.ends_with(" bytes failed"), "{}", ended.said);
    assert!(ended.output.is_empty());
}
