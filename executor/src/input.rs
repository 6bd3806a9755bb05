//! Inputs, read as they arrive: the text is never kept.

use crate::place::Fields;
use crate::refusal::{Kind, Refusal};
use ethrex_common::types::{Block, block_execution_witness::ExecutionWitness};
use serde::{Deserialize, de::DeserializeOwned};
use std::io::{self, BufReader, Read};

pub use ethrex_l2_common::prover::ProverInputData;

const BUFFER: usize = 256 * 1024;
const OVER: &str = "over the ceiling";

/// The part of ethrex's ProgramInput that L1 blocks need; other fields are ignored.
#[derive(Deserialize)]
pub struct L1Input {
    pub blocks: Vec<Block>,
    pub execution_witness: ExecutionWitness,
}

/// Passes on at most `left` bytes, then fails.
struct Ceiling<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Ceiling<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let n = self.inner.read(out)?;
        self.left = self.left.checked_sub(n as u64).ok_or_else(|| io::Error::other(OVER))?;
        Ok(n)
    }
}

/// One JSON document of at most `max` bytes, and nothing after it. What is not as it should be is named by its
/// place (`blocks[0].header.gasUsed`).
pub fn read<T: DeserializeOwned>(from: impl Read, max: u64) -> Result<T, Refusal> {
    let text = BufReader::with_capacity(BUFFER, Ceiling { inner: from, left: max });
    let mut json = serde_json::Deserializer::from_reader(text);
    let mut place = String::new();
    let parsed = T::deserialize(Fields { inner: &mut json, place: &mut place });

    parsed.and_then(|value| json.end().map(|()| value)).map_err(|e| {
        if e.is_io() && e.to_string().contains(OVER) {
            Refusal::new(Kind::TooLarge, format!("the input is longer than {max} bytes (--input-max)"))
        } else if e.is_io() {
            Refusal::new(Kind::Io, format!("stdin: {e}"))
        } else {
            Refusal::new(Kind::Malformed, format!("the input is not a batch input: {place}{e}"))
        }
    })
}
