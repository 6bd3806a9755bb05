//! Batches of ethrex's own sequencer: what the executor writes is what ethrex's contract rebuilt and
//! its prover signed, or what its sequencer committed.

mod common;

use common::{bytes, execute, read};
use ethrex_common::utils::keccak;
use k256::ecdsa::{RecoveryId, Signature, VerifyingKey};
use serde_json::Value;

#[test]
fn two_blocks_built_with_release_24() {
    let Some(input) = read("batch/ethrex-l2-two-blocks.input.json") else { return };
    let ended = execute(&input, &[]);

    assert_eq!(ended.status, Some(0), "{}", ended.said);
    assert_eq!(ended.output.len(), 256);
    assert!(hex::encode(&ended.output[..32]).starts_with("49c82834"));
    assert_eq!(ended.output[32..64], bytes("579a71a35a35a423b444aeeee20e793a69eeadeb022fdbe79ca9b406d39c2366"));
    assert_eq!(ended.output[255], 4);
    assert!(ended.said.starts_with("executed blocks 1 to 2, 4 transactions, 160639 gas, state root 0x49c82834"));
}

#[test]
fn an_l1_block() {
    let Some(input) = read("batch/hoodi-1265656.input.json") else { return };
    let ended = execute(&input, &["--l1"]);

    assert_eq!(ended.status, Some(0), "{}", ended.said);
    assert_eq!(ended.output.len(), 160);
    assert_eq!(ended.output[32..64], bytes("f7c1acf1facc79a7c560efa36f1158a0b643ed14519aaa06f56949ad60d6b03f"));
    assert!(hex::encode(&ended.output[64..96]).starts_with("ac77c202"));
    // It is no block of an L2: validators withdraw.
    let ended = execute(&input, &[]);
    assert_eq!(ended.status, Some(84), "{}", ended.said);
    assert!(ended.said.starts_with("block 1265656: withdrawals of validators, of whom an L2 has none: 3351569 gwei"));
}

#[test]
fn batches_of_ethrex() {
    let Some(manifest) = read("ethrex/MANIFEST.json") else { return };
    let entries: Vec<Value> = serde_json::from_slice(&manifest).expect("JSON");
    let mut signed = 0;

    assert!(entries.len() >= 13);
    for entry in &entries {
        let file = entry["file"].as_str().expect("a name");
        let input = read(&format!("ethrex/{file}")).expect("a file of the manifest");
        let ended = execute(&input, &[]);

        assert_eq!(ended.status, Some(0), "{file}: {}", ended.said);
        assert_eq!(hex::encode(&ended.output), hex::encode(expected(entry)), "{file}");
        if entry["signature"].is_string() {
            assert_eq!(signer(&ended.output, &entry["signature"]), bytes(text(&entry["signer"])), "{file}");
            signed += 1;
        }
    }
    assert!(signed >= 9);
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a string")
}

/// The public inputs of the contract, or, where it asked for no proof, what commitBatch was told.
fn expected(entry: &Value) -> Vec<u8> {
    const GENESIS: &str = "acb7abf3ed958c181bbf1eae0d8dff166f32a3c9e2fd52a52c6d5bfe166d2042";
    const CHAIN_ID: u64 = 65_536_999;

    if entry["public_inputs"].is_string() {
        return bytes(text(&entry["public_inputs"]));
    }
    let calldata = bytes(text(&entry["commit"]["input"]));
    let word = |i: usize| &calldata[4 + 32 * i..36 + 32 * i];
    let mut chain = [0; 32];

    chain[24..].copy_from_slice(&CHAIN_ID.to_be_bytes());
    // No batch of these changed the state: new root, withdrawals, deposits, (no blob,) last block.
    [&bytes(GENESIS), word(1), word(2), word(3), &[0; 32], word(4), &chain, word(5)].concat()
}

/// Who signed the output, as TDXVerifier recovers it.
fn signer(output: &[u8], signature: &Value) -> Vec<u8> {
    let raw = bytes(text(signature));
    let mut message = format!("\x19Ethereum Signed Message:\n{}", output.len()).into_bytes();

    message.extend_from_slice(output);
    let key = VerifyingKey::recover_from_prehash(
        keccak(message).as_bytes(),
        &Signature::from_slice(&raw[..64]).expect("r and s"),
        RecoveryId::try_from(raw[64] - 27).expect("v"),
    )
    .expect("a key");
    keccak(&key.to_encoded_point(false).as_bytes()[1..]).as_bytes()[12..].to_vec()
}
