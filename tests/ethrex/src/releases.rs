//! What is done with the types of one release.

use crate::{Error, random::Random};

/// The crates of two releases share no type, and no program holds two of them: both bring the same
/// symbols from assembly. So each gets functions of its own in a program of its own.
pub struct Release {
    /// A message of an L2 (input and all) read and written by serde_json.
    pub rewrite: fn(&[u8]) -> Result<Vec<u8>, Error>,
    /// The same, whatever stands in the place of the input.
    pub reread: fn(&[u8]) -> Result<Vec<u8>, Error>,
    /// A valid message.
    pub random: fn(&mut Random) -> Result<Vec<u8>, Error>,
    /// What a batch input holds.
    pub input: fn(&[u8]) -> Result<String, Error>,
}

/// The main() of a release's program.
#[macro_export]
macro_rules! release {
    ($l2:ident) => {
        fn main() -> std::process::ExitCode {
            $crate::run(&$crate::Release {
                rewrite: |text| {
                    use $l2::prover::{ProofData, ProverInputData};
                    Ok(serde_json::to_vec(&serde_json::from_slice::<ProofData<ProverInputData>>(text)?)?)
                },
                reread: |text| {
                    use $l2::prover::ProofData;
                    Ok(serde_json::to_vec(&serde_json::from_slice::<ProofData<serde_json::Value>>(text)?)?)
                },
                random: |r| {
                    use $l2::prover::{ProofBytes, ProofData, ProofFormat, ProverOutput, ProverType};
                    let types: Vec<ProverType> = ProverType::all().collect();
                    let prover_type = types[r.below(types.len() as u64) as usize];
                    let proof_bytes = ProofBytes { prover_type, proof: r.bytes() };
                    let message: ProofData<serde_json::Value> = match r.below(9) {
                        0 => ProofData::prover_setup(prover_type, r.bytes().into()),
                        1 => ProofData::ProverSetupACK,
                        2 => ProofData::input_request(r.commit_hash(), prover_type),
                        3 => ProofData::VersionMismatch,
                        4 => ProofData::ProverTypeNotNeeded { prover_type },
                        5 if r.below(4) == 0 => ProofData::empty_input_response(),
                        5 => {
                            let format = [ProofFormat::Groth16, ProofFormat::Compressed][r.below(2) as usize];
                            ProofData::input_response(r.id(), serde_json::json!([r.value(0)]), format)
                        }
                        6 => ProofData::proof_submit(r.id(), ProverOutput::Proof(proof_bytes)),
                        7 => ProofData::proof_submit(
                            r.id(),
                            ProverOutput::ProofWithPublicValues { proof_bytes, public_values: r.bytes() },
                        ),
                        _ => ProofData::proof_submit_ack(r.id()),
                    };
                    Ok(serde_json::to_vec(&message)?)
                },
                input: |text| {
                    let input: $l2::prover::ProverInputData = serde_json::from_slice(text)?;
                    let transactions: usize = input.blocks.iter().map(|b| b.body.transactions.len()).sum();
                    let last = input.blocks.last().ok_or("no blocks")?;
                    Ok(format!("{} blocks, {transactions} transactions, {:#x}", input.blocks.len(), last.hash()))
                },
            })
        }
    };
}
