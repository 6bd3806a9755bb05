//! The executor against the bare loop over `Evm::execute_block`, in one process: `make -C executor bench`.
//! Arguments are inputs, each with what it is before it: `l1=FILE` or `l2=FILE` (the vectors', without any).
//! A line for each: milliseconds to parse, of the whole execution without parsing, of the bare loop (each
//! the best of the rounds), bytes of the input, its gas, and by how many bytes memory grew at most in a
//! process that only reads and executes it.

use ethrex_common::types::block_execution_witness::GuestProgramState;
use ethrex_crypto::NativeCrypto;
use ethrex_executor::{
    execute,
    input::{L1Input, ProverInputData, read},
};
use ethrex_vm::{Evm, GuestProgramStateWrapper};
use std::fs::{self, File};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: usize = 30;
const MAX: u64 = 1 << 30;

fn timed<T>(f: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let value = f();

    (start.elapsed(), value)
}

/// What no executor can do without: state from the witness, blocks through the EVM, updates applied.
fn bare(input: ProverInputData, l1: bool) {
    let crypto = Arc::new(NativeCrypto);
    let state = GuestProgramState::from_witness(input.execution_witness, &NativeCrypto).expect("a witness");
    let mut db = GuestProgramStateWrapper::new(state, crypto.clone());

    for (block, fees) in input.blocks.iter().zip(input.fee_configs) {
        let mut vm = if l1 {
            Evm::new_for_l1(db.clone(), crypto.clone())
        } else {
            Evm::new_for_l2(db.clone(), fees, crypto.clone()).expect("an EVM")
        };
        vm.execute_block(block).expect("a valid block");
        let updates = vm.get_state_transitions().expect("updates");
        db.apply_account_updates(&updates).expect("a witness that suffices");
    }
    std::hint::black_box(db.state_trie_root().expect("a root"));
}

/// Time to parse, time to execute, gas.
fn whole(text: impl std::io::Read, l1: bool) -> (Duration, Duration, u64) {
    if l1 {
        let (parse, input) = timed(|| read::<L1Input>(text, MAX).expect("an input"));
        let (run, done) = timed(|| execute::l1(input).expect("a valid block"));
        return (parse, run, done.1.gas);
    }
    let (parse, input) = timed(|| read::<ProverInputData>(text, MAX).expect("an input"));
    let (run, done) = timed(|| execute::l2(input).expect("a valid batch"));
    (parse, run, done.1.gas)
}

/// Of this process, in bytes.
fn memory(what: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").expect("procfs");
    let line = status.lines().find_map(|l| l.strip_prefix(what)).expect("such a line");

    line.trim_matches([':', '\t', ' ', 'k', 'B']).parse::<u64>().expect("kB") * 1024
}

fn grows(path: &str, l1: bool) -> u64 {
    let before = memory("VmRSS");

    whole(File::open(path).expect("a file"), l1);
    memory("VmHWM") - before
}

/// grows(), of a process that has done nothing else.
fn peak(wanted: &str) -> u64 {
    let myself = std::env::current_exe().expect("this program");
    let out = Command::new(myself).args(["--peak", wanted]).output().expect("it starts");

    String::from_utf8_lossy(&out.stdout).trim().parse().expect("bytes")
}

fn bench(wanted: &str) {
    let (l1, path) = kind(wanted);
    let Ok(text) = fs::read(path) else {
        println!("SKIPPED: {path} is absent (VECTORS_DIR)");
        return;
    };
    let mut best = [Duration::MAX; 3];
    let mut gas = 0;

    for _ in 0..ROUNDS {
        let (parse, run, used) = whole(&text[..], l1);
        let input = read(&text[..], MAX).expect("an input");
        let (floor, ()) = timed(|| bare(input, l1));

        for (best, now) in best.iter_mut().zip([parse, run, floor]) {
            *best = now.min(*best);
        }
        gas = used;
    }
    let [parse, run, floor] = best.map(|d| d.as_secs_f64() * 1000.0);
    println!(
        "{path} parse_ms={parse:.3} executor_ms={run:.3} bare_ms={floor:.3} bytes={} gas={gas} peak_bytes={}",
        text.len(),
        peak(wanted)
    );
}

fn kind(wanted: &str) -> (bool, &str) {
    match wanted.split_once('=') {
        Some(("l1", path)) => (true, path),
        Some(("l2", path)) => (false, path),
        _ => panic!("{wanted} is neither l1=FILE nor l2=FILE"),
    }
}

fn main() {
    // Cargo says --bench, too.
    let given: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();

    if let [flag, wanted] = &given[..]
        && flag == "--peak"
    {
        let (l1, path) = kind(wanted);
        println!("{}", grows(path, l1));
        return;
    }
    let directory = std::env::var("VECTORS_DIR").unwrap_or_else(|_| "../../shared/vectors".into());
    let vectors = [
        ("l1", "batch/hoodi-1265656.input.json"),
        ("l2", "batch/ethrex-l2-two-blocks.input.json"),
        ("l2", "ethrex/l2-rollup-batch55.input.json"),
        ("l2", "ethrex/l2-rollup-batch57.input.json"),
    ];

    if given.is_empty() {
        vectors.iter().for_each(|(kind, name)| bench(&format!("{kind}={directory}/{name}")));
    }
    given.iter().for_each(|wanted| bench(wanted));
}
