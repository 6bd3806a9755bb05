//! What crosses the bridge in a batch: messages to L1, deposits, messages between L2s.

use crate::refusal::{Kind, Refusal, computed};
use ethrex_common::{
    H256,
    types::{Block, PrivilegedL2Transaction, Receipt, balance_diff::BalanceDiff},
};
use ethrex_l2_common::{
    merkle_tree::compute_merkle_root,
    messages::{get_balance_diffs, get_block_l1_messages, get_block_l2_out_messages, get_l1_message_hash},
    privileged_transactions::{
        compute_privileged_transactions_hash, get_block_l1_in_messages, get_block_l2_in_messages,
    },
};
use std::collections::BTreeMap;

#[derive(Debug)]
pub struct Digests {
    pub l1_messages_root: H256,
    pub privileged: H256,
    pub balance_diffs: Vec<BalanceDiff>,
    pub l2_in: Vec<(u64, H256)>,
}

/// Digests over all blocks; `receipts` has one list a block.
pub fn digest(blocks: &[Block], receipts: &[Vec<Receipt>], chain_id: u64) -> Result<Digests, Refusal> {
    let mut l1_out = Vec::new();
    let mut l2_out = Vec::new();
    let mut l1_in = Vec::new();
    let mut l2_in: BTreeMap<u64, Vec<H256>> = BTreeMap::new();

    for (block, receipts) in blocks.iter().zip(receipts) {
        let number = block.header.number;
        let transactions = &block.body.transactions;

        l1_out.extend(get_block_l1_messages(receipts).iter().map(get_l1_message_hash));
        l2_out.extend(get_block_l2_out_messages(receipts, chain_id));
        for tx in get_block_l1_in_messages(transactions, chain_id) {
            l1_in.push(privileged_hash(&tx, number)?);
        }
        for tx in get_block_l2_in_messages(transactions, chain_id) {
            l2_in.entry(tx.chain_id).or_default().push(privileged_hash(&tx, number)?);
        }
    }
    Ok(Digests {
        l1_messages_root: compute_merkle_root(&l1_out),
        privileged: rolling(l1_in, "L1")?,
        balance_diffs: computed(Kind::Messages, "the values of the messages to other chains have no sum", || {
            get_balance_diffs(&l2_out)
        })?,
        l2_in: l2_in
            .into_iter()
            .map(|(chain, hashes)| Ok((chain, rolling(hashes, &format!("chain {chain}"))?)))
            .collect::<Result<_, Refusal>>()?,
    })
}

fn privileged_hash(tx: &PrivilegedL2Transaction, block: u64) -> Result<H256, Refusal> {
    tx.get_privileged_hash().ok_or_else(|| {
        Refusal::new(
            Kind::Messages,
            format!(
                "block {block}: the privileged transaction with id {} creates a contract, which no bridge sends",
                tx.nonce
            ),
        )
    })
}

fn rolling(hashes: Vec<H256>, from: &str) -> Result<H256, Refusal> {
    let n = hashes.len();
    compute_privileged_transactions_hash(hashes).map_err(|e| {
        Refusal::new(Kind::Messages, format!("{n} privileged transactions from {from} have no digest: {e}"))
    })
}
