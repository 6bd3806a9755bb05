//! The blob of a batch: what the sequencer posts on L1 so that anyone can rebuild the blocks.

use crate::refusal::{Kind, Refusal};
use ethrex_common::{
    H256,
    types::{Block, blobs_bundle::blob_from_bytes, fee_config::FeeConfig, kzg_commitment_to_versioned_hash},
};
use ethrex_rlp::encode::RLPEncode;
use kzg_rs::{Blob, Bytes48, KzgProof, get_kzg_settings};

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
    let last = blocks.last().map_or(0, |b| b.header.number);
    let bytes = contents(blocks, fee_configs);
    let length = bytes.len();
    let blob = blob_from_bytes(bytes.into()).map_err(|e| {
        Refusal::new(
            Kind::Blob,
            format!(
                "block {last}: {length} bytes of the {} blocks up to it do not fit into one blob: {e}",
                blocks.len()
            ),
        )
    })?;
    // c-kzg would first check and transform the whole trusted setup, for more than a second; one proof needs
    // two points of it.
    let right = KzgProof::verify_blob_kzg_proof(Blob(blob), &Bytes48(commitment), &Bytes48(proof), &get_kzg_settings())
        .map_err(|e| {
            Refusal::new(
                Kind::Blob,
                format!(
                    "block {last}: the blob's KZG proof cannot be verified: {e}: commitment {}, proof {}",
                    hex(&commitment),
                    hex(&proof)
                ),
            )
        })?;
    let hash = kzg_commitment_to_versioned_hash(&commitment);
    if !right {
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

fn hex(point: &[u8; 48]) -> String {
    point.iter().fold("0x".into(), |text, byte| text + &format!("{byte:02x}"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use ethrex_common::types::{BlockBody, BlockHeader};

    const INFINITY: u8 = 0xc0;
    const COMPRESSED: u8 = 0x80;

    fn block(number: u64) -> Block {
        Block::new(BlockHeader { number, ..Default::default() }, BlockBody::default())
    }

    /// A compressed point: flags, and a small x.
    fn point(flags: u8, x: u8) -> [u8; 48] {
        let mut bytes = [0; 48];
        (bytes[0], bytes[47]) = (flags, x);
        bytes
    }

    #[test]
    fn two_implementations_agree() {
        let theirs = c_kzg::ethereum_kzg_settings(0);
        let fees = [FeeConfig::default()];
        let blocks = [[block(1)], [block(2)]];
        let mut points = vec![point(INFINITY, 0), point(COMPRESSED, 0), point(0, 1), [0xff; 48]];
        // Of the curve or not, but of none of these its subgroup.
        points.extend((1..9).map(|x| point(COMPRESSED, x)));
        let blobs = blocks.each_ref().map(|blocks| {
            let blob = c_kzg::Blob::new(blob_from_bytes(contents(blocks, &fees).into()).expect("it fits"));
            let commitment = theirs.blob_to_kzg_commitment(&blob).expect("a commitment").to_bytes();
            let proof = theirs.compute_blob_kzg_proof(&blob, &commitment).expect("a proof").to_bytes();
            points.extend([commitment.into_inner(), proof.into_inner()]);
            blob
        });
        let mut seen = [0; 3];

        for (blocks, blob) in blocks.iter().zip(&blobs) {
            for (commitment, proof) in points.iter().flat_map(|c| points.iter().map(move |p| (*c, *p))) {
                let said = check(blocks, &fees, commitment, proof).map_err(|r| r.to_string());
                let (kind, words) = match theirs.verify_blob_kzg_proof(blob, &commitment.into(), &proof.into()) {
                    Ok(true) => (0, ""),
                    Ok(false) => (1, "its KZG proof is wrong"),
                    Err(_) => (2, "the blob's KZG proof cannot be verified"),
                };

                seen[kind] += 1;
                match said {
                    Ok(hash) => assert!(kind == 0 && hash == kzg_commitment_to_versioned_hash(&commitment)),
                    Err(said) => assert!(kind > 0 && said.contains(words), "{commitment:?} {proof:?}: {said}"),
                }
            }
        }
        assert_eq!(seen[0], 2);
        assert!(seen[1] > 20 && seen[2] > 100, "{seen:?}");
    }
}
