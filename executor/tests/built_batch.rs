//! A batch that ethrex-blockchain 24.0.0 built, kept beside these tests: of the devnet's block builder,
//! rollup, two blocks with a deposit, a token, a transaction that reverts and a withdrawal.
//! tests/scenario/test_real_batches.py sees to it that the builder still builds exactly this one.

mod common;

use common::{bytes, execute, refused};
use ethrex_common::{H256, types::BlockHeader};
use ethrex_crypto::NativeCrypto;
use ethrex_executor::input::ProverInputData;
use ethrex_rlp::{decode::RLPDecode, encode::RLPEncode};
use serde_json::{Value, json};

const INPUT: &str = include_str!("vectors/built.input.json");
const SUMMARY: &str = include_str!("vectors/built.summary.json");

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

#[test]
fn it_comes_out_as_it_was_built() {
    let ended = execute(INPUT.as_bytes(), &[]);
    let built = parsed(SUMMARY);
    let root = |name: &str| bytes(built[name].as_str().expect("hex"));
    let word = |n: u64| [&[0; 24], n.to_be_bytes().as_slice()].concat();

    assert_eq!(ended.status, Some(0), "{}", ended.said);
    let expected = [
        root("initialStateRoot"),
        root("stateRoot"),
        root("withdrawalsRoot"),
        root("privilegedDigest"),
        root("versionedHash"),
        root("lastBlockHash"),
        word(65_536_999),
        word(built["nonPrivileged"].as_u64().expect("a count")),
    ];
    assert_eq!(hex::encode(ended.output), hex::encode(expected.concat()));
}

#[test]
fn each_result_is_held_against_its_header() {
    let ones = "0x".to_string() + &"11".repeat(32);
    let bloom = "0x".to_string() + &"11".repeat(256);

    for (at, value, status, words) in [
        ("/blocks/1/header/gasUsed", json!("0x1"), 88, "block 2: gas used of the header 1, executed "),
        ("/blocks/1/header/receiptsRoot", json!(ones), 89, "block 2: receipts root of the header 0x1111"),
        ("/blocks/1/header/logsBloom", json!(bloom), 90, "block 2: logs bloom of the header 0x1111"),
        ("/blocks/1/header/requestsHash", json!(ones), 91, "block 2: requests hash of the header 0x1111"),
        ("/blocks/1/header/stateRoot", json!(ones), 92, "block 2: state root of the header 0x1111"),
        ("/blocks/1/header/parentHash", json!(ones), 85, "block 2: "),
        ("/blocks/0/header/extraData", json!("0x00"), 82, "block 1: it hashes to 0x"),
        ("/blocks/0/body/transactions/0/value", json!("0x1"), 84, "block 1: transactions root of the header"),
        (
            "/fee_configs/1/base_fee_vault",
            json!("0x00000000000000000000000000000000000000aa"),
            92,
            "block 2: state root",
        ),
        ("/execution_witness/codes", json!([]), 87, "block 1, transaction 0 (0x"),
        ("/blob_proof", json!(vec![1; 48]), 94, "the blob's KZG proof cannot be verified"),
    ] {
        let mut input = parsed(INPUT);

        *input.pointer_mut(at).expect("a field") = value;
        refused(&input, status, &[words]);
    }
}

#[test]
fn a_dropped_transaction() {
    let mut input = parsed(INPUT);

    input["blocks"][1]["body"]["transactions"].as_array_mut().expect("a list").pop();
    refused(&input, 84, &["block 2: transactions root of the header 0x", "of the 3 transactions of its body 0x"]);
}

/// Nothing follows from it within the batch, whose last state is right.
#[test]
fn a_wrong_state_root_in_the_middle() {
    let mut input: ProverInputData = serde_json::from_str(INPUT).expect("an input");
    let [first, second] = &mut input.blocks[..] else { panic!("two blocks") };

    first.header.state_root = H256::repeat_byte(0x11);
    second.header.parent_hash = first.header.compute_block_hash(&NativeCrypto);
    for known in &mut input.execution_witness.block_headers_bytes {
        if BlockHeader::decode(known).expect("a header").number == first.header.number {
            *known = first.header.encode_to_vec();
        }
    }
    (input.blob_commitment, input.blob_proof) = ([0; 48], [0; 48]);
    let input = serde_json::to_value(input).expect("JSON");
    refused(&input, 92, &["block 1: state root of the header 0x1111", "executed 0x525c9fc0"]);
}
