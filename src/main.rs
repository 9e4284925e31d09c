//! The `s3seal` command: arguments, files, exit codes and printing.

mod cli;

fn main() -> std::process::ExitCode {
    cli::run()
}
