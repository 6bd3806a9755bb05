//! The program: input JSON on stdin, program output on stdout, one sentence on stderr.

use crate::{
    execute::{self, Executed},
    input,
    refusal::{Kind, Refusal},
};
use std::io::{self, Write};
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

/// Ample: JSON is nested 128 deep at most, and EVM calls are no calls of ours.
const STACK: usize = 64 << 20;
const INPUT_MAX: u64 = 1 << 30;
const HELP: &str = "ethrex-executor [--l1] [--input-max BYTES] < input.json > output

Executes a batch of ethrex L2 blocks statelessly, as ethrex's guest program does, and writes the
bytes that a proof of it commits to. No network, no files, no environment.

  --l1               the input is one of L1 blocks (ethrex's ProgramInput)
  --input-max BYTES  refuse a longer input [1073741824]
  --help, --version

Exit status: 0 executed; 64 usage, 65 malformed input, 70 a panic, 74 stdin or stdout failed,
80 to 94 the input is refused (docs/EXECUTOR.md). One sentence on stderr says what was executed,
or why not.";

enum Wanted {
    Run { l1: bool, max: u64 },
    Say(&'static str),
}

fn options() -> Result<Wanted, Refusal> {
    let wrong = |sentence: String| Refusal::new(Kind::Usage, sentence + " (see --help)");
    let (mut l1, mut max) = (false, INPUT_MAX);
    let mut args = std::env::args_os().skip(1);

    while let Some(arg) = args.next() {
        let arg = arg.to_string_lossy();
        let (flag, inlined) = match arg.split_once('=') {
            Some(("--input-max", value)) => ("--input-max", Some(value.into())),
            _ => (arg.as_ref(), None),
        };
        match flag {
            "--help" => return Ok(Wanted::Say(HELP)),
            "--version" => return Ok(Wanted::Say(concat!("ethrex-executor ", env!("CARGO_PKG_VERSION")))),
            "--l1" => l1 = true,
            "--input-max" => {
                let value = inlined.or_else(|| args.next()).unwrap_or_default();
                max = value
                    .to_str()
                    .and_then(|v| v.parse().ok())
                    .ok_or_else(|| wrong(format!("--input-max: {value:?} is not a number of bytes")))?;
            }
            other => return Err(wrong(format!("{other:?} is not a flag"))),
        }
    }
    Ok(Wanted::Run { l1, max })
}

fn run(l1: bool, max: u64) -> Result<(Vec<u8>, Executed), Refusal> {
    let stdin = io::stdin().lock();

    if l1 {
        let (output, done) = execute::l1(input::read(stdin, max)?)?;
        Ok((output.encode(), done))
    } else {
        let (output, done) = execute::l2(input::read(stdin, max)?)?;
        Ok((output.encode(), done))
    }
}

/// On a stack of known size, with the panics of the crates made into a refusal.
fn guarded<T: Send + 'static>(work: impl FnOnce() -> Result<T, Refusal> + Send + 'static) -> Result<T, Refusal> {
    let said = Arc::new(Mutex::new(String::new()));
    let hears = Arc::clone(&said);

    panic::set_hook(Box::new(move |info| {
        if let Ok(mut words) = hears.lock() {
            *words = info.to_string();
        }
    }));
    let panicked = || {
        let words = said.lock().map(|w| w.clone()).unwrap_or_default();
        Refusal::new(Kind::Internal, format!("a fault of this program: {words}"))
    };
    std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(move || panic::catch_unwind(AssertUnwindSafe(work)))
        .map_err(|e| Refusal::new(Kind::Internal, format!("no thread with a stack of {STACK} bytes: {e}")))?
        .join()
        .and_then(|caught| caught)
        .unwrap_or_else(|_| Err(panicked()))
}

fn write(bytes: &[u8]) -> Result<(), Refusal> {
    let mut out = io::stdout().lock();

    out.write_all(bytes).and_then(|()| out.flush()).map_err(|e| Refusal::new(Kind::Io, format!("stdout: {e}")))
}

fn act() -> Result<(), Refusal> {
    match options()? {
        Wanted::Say(text) => write(format!("{text}\n").as_bytes()),
        Wanted::Run { l1, max } => {
            let (output, done) = guarded(move || run(l1, max))?;

            write(&output)?;
            say(&format!(
                "executed blocks {} to {}, {} transactions, {} gas, state root {:#x} to {:#x}",
                done.first_block, done.last_block, done.transactions, done.gas, done.initial_state, done.final_state
            ));
            Ok(())
        }
    }
}

/// A closed stderr is no reason to fail.
fn say(sentence: &str) {
    let _ = writeln!(io::stderr(), "{sentence}");
}

pub fn main() -> ExitCode {
    match act() {
        Ok(()) => ExitCode::SUCCESS,
        Err(refusal) => {
            say(&refusal.to_string());
            ExitCode::from(refusal.kind as u8)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_a_refusal_in_one_line() {
        let words = "one\ntwo";
        let refusal = guarded(move || -> Result<(), Refusal> { panic!("{words}") }).expect_err("it panicked");

        assert_eq!(refusal.kind as u8, 70);
        let said = refusal.to_string();
        assert!(said.starts_with("a fault of this program: ") && said.ends_with(" one two"), "{said}");
    }
}
