//! ethrex-executor on the crates of release 24.

fn main() -> std::process::ExitCode {
    ethrex_executor_24::cli::main()
}
