//! The messages of each dialect: p7 in ethrex's own types of release 31, p3 to p6 in types that write
//! and read what its releases of their time did.
use bytes::Bytes;
use r31::prover::{ProofData, ProofFormat, ProverOutput, ProverType};
use serde::{Deserialize, Serialize};

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Dialect {
    P3,
    P4,
    P5,
    P6,
    P7,
}

impl Dialect {
    pub const ALL: [(&'static str, Self); 5] =
        [("p3", Self::P3), ("p4", Self::P4), ("p5", Self::P5), ("p6", Self::P6), ("p7", Self::P7)];

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, dialect)| *dialect)
    }

    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, dialect)| *dialect == self).map_or("", |(name, _)| name)
    }

    /// Provers of one type get different batches (ethrex since 2026-02-23); before, all got the same.
    pub fn assigns(self) -> bool {
        self >= Self::P6
    }
}

/// What a prover may say; anything else that can be read is answered by nothing.
pub enum Request {
    Setup { kind: String, payload: usize },
    Input { commit_hash: String, kind: Option<String> },
    Submit { number: u64, proof: Proof },
    Unexpected,
}

/// A proof, and what stands in verifyBatches for it.
pub struct Proof {
    pub kind: String,
    pub bytes: Vec<u8>,
}

pub enum Reply<'a> {
    SetupAck,
    Work {
        number: u64,
        input: &'a str,
    },
    NoWork,
    /// As the dialect has it: with the coordinator's code version, the prover's, or neither.
    WrongVersion {
        ours: &'a str,
        theirs: &'a str,
    },
    NotNeeded {
        kind: &'a str,
    },
    Ack {
        number: u64,
    },
}

/// The prover types of p3, Aligned among them.
#[allow(clippy::upper_case_acronyms)] // the names on the wire
#[derive(Serialize, Deserialize, Clone, Copy, Debug)]
pub enum KindOfP3 {
    Exec,
    RISC0,
    SP1,
    TDX,
    Aligned,
}

/// A value of calldata; the numbers and addresses are not looked into.
#[derive(Serialize, Deserialize)]
pub enum Value {
    Address(String),
    Uint(String),
    Int(String),
    Bool(bool),
    Bytes(Bytes),
    String(String),
    Array(Vec<Value>),
    Tuple(Vec<Value>),
    FixedArray(Vec<Value>),
    FixedBytes(Bytes),
}

#[derive(Serialize, Deserialize)]
pub enum BatchProof<K, B> {
    ProofCalldata { prover_type: K, calldata: Vec<Value> },
    ProofBytes(B),
}

/// An Aligned proof of p3, which tells no prover's type.
#[derive(Serialize, Deserialize)]
pub struct BytesOfP3 {
    proof: Vec<u8>,
    #[serde(rename = "public_values")]
    _public_values: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
pub struct TypedBytes {
    prover_type: ProverType,
    proof: Vec<u8>,
    #[serde(rename = "public_values")]
    _public_values: Vec<u8>,
}

trait Named {
    fn named(&self) -> String;
}
impl Named for KindOfP3 {
    fn named(&self) -> String {
        format!("{self:?}")
    }
}
impl Named for ProverType {
    fn named(&self) -> String {
        self.to_string()
    }
}

impl From<BytesOfP3> for Proof {
    fn from(it: BytesOfP3) -> Self {
        Self { kind: KindOfP3::Aligned.named(), bytes: it.proof }
    }
}
impl From<TypedBytes> for Proof {
    fn from(it: TypedBytes) -> Self {
        Self { kind: it.prover_type.named(), bytes: it.proof }
    }
}
impl<K: Named, B: Into<Proof>> From<BatchProof<K, B>> for Proof {
    /// Of TDX the signature is the last value: alone, or after the output that it signs.
    fn from(it: BatchProof<K, B>) -> Self {
        match it {
            BatchProof::ProofBytes(bytes) => bytes.into(),
            BatchProof::ProofCalldata { prover_type, mut calldata } => Self {
                kind: prover_type.named(),
                bytes: match calldata.pop() {
                    Some(Value::Bytes(bytes)) => bytes.to_vec(),
                    _ => Vec::new(),
                },
            },
        }
    }
}

/// Stands for the input in what the types write, and is exchanged for its bytes afterwards.
const INPUT: &str = "\u{1}input";

/// Messages of a dialect before p7: its prover types, its ProofBytes, what a BatchRequest and a
/// BatchResponse hold besides, and its refusals.
macro_rules! before_p7 {
    ($name:ident, $kind:ty, $bytes:ty, {$($asked:ident)?}, {$($format:ident)?}, {$($refusals:tt)*}) => {
        #[derive(Serialize, Deserialize)]
        enum $name {
            ProverSetup { prover_type: $kind, payload: Bytes },
            ProverSetupACK,
            BatchRequest { commit_hash: String, $($asked: $kind)? },
            BatchResponse { batch_number: Option<u64>, input: Option<String>, $($format: Option<ProofFormat>)? },
            ProofSubmit { batch_number: u64, batch_proof: BatchProof<$kind, $bytes> },
            ProofSubmitACK { batch_number: u64 },
            $($refusals)*
        }

        impl $name {
            fn response(work: Option<u64>) -> Self {
                Self::BatchResponse {
                    batch_number: work,
                    input: work.map(|_| INPUT.to_string()),
                    $($format: work.map(|_| ProofFormat::Groth16))?
                }
            }
        }

        impl From<$name> for Request {
            fn from(it: $name) -> Self {
                match it {
                    $name::ProverSetup { prover_type, payload } =>
                        Self::Setup { kind: prover_type.named(), payload: payload.len() },
                    $name::BatchRequest { commit_hash, $($asked)? } => {
                        let kind = None$(.or(Some($asked.named())))?;
                        Self::Input { commit_hash, kind }
                    }
                    $name::ProofSubmit { batch_number, batch_proof } =>
                        Self::Submit { number: batch_number, proof: batch_proof.into() },
                    _ => Self::Unexpected,
                }
            }
        }
    };
}
before_p7!(OfP3, KindOfP3, BytesOfP3, {}, {}, { InvalidCodeVersion { commit_hash: String } });
before_p7!(OfP4, ProverType, TypedBytes, {}, { format }, { InvalidCodeVersion { commit_hash: String } });
before_p7!(OfP5, ProverType, TypedBytes, {}, { format }, { NoBatchForVersion { commit_hash: String } });
before_p7!(OfP6, ProverType, TypedBytes, {prover_type}, {format},
           { VersionMismatch, ProverTypeNotNeeded { prover_type: ProverType } });

impl<I> From<ProofData<I>> for Request {
    fn from(it: ProofData<I>) -> Self {
        match it {
            ProofData::ProverSetup { prover_type, payload } => {
                Self::Setup { kind: prover_type.named(), payload: payload.len() }
            }
            ProofData::InputRequest { commit_hash, prover_type } => {
                Self::Input { commit_hash, kind: Some(prover_type.named()) }
            }
            ProofData::ProofSubmit { id, proof } => {
                Self::Submit { number: id, proof: Proof { kind: proof.prover_type().named(), bytes: bytes_of(proof) } }
            }
            _ => Self::Unexpected,
        }
    }
}

fn bytes_of(proof: ProverOutput) -> Vec<u8> {
    proof.into_proof_bytes().proof
}

/// Of several dialects, newest first, the first one that can read it: p6's request is a p5's with
/// a field that p5 ignores.
pub fn read(dialects: &[Dialect], text: &[u8]) -> Result<(Dialect, Request), String> {
    let mut why = String::from("no dialect");

    for dialect in dialects {
        match read_as(*dialect, text) {
            Ok(request) => return Ok((*dialect, request)),
            Err(e) => why = e.to_string(),
        }
    }
    Err(why)
}

fn read_as(dialect: Dialect, text: &[u8]) -> Result<Request, serde_json::Error> {
    Ok(match dialect {
        Dialect::P3 => serde_json::from_slice::<OfP3>(text)?.into(),
        Dialect::P4 => serde_json::from_slice::<OfP4>(text)?.into(),
        Dialect::P5 => serde_json::from_slice::<OfP5>(text)?.into(),
        Dialect::P6 => serde_json::from_slice::<OfP6>(text)?.into(),
        Dialect::P7 => serde_json::from_slice::<ProofData<String>>(text)?.into(),
    })
}

fn kind_named(kind: &str) -> ProverType {
    ProverType::all().find(|known| known.named() == kind).unwrap_or(ProverType::Exec)
}

macro_rules! written_before_p7 {
    ($name:ident, $reply:expr, {$($refusals:tt)*}) => {
        serde_json::to_vec(&match $reply {
            Reply::SetupAck => $name::ProverSetupACK,
            Reply::Work { number, .. } => $name::response(Some(*number)),
            Reply::Ack { number } => $name::ProofSubmitACK { batch_number: *number },
            $($refusals)*
            _ => $name::response(None),
        })
    };
}

pub fn write(dialect: Dialect, reply: &Reply) -> Result<Vec<u8>, serde_json::Error> {
    let written = match dialect {
        Dialect::P3 => written_before_p7!(OfP3, reply, {
            Reply::WrongVersion { ours, .. } => OfP3::InvalidCodeVersion { commit_hash: ours.to_string() },
        }),
        Dialect::P4 => written_before_p7!(OfP4, reply, {
            Reply::WrongVersion { ours, .. } => OfP4::InvalidCodeVersion { commit_hash: ours.to_string() },
        }),
        Dialect::P5 => written_before_p7!(OfP5, reply, {
            Reply::WrongVersion { theirs, .. } => OfP5::NoBatchForVersion { commit_hash: theirs.to_string() },
        }),
        Dialect::P6 => written_before_p7!(OfP6, reply, {
            Reply::WrongVersion { .. } => OfP6::VersionMismatch,
            Reply::NotNeeded { kind } => OfP6::ProverTypeNotNeeded { prover_type: kind_named(kind) },
        }),
        Dialect::P7 => serde_json::to_vec(&match reply {
            Reply::SetupAck => ProofData::ProverSetupACK,
            Reply::Work { number, .. } => ProofData::input_response(*number, INPUT.to_string(), ProofFormat::Groth16),
            Reply::NoWork => ProofData::empty_input_response(),
            Reply::WrongVersion { .. } => ProofData::VersionMismatch,
            Reply::NotNeeded { kind } => ProofData::ProverTypeNotNeeded { prover_type: kind_named(kind) },
            Reply::Ack { number } => ProofData::proof_submit_ack(*number),
        }),
    }?;
    match reply {
        Reply::Work { input, .. } => Ok(with_input(&written, input)),
        _ => Ok(written),
    }
}

fn with_input(written: &[u8], input: &str) -> Vec<u8> {
    String::from_utf8_lossy(written).replacen("\"\\u0001input\"", input, 1).into_bytes()
}
