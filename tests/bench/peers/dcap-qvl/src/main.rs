//! bench-dcap-qvl QUOTE DIR TIME ROUNDS: the same quote and files as bench_real, verified by
//! dcap-qvl with ring. Prints "cold_us=N", the median.
use dcap_qvl::{verify, QuoteCollateralV3};
use std::{env, fs, time::Instant};

fn hex(text: &str) -> Vec<u8> {
    let text = text.trim();
    (0..text.len() / 2)
        .map(|i| u8::from_str_radix(&text[2 * i..2 * i + 2], 16).expect("hex"))
        .collect()
}

/// The signed object and its signature out of `{"<name>":{...},"signature":"<hex>"}`.
fn signed(path: &str, name: &str) -> (String, Vec<u8>) {
    let text = fs::read_to_string(path).expect(path);
    let begin = text.find(&format!("\"{name}\":")).expect(name) + name.len() + 3;
    let end = text.rfind(",\"signature\":").expect("signature");
    let signature = &text[end + 14..end + 14 + 128];
    (text[begin..end].to_string(), hex(signature))
}

fn main() {
    let args: Vec<String> = env::args().collect();
    let [_, quote, dir, now, rounds] = &args[..] else {
        panic!("usage: QUOTE DIR TIME ROUNDS");
    };
    let file = |name: &str| format!("{dir}/{name}");
    let read = |name: &str| fs::read_to_string(file(name)).expect("collateral");
    let quote = hex(&fs::read_to_string(quote).expect("quote"));
    let (tcb_info, tcb_info_signature) = signed(&file("tcb_info.json"), "tcbInfo");
    let (qe_identity, qe_identity_signature) = signed(&file("qe_identity.json"), "enclaveIdentity");
    let collateral = QuoteCollateralV3 {
        pck_crl_issuer_chain: read("pck_crl_issuer_chain.pem"),
        root_ca_crl: fs::read(file("root_ca_crl.der")).expect("root CRL"),
        pck_crl: fs::read(file("pck_crl.der")).expect("PCK CRL"),
        tcb_info_issuer_chain: read("tcb_signing_chain.pem"),
        tcb_info,
        tcb_info_signature,
        qe_identity_issuer_chain: read("tcb_signing_chain.pem"),
        qe_identity,
        qe_identity_signature,
        pck_certificate_chain: None,
    };
    let now: u64 = now.parse().expect("time");
    let rounds: usize = rounds.parse().expect("rounds");
    let mut took: Vec<f64> = (0..rounds)
        .map(|_| {
            let start = Instant::now();
            verify::ring::verify(&quote, &collateral, now).expect("accepted");
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    took.sort_by(f64::total_cmp);
    println!("cold_us={:.1}", took[rounds / 2]);
}
