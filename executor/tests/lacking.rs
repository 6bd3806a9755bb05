//! Witnesses that hash as they should and lack something, or hold more than is needed: they lead to a refusal or to the
//! same output, never to another one. MUTATIONS (300) of each input.

mod common;

use common::{Random, mutations, read};
use ethrex_crypto::NativeCrypto;
use ethrex_executor::{
    execute,
    input::{self, ProverInputData},
    refusal::{Kind, Refusal},
};
use ethrex_rlp::decode::RLPDecode;
use ethrex_trie::{Node, NodeHash, NodeRef};
use std::sync::Arc;

const BUILT: &[u8] = include_bytes!("vectors/built.input.json");

/// One node in `odds` becomes its hash; one that is short may become a node.
fn prune(node: &mut Node, odds: usize, random: &mut Random) {
    let children = match node {
        Node::Branch(branch) => &mut branch.choices[..],
        Node::Extension(extension) => std::slice::from_mut(&mut extension.child),
        Node::Leaf(_) => &mut [],
    };

    for child in children {
        match child {
            NodeRef::Node(node, _) if random.one_in(odds) => *child = NodeRef::Hash(node.compute_hash(&NativeCrypto)),
            NodeRef::Node(node, _) => {
                let mut inner = Node::clone(node);
                prune(&mut inner, odds, random);
                *child = NodeRef::from(Arc::new(inner));
            }
            NodeRef::Hash(hash @ NodeHash::Inline(_)) if hash.is_valid() && random.one_in(3) => {
                *child = NodeRef::from(Arc::new(Node::decode(hash.as_ref()).expect("a node")));
            }
            NodeRef::Hash(_) => {}
        }
    }
}

fn remove_one<T>(from: &mut Vec<T>, random: &mut Random) {
    if !from.is_empty() {
        from.remove(random.below(from.len()));
    }
}

fn mutate(input: &mut ProverInputData, random: &mut Random) {
    let witness = &mut input.execution_witness;
    let odds = [4, 10, 30, 100][random.below(4)];

    for trie in witness.state_trie_root.iter_mut().chain(witness.storage_trie_roots.values_mut()) {
        if random.one_in(2) {
            prune(trie, odds, random);
        }
    }
    match random.below(8) {
        0 => remove_one(&mut witness.codes, random),
        1 => remove_one(&mut witness.block_headers_bytes, random),
        2 => drop(witness.storage_trie_roots.pop_first()),
        3 => {
            // A code of another hash, and a header twice.
            witness.codes.push(vec![0x5b; 1 + random.below(40)]);
            witness.block_headers_bytes.push(witness.block_headers_bytes[0].clone());
        }
        4 => witness.codes.reverse(),
        _ => {}
    }
}

fn parsed(text: &[u8]) -> ProverInputData {
    input::read(text, u64::MAX).expect("an input")
}

fn output(input: ProverInputData) -> Result<Vec<u8>, Refusal> {
    execute::l2(input).map(|(output, _)| output.encode())
}

#[test]
fn nothing_else_is_proved() {
    let count = mutations();
    let names = ["batch/ethrex-l2-two-blocks.input.json", "ethrex/l2-rollup-batch10.input.json"];
    let inputs = names.iter().filter_map(|name| read(name)).chain([BUILT.to_vec()]);
    let mut random = Random(0x1234_5678_9abc_def1);

    for text in inputs {
        let right = output(parsed(&text)).expect("a valid batch");
        let mut executed = 0;

        for i in 0..count {
            let mut input = parsed(&text);

            mutate(&mut input, &mut random);
            match output(input) {
                Ok(output) => {
                    assert!(output == right, "mutation {i}: another transition was proved");
                    executed += 1;
                }
                Err(refusal) => assert!(matches!(refusal.kind, Kind::Witness | Kind::Links), "mutation {i}: {refusal}"),
            }
        }
        assert!(0 < executed && executed < count, "{executed} of {count} were executed");
    }
}
