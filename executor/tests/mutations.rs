//! No input ends the executor without a status of its own and a sentence. MUTATIONS (300) of them.

mod common;

use common::{Random, execute, mutations, read};

const STATUSES: [i32; 17] = [65, 80, 81, 82, 83, 84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 70];

/// One to four edits: a digit or a byte replaced, a piece removed, repeated or taken from elsewhere.
fn mutate(original: &[u8], random: &mut Random) -> Vec<u8> {
    let mut out = original.to_vec();

    for _ in 0..=random.below(4) {
        let at = random.below(out.len());
        let length = random.below(64.min(out.len() - at) + 1);

        match random.below(6) {
            0 => out[at] = b"0123456789abcdef"[random.below(16)],
            1 => out[at] = random.below(256) as u8,
            2 => drop(out.drain(at..at + length)),
            3 => {
                let piece = out[at..at + length].to_vec();
                out.splice(at..at, piece);
            }
            4 => {
                let from = random.below(original.len() - length.min(original.len() - 1));
                out.splice(at..at + length, original[from..from + length].to_vec());
            }
            _ => {
                // A digit that stays one: the text remains JSON and gets further.
                if let Some(i) = out[at..].iter().position(u8::is_ascii_digit) {
                    out[at + i] = b'0' + random.below(10) as u8;
                }
            }
        }
        if out.is_empty() {
            out.push(b' ');
        }
    }
    out
}

/// A header has fields that nothing follows from (mixHash, extraData): with another one it is another
/// block, and its hash in the output says so.
fn without_block_hash(output: &[u8]) -> (&[u8], &[u8]) {
    (&output[..160], &output[192..])
}

#[test]
fn every_mutation_ends_in_words() {
    let count = mutations();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);

    for name in ["batch/ethrex-l2-two-blocks.input.json", "ethrex/l2-validium-batch2.input.json"] {
        let Some(original) = read(name) else { return };
        let right = execute(&original, &[]).output;

        for i in 0..count / 2 {
            let mutated = mutate(&original, &mut random);
            let ended = execute(&mutated, &[]);
            let status = ended.status.unwrap_or_else(|| panic!("{name}, mutation {i}: killed: {}", ended.said));

            assert_eq!(ended.said.lines().count(), 1, "{name}, mutation {i}: {}", ended.said);
            if status == 0 {
                assert_eq!(
                    without_block_hash(&ended.output),
                    without_block_hash(&right),
                    "{name}, mutation {i}: another transition was proved"
                );
            } else {
                assert!(STATUSES.contains(&status), "{name}, mutation {i}: {status}: {}", ended.said);
                assert!(ended.output.is_empty());
            }
        }
    }
}
