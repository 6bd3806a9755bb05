//! The L2 itself: a store in memory, and blocks with given transactions on top of it.
use std::sync::Arc;

use ethrex_blockchain::payload::{BuildPayloadArgs, HeadTransaction, PayloadBuildContext, create_payload};
use ethrex_blockchain::{Blockchain, BlockchainOptions, BlockchainType, L2Config};
use ethrex_common::types::fee_config::FeeConfig;
use ethrex_common::types::{Block, Genesis, MempoolTransaction, Receipt, Transaction};
use ethrex_common::{Address, H256, NativeCrypto, U256};
use ethrex_storage::{EngineType, Store};
use serde::Deserialize;

use crate::Error;

pub const ELASTICITY: u64 = 2;
const BLOCK_SECONDS: u64 = 12;
const PAYLOAD_VERSION: u8 = 3;

/// Bytes as `0x…`.
#[derive(Deserialize, Clone)]
pub struct Hex(#[serde(with = "ethrex_common::serde_utils::bytes")] pub bytes::Bytes);

#[derive(Deserialize)]
pub struct Setup {
    pub genesis: Genesis,
    pub token: Hex,
}

pub struct Chain {
    pub store: Store,
    pub blockchain: Arc<Blockchain>,
    pub fee_config: FeeConfig,
    pub chain_id: u64,
    pub head: Block,
    gas_limit: u64,
}

impl Chain {
    pub async fn new(genesis: Genesis) -> Result<Self, Error> {
        let mut store = Store::new("", EngineType::InMemory)?;
        let (head, chain_id) = (genesis.get_block(), genesis.config.chain_id);
        store.add_initial_state(genesis).await?;
        let options = BlockchainOptions { r#type: BlockchainType::L2(L2Config::default()), ..Default::default() };
        let blockchain = Arc::new(Blockchain::new(store.clone(), options));
        let gas_limit = head.header.gas_limit;
        Ok(Self { store, blockchain, fee_config: FeeConfig::default(), chain_id, head, gas_limit })
    }

    pub async fn nonce(&self, address: Address) -> Result<u64, Error> {
        let account = self.store.get_account_info(self.head.header.number, address).await?;
        Ok(account.map_or(0, |account| account.nonce))
    }

    /// Adds a block of these transactions, in this order; one that cannot be included is an error. The
    /// last one is made when it is known how much gas is left for it.
    pub async fn extend(
        &mut self,
        transactions: Vec<Transaction>,
        last: impl FnOnce(u64) -> Option<Transaction>,
    ) -> Result<(Block, Vec<Receipt>), Error> {
        let args = BuildPayloadArgs {
            parent: self.head.hash(),
            timestamp: self.head.header.timestamp + BLOCK_SECONDS,
            fee_recipient: Address::zero(),
            random: H256::zero(),
            withdrawals: Some(Vec::new()),
            beacon_root: Some(H256::zero()),
            slot_number: None,
            version: PAYLOAD_VERSION,
            elasticity_multiplier: ELASTICITY,
            gas_ceil: self.gas_limit,
        };
        let payload = create_payload(&args, &self.store, bytes::Bytes::new())?;
        let kind = &self.blockchain.options.r#type;
        let mut context = PayloadBuildContext::new(payload, &self.store, kind)?;
        // Not build_payload: it asks for requests, which an L2 has none of and its EVM refuses.
        for transaction in transactions {
            self.include(transaction, &mut context)?;
        }
        if let Some(transaction) = last(context.remaining_gas) {
            self.include(transaction, &mut context)?;
        }
        self.blockchain.finalize_payload(&mut context)?;

        let block = context.payload;
        self.blockchain.add_block(block.clone())?;
        let (number, hash) = (block.header.number, block.hash());
        self.store.forkchoice_update(vec![], number, hash, None, None).await?;
        self.head = block.clone();
        Ok((block, context.receipts))
    }

    fn include(&self, transaction: Transaction, context: &mut PayloadBuildContext) -> Result<(), Error> {
        let sender = transaction.sender(&NativeCrypto)?;
        let tx = MempoolTransaction::new(transaction, sender);
        Ok(self.blockchain.apply_tx_to_payload(HeadTransaction { tx, tip: U256::zero() }, context)?)
    }
}
