//! Every kind of refusal, with its status and its sentence.

mod common;

use common::{execute, read, refused};
use serde_json::{Value, json};

/// Five blocks, 46 to 50, of a rollup: a deposit is among them, and a blob.
fn rollup() -> Option<Value> {
    read("ethrex/l2-rollup-batch10.input.json").map(|b| serde_json::from_slice(&b).expect("JSON"))
}

fn two_blocks() -> Option<Value> {
    read("batch/ethrex-l2-two-blocks.input.json").map(|b| serde_json::from_slice(&b).expect("JSON"))
}

fn ones() -> String {
    "0x".to_string() + &"11".repeat(32)
}

#[test]
fn a_wrong_state_root() {
    let Some(mut input) = two_blocks() else { return };
    input["blocks"][1]["header"]["stateRoot"] = ones().into();
    refused(&input, 92, &["block 2: state root of the header 0x1111", "executed 0x579a71a3"]);
}

#[test]
fn a_dropped_transaction() {
    let Some(mut input) = two_blocks() else { return };
    let transactions = input["blocks"][0]["body"]["transactions"].as_array_mut().expect("a list");
    let left = transactions.len() - 1;

    transactions.pop();
    refused(
        &input,
        84,
        &["block 1: transactions root of the header 0xaa1c8bd8", &format!("of the {left} transactions of its body 0x")],
    );
}

#[test]
fn a_transaction_that_cannot_be_in_a_block() {
    let Some(mut input) = two_blocks() else { return };
    let first = input["blocks"][1]["body"]["transactions"][0].clone();

    // The same one twice: its nonce is used up. The header is made to agree with the body.
    input["blocks"][1]["body"]["transactions"].as_array_mut().expect("a list").push(first);
    let said = execute(input.to_string().as_bytes(), &[]).said;
    let root = said.split("of its body ").nth(1).expect("the body's root").trim();
    input["blocks"][1]["header"]["transactionsRoot"] = root.into();
    let last = input["blocks"][1]["body"]["transactions"].as_array().expect("a list").len() - 1;
    refused(&input, 86, &[&format!("block 2, transaction {last} (0x"), "once"]);
}

#[test]
fn a_changed_fee_config() {
    let Some(mut input) = two_blocks() else { return };

    // Base fees that were burned go to somebody.
    input["fee_configs"][1]["base_fee_vault"] = input["blocks"][1]["header"]["miner"].clone();
    refused(&input, 92, &["block 2: state root of the header 0x579a71a3", "executed 0x"]);
    input["fee_configs"].as_array_mut().expect("a list").pop();
    refused(&input, 81, &["2 blocks, but 1 fee configs"]);
}

#[test]
fn a_missing_trie_node() {
    let Some(mut input) = rollup() else { return };
    let storage = input["execution_witness"]["storage_trie_roots"].as_object_mut().expect("an object");

    assert!(!storage.is_empty());
    storage.clear();
    refused(&input, 87, &["block 46", "transaction 0 (0x"]);
}

#[test]
fn a_missing_code() {
    let Some(mut input) = rollup() else { return };

    input["execution_witness"]["codes"] = json!([]);
    refused(&input, 87, &["block 46", "transaction 0 (0x", "code"]);
}

#[test]
fn another_state_than_the_parents() {
    let Some(mut input) = rollup() else { return };

    input["execution_witness"]["state_trie_root"] = Value::Null;
    refused(&input, 83, &["block 46: state root of its parent 0xacb7abf3", "of the witness 0x56e81f17"]);
}

#[test]
fn headers_of_the_witness_that_do_not_link() {
    let Some(mut input) = rollup() else { return };
    let headers = input["execution_witness"]["block_headers_bytes"].as_array_mut().expect("a list");

    assert!(headers.len() > 1);
    // A byte of the state root of the oldest, the parent: 3 bytes of list, two hashes, an address.
    let byte = &mut headers.last_mut().expect("the parent's header")[100];
    *byte = json!(byte.as_u64().expect("a byte") ^ 1);
    refused(&input, 82, &["block 46: its header in the witness names 0x", "as its parent, but block 45 hashes to 0x"]);
}

#[test]
fn a_header_of_the_witness_that_is_not_the_blocks() {
    let Some(mut input) = two_blocks() else { return };

    // BLOCKHASH of block 1 would come from the witness.
    input["blocks"][0]["header"]["extraData"] = "0x00".into();
    refused(&input, 82, &["block 1: it hashes to 0x", "its header in the witness to 0xfb8cda5e"]);
}

#[test]
fn headers_that_may_not_follow_their_parents() {
    let base_fee = two_blocks().map_or(0, |input| number(&input["blocks"][1]["header"]["baseFeePerGas"]));

    for (field, value, words) in [
        ("baseFeePerGas", "0x1", format!("1 in the header, the parent asks for {base_fee}")),
        ("timestamp", "0x1", "1 in the header, the parent has ".into()),
        ("gasLimit", "0x1", "in the header, the limit is 1".into()),
        ("gasLimit", "0xffffffff", "4294967295 in the header, the parent has ".into()),
        ("number", "0x7", "7 in the header, the parent has 1".into()),
        ("parentHash", &ones(), "0x1111111111111111111111111111111111111111111111111111111111111111 in the header, the parent hashes to 0xfb8cda5e".into()),
        ("nonce", "0x0000000000000001", "Nonce".into()),
    ] {
        let Some(mut input) = two_blocks() else { return };

        input["blocks"][1]["header"][field] = value.into();
        refused(&input, 85, &[&words]);
    }
    let Some(mut input) = two_blocks() else { return };
    input["execution_witness"]["first_block_number"] = json!(2);
    refused(&input, 81, &["the witness is for block 2, the first block is 1"]);
}

fn number(hex_text: &Value) -> u64 {
    u64::from_str_radix(hex_text.as_str().expect("hex").trim_start_matches("0x"), 16).expect("a number")
}

#[test]
fn results_that_are_not_the_headers() {
    for (field, status, words) in [
        ("gasUsed", 88, "block 2: gas used of the header 1, executed "),
        ("receiptsRoot", 89, "block 2: receipts root of the header 0x1111"),
        ("logsBloom", 90, "block 2: logs bloom of the header 0x1111"),
        ("requestsHash", 91, "block 2: requests hash of the header 0x1111"),
    ] {
        let Some(mut input) = two_blocks() else { return };

        input["blocks"][1]["header"][field] = match field {
            "gasUsed" => "0x1".into(),
            "logsBloom" => ("0x".to_string() + &"11".repeat(256)).into(),
            _ => ones().into(),
        };
        refused(&input, status, &[words, "executed "]);
    }
}

#[test]
fn a_blob_that_is_not_the_blocks() {
    let Some(mut input) = rollup() else { return };
    let other: Value =
        serde_json::from_slice(&read("ethrex/l2-rollup-batch11.input.json").expect("beside batch 10")).expect("JSON");

    input["blob_commitment"] = other["blob_commitment"].clone();
    input["blob_proof"] = other["blob_proof"].clone();
    refused(&input, 94, &["block 50: the blob with versioned hash 0x01", "is not that of the 5 blocks"]);
    input["blob_commitment"] = json!([1; 48].to_vec());
    let proof: Vec<u8> = serde_json::from_value(other["blob_proof"].clone()).expect("bytes");
    refused(
        &input,
        94,
        &[
            "block 50: the blob's KZG proof cannot be verified",
            &format!("commitment 0x{}", "01".repeat(48)),
            &format!("proof 0x{}", hex::encode(proof)),
        ],
    );
}

#[test]
fn a_forged_deposit() {
    let Some(mut input) = rollup() else { return };
    let mut forged = 0;

    for block in input["blocks"].as_array_mut().expect("a list") {
        for tx in block["body"]["transactions"].as_array_mut().expect("a list") {
            if tx["type"] == "0x7e" {
                tx["value"] = "0xffffffffffffffffff".into();
                forged += 1;
            }
        }
    }
    assert_eq!(forged, 1);
    refused(&input, 84, &["transactions root of the header 0x", "of its body 0x"]);
}

#[test]
fn no_blocks() {
    let Some(mut input) = two_blocks() else { return };

    input["blocks"] = json!([]);
    input["fee_configs"] = json!([]);
    refused(&input, 81, &["the batch has no blocks"]);
    let Some(mut input) = two_blocks() else { return };
    input["elasticity_multiplier"] = json!(0);
    refused(&input, 81, &["the elasticity multiplier is 0"]);
}

#[test]
fn what_is_no_input() {
    for text in ["", "{", "{}", "[]", "null", "\u{0}", "{\"blocks\":1}"] {
        let ended = execute(text.as_bytes(), &[]);
        assert_eq!(ended.status, Some(65), "{text}: {}", ended.said);
        assert!(ended.said.starts_with("the input is not a batch input: "), "{}", ended.said);
        assert_eq!(ended.said.lines().count(), 1);
    }
    let deep = "[".repeat(1_000_000);
    assert_eq!(execute(deep.as_bytes(), &[]).status, Some(65));
    let ended = execute(&[b' '; 1000], &["--input-max", "999"]);
    assert_eq!(ended.status, Some(80), "{}", ended.said);
    assert!(ended.said.contains("longer than 999 bytes"));
}

#[test]
fn what_is_of_another_shape_is_named_by_its_place() {
    let huge = "x".repeat(1 << 20);

    for (at, value, words) in [
        ("/blocks/1/header/gasUsed", json!(-1), "blocks[1].header.gasUsed: "),
        ("/blocks/0/body/transactions/1/nonce", json!("0xzz"), "blocks[0].body.transactions[1]"),
        ("/blob_proof", json!(vec![0; 49]), "blob_proof: "),
        ("/fee_configs/1", json!(7), "fee_configs[1]: "),
        ("/execution_witness/chain_config/chainId", json!(huge), "execution_witness: "),
        ("/elasticity_multiplier", json!("2"), "elasticity_multiplier: "),
        ("/blocks", json!(huge), "blocks: "),
    ] {
        let Some(mut input) = two_blocks() else { return };

        *input.pointer_mut(at).expect("a field") = value;
        refused(&input, 65, &[&format!("the input is not a batch input: {words}"), " at line 1 column "]);
    }
}

/// The crates quote what they do not know as it is.
#[test]
fn what_is_quoted_does_nothing_to_a_terminal() {
    let Some(mut input) = two_blocks() else { return };
    let name = "\u{1b}]0;title\u{7}\u{202e}".to_string() + &"\u{fc}".repeat(1000);

    input["execution_witness"]["state_trie_root"] = json!({ name: 1 });
    refused(&input, 65, &["execution_witness: unknown variant `?]0;title???", "[...]", " at line 1 column "]);
}

#[test]
fn flags() {
    let ended = execute(b"", &["--help"]);
    assert_eq!(ended.status, Some(0));
    assert!(String::from_utf8_lossy(&ended.output).contains("--input-max"));
    let ended = execute(b"", &["--version"]);
    assert_eq!(ended.output, b"ethrex-executor 31.0.0\n");
    assert_eq!(execute(b"    ", &["--input-max=3"]).status, Some(80));
    for flags in [
        &["--frobnicate"][..],
        &["--input-max=many"],
        &["--l1=1"],
        &["input.json"],
        &["--input-max"],
        &["--input-max", "many"],
    ] {
        let ended = execute(b"", flags);
        assert_eq!(ended.status, Some(64), "{}", ended.said);
        assert!(ended.said.contains("--help"));
    }
}
