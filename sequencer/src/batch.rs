//! Batches: blocks, what L1 is told of them, and the input that a prover gets.
use ethrex_common::types::blobs_bundle::{BlobsBundle, blob_from_bytes};
use ethrex_common::types::{Block, PrivilegedL2Transaction, Receipt, Transaction, TxKind};
use ethrex_common::{Address, H256, U256};
use ethrex_l2_common::merkle_tree::{compute_merkle_proof, compute_merkle_root};
use ethrex_l2_common::messages::{get_block_l1_messages, get_l1_message_hash};
use ethrex_l2_common::privileged_transactions::{
    PRIVILEGED_TX_BUDGET, compute_privileged_transactions_hash, get_block_l1_in_messages,
};
use ethrex_l2_common::prover::ProverInputData;
use ethrex_rlp::encode::RLPEncode;
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::chain::{Chain, ELASTICITY, Hex};
use crate::workload::User;

const MAX_FEE: u64 = 10_000_000_000;

/// What the blocks hold.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    Usual,
    /// Deposits alone.
    None,
    /// The usual ones, and one that uses up what gas is left.
    Full,
}

impl std::str::FromStr for Kind {
    type Err = Error;

    fn from_str(word: &str) -> Result<Self, Error> {
        match word {
            "usual" => Ok(Self::Usual),
            "none" => Ok(Self::None),
            "full" => Ok(Self::Full),
            _ => Err(format!("--transactions {word} is none of usual, none, full").into()),
        }
    }
}

pub struct Settings {
    pub blocks: u64,
    pub transactions: Kind,
    pub load: u64,
    pub rollup: bool,
}

/// A PrivilegedTxSent of the L1 bridge.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Deposit {
    from: Address,
    to: Address,
    transaction_id: u64,
    value: U256,
    gas_limit: u64,
    data: Hex,
}

#[derive(Deserialize)]
pub struct Request {
    batch: u64,
    deposits: Vec<Deposit>,
}

/// What the receiver of a withdrawal says to the L1 bridge.
#[derive(Serialize)]
pub struct Withdrawal {
    receiver: Address,
    amount: u64,
    id: U256,
    proof: Vec<H256>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    batch: u64,
    first_block: u64,
    last_block: u64,
    transactions: usize,
    initial_state_root: H256,
    state_root: H256,
    withdrawals_root: H256,
    privileged_digest: H256,
    last_block_hash: H256,
    non_privileged: usize,
    withdrawals: Vec<Withdrawal>,
    #[serde(flatten)]
    carried: Carried,
}

/// What a rollup's batch has on L1; nothing of a validium's.
#[derive(Serialize, Default)]
#[serde(rename_all = "camelCase")]
pub struct Carried {
    blob: Option<BlobsBundle>,
    versioned_hash: H256,
}

pub struct Builder {
    chain: Chain,
    user: Option<User>,
    token_code: bytes::Bytes,
    settings: Settings,
    batches: u64,
}

impl Builder {
    pub fn new(chain: Chain, token_code: bytes::Bytes, settings: Settings) -> Self {
        Self { chain, user: None, token_code, settings, batches: 0 }
    }

    /// The next batch; the request says which one it takes that to be.
    pub async fn next(&mut self, request: &Request) -> Result<(Summary, ProverInputData), Error> {
        let (wanted, number) = (request.batch, self.batches + 1);
        if wanted != number {
            return Err(format!("batch {wanted} was asked for, batch {number} comes next").into());
        }
        if request.deposits.len() as u64 > PRIVILEGED_TX_BUDGET {
            let count = request.deposits.len();
            return Err(format!("batch {number}: {count} deposits, at most {PRIVILEGED_TX_BUDGET} fit").into());
        }
        let initial = self.chain.head.header.state_root;
        let mut user = match self.user.take() {
            Some(user) => user,
            None => User::new(self.chain.chain_id)?,
        };
        let amount = 1_000_000 + number;
        let (mut blocks, mut receipts) = (Vec::new(), Vec::new());
        for i in 0..self.settings.blocks {
            let mut transactions = Vec::new();
            if i == 0 {
                transactions.extend(request.deposits.iter().map(|d| d.transaction(self.chain.chain_id)));
            }
            user.nonce = self.chain.nonce(user.address).await?;
            if self.settings.transactions != Kind::None {
                if user.nonce == 0 {
                    transactions.push(user.create_token(self.token_code.clone()));
                }
                transactions.extend(user.usual(self.chain.head.header.number + 1, self.settings.load));
                if i + 1 == self.settings.blocks {
                    transactions.push(user.withdraw(amount));
                }
            }
            let full = self.settings.transactions == Kind::Full;
            let last = |gas| full.then(|| user.use_up(gas));
            let (block, of_block) = self.chain.extend(transactions, last).await?;
            blocks.push(block);
            receipts.extend(of_block);
        }
        let receiver = user.address;
        self.user = Some(user);
        self.batches = number;
        let mut input = self.input(blocks).await?;
        let mut summary = self.summary(&input, &receipts, receiver, amount)?;
        summary.initial_state_root = initial;
        if self.settings.rollup {
            let bundle = blob_of(&input)?;
            input.blob_commitment = bundle.commitments[0];
            input.blob_proof = bundle.proofs[0];
            summary.carried = bundle.into();
        }
        Ok((summary, input))
    }

    async fn input(&self, blocks: Vec<Block>) -> Result<ProverInputData, Error> {
        let fee_configs = vec![self.chain.fee_config; blocks.len()];
        let blockchain = &self.chain.blockchain;
        let execution_witness =
            blockchain.generate_witness_for_blocks_with_fee_configs(&blocks, Some(&fee_configs)).await?;
        Ok(ProverInputData {
            blocks,
            execution_witness,
            elasticity_multiplier: ELASTICITY,
            blob_commitment: [0; 48],
            blob_proof: [0; 48],
            fee_configs,
        })
    }

    fn summary(
        &self,
        input: &ProverInputData,
        receipts: &[Receipt],
        receiver: Address,
        amount: u64,
    ) -> Result<Summary, Error> {
        let transactions: Vec<Transaction> =
            input.blocks.iter().flat_map(|block| block.body.transactions.clone()).collect();
        let inbound = get_block_l1_in_messages(&transactions, self.chain.chain_id);
        let hashes = inbound.iter().filter_map(|tx| tx.get_privileged_hash()).collect();
        let messages = get_block_l1_messages(receipts);
        let leaves: Vec<H256> = messages.iter().map(get_l1_message_hash).collect();
        let mut withdrawals = Vec::new();
        if self.settings.transactions != Kind::None {
            // The user's own is the last message; others come from deposits that were refused.
            let last = leaves.len().checked_sub(1).ok_or("the withdrawal left no message")?;
            withdrawals.push(Withdrawal {
                receiver,
                amount,
                id: messages[last].message_id,
                proof: compute_merkle_proof(&leaves, last).unwrap_or_default(),
            });
        }
        let header = &self.chain.head.header;
        Ok(Summary {
            batch: self.batches,
            first_block: header.number + 1 - self.settings.blocks,
            last_block: header.number,
            transactions: transactions.len(),
            initial_state_root: H256::zero(),
            state_root: header.state_root,
            withdrawals_root: compute_merkle_root(&leaves),
            privileged_digest: compute_privileged_transactions_hash(hashes)?,
            last_block_hash: self.chain.head.hash(),
            non_privileged: transactions.len() - inbound.len(),
            withdrawals,
            carried: Carried::default(),
        })
    }
}

impl Carried {
    /// Of the batch whose input this is.
    pub fn of(input: &ProverInputData) -> Result<Self, Error> {
        Ok(blob_of(input)?.into())
    }
}

impl From<BlobsBundle> for Carried {
    /// One blob.
    fn from(bundle: BlobsBundle) -> Self {
        Self { versioned_hash: bundle.generate_versioned_hashes()[0], blob: Some(bundle) }
    }
}

impl Deposit {
    fn transaction(&self, chain_id: u64) -> Transaction {
        Transaction::PrivilegedL2Transaction(PrivilegedL2Transaction {
            chain_id,
            nonce: self.transaction_id,
            max_priority_fee_per_gas: MAX_FEE,
            max_fee_per_gas: MAX_FEE,
            gas_limit: self.gas_limit,
            to: TxKind::Call(self.to),
            value: self.value,
            data: self.data.0.clone(),
            from: self.from,
            ..Default::default()
        })
    }
}

/// What a rollup's blob holds: number of blocks, blocks, fee configs.
fn blob_of(input: &ProverInputData) -> Result<BlobsBundle, Error> {
    let mut data = (input.blocks.len() as u64).to_be_bytes().to_vec();
    for block in &input.blocks {
        block.encode(&mut data);
    }
    for fee_config in &input.fee_configs {
        data.extend(fee_config.to_vec());
    }
    let blob = blob_from_bytes(data.into())?;
    Ok(BlobsBundle::create_from_blobs(&vec![blob], None)?)
}
