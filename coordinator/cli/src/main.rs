//! `mpic`, the command line.

use std::process::ExitCode;

use clap::Parser;
use mpic_cli::command::Arguments;
use mpic_runtime::process;

/// One thread, so that children which die with the thread that started them die with the process.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.run(&mut std::io::stdout()).await {
        Ok(exit) => exit.into(),
        Err(failure) => {
            process::report(failure.error.as_ref());
            failure.exit.into()
        }
    }
}
