//! Builds the batches of a devnet's L2, one for each line of JSON on stdin.
//!
//! A request is `{"batch":N,"deposits":[…]}`, N counting from 1 without gaps. The answer is two
//! lines: what `commitBatch` and a claim need, then the prover's input (ProverInputData, JSON).
//! Same genesis, same requests, same batches: a driver that starts again repeats them.
//!
//! `blob` makes anew, from the input of any rollup's batch, what L1 carried of it.
mod batch;
mod chain;
mod workload;

use std::io::{BufRead, Write};

type Error = Box<dyn std::error::Error>;

const USAGE: &str = "usage: l2-block-builder SETUP genesis-root
       l2-block-builder SETUP build [--blocks N] [--transactions KIND] [--load N] [--rollup]
       l2-block-builder blob    the blob that a prover's input from stdin has on L1
  SETUP       JSON file {genesis, token}: ethrex's genesis, creation code of DevnetToken
  --blocks N  blocks a batch (2)
  --transactions usual|none|full
              what the blocks hold: a few of each kind (usual), deposits alone, or so much beside the usual
              ones that each block uses all of its gas
  --load N    transactions a block beside the usual ones, each of 50 storage slots (0)
  --rollup    each batch with the blob that L1 is to carry";

enum Wanted {
    GenesisRoot(String),
    Batches(String, batch::Settings),
    Blob,
}

fn options() -> Result<Wanted, Error> {
    let mut args = std::env::args().skip(1);
    let setup = match (args.next().ok_or(USAGE)?, args.next().as_deref()) {
        (setup, Some("build")) => setup,
        (setup, Some("genesis-root")) => return Ok(Wanted::GenesisRoot(setup)),
        (word, None) if word == "blob" => return Ok(Wanted::Blob),
        _ => return Err(USAGE.into()),
    };
    let mut settings = batch::Settings { blocks: 2, transactions: batch::Kind::Usual, load: 0, rollup: false };
    while let Some(flag) = args.next() {
        let mut number = |most: u64| -> Result<u64, Error> {
            let text = args.next().ok_or(format!("{flag} needs a number"))?;
            match text.parse() {
                Ok(n) if n <= most => Ok(n),
                _ => Err(format!("{flag} {text} is not a number up to {most}").into()),
            }
        };
        match flag.as_str() {
            "--blocks" => settings.blocks = number(1000)?.max(1),
            "--transactions" => settings.transactions = args.next().unwrap_or_default().parse()?,
            "--load" => settings.load = number(12)?,
            "--rollup" => settings.rollup = true,
            _ => return Err(format!("unknown option {flag}\n{USAGE}").into()),
        }
    }
    Ok(Wanted::Batches(setup, settings))
}

fn read(path: &str) -> Result<chain::Setup, Error> {
    let text = std::fs::read_to_string(path).map_err(|e| format!("{path}: {e}"))?;
    Ok(serde_json::from_str(&text).map_err(|e| format!("{path}: {e}"))?)
}

async fn build(setup: chain::Setup, settings: batch::Settings) -> Result<(), Error> {
    let chain = chain::Chain::new(setup.genesis).await?;
    let mut builder = batch::Builder::new(chain, setup.token.0, settings);
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for line in std::io::stdin().lock().lines() {
        let (summary, input) = builder.next(&serde_json::from_str(&line?)?).await?;
        serde_json::to_writer(&mut out, &summary)?;
        out.write_all(b"\n")?;
        serde_json::to_writer(&mut out, &input)?;
        out.write_all(b"\n")?;
        out.flush()?;
    }
    Ok(())
}

async fn run() -> Result<(), Error> {
    match options()? {
        Wanted::Batches(setup, settings) => build(read(&setup)?, settings).await?,
        Wanted::GenesisRoot(setup) => println!("{:#x}", read(&setup)?.genesis.compute_state_root()),
        Wanted::Blob => {
            let input = serde_json::from_reader(std::io::stdin().lock())?;
            println!("{}", serde_json::to_string(&batch::Carried::of(&input)?)?);
        }
    }
    Ok(())
}

fn main() -> std::process::ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(Error::from).and_then(|runtime| runtime.block_on(run())) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("l2-block-builder: {e}");
            std::process::ExitCode::FAILURE
        }
    }
}
