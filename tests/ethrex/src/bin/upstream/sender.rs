//! ethrex's proof sender, over an L1 node that holds the sender's key (anvil): the verified cursor
//! follows lastVerifiedBatch(), and runs of proven batches go out in verifyBatches.
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::thread::sleep;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Error;
use crate::book::Book;
use crate::journal::Journal;

const VERIFY_BATCHES: &str = "9711f750";
const LAST_VERIFIED: &str = "7fcb3653";
const LAST_COMMITTED: &str = "67c773ab";
/// By these the contract names a bad proof, which is then deleted: to be proven again.
const BAD_PROOF: [(&str, &str); 3] = [("0x62013a95", "TDX"), ("0x14add973", "RISC0"), ("0x7ff849b5", "SP1")];
const WAIT: Duration = Duration::from_secs(30);

pub struct Sender {
    pub node: String, // HOST:PORT
    pub proposer: String,
    /// (account, contract that takes verifyBatches); None: whoever else sends it.
    pub sends: Option<(String, String)>,
    pub interval: Duration,
    pub book: Arc<Book>,
    pub journal: Arc<Journal>,
}

/// A refusal of the node, with the data of a revert.
enum Refusal {
    Reverted(String),
    Other(Error),
}

impl<E: Into<Error>> From<E> for Refusal {
    fn from(e: E) -> Self {
        Self::Other(e.into())
    }
}

impl Sender {
    pub fn run(&self) {
        loop {
            if let Err(Refusal::Other(e)) = self.once() {
                self.journal.say("l1_failed", json!({"why": e.to_string()}));
            }
            sleep(self.interval);
        }
    }

    fn once(&self) -> Result<(), Refusal> {
        self.book.verify(self.number(LAST_VERIFIED)?)?;
        let Some((account, target)) = &self.sends else { return Ok(()) };
        let first = self.book.verified() + 1;
        let committed = self.number(LAST_COMMITTED)?;
        let proven = |n: &u64| self.book.needed.iter().all(|kind| self.book.proof(*n, kind).is_some());
        let last = (first..=committed).take_while(proven).last();
        let Some(last) = last else { return Ok(()) };
        if first == last || self.verify(account, target, first, last).is_err() {
            for number in first..=last {
                if let Err(refusal) = self.verify(account, target, number, number) {
                    return self.refused(number, refusal);
                }
            }
        }
        Ok(())
    }

    fn refused(&self, number: u64, refusal: Refusal) -> Result<(), Refusal> {
        let Refusal::Reverted(data) = refusal else { return Err(refusal) };
        let bad = BAD_PROOF.iter().find(|(selector, _)| data.starts_with(selector));
        self.journal.say("verify_refused", json!({"batch": number, "data": data}));
        if let Some((_, kind)) = bad {
            self.book.delete_proof(number, kind)?;
            self.journal.say("deleted", json!({"batch": number, "type": kind}));
        }
        Ok(())
    }

    /// Once there is a receipt the batches count as verified, whatever it says: so does ethrex.
    fn verify(&self, account: &str, target: &str, first: u64, last: u64) -> Result<(), Refusal> {
        let call = json!({"from": account, "to": target, "data": self.calldata(first, last)});
        self.rpc("eth_estimateGas", json!([call]))?;
        let hash = self.rpc("eth_sendTransaction", json!([call]))?;
        self.journal.say("sent", json!({"first": first, "last": last, "tx": hash}));
        loop {
            let receipt = self.rpc("eth_getTransactionReceipt", json!([hash]))?;
            if !receipt.is_null() {
                self.journal.say("verified", json!({"first": first, "last": last, "status": receipt["status"]}));
                return Ok(self.book.verify(last)?);
            }
            sleep(Duration::from_millis(100));
        }
    }

    fn calldata(&self, first: u64, last: u64) -> String {
        let arrays = ["RISC0", "SP1", "TDX"].map(|kind| {
            let needed = self.book.needed.iter().any(|n| n == kind);
            encoded((first..=last).map(|n| if needed { self.book.proof(n, kind).unwrap_or_default() } else { vec![] }))
        });
        let mut head = word(first);
        let mut at = 4 * 32;
        for array in &arrays {
            head += &word(at);
            at += array.len() as u64 / 2;
        }
        format!("0x{VERIFY_BATCHES}{head}{}", arrays.concat())
    }

    fn number(&self, getter: &str) -> Result<u64, Refusal> {
        let answer = self.rpc("eth_call", json!([{"to": self.proposer, "data": format!("0x{getter}")}, "latest"]))?;
        let text = answer.as_str().filter(|text| text.len() == 66).ok_or("no number from the proposer")?;
        Ok(u64::from_str_radix(&text[50..], 16)?)
    }

    fn rpc(&self, method: &str, params: Value) -> Result<Value, Refusal> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let mut stream = TcpStream::connect(&self.node)?;
        let mut reply = Vec::new();

        stream.set_read_timeout(Some(WAIT))?;
        write!(
            stream,
            "POST / HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\nconnection: close\r\n\
             content-length: {}\r\n\r\n{body}",
            self.node,
            body.len()
        )?;
        stream.read_to_end(&mut reply)?;
        let text = String::from_utf8_lossy(&reply);
        let (_, body) = text.split_once("\r\n\r\n").ok_or("no HTTP answer")?;
        let mut answer: Value = serde_json::from_str(body.trim())?;
        match answer.get("error") {
            None => Ok(answer["result"].take()),
            Some(error) => match error["data"].as_str() {
                Some(data) => Err(Refusal::Reverted(data.to_string())),
                None => Err(Refusal::Other(error.to_string().into())),
            },
        }
    }
}

fn word(n: u64) -> String {
    format!("{n:064x}")
}

/// bytes[] in ABI encoding.
fn encoded(items: impl Iterator<Item = Vec<u8>>) -> String {
    let items: Vec<Vec<u8>> = items.collect();
    let (mut heads, mut tails) = (String::new(), String::new());
    for item in &items {
        heads += &word((items.len() * 32 + tails.len() / 2) as u64);
        tails += &word(item.len() as u64);
        tails += &item.iter().map(|b| format!("{b:02x}")).collect::<String>();
        tails += &"00".repeat(item.len().wrapping_neg() % 32);
    }
    word(items.len() as u64) + &heads + &tails
}
