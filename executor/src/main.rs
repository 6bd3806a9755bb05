//! ethrex-executor (cli.rs).

fn main() -> std::process::ExitCode {
    ethrex_executor::cli::main()
}
