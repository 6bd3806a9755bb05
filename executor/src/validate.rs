//! The checks around one block, each refusal with the two values that differ.

use crate::refusal::{Kind, Refusal, computed};
use ethrex_common::types::block_access_list::BlockAccessList;
use ethrex_common::{
    Bloom,
    constants::EMPTY_WITHDRAWALS_HASH,
    errors::InvalidBlockError,
    types::{
        Block, BlockHeader, ChainConfig, INITIAL_BASE_FEE, InvalidBlockBodyError, InvalidBlockHeaderError, Receipt,
        calculate_base_fee_per_gas, compute_receipts_root_and_logs_bloom, compute_transactions_root,
        compute_withdrawals_root,
        requests::{EncodedRequests, Requests, compute_requests_hash},
        validate_block_body,
    },
    validation::{validate_block_access_list_hash, validate_block_pre_execution},
};
use ethrex_crypto::NativeCrypto;
use ethrex_vm::BlockExecutionResult;

/// Transactions and withdrawals are those that the header commits to. Sequencers up to early 2026
/// leave the list of withdrawals out of a body whose header commits to the empty one, which the
/// crate no longer takes: it is the same block, and the one that their blobs hold.
pub fn body(block: &Block) -> Result<(), Refusal> {
    let (header, number) = (&block.header, block.header.number);

    let left_out = block.body.withdrawals.is_none() && header.withdrawals_root == Some(*EMPTY_WITHDRAWALS_HASH);
    let Err(e) = validate_block_body(header, &block.body, &NativeCrypto) else {
        return Ok(());
    };
    Err(match e {
        // The crate looks at withdrawals last: all else was right.
        InvalidBlockBodyError::WithdrawalsRootNotMatch if left_out => return Ok(()),
        InvalidBlockBodyError::TransactionsRootNotMatch => Refusal::new(
            Kind::Body,
            format!(
                "block {number}: transactions root of the header {:#x}, of the {} transactions of its body {:#x}",
                header.transactions_root,
                block.body.transactions.len(),
                compute_transactions_root(&block.body.transactions, &NativeCrypto)
            ),
        ),
        InvalidBlockBodyError::WithdrawalsRootNotMatch => Refusal::new(
            Kind::Body,
            format!(
                "block {number}: withdrawals root of the header {}, of its body {}",
                or_none(header.withdrawals_root.map(|r| format!("{r:#x}"))),
                or_none(
                    block
                        .body
                        .withdrawals
                        .as_ref()
                        .map(|w| format!("{:#x}", compute_withdrawals_root(w, &NativeCrypto)))
                )
            ),
        ),
        other => Refusal::new(Kind::Body, format!("block {number}: {other}: {} ommers", block.body.ommers.len())),
    })
}

/// L1 knows no transactions of L2s: the sender of a privileged one is who it says, without a signature.
pub fn l1_transactions(block: &Block) -> Result<(), Refusal> {
    match block.body.transactions.iter().enumerate().find(|(_, tx)| tx.tx_type().is_l2_only()) {
        Some((i, tx)) => Err(Refusal::new(
            Kind::Transaction,
            format!(
                "block {}, transaction {i} ({:#x}): its type 0x{:02x} is none of L1's",
                block.header.number,
                tx.hash(&NativeCrypto),
                tx.tx_type() as u8
            ),
        )),
        None => Ok(()),
    }
}

/// Withdrawals of validators are ether from nowhere where there are none. The crates give it to whom they name, on L2
/// as on L1; ethrex's sequencer puts none into its blocks.
pub fn l2_withdrawals(block: &Block) -> Result<(), Refusal> {
    match block.body.withdrawals.iter().flatten().next() {
        Some(first) => Err(Refusal::new(
            Kind::Body,
            format!(
                "block {}: withdrawals of validators, of whom an L2 has none: {} gwei to {:#x}",
                block.header.number, first.amount, first.address
            ),
        )),
        None => Ok(()),
    }
}

/// The header may follow its parent's.
pub fn header(block: &Block, parent: &BlockHeader, config: &ChainConfig, elasticity: u64) -> Result<(), Refusal> {
    // The crates divide by it.
    if elasticity == 0 {
        return Err(Refusal::new(Kind::Batch, "the elasticity multiplier is 0"));
    }
    let what = format!(
        "block {}: what its header should say cannot be computed, with elasticity multiplier {elasticity}",
        block.header.number
    );
    let valid = computed(Kind::Header, &what, || validate_block_pre_execution(block, parent, config, elasticity))?;
    valid.map_err(|e| {
        let values = match &e {
            InvalidBlockError::InvalidHeader(e) => header_values(e, &block.header, parent, elasticity),
            _ => String::new(),
        };
        Refusal::new(Kind::Header, format!("block {}: {e}{values}", block.header.number))
    })
}

/// The two values behind the crate's words, where there are two.
fn header_values(e: &InvalidBlockHeaderError, header: &BlockHeader, parent: &BlockHeader, elasticity: u64) -> String {
    use InvalidBlockHeaderError as E;
    let pair = |a: &dyn std::fmt::Display, b: &dyn std::fmt::Display| format!(": {a} in the header, {b}");

    match e {
        E::GasUsedGreaterThanGasLimit => pair(&header.gas_used, &format!("the limit is {}", header.gas_limit)),
        E::GasLimitTooFarFromParent => pair(&header.gas_limit, &format!("the parent has {}", parent.gas_limit)),
        E::BaseFeePerGasIncorrect => {
            let expected = calculate_base_fee_per_gas(
                header.gas_limit,
                parent.gas_limit,
                parent.gas_used,
                parent.base_fee_per_gas.unwrap_or(INITIAL_BASE_FEE),
                elasticity,
            );
            pair(
                &or_none(header.base_fee_per_gas.map(|v| v.to_string())),
                &format!("the parent asks for {}", or_none(expected.map(|v| v.to_string()))),
            )
        }
        E::TimestampNotGreaterThanParent => pair(&header.timestamp, &format!("the parent has {}", parent.timestamp)),
        E::BlockNumberNotOneGreater => pair(&header.number, &format!("the parent has {}", parent.number)),
        E::ParentHashIncorrect => {
            pair(&format!("{:#x}", header.parent_hash), &format!("the parent hashes to {:#x}", parent.hash()))
        }
        _ => String::new(),
    }
}

/// What execution gave is what the header says: gas, receipts, bloom, requests, access list.
pub fn result(
    block: &Block,
    config: &ChainConfig,
    result: &BlockExecutionResult,
    access_list: Option<&BlockAccessList>,
) -> Result<(), Refusal> {
    let (header, number) = (&block.header, block.header.number);

    if result.block_gas_used != header.gas_used {
        return Err(Refusal::differs(Kind::Gas, "gas used", number, header.gas_used, result.block_gas_used));
    }
    receipts(header, &result.receipts)?;
    requests(header, config, &result.requests)?;
    match access_list {
        Some(list) => self::access_list(block, config, list),
        None => Ok(()),
    }
}

fn access_list(block: &Block, config: &ChainConfig, list: &BlockAccessList) -> Result<(), Refusal> {
    let (header, number) = (&block.header, block.header.number);

    validate_block_access_list_hash(header, config, list, block.body.transactions.len(), &NativeCrypto).map_err(|e| {
        match e {
            InvalidBlockError::BlockAccessListHashMismatch => Refusal::differs(
                Kind::Receipts,
                "hash of the access list",
                number,
                or_none(header.block_access_list_hash.map(|h| format!("{h:#x}"))),
                format!("{:#x}", list.compute_hash(&NativeCrypto)),
            ),
            other => Refusal::new(Kind::Receipts, format!("block {number}: {other}")),
        }
    })
}

fn receipts(header: &BlockHeader, receipts: &[Receipt]) -> Result<(), Refusal> {
    let (root, bloom) = compute_receipts_root_and_logs_bloom(receipts, &NativeCrypto);
    let hex = |v: ethrex_common::H256| format!("{v:#x}");

    if root != header.receipts_root {
        return Err(Refusal::differs(
            Kind::Receipts,
            "receipts root",
            header.number,
            hex(header.receipts_root),
            hex(root),
        ));
    }
    if let Some(at) = bloom.0.iter().zip(&header.logs_bloom.0).position(|(a, b)| a != b) {
        return Err(Refusal::differs(
            Kind::Bloom,
            "logs bloom",
            header.number,
            excerpt(&header.logs_bloom, at),
            excerpt(&bloom, at),
        ));
    }
    Ok(())
}

/// Of 256 bytes those that tell, from the first that differs.
fn excerpt(bloom: &Bloom, at: usize) -> String {
    let hex: String = bloom.0[at..].iter().take(32).map(|byte| format!("{byte:02x}")).collect();

    format!("0x{hex} (from byte {at})")
}

fn requests(header: &BlockHeader, config: &ChainConfig, requests: &[Requests]) -> Result<(), Refusal> {
    if !config.is_prague_activated(header.timestamp) {
        return Ok(());
    }
    let encoded: Vec<EncodedRequests> = requests.iter().map(|r| r.encode()).collect();
    let hash = compute_requests_hash(&encoded);

    if header.requests_hash == Some(hash) {
        return Ok(());
    }
    Err(Refusal::differs(
        Kind::Requests,
        "requests hash",
        header.number,
        or_none(header.requests_hash.map(|h| format!("{h:#x}"))),
        format!("{hash:#x}"),
    ))
}

fn or_none(value: Option<String>) -> String {
    value.unwrap_or_else(|| "none".into())
}
