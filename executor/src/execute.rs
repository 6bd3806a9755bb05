//! Execution of a batch, in the order of ethrex's guest program.

use crate::input::{L1Input, ProverInputData};
use crate::output::{L1Output, L2Output};
use crate::refusal::{Kind, Refusal};
use crate::{blob, messages, validate, witness};
use ethrex_common::{
    H256,
    types::{
        Block, BlockHeader, ChainConfig, ELASTICITY_MULTIPLIER, Receipt, Transaction,
        block_execution_witness::{ExecutionWitness, GuestProgramState, GuestProgramStateError},
        fee_config::FeeConfig,
    },
};
use ethrex_crypto::NativeCrypto;
use ethrex_vm::{Evm, EvmError, GuestProgramStateWrapper};
use std::sync::Arc;

/// What execution of the blocks showed, before it is put into an output.
pub struct Executed {
    pub initial_state: H256,
    pub final_state: H256,
    pub last_block_hash: H256,
    pub first_block: u64,
    pub last_block: u64,
    pub transactions: u64,
    pub gas: u64,
    pub chain_id: u64,
    pub receipts: Vec<Vec<Receipt>>,
}

/// Which rules apply: an L2 block's fees go where its fee config says.
enum Rules<'a> {
    L1,
    L2(&'a [FeeConfig]),
}

/// All seven steps for an L2 batch.
pub fn l2(input: ProverInputData) -> Result<(L2Output, Executed), Refusal> {
    let ProverInputData { blocks, execution_witness, elasticity_multiplier, blob_commitment, blob_proof, fee_configs } =
        input;

    if fee_configs.len() != blocks.len() {
        return Err(Refusal::new(
            Kind::Batch,
            format!("{} blocks, but {} fee configs", blocks.len(), fee_configs.len()),
        ));
    }
    let done = run(&blocks, execution_witness, elasticity_multiplier, &Rules::L2(&fee_configs))?;
    let digests = messages::digest(&blocks, &done.receipts, done.chain_id)?;
    let blob_versioned_hash = blob::check(&blocks, &fee_configs, blob_commitment, blob_proof)?;
    let privileged = |tx: &&Transaction| matches!(tx, Transaction::PrivilegedL2Transaction(_));
    let privileged_count = blocks.iter().flat_map(|b| &b.body.transactions).filter(privileged).count() as u64;
    let output = L2Output {
        initial_state: done.initial_state,
        final_state: done.final_state,
        l1_messages_root: digests.l1_messages_root,
        privileged_digest: digests.privileged,
        blob_versioned_hash,
        last_block_hash: done.last_block_hash,
        chain_id: done.chain_id,
        non_privileged_count: done.transactions - privileged_count,
        balance_diffs: digests.balance_diffs,
        l2_in_digests: digests.l2_in,
    };
    Ok((output, done))
}

/// L1 blocks: the same without fee configs, messages and blob.
pub fn l1(input: L1Input) -> Result<(L1Output, Executed), Refusal> {
    let done = run(&input.blocks, input.execution_witness, ELASTICITY_MULTIPLIER, &Rules::L1)?;
    let output = L1Output {
        initial_state: done.initial_state,
        final_state: done.final_state,
        last_block_hash: done.last_block_hash,
        chain_id: done.chain_id,
        transactions: done.transactions,
    };
    Ok((output, done))
}

fn run(blocks: &[Block], witness: ExecutionWitness, elasticity: u64, rules: &Rules) -> Result<Executed, Refusal> {
    let (first, last) = match (blocks.first(), blocks.last()) {
        (Some(first), Some(last)) => (&first.header, &last.header),
        _ => return Err(Refusal::new(Kind::Batch, "the batch has no blocks")),
    };
    if witness.first_block_number != first.number {
        return Err(Refusal::new(
            Kind::Batch,
            format!("the witness is for block {}, the first block is {}", witness.first_block_number, first.number),
        ));
    }
    witness::check(&witness)?;
    let config = witness.chain_config;
    let state = GuestProgramState::from_witness(witness, &NativeCrypto).map_err(|e| lacking(first.number, &e))?;
    links(&state, blocks)?;
    let mut parent = state.parent_block_header.clone();
    let initial_state = state.state_trie_root(&NativeCrypto).map_err(|e| lacking(first.number, &e))?;

    if initial_state != parent.state_root {
        return Err(Refusal::new(
            Kind::InitialState,
            format!(
                "block {}: state root of its parent {:#x}, of the witness {initial_state:#x}",
                first.number, parent.state_root
            ),
        ));
    }
    witness::check_storage(&state, first.number)?;
    let mut db = GuestProgramStateWrapper::new(state, Arc::new(NativeCrypto));
    let mut receipts = Vec::with_capacity(blocks.len());
    for (i, block) in blocks.iter().enumerate() {
        receipts.push(one_block(&mut db, block, &parent, &config, elasticity, rules, i)?);
        parent = block.header.clone();
    }
    Ok(Executed {
        initial_state,
        final_state: last.state_root,
        last_block_hash: last.compute_block_hash(&NativeCrypto),
        first_block: first.number,
        last_block: last.number,
        transactions: blocks.iter().map(|b| b.body.transactions.len() as u64).sum(),
        gas: blocks.iter().map(|b| b.header.gas_used).sum(),
        chain_id: config.chain_id,
        receipts,
    })
}

/// Each header of the witness is the parent of the next, and those with a block's number are that
/// block's: BLOCKHASH is answered from them.
fn links(state: &GuestProgramState, blocks: &[Block]) -> Result<(), Refusal> {
    let hashes: Vec<_> =
        state.block_headers.values().map(|h| (h.number, h.parent_hash, h.compute_block_hash(&NativeCrypto))).collect();

    for pair in hashes.windows(2) {
        let ((number, _, hash), (next, said, _)) = (&pair[0], &pair[1]);

        if *next != number + 1 {
            let gap = format!("the headers of the witness skip from block {number} to block {next}");
            return Err(Refusal::new(Kind::Links, gap));
        }
        if said != hash {
            return Err(Refusal::new(
                Kind::Links,
                format!(
                    "block {next}: its header in the witness names {said:#x} as its parent, but block {number} hashes to {hash:#x}"
                ),
            ));
        }
    }
    for block in blocks {
        let hash = block.header.compute_block_hash(&NativeCrypto);
        let number = block.header.number;

        if let Some((_, _, other)) = hashes.iter().find(|(n, _, h)| *n == number && *h != hash) {
            return Err(Refusal::new(
                Kind::Links,
                format!("block {number}: it hashes to {hash:#x}, its header in the witness to {other:#x}"),
            ));
        }
    }
    state
        .initialize_block_header_hashes(blocks, &NativeCrypto)
        .map_err(|e| Refusal::new(Kind::Links, format!("headers of the witness: {e}")))
}

fn one_block(
    db: &mut GuestProgramStateWrapper,
    block: &Block,
    parent: &BlockHeader,
    config: &ChainConfig,
    elasticity: u64,
    rules: &Rules,
    index: usize,
) -> Result<Vec<Receipt>, Refusal> {
    let number = block.header.number;

    match rules {
        Rules::L1 => validate::l1_transactions(block)?,
        Rules::L2(_) => validate::l2_withdrawals(block)?,
    }
    validate::body(block)?;
    validate::header(block, parent, config, elasticity)?;
    let mut vm = evm(db, rules, index, number)?;
    let (result, access_list) = vm.execute_block(block).map_err(|e| failed(db, block, rules, index, e))?;
    let updates = vm.get_state_transitions().map_err(|e| evm_error(number, None, &e))?;

    db.apply_account_updates(&updates).map_err(|e| lacking(number, &e))?;
    validate::result(block, config, &result, access_list.as_ref())?;
    state_root(db, &block.header)?;
    Ok(result.receipts)
}

/// The state after a block is its header's. ethrex's guest asks for that after the last one only; a node, whose chain
/// goes on from each block, after all.
fn state_root(db: &GuestProgramStateWrapper, header: &BlockHeader) -> Result<(), Refusal> {
    let executed = db.state_trie_root().map_err(|e| lacking(header.number, &e))?;
    let hex = |v| format!("{v:#x}");

    if executed == header.state_root {
        return Ok(());
    }
    Err(Refusal::differs(Kind::State, "state root", header.number, hex(header.state_root), hex(executed)))
}

fn evm(db: &GuestProgramStateWrapper, rules: &Rules, index: usize, number: u64) -> Result<Evm, Refusal> {
    let crypto = Arc::new(NativeCrypto);

    match rules {
        Rules::L1 => Ok(Evm::new_for_l1(db.clone(), crypto)),
        Rules::L2(configs) => {
            let config = configs
                .get(index)
                .ok_or_else(|| Refusal::new(Kind::Batch, format!("block {number} has no fee config")))?;
            Evm::new_for_l2(db.clone(), *config, crypto).map_err(|e| evm_error(number, None, &e))
        }
    }
}

/// Names the transaction at which the block failed. The crate does not say; since the state is
/// written only after a whole block, the block's transactions can be tried again one by one.
fn failed(db: &GuestProgramStateWrapper, block: &Block, rules: &Rules, index: usize, e: EvmError) -> Refusal {
    let number = block.header.number;
    let Ok(mut vm) = evm(db, rules, index, number) else {
        return evm_error(number, None, &e);
    };
    let Ok(transactions) = block.body.get_transactions_with_sender(&NativeCrypto) else {
        return evm_error(number, None, &e);
    };
    let mut gas = 0;

    if matches!(rules, Rules::L1) && vm.apply_system_calls(&block.header).is_err() {
        return evm_error(number, None, &e);
    }
    for (i, (tx, sender)) in transactions.into_iter().enumerate() {
        let over = tx.gas_limit() > block.header.gas_limit.saturating_sub(gas);

        if over || vm.execute_tx(tx, &block.header, &mut gas, sender).is_err() {
            return evm_error(number, Some((i, tx.hash(&NativeCrypto))), &e);
        }
    }
    evm_error(number, None, &e)
}

fn evm_error(block: u64, transaction: Option<(usize, H256)>, e: &EvmError) -> Refusal {
    let lacks = match e {
        EvmError::DB(_) => true,
        // What the EVM passes on from its database, whose type is lost on the way.
        EvmError::Custom(words) => words.contains("atabase"),
        _ => false,
    };
    let at = transaction.map_or(String::new(), |(i, hash)| format!(", transaction {i} ({hash:#x})"));
    let kind = if lacks { Kind::Witness } else { Kind::Transaction };

    Refusal::new(kind, format!("block {block}{at}: {e}"))
}

fn lacking(block: u64, e: &GuestProgramStateError) -> Refusal {
    Refusal::new(Kind::Witness, format!("block {block}: the witness does not suffice: {e}"))
}
