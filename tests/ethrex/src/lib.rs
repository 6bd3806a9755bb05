//! ethrex-client-N: messages as ethrex's own prover and coordinator of release N write and read them.
mod random;
mod releases;

pub use random::Random;
pub use releases::Release;

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::process::ExitCode;

pub type Error = Box<dyn std::error::Error>;

const USAGE: &str =
    "usage: ethrex-client-N say HOST:PORT    a message from stdin, as its types write it, to a coordinator;
                                        its answer, read and written again by its types
       ethrex-client-N random SEED N    N valid messages, a line each
       ethrex-client-N read             each line of stdin read by its types, and written again
       ethrex-client-N input            a batch input from stdin, read by its types: what is in it";

/// One message to a coordinator, as ethrex's prover sends it: half-close, then read to the end.
fn exchange(address: &str, message: &[u8]) -> Result<Vec<u8>, Error> {
    let mut stream = TcpStream::connect(address)?;
    let mut reply = Vec::new();

    stream.write_all(message)?;
    stream.shutdown(Shutdown::Write)?;
    stream.read_to_end(&mut reply)?;
    Ok(reply)
}

fn stdin() -> Result<Vec<u8>, Error> {
    let mut text = Vec::new();

    io::stdin().lock().read_to_end(&mut text)?;
    Ok(text)
}

fn act(of: &Release, args: &[&str]) -> Result<(), Error> {
    let mut out = io::stdout().lock();

    match args {
        ["say", address] => {
            let reply = exchange(address, &(of.rewrite)(&stdin()?)?)?;
            out.write_all(&(of.rewrite)(&reply)?)?;
        }
        ["random", seed, count] => {
            let mut random = Random::new(seed.parse()?);
            for _ in 0..count.parse::<u64>()? {
                out.write_all(&(of.random)(&mut random)?)?;
                out.write_all(b"\n")?;
            }
        }
        ["read"] => {
            for line in stdin()?.split(|b| *b == b'\n').filter(|line| !line.is_empty()) {
                out.write_all(&(of.reread)(line)?)?;
                out.write_all(b"\n")?;
            }
        }
        ["input"] => writeln!(out, "{}", (of.input)(&stdin()?)?)?,
        _ => return Err(USAGE.into()),
    }
    Ok(())
}

pub fn run(of: &Release) -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();

    match act(of, &args.iter().map(String::as_str).collect::<Vec<_>>()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("ethrex-client: {e}");
            ExitCode::FAILURE
        }
    }
}
