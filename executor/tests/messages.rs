//! What crosses the bridge in both directions, down to the bytes of the output, from blocks and receipts that
//! are made here: the expected bytes are put together by hand, as OnChainProposer packs a commitment.

use bytes::Bytes;
use ethrex_common::{
    Address, H256, U256,
    types::{Block, BlockBody, BlockHeader, Log, PrivilegedL2Transaction, Receipt, Transaction, TxKind, TxType},
    utils::keccak,
};
use ethrex_executor::{messages, output::L2Output};

const CHAIN_ID: u64 = 65_536_999;
const L2_MESSAGE: &str = "L2Message(uint256,address,address,uint256,uint256,uint256,bytes)";
const L1_MESSAGE: &str = "L1Message(address,bytes32,uint256)";
const MINT_TOKEN: &str = "crosschainMintERC20(address,address,address,address,uint256)";

fn bridge() -> Address {
    Address::from_low_u64_be(0xffff)
}

fn messenger() -> Address {
    Address::from_low_u64_be(0xfffe)
}

fn word(n: u64) -> Vec<u8> {
    U256::from(n).to_big_endian().to_vec()
}

fn padded(address: Address) -> Vec<u8> {
    [&[0; 12], address.as_bytes()].concat()
}

/// A message that came from `chain` as a privileged transaction.
fn inbound(chain: u64, id: u64, value: u64) -> Transaction {
    Transaction::PrivilegedL2Transaction(PrivilegedL2Transaction {
        chain_id: chain,
        nonce: id,
        gas_limit: 105_000,
        to: TxKind::Call(Address::from_low_u64_be(0xabc)),
        value: U256::from(value),
        data: Bytes::from_static(b"data"),
        from: bridge(),
        ..Default::default()
    })
}

fn inbound_hash(chain: u64, id: u64, value: u64) -> H256 {
    let to = Address::from_low_u64_be(0xabc);
    let data = keccak(b"data");

    keccak(
        [
            &word(chain)[..],
            bridge().as_bytes(),
            to.as_bytes(),
            &word(id),
            &word(value),
            &word(105_000),
            data.as_bytes(),
        ]
        .concat(),
    )
}

/// Count, then the hash of the hashes without its first two bytes.
fn rolling(hashes: &[H256]) -> Vec<u8> {
    let all: Vec<u8> = hashes.iter().flat_map(|h| h.0).collect();

    [&(hashes.len() as u16).to_be_bytes()[..], &keccak(all).0[2..]].concat()
}

/// A message to the L2 with that chain id.
struct Outbound {
    chain: u64,
    from: Address,
    to: Address,
    value: u64,
    id: u64,
    data: Vec<u8>,
}

impl Outbound {
    fn log(&self) -> Log {
        let mut data = [padded(self.from), padded(self.to), word(self.value), word(21_000), word(self.id)].concat();

        data.extend([word(192), word(self.data.len() as u64), self.data.clone()].concat());
        Log {
            address: messenger(),
            topics: vec![keccak(L2_MESSAGE), H256::from_low_u64_be(self.chain)],
            data: data.into(),
        }
    }

    fn hash(&self) -> Vec<u8> {
        let data = keccak(&self.data);
        let parts: [&[u8]; 7] = [
            &word(CHAIN_ID),
            self.from.as_bytes(),
            self.to.as_bytes(),
            &word(self.id),
            &word(self.value),
            &word(21_000),
            data.as_bytes(),
        ];

        keccak(parts.concat()).0.to_vec()
    }
}

/// A call that brings tokens 0x11, 0x22, 0x33 (on L1, here, there).
fn tokens(value: u64) -> Vec<u8> {
    let addresses = [0x11, 0x22, 0x33, 0xabc].map(|n| padded(Address::from_low_u64_be(n)));

    [keccak(MINT_TOKEN).0[..4].to_vec(), addresses.concat(), word(value)].concat()
}

fn block(transactions: Vec<Transaction>) -> Block {
    Block::new(BlockHeader::default(), BlockBody { transactions, ..Default::default() })
}

fn receipt(logs: Vec<Log>) -> Receipt {
    Receipt::new(TxType::EIP1559, true, 21_000, logs)
}

fn encoded(digests: messages::Digests) -> Vec<u8> {
    L2Output {
        initial_state: H256::repeat_byte(1),
        final_state: H256::repeat_byte(2),
        l1_messages_root: digests.l1_messages_root,
        privileged_digest: digests.privileged,
        blob_versioned_hash: H256::repeat_byte(5),
        last_block_hash: H256::repeat_byte(6),
        chain_id: CHAIN_ID,
        non_privileged_count: 8,
        balance_diffs: digests.balance_diffs,
        l2_in_digests: digests.l2_in,
    }
    .encode()
}

#[test]
fn both_directions() {
    let user = Address::from_low_u64_be(0xaaaa);
    let ether = Outbound { chain: 9, from: user, to: user, value: 5, id: 1, data: vec![] };
    let some = Outbound { chain: 9, from: bridge(), to: bridge(), value: 0, id: 2, data: tokens(10) };
    let more = Outbound { chain: 9, from: bridge(), to: bridge(), value: 0, id: 3, data: tokens(20) };
    // What the bridge sends to itself is ether that another message carries.
    let mint = Outbound { chain: 8, from: bridge(), to: bridge(), value: 3, id: 0, data: b"mint".to_vec() };
    let withdrawal = Log {
        address: messenger(),
        topics: vec![keccak(L1_MESSAGE), H256::from(bridge()), H256::repeat_byte(0x77), H256::from_low_u64_be(1)],
        data: Bytes::new(),
    };
    let elsewhere = Log { address: user, ..ether.log() };
    let blocks =
        [block(vec![inbound(7, 3, 40), inbound(CHAIN_ID, 0, 50), inbound(7, 4, 41)]), block(vec![inbound(5, 0, 42)])];
    let receipts = [
        vec![receipt(vec![ether.log(), elsewhere]), receipt(vec![some.log(), withdrawal])],
        vec![receipt(vec![mint.log(), more.log()])],
    ];
    let digests = messages::digest(&blocks, &receipts, CHAIN_ID).expect("digests");
    let leaf = keccak([bridge().as_bytes(), &[0x77; 32], &word(1)].concat());
    let expected: [Vec<u8>; 13] = [
        [[1; 32], [2; 32]].concat(),
        leaf.0.to_vec(),
        rolling(&[inbound_hash(CHAIN_ID, 0, 50)]),
        [[5; 32], [6; 32]].concat(),
        word(CHAIN_ID),
        word(8),
        // To chain 8, then to chain 9: value, tokens added up, messages as they came.
        [word(8), word(0), mint.hash()].concat(),
        [word(9), word(5)].concat(),
        [0x11, 0x22, 0x33].map(|n| Address::from_low_u64_be(n).0).concat(),
        word(30),
        [ether.hash(), some.hash(), more.hash()].concat(),
        // From chain 5, then from chain 7.
        [word(5), rolling(&[inbound_hash(5, 0, 42)])].concat(),
        [word(7), rolling(&[inbound_hash(7, 3, 40), inbound_hash(7, 4, 41)])].concat(),
    ];

    assert_eq!(hex::encode(encoded(digests)), hex::encode(expected.concat()));
}

#[test]
fn nothing_crosses() {
    let digests = messages::digest(&[block(vec![])], &[vec![receipt(vec![])]], CHAIN_ID).expect("digests");
    let output = encoded(digests);

    assert_eq!(output.len(), 256);
    assert_eq!(output[64..128], [0; 64]);
}

#[test]
fn more_messages_than_their_count_can_say() {
    let many: Vec<_> = (0..1 << 16).map(|id| inbound(7, id, 1)).collect();
    let refused = messages::digest(&[block(many)], &[vec![]], CHAIN_ID).expect_err("too many");

    assert_eq!(refused.kind as u8, 93);
    assert!(
        refused.to_string().starts_with("65536 privileged transactions from chain 7 have no digest: "),
        "{refused}"
    );
}

/// Whoever makes a token says how many there are of it.
#[test]
fn more_tokens_than_a_word_can_say() {
    let all = [tokens(0)[..4 + 4 * 32].to_vec(), vec![0xff; 32]].concat();
    let message = |id, data| Outbound { chain: 9, from: bridge(), to: bridge(), value: 0, id, data };
    let logs = vec![message(1, all).log(), message(2, tokens(1)).log()];
    let refused = messages::digest(&[block(vec![])], &[vec![receipt(logs)]], CHAIN_ID).expect_err("too many");

    assert_eq!(refused.kind as u8, 93);
    assert_eq!(
        refused.to_string(),
        "the values of the messages to other chains have no sum: arithmetic operation overflow"
    );
}
