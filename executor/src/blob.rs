//! The blob of a batch: what the sequencer posts on L1 so that anyone can rebuild the blocks.

use crate::refusal::{Kind, Refusal};
use ethrex_common::{
    H256,
    types::{Block, blobs_bundle::blob_from_bytes, fee_config::FeeConfig, kzg_commitment_to_versioned_hash},
};
use ethrex_rlp::encode::RLPEncode;

/// No table of precomputed points: one proof is verified, and the table takes longer than that.
const PRECOMPUTE: u64 = 0;

/// The versioned hash of the blob, which must hold these blocks; zero when the batch is a
/// validium's, where commitment and proof are zero.
pub fn check(
    blocks: &[Block],
    fee_configs: &[FeeConfig],
    commitment: [u8; 48],
    proof: [u8; 48],
) -> Result<H256, Refusal> {
    if commitment == [0; 48] && proof == [0; 48] {
        return Ok(H256::zero());
    }
    let bytes = contents(blocks, fee_configs);
    let length = bytes.len();
    let blob = blob_from_bytes(bytes.into())
        .map_err(|e| Refusal::new(Kind::Blob, format!("{length} bytes of blocks do not fit into one blob: {e}")))?;
    let right = c_kzg::ethereum_kzg_settings(PRECOMPUTE)
        .verify_blob_kzg_proof(&blob.into(), &commitment.into(), &proof.into())
        .map_err(|e| Refusal::new(Kind::Blob, format!("the blob's KZG proof cannot be verified: {e:?}")))?;
    let hash = kzg_commitment_to_versioned_hash(&commitment);
    if !right {
        let last = blocks.last().map_or(0, |b| b.header.number);
        return Err(Refusal::new(
            Kind::Blob,
            format!(
                "block {last}: the blob with versioned hash {hash:#x} is not that of the {} blocks up to it: its KZG proof is wrong",
                blocks.len()
            ),
        ));
    }
    Ok(hash)
}

/// Number of blocks (8 bytes, big endian), the RLP of each, each fee config.
fn contents(blocks: &[Block], fee_configs: &[FeeConfig]) -> Vec<u8> {
    let mut out = (blocks.len() as u64).to_be_bytes().to_vec();
    for block in blocks {
        block.encode(&mut out);
    }
    for config in fee_configs {
        out.extend(config.to_vec());
    }
    out
}
