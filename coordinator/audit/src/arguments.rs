//! The arguments of `mpic-audit`.

use std::collections::BTreeSet;
use std::path::PathBuf;

use mpic_audit::log::Steps;
use mpic_runtime::config::ConfigError;

/// What the command line asks for.
#[derive(Clone, Debug)]
pub(crate) struct Arguments {
    /// What to do.
    pub(crate) command: Command,
    /// `--config FILE`.
    pub(crate) config: PathBuf,
    /// `--accept-gap SEQ`: lost sequences that an operator gives up, each with a `gap` entry.
    pub(crate) accept_gaps: BTreeSet<u64>,
    /// `--crash-at STEP[:N]`, for tests of recovery: no clean-up after that step of a commit.
    pub(crate) steps: Steps,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// Begin a log with its genesis entry, and stop.
    Init,
    /// Follow the stream. The default.
    Run,
    /// Read the configuration, and stop.
    CheckConfig,
}

impl Arguments {
    /// Reads `[init|run] --config FILE [--check-config] [--accept-gap SEQ]...`.
    pub(crate) fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Self, ConfigError> {
        let mut command = Command::Run;
        let (mut config, mut accept_gaps) = (None, BTreeSet::new());
        let mut steps = Steps::default();
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_default();
            match argument.as_str() {
                "init" => command = Command::Init,
                "run" => command = Command::Run,
                "--check-config" => command = Command::CheckConfig,
                "--config" => config = Some(PathBuf::from(value())),
                "--accept-gap" => {
                    let text = value();
                    let seq = text.parse();
                    let wrong = |error| ConfigError::key("--accept-gap", &text, error);
                    accept_gaps.insert(seq.map_err(wrong)?);
                }
                "--crash-at" => {
                    let text = value();
                    let wrong = |error| ConfigError::key("--crash-at", &text, error);
                    steps = Steps::crash_at(&text).map_err(wrong)?;
                }
                _ => return Err(ConfigError::key("argument", argument, USAGE)),
            }
        }
        let missing = || ConfigError::key("argument", "--config", USAGE);
        Ok(Self { command, config: config.ok_or_else(missing)?, accept_gaps, steps })
    }
}

const USAGE: &str =
    "the arguments are [init|run] --config FILE [--check-config] [--accept-gap SEQ]...";

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Arguments, ConfigError> {
        Arguments::parse(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn the_command_is_run_unless_it_is_said() {
        let parsed = parse("--config a.toml --accept-gap 7 --accept-gap 9").expect("arguments");
        assert_eq!((parsed.command, parsed.config), (Command::Run, PathBuf::from("a.toml")));
        assert_eq!(parsed.accept_gaps, BTreeSet::from([7, 9]));
        assert_eq!(parse("init --config a").expect("arguments").command, Command::Init);
        let check = parse("run --config a --check-config").expect("arguments");
        assert_eq!(check.command, Command::CheckConfig);
    }

    #[test]
    fn what_is_unknown_or_missing_is_refused() {
        for line in
            ["", "run", "--config a x", "--config a --accept-gap x", "--config a --crash-at x"]
        {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
