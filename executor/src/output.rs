//! What a proof commits to, encoded as OnChainProposer rebuilds it from a batch's commitment.

use ethrex_common::{H256, U256, types::balance_diff::BalanceDiff};

/// The public inputs of an L2 batch.
#[derive(Debug)]
pub struct L2Output {
    pub initial_state: H256,
    pub final_state: H256,
    pub l1_messages_root: H256,
    pub privileged_digest: H256,
    pub blob_versioned_hash: H256,
    pub last_block_hash: H256,
    pub chain_id: u64,
    pub non_privileged_count: u64,
    pub balance_diffs: Vec<BalanceDiff>,
    /// Source chain and the digest of the messages from it, chains ascending.
    pub l2_in_digests: Vec<(u64, H256)>,
}

impl L2Output {
    /// Eight words of 32 bytes, then what goes to and came from other L2s.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        for hash in [
            self.initial_state,
            self.final_state,
            self.l1_messages_root,
            self.privileged_digest,
            self.blob_versioned_hash,
            self.last_block_hash,
        ] {
            out.extend_from_slice(hash.as_bytes());
        }
        word(&mut out, self.chain_id.into());
        word(&mut out, self.non_privileged_count.into());
        for diff in &self.balance_diffs {
            word(&mut out, diff.chain_id);
            word(&mut out, diff.value);
            for asset in &diff.value_per_token {
                out.extend_from_slice(asset.token_l1.as_bytes());
                out.extend_from_slice(asset.token_src_l2.as_bytes());
                out.extend_from_slice(asset.token_dst_l2.as_bytes());
                word(&mut out, asset.value);
            }
            for hash in &diff.message_hashes {
                out.extend_from_slice(hash.as_bytes());
            }
        }
        for (chain, digest) in &self.l2_in_digests {
            word(&mut out, (*chain).into());
            out.extend_from_slice(digest.as_bytes());
        }
        out
    }
}

/// What the execution of L1 blocks gives.
#[derive(Debug)]
pub struct L1Output {
    pub initial_state: H256,
    pub final_state: H256,
    pub last_block_hash: H256,
    pub chain_id: u64,
    pub transactions: u64,
}

impl L1Output {
    /// Five words of 32 bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(160);
        for hash in [self.initial_state, self.final_state, self.last_block_hash] {
            out.extend_from_slice(hash.as_bytes());
        }
        word(&mut out, self.chain_id.into());
        word(&mut out, self.transactions.into());
        out
    }
}

fn word(out: &mut Vec<u8>, value: U256) {
    out.extend_from_slice(&value.to_big_endian());
}
