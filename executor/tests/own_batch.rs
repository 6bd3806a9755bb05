//! A batch that is made here, with the state that it must lead to worked out by hand: no vectors are
//! needed for it.

mod common;

use bytes::Bytes;
use common::{execute, refused};
use ethrex_common::{
    Address, H256, U256,
    constants::{DEFAULT_OMMERS_HASH, DEFAULT_REQUESTS_HASH, EMPTY_WITHDRAWALS_HASH},
    types::{
        AccountState, Block, BlockBody, BlockHeader, PrivilegedL2Transaction, Receipt, Transaction, TxKind, TxType,
        Withdrawal, calculate_base_fee_per_gas, compute_receipts_root_and_logs_bloom, compute_transactions_root,
        compute_withdrawals_root,
    },
    utils::keccak,
};
use ethrex_crypto::NativeCrypto;
use ethrex_rlp::{decode::RLPDecode, encode::RLPEncode};
use ethrex_trie::Trie;
use serde_json::{Value, json};

const CHAIN_ID: u64 = 65_536_999;
const GAS_LIMIT: u64 = 30_000_000;
const TRANSFER_GAS: u64 = 21_000;
const ETHER: u64 = 1_000_000_000_000_000_000;

fn bridge() -> Address {
    Address::from_low_u64_be(0xffff)
}

fn receiver() -> Address {
    Address::from_low_u64_be(0xabcdef)
}

/// Accounts and their balances.
fn state(accounts: &[(Address, u64)]) -> Trie {
    let mut trie = Trie::new_temp();

    for (address, balance) in accounts {
        let account = AccountState { balance: U256::from(*balance), ..Default::default() };
        trie.insert(keccak(address).as_bytes().to_vec(), account.encode_to_vec()).expect("a trie");
    }
    trie
}

fn header(number: u64, parent_hash: H256, base_fee: u64, state_root: H256) -> BlockHeader {
    BlockHeader {
        number,
        parent_hash,
        state_root,
        ommers_hash: *DEFAULT_OMMERS_HASH,
        gas_limit: GAS_LIMIT,
        timestamp: 1_700_000_000 + number,
        base_fee_per_gas: Some(base_fee),
        withdrawals_root: Some(*EMPTY_WITHDRAWALS_HASH),
        blob_gas_used: Some(0),
        excess_blob_gas: Some(0),
        parent_beacon_block_root: Some(H256::zero()),
        requests_hash: Some(*DEFAULT_REQUESTS_HASH),
        ..Default::default()
    }
}

/// One block in which the bridge brings an ether to somebody who has two.
fn batch() -> Value {
    let after = state(&[(bridge(), 7), (receiver(), 3 * ETHER)]);

    batch_of(TxKind::Call(receiver()), ETHER, TRANSFER_GAS, &after)
}

/// One block of one privileged transaction from the bridge, and the state after it.
fn batch_of(to: TxKind, value: u64, gas_used: u64, after: &Trie) -> Value {
    let before = state(&[(bridge(), 7), (receiver(), 2 * ETHER)]);
    let deposit = Transaction::PrivilegedL2Transaction(PrivilegedL2Transaction {
        chain_id: CHAIN_ID,
        gas_limit: TRANSFER_GAS * 5,
        max_fee_per_gas: 10 * ETHER / 1_000_000_000,
        to,
        value: U256::from(value),
        data: Bytes::new(),
        from: bridge(),
        ..Default::default()
    });
    let parent = header(0, H256::zero(), 1_000_000_000, before.hash_no_commit(&NativeCrypto));
    let base_fee = calculate_base_fee_per_gas(GAS_LIMIT, GAS_LIMIT, 0, 1_000_000_000, 2).expect("a base fee");
    let receipts = [Receipt::new(TxType::Privileged, true, gas_used, Vec::new())];
    let (receipts_root, logs_bloom) = compute_receipts_root_and_logs_bloom(&receipts, &NativeCrypto);
    let block = Block::new(
        BlockHeader {
            transactions_root: compute_transactions_root(std::slice::from_ref(&deposit), &NativeCrypto),
            receipts_root,
            logs_bloom,
            gas_used,
            ..header(1, parent.hash(), base_fee, after.hash_no_commit(&NativeCrypto))
        },
        BlockBody { transactions: vec![deposit], ommers: Vec::new(), withdrawals: Some(Vec::new()) },
    );
    json!({
        "blocks": [block],
        "execution_witness": {
            "codes": [],
            "block_headers_bytes": [parent.encode_to_vec()],
            "first_block_number": 1,
            "chain_config": {
                "chainId": CHAIN_ID, "homesteadBlock": 0, "eip150Block": 0, "eip155Block": 0, "eip158Block": 0,
                "byzantiumBlock": 0, "constantinopleBlock": 0, "petersburgBlock": 0, "istanbulBlock": 0,
                "berlinBlock": 0, "londonBlock": 0, "mergeNetsplitBlock": 0, "shanghaiTime": 0, "cancunTime": 0,
                "pragueTime": 0, "terminalTotalDifficulty": "0x0", "terminalTotalDifficultyPassed": true,
                "depositContractAddress": "0x00000000219ab540356cbb839cbe05303d7705fa",
            },
            "state_trie_root": *before.root_node().expect("a trie").expect("a root"),
            "storage_trie_roots": {},
        },
        "elasticity_multiplier": 2,
        "blob_commitment": vec![0; 48],
        "blob_proof": vec![0; 48],
        "fee_configs": [{"base_fee_vault": null, "operator_fee_config": null, "l1_fee_config": null}],
    })
}

#[test]
fn a_deposit_arrives() {
    let ended = execute(batch().to_string().as_bytes(), &[]);

    assert_eq!(ended.status, Some(0), "{}", ended.said);
    assert_eq!(ended.output.len(), 256);
    assert_eq!(ended.output[64..96], [0; 32], "no messages to L1");
    assert_eq!(ended.output[96..98], [0, 1], "one deposit");
    assert_eq!(ended.output[255], 0, "and nothing else");
    assert!(ended.said.starts_with("executed blocks 1 to 1, 1 transactions, 21000 gas"));
}

/// Executes as any other, but no bridge sends one, and L1 has no hash for it.
#[test]
fn a_privileged_transaction_that_creates_a_contract() {
    let mut after = state(&[(bridge(), 7), (receiver(), 2 * ETHER)]);
    let created = AccountState { nonce: 1, ..Default::default() };
    // RLP of (bridge, nonce 0).
    let preimage = [&[0xd6, 0x94], bridge().as_bytes(), &[0x80]].concat();
    let address = keccak(preimage).0[12..].to_vec();

    after.insert(keccak(address).as_bytes().to_vec(), created.encode_to_vec()).expect("a trie");
    let input = batch_of(TxKind::Create, 0, TRANSFER_GAS + 32_000, &after);
    refused(&input, 93, &["block 1: the privileged transaction with id 0 creates a contract, which no bridge sends"]);
}

#[test]
fn what_is_changed_is_refused() {
    for (at, value, status, words) in [
        ("/blocks/0/body/transactions/0/value", json!("0x1"), 84, "block 1: transactions root of the header"),
        ("/blocks/0/header/gasUsed", json!("0x1"), 88, "block 1: gas used of the header 1, executed 21000"),
        ("/blocks/0/header/stateRoot", json!(H256::zero()), 92, "block 1: state root of the header 0x0000"),
        ("/blocks/0/header/parentHash", json!(H256::zero()), 85, "in the header, the parent hashes to 0x"),
        ("/execution_witness/state_trie_root", Value::Null, 83, "of the witness 0x56e81f17"),
        ("/execution_witness/block_headers_bytes", json!([]), 87, "block 1: the witness does not suffice"),
        ("/fee_configs", json!([]), 81, "1 blocks, but 0 fee configs"),
        ("/blob_commitment", json!(vec![1; 48]), 94, "KZG proof cannot be verified"),
    ] {
        let mut input = batch();

        *input.pointer_mut(at).expect("a field") = value;
        refused(&input, status, &[words]);
    }
}

#[test]
fn a_block_does_not_follow_itself() {
    let mut input = batch();
    let block = input["blocks"][0].clone();
    let fees = input["fee_configs"][0].clone();

    input["blocks"] = json!(vec![block; 131]);
    input["fee_configs"] = json!(vec![fees; 131]);
    refused(&input, 85, &["block 1: "]);
}

/// The batch after a parent that used gas.
fn after_a_full_parent() -> Value {
    let mut input = batch();
    let bytes: Vec<u8> =
        serde_json::from_value(input["execution_witness"]["block_headers_bytes"][0].take()).expect("bytes");
    let parent = BlockHeader { gas_used: 1, ..BlockHeader::decode(&bytes).expect("a header") };

    input["execution_witness"]["block_headers_bytes"][0] = json!(parent.encode_to_vec());
    input["blocks"][0]["header"]["parentHash"] = json!(parent.compute_block_hash(&NativeCrypto));
    input
}

/// What the crates divide by: the gas that a block should use, the blobs that it may have.
#[test]
fn numbers_that_lead_to_no_header() {
    let mut input = after_a_full_parent();

    input["elasticity_multiplier"] = json!(GAS_LIMIT + 1);
    refused(
        &input,
        85,
        &["block 1: what its header should say cannot be computed, with elasticity multiplier 30000001: ", "by zero"],
    );
    let mut input = batch();
    let none = json!({"baseFeeUpdateFraction": 1, "max": 0, "target": 0});
    input["execution_witness"]["chain_config"]["osakaTime"] = json!(0);
    input["execution_witness"]["chain_config"]["blobSchedule"] = json!({"cancun": none, "prague": none, "osaka": none});
    refused(&input, 85, &["block 1: what its header should say cannot be computed", "by zero"]);
}

/// All of it fits together: header, body, and a state in which the receiver has the ether.
#[test]
fn ether_from_nowhere() {
    let mut input = batch();
    let withdrawals = [Withdrawal { index: 0, validator_index: 0, address: receiver(), amount: 1_000_000_000 }];
    let after = state(&[(bridge(), 7), (receiver(), 4 * ETHER)]);

    input["blocks"][0]["body"]["withdrawals"] = json!(withdrawals);
    input["blocks"][0]["header"]["withdrawalsRoot"] = json!(compute_withdrawals_root(&withdrawals, &NativeCrypto));
    input["blocks"][0]["header"]["stateRoot"] = json!(after.hash_no_commit(&NativeCrypto));
    refused(
        &input,
        84,
        &[
            "block 1: withdrawals of validators, of whom an L2 has none: 1000000000 gwei to 0x",
            &hex::encode(receiver()),
        ],
    );
}

/// Nobody has signed it.
#[test]
fn a_privileged_transaction_on_l1() {
    let ended = execute(batch().to_string().as_bytes(), &["--l1"]);

    assert_eq!(ended.status, Some(86), "{}", ended.said);
    assert!(ended.said.starts_with("block 1, transaction 0 (0x"), "{}", ended.said);
    assert!(ended.said.ends_with("): its type 0x7e is none of L1's\n"), "{}", ended.said);
}

#[test]
fn an_access_list_that_is_another() {
    // From Amsterdam on a call without a value costs less, and one with a value leaves a log.
    let mut input = batch_of(TxKind::Call(receiver()), 0, 15_000, &state(&[(bridge(), 7), (receiver(), 2 * ETHER)]));

    input["execution_witness"]["chain_config"]["osakaTime"] = json!(0);
    input["execution_witness"]["chain_config"]["amsterdamTime"] = json!(0);
    input["blocks"][0]["header"]["slotNumber"] = json!("0x1");
    input["blocks"][0]["header"]["blockAccessListHash"] = json!(H256::repeat_byte(0x11));
    refused(&input, 89, &["block 1: hash of the access list of the header 0x1111"]);
    let said = execute(input.to_string().as_bytes(), &[]).said;
    let executed = said.trim_end().rsplit(' ').next().expect("a hash");
    input["blocks"][0]["header"]["blockAccessListHash"] = json!(executed);
    let ended = execute(input.to_string().as_bytes(), &[]);
    assert_eq!(ended.status, Some(0), "{}", ended.said);
}
