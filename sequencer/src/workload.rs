//! What the devnet's users do: a few kinds of transaction in each block, and load on request.
use bytes::Bytes;
use ethrex_common::types::{EIP1559Transaction, Transaction, TxKind};
use ethrex_common::utils::keccak;
use ethrex_common::{Address, U256};
use ethrex_l2_common::messages::BRIDGE_ADDRESS;
use ethrex_rlp::encode::PayloadRLPEncode;
use secp256k1::{Message, SECP256K1, SecretKey};

use crate::Error;

/// Account 0 of the mnemonic that every anvil starts with: public, worth nothing elsewhere.
const USER_KEY: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const MAX_FEE: u64 = 10_000_000_000;
const SLOTS_PER_CALL: u64 = 50;
/// An instruction that is none: creation code of nothing, which takes all the gas there is.
const INVALID: &[u8] = &[0xfe];

pub struct User {
    key: SecretKey,
    pub address: Address,
    chain_id: u64,
    pub nonce: u64,
}

/// A function's selector and its arguments, each of one word.
fn call(signature: &str, words: &[U256]) -> Bytes {
    let mut data = keccak(signature).0[..4].to_vec();
    for word in words {
        data.extend(word.to_big_endian());
    }
    data.into()
}

fn word(address: Address) -> U256 {
    U256::from_big_endian(address.as_bytes())
}

impl User {
    pub fn new(chain_id: u64) -> Result<Self, Error> {
        let key: SecretKey = USER_KEY.parse()?;
        let public = key.public_key(SECP256K1).serialize_uncompressed();
        let address = Address::from_slice(&keccak(&public[1..]).0[12..]);
        Ok(Self { key, address, chain_id, nonce: 0 })
    }

    fn sign(&mut self, to: TxKind, value: U256, data: Bytes, gas_limit: u64) -> Transaction {
        let mut tx = EIP1559Transaction {
            chain_id: self.chain_id,
            nonce: self.nonce,
            max_priority_fee_per_gas: 1,
            max_fee_per_gas: MAX_FEE,
            gas_limit,
            to,
            value,
            data,
            ..Default::default()
        };
        let mut payload = vec![2];
        tx.encode_payload(&mut payload);
        let digest = Message::from_digest(keccak(payload).0);
        let (recovery, signature) = SECP256K1.sign_ecdsa_recoverable(&digest, &self.key).serialize_compact();
        tx.signature_y_parity = i32::from(recovery) == 1;
        tx.signature_r = U256::from_big_endian(&signature[..32]);
        tx.signature_s = U256::from_big_endian(&signature[32..]);
        self.nonce += 1;
        Transaction::EIP1559Transaction(tx)
    }

    fn to(&mut self, to: Address, value: u64, data: Bytes, gas_limit: u64) -> Transaction {
        self.sign(TxKind::Call(to), U256::from(value), data, gas_limit)
    }

    /// Address of the contract that the first transaction of this user creates.
    pub fn token(&self) -> Address {
        // RLP of (address, 0).
        let preimage = [&[0xd6, 0x94], self.address.as_bytes(), &[0x80]].concat();
        Address::from_slice(&keccak(preimage).0[12..])
    }

    pub fn create_token(&mut self, code: Bytes) -> Transaction {
        self.sign(TxKind::Create, U256::zero(), code, 2_000_000)
    }

    /// A transfer, a token transfer and one that reverts; `load` calls that touch much state.
    pub fn usual(&mut self, block: u64, load: u64) -> Vec<Transaction> {
        let token = self.token();
        let somebody = Address::from_low_u64_be(0x1000 + block % 64);
        let transfer = "transfer(address,uint256)";
        let mut all = vec![
            self.to(somebody, 1000 + block, Bytes::new(), 21_000),
            self.to(token, 0, call(transfer, &[word(somebody), U256::from(block)]), 100_000),
            self.to(token, 0, call(transfer, &[word(somebody), U256::MAX]), 100_000),
        ];
        for i in 0..load {
            let seed = U256::from(block * 1000 + i);
            let data = call("scatter(uint256,uint256)", &[seed, U256::from(SLOTS_PER_CALL)]);
            all.push(self.to(token, 0, data, 2_000_000));
        }
        all
    }

    /// Uses exactly this much gas.
    pub fn use_up(&mut self, gas: u64) -> Transaction {
        self.sign(TxKind::Create, U256::zero(), Bytes::from_static(INVALID), gas)
    }

    /// A withdrawal of `wei` to this user's own address on L1.
    pub fn withdraw(&mut self, wei: u64) -> Transaction {
        let data = call("withdraw(address)", &[word(self.address)]);
        self.to(BRIDGE_ADDRESS, wei, data, 200_000)
    }
}
