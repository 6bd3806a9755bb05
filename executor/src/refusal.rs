//! Why a batch is not proved: a closed list of kinds, each with its exit status, and a sentence.

use std::fmt;
use std::panic::{self, AssertUnwindSafe};

/// Characters of a sentence: quote-gen's has no more room.
const SENTENCE_MAX: usize = 390;

/// The kind of a refusal is the exit status (docs/EXECUTOR.md lists them).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A flag that is none (EX_USAGE).
    Usage = 64,
    /// Not JSON, or not of the shape of an input (EX_DATAERR).
    Malformed = 65,
    /// A crate panicked: a fault of the program that this input shows (EX_SOFTWARE).
    Internal = 70,
    /// stdin or stdout failed (EX_IOERR).
    Io = 74,
    /// More bytes than --input-max.
    TooLarge = 80,
    /// No blocks, fee configs that are not one a block, a first block number that is another.
    Batch = 81,
    /// Headers of the witness that do not link, or are not those of the blocks.
    Links = 82,
    /// The state of the witness is not that of the first block's parent.
    InitialState = 83,
    /// A body that is not its header's.
    Body = 84,
    /// A header that may not follow its parent.
    Header = 85,
    /// A transaction that cannot be in a block.
    Transaction = 86,
    /// A trie node, a code or a header that execution needs and the witness lacks.
    Witness = 87,
    /// Gas used.
    Gas = 88,
    /// Receipts root, or hash of the access list.
    Receipts = 89,
    /// Logs bloom.
    Bloom = 90,
    /// Requests hash.
    Requests = 91,
    /// State root after a block.
    State = 92,
    /// Messages from or to another chain that have no digest or no sum.
    Messages = 93,
    /// A blob that is not the blocks'.
    Blob = 94,
}

/// A kind and its sentence.
#[derive(Debug)]
pub struct Refusal {
    pub kind: Kind,
    pub sentence: String,
}

impl Refusal {
    pub fn new(kind: Kind, sentence: impl Into<String>) -> Self {
        Self { kind, sentence: sentence.into() }
    }

    /// Two values that should be one: `what` the header says, and what execution gave.
    pub fn differs(kind: Kind, what: &str, block: u64, header: impl fmt::Display, executed: impl fmt::Display) -> Self {
        Self::new(kind, format!("block {block}: {what} of the header {header}, executed {executed}"))
    }
}

/// What the crates compute of an input's numbers. Where their arithmetic panics, at a division by zero or at more than
/// 256 bits, the numbers are at fault.
pub fn computed<T>(kind: Kind, what: &str, work: impl FnOnce() -> T) -> Result<T, Refusal> {
    panic::catch_unwind(AssertUnwindSafe(work)).map_err(|panic| {
        let words = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
            (Some(words), _) => words,
            (_, Some(words)) => words.as_str(),
            _ => "a panic",
        };
        Refusal::new(kind, format!("{what}: {words}"))
    })
}

impl fmt::Display for Refusal {
    /// One line of bounded length that does nothing to a terminal, whatever the crates put into their words. What is left
    /// out is in the middle: that is where an input is quoted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.sentence.split_whitespace().collect::<Vec<_>>().join(" ");
        let line = line.replace(|c: char| c != ' ' && !c.is_ascii_graphic(), "?");
        let count = line.chars().count();

        if count <= SENTENCE_MAX {
            return f.write_str(&line);
        }
        let kept = SENTENCE_MAX / 2;
        let start: String = line.chars().take(kept).collect();
        let end: String = line.chars().skip(count - kept).collect();
        write!(f, "{start}[...]{end}")
    }
}
