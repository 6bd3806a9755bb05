//! tsm-prover ADDRESS: the quote over the report data that ethrex's quote-gen asks for, to standard output.
use std::error::Error;
use std::io::{self, Write};

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1).filter(|text| text.len() == 40).ok_or("usage: tsm-prover 40HEXDIGITS")?;
    let mut report_data = [0; 64];

    for (i, byte) in report_data.iter_mut().take(20).enumerate() {
        *byte = u8::from_str_radix(&address[2 * i..2 * i + 2], 16)?;
    }
    io::stdout().write_all(&configfs_tsm::create_tdx_quote(report_data)?)?;
    Ok(())
}
