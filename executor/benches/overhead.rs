//! The executor against the bare loop over `Evm::execute_block`, in one process: `cargo bench`.
//! Prints, for each input, ms to parse, ms of the whole execution without parsing, ms of the bare loop,
//! their ratio, and bytes of input per gas.

use ethrex_common::types::block_execution_witness::GuestProgramState;
use ethrex_crypto::NativeCrypto;
use ethrex_executor::{
    execute,
    input::{L1Input, ProverInputData, read},
};
use ethrex_vm::{Evm, GuestProgramStateWrapper};
use std::path::Path;
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

fn whole(text: &[u8], l1: bool) -> (Duration, Duration, u64) {
    if l1 {
        let (parse, input) = timed(|| read::<L1Input>(text, MAX).expect("an input"));
        let (run, done) = timed(|| execute::l1(input).expect("a valid block"));
        return (parse, run, done.1.gas);
    }
    let (parse, input) = timed(|| read::<ProverInputData>(text, MAX).expect("an input"));
    let (run, done) = timed(|| execute::l2(input).expect("a valid batch"));
    (parse, run, done.1.gas)
}

fn bench(path: &Path, l1: bool) {
    let Ok(text) = std::fs::read(path) else {
        println!("SKIPPED: {} is absent (VECTORS_DIR)", path.display());
        return;
    };
    let mut best = [Duration::MAX; 3];
    let mut gas = 0;

    for _ in 0..ROUNDS {
        let (parse, run, used) = whole(&text, l1);
        let input = read(&text[..], MAX).expect("an input");
        let (floor, ()) = timed(|| bare(input, l1));

        for (best, now) in best.iter_mut().zip([parse, run, floor]) {
            *best = now.min(*best);
        }
        gas = used;
    }
    let ms = |d: Duration| d.as_secs_f64() * 1000.0;
    println!(
        "{:<36} {:>8} bytes, parse {:6.2} ms, executor {:6.2} ms, bare {:6.2} ms, ratio {:.2}, {:.2} bytes per gas",
        path.file_name().unwrap_or_default().to_string_lossy(),
        text.len(),
        ms(best[0]),
        ms(best[1]),
        ms(best[2]),
        ms(best[1]) / ms(best[2]),
        text.len() as f64 / gas.max(1) as f64
    );
}

fn main() {
    let directory = std::env::var("VECTORS_DIR").unwrap_or_else(|_| "../../shared/vectors".into());
    let at = |name: &str| Path::new(&directory).join(name);

    bench(&at("batch/hoodi-1265656.input.json"), true);
    bench(&at("batch/ethrex-l2-two-blocks.input.json"), false);
    bench(&at("ethrex/l2-rollup-batch55.input.json"), false);
    bench(&at("ethrex/l2-rollup-batch57.input.json"), false);
}
