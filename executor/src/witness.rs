//! The tries of a witness are what their hashes say.
//!
//! The crate hashes the nodes as they are given, and looks accounts up in the same nodes. Both see the same trie only
//! if a node has one encoding and the encoding one node: a path of other than nibbles, or bytes that are no whole
//! node in the place of a child, hash to the root of the true trie and hide an account of it.

use crate::refusal::{Kind, Refusal};
use ethrex_common::{
    constants::EMPTY_TRIE_HASH,
    types::{
        AccountState,
        block_execution_witness::{ExecutionWitness, GuestProgramState},
    },
};
use ethrex_crypto::NativeCrypto;
use ethrex_rlp::decode::RLPDecode;
use ethrex_trie::{Nibbles, Node, NodeHash, NodeRef};

/// Stands behind the nibbles of a leaf's path.
const TERMINATOR: u8 = 16;
/// A node of more bytes is referred to by its hash.
const INLINE_MAX: usize = 31;
const EMPTY_LIST: u8 = 0xc0;

pub fn check(witness: &ExecutionWitness) -> Result<(), Refusal> {
    if let Some(root) = &witness.state_trie_root {
        trie(root).map_err(|what| wrong("the state trie", &what))?;
    }
    for (account, root) in &witness.storage_trie_roots {
        trie(root).map_err(|what| wrong(&format!("the storage trie of {account:#x}"), &what))?;
    }
    Ok(())
}

/// Each storage trie is its account's. The crate asks for that when storage is read; that of an account which is only
/// created it takes for the account's own, whatever it holds.
pub fn check_storage(state: &GuestProgramState, block: u64) -> Result<(), Refusal> {
    for (account, storage) in &state.storage_tries {
        // Where nodes are missing, nothing of the account can be read or written.
        let Ok(found) = state.state_trie.get(account.as_bytes()) else { continue };
        let root = found.and_then(|a| AccountState::decode(&a).ok()).map_or(*EMPTY_TRIE_HASH, |a| a.storage_root);
        let given = storage.hash_no_commit(&NativeCrypto);

        if given != root {
            return Err(Refusal::new(
                Kind::InitialState,
                format!(
                    "block {block}: storage root of the account with hash {account:#x} is {root:#x}, of its trie in the witness {given:#x}"
                ),
            ));
        }
    }
    Ok(())
}

fn wrong(which: &str, what: &str) -> Refusal {
    Refusal::new(Kind::Malformed, format!("the input is not a batch input: execution_witness: {which} has {what}"))
}

fn trie(root: &Node) -> Result<(), String> {
    let mut nodes = vec![root];

    while let Some(node) = nodes.pop() {
        let children = match node {
            Node::Branch(branch) => branch.choices.as_slice(),
            Node::Extension(extension) => {
                path(&extension.prefix, false)?;
                std::slice::from_ref(&extension.child)
            }
            Node::Leaf(leaf) => {
                path(&leaf.partial, true)?;
                &[]
            }
        };
        for child in children {
            match child {
                NodeRef::Node(node, _) => nodes.push(node),
                NodeRef::Hash(NodeHash::Inline((bytes, length))) => inline(bytes, usize::from(*length))?,
                NodeRef::Hash(NodeHash::Hashed(_)) => {}
            }
        }
    }
    Ok(())
}

fn path(nibbles: &Nibbles, of_leaf: bool) -> Result<(), String> {
    let all = nibbles.as_ref();
    let (name, within) = match all.split_last() {
        Some((&TERMINATOR, within)) if of_leaf => ("leaf", within),
        _ if of_leaf => return Err("a leaf whose path has no end".into()),
        _ => ("extension", all),
    };

    match within.iter().find(|nibble| **nibble >= TERMINATOR) {
        Some(other) => Err(format!("a path of {name} with {other} in it, which is no nibble")),
        None => Ok(()),
    }
}

/// None, or the one list that a short node is.
fn inline(bytes: &[u8], length: usize) -> Result<(), String> {
    let is_node = length <= INLINE_MAX && bytes[0] >= EMPTY_LIST && usize::from(bytes[0] - EMPTY_LIST) + 1 == length;

    if length == 0 || is_node {
        return Ok(());
    }
    Err(format!("a child of {length} bytes, starting with 0x{:02x}, which are no node", bytes[0]))
}
