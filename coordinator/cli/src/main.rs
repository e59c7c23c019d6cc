//! `mpic`, the command line.

use std::error::Error;
use std::io;
use std::process::ExitCode;

use clap::Parser;
use mpic_cli::command::Arguments;
use mpic_runtime::process;

/// One thread, so that children which die with the thread that started them die with the process.
#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.run(&mut io::stdout()).await {
        Ok(exit) => exit.into(),
        // Who reads has seen enough, as of `mpic audit export … | head`.
        Err(failure) if is_broken_pipe(failure.error.as_ref()) => ExitCode::from(128 + SIGPIPE),
        Err(failure) => {
            process::report(failure.error.as_ref());
            failure.exit.into()
        }
    }
}

/// What a shell says of a process that a broken pipe ended.
const SIGPIPE: u8 = 13;

fn is_broken_pipe(error: &(dyn Error + 'static)) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
        || error.source().is_some_and(is_broken_pipe)
}
