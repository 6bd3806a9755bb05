//! Tries whose nodes hash to the right root and are not what their hashes say.

mod common;

use common::{read, refused};
use serde_json::{Value, json};

const INPUT: &str = include_str!("vectors/built.input.json");

fn input() -> Value {
    serde_json::from_str(INPUT).expect("JSON")
}

/// Every object in the witness's tries with that name, as pointers to it.
fn all(name: &str) -> Vec<String> {
    fn walk(value: &Value, at: String, name: &str, out: &mut Vec<String>) {
        match value {
            Value::Object(fields) => {
                for (key, inner) in fields {
                    let there = format!("{at}/{key}");

                    if key == name {
                        out.push(there.clone());
                    }
                    walk(inner, there, name, out);
                }
            }
            Value::Array(items) => {
                for (i, inner) in items.iter().enumerate() {
                    walk(inner, format!("{at}/{i}"), name, out);
                }
            }
            _ => {}
        }
    }
    let mut out = Vec::new();
    let witness = &input()["execution_witness"];

    for tries in ["state_trie_root", "storage_trie_roots"] {
        walk(&witness[tries], format!("/execution_witness/{tries}"), name, &mut out);
    }
    out
}

fn changed(at: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut input = input();

    change(input.pointer_mut(at).expect("a node"));
    input
}

/// Two nibbles are packed into a byte of what is hashed: the high part of one that is none falls away, or goes into
/// the other. The account is not found where it is.
#[test]
fn a_path_of_other_than_nibbles() {
    let paths: Vec<String> = ["Leaf", "Extension"].iter().flat_map(|kind| all(kind)).collect();
    let mut tried = 0;

    for at in paths {
        let (at, kind) =
            if at.ends_with("Leaf") { (at + "/partial/data", "leaf") } else { (at + "/prefix/data", "extension") };
        let length = input().pointer(&at).and_then(Value::as_array).expect("a path").len();

        for i in [0, 1, length / 2].into_iter().filter(|i| i + usize::from(kind == "leaf") < length) {
            for more in [16, 240] {
                let words = format!("a path of {kind} with ");
                let input = changed(&at, |path| path[i] = json!(path[i].as_u64().expect("a nibble") + more));

                refused(
                    &input,
                    65,
                    &[
                        "the input is not a batch input: execution_witness: the state trie has ",
                        &words,
                        "which is no nibble",
                    ],
                );
                tried += 1;
            }
        }
    }
    assert!(tried > 10, "{tried}");
}

#[test]
fn the_storage_of_an_account_too() {
    let account = "0x".to_string() + &"22".repeat(32);
    let at = &all("Leaf")[0];
    let bad = changed(&format!("{at}/partial/data/1"), |nibble| *nibble = json!(17));
    let mut input = input();

    input["execution_witness"]["storage_trie_roots"][&account] = bad["execution_witness"]["state_trie_root"].clone();
    refused(&input, 65, &["the storage trie of 0x2222", " has a path of leaf with 17 in it, which is no nibble"]);
}

/// Storage that an account which the batch creates would have from the start.
#[test]
fn storage_of_an_account_that_is_not_there() {
    let account = "0x".to_string() + &"22".repeat(32);
    let mut input = input();

    input["execution_witness"]["storage_trie_roots"][&account] = input["execution_witness"]["state_trie_root"].clone();
    refused(
        &input,
        83,
        &[
            "block 1: storage root of the account with hash 0x2222",
            " is 0x56e81f171bcc55a6ff8345e692c0f86e5b48e01b996cadc001622fb5e363b421, of its trie in the witness 0x",
        ],
    );
}

#[test]
fn storage_of_another_account() {
    let Some(text) = read("ethrex/l2-rollup-batch10.input.json") else { return };
    let mut input: Value = serde_json::from_slice(&text).expect("JSON");
    let other = input["execution_witness"]["state_trie_root"].clone();
    let storage = input["execution_witness"]["storage_trie_roots"].as_object_mut().expect("an object");

    *storage.values_mut().next().expect("an account with storage") = other;
    refused(
        &input,
        83,
        &["block 46: storage root of the account with hash 0x", " of its trie in the witness 0xacb7abf3"],
    );
}

#[test]
fn a_path_of_the_other_kind_of_node() {
    for at in all("Leaf") {
        let input = changed(&(at + "/partial/data"), |path| drop(path.as_array_mut().expect("a path").pop()));
        refused(&input, 65, &["a leaf whose path has no end"]);
    }
    for at in all("Extension") {
        let input = changed(&(at + "/prefix/data"), |path| path.as_array_mut().expect("a path").push(json!(16)));
        refused(&input, 65, &["a path of extension with 16 in it"]);
    }
}

/// The encoding of a branch is that of its children, one after another: bytes of two of them could be one's.
#[test]
fn a_child_that_is_no_node() {
    let places = all("Inline");
    let words = |n: u8, first: u8| format!("a child of {n} bytes, starting with 0x{first:02x}, which are no node");

    assert!(places.len() > 10);
    for (i, at) in places.iter().enumerate() {
        let (n, first) = [(1, 0x80), (2, 0x80), (31, 0xa0), (3, 0xc1), (32, 0xdf), (255, 0), (1, 0)][i % 7];
        let bytes = [[first].as_slice(), &[0; 30]].concat();
        let input = changed(at, |inline| *inline = json!([bytes, n]));

        refused(&input, 65, &[&words(n, first)]);
    }
}
