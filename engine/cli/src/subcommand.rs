//! Lists of the subcommands of the search spaces.

use crate::{
    flags::with_defaults,
    output::{Outcome, Output},
};
use clap::{ArgMatches, Args, Command};
use serde_json::Value;

/// Arguments of a subcommand, and its work.
pub trait Subcommand: Args {
    const NAME: &'static str;
    /// Help, whose first paragraph is also the short help.
    const ABOUT: &'static str;

    /// Settings whose values are the defaults of arguments, see [`with_defaults`].
    fn defaults() -> Value;

    fn run(self, output: &Output) -> Outcome;
}

/// Subcommand in a list.
#[derive(Clone, Copy)]
pub struct Entry {
    pub name: &'static str,
    command: fn() -> Command,
    run: fn(&ArgMatches, &Output) -> Outcome,
}

impl Entry {
    /// Entry of a subcommand.
    pub const fn of<S: Subcommand>() -> Self {
        Self { name: S::NAME, command: command::<S>, run: run::<S> }
    }

    /// Command with its arguments.
    pub fn command(self) -> Command {
        (self.command)()
    }

    /// Runs the command with parsed arguments.
    pub fn run(self, matches: &ArgMatches, output: &Output) -> Outcome {
        (self.run)(matches, output)
    }
}

/// Subcommands of a space, one or more for each verb.
pub struct SpaceCommands {
    pub search: &'static [Entry],
    pub train: &'static [Entry],
    pub test: &'static [Entry],
    pub reproduce: &'static [Entry],
}

fn command<S: Subcommand>() -> Command {
    let short = S::ABOUT.split("\n\n").next().unwrap_or_default().trim_end_matches('.');
    let command = with_defaults(S::augment_args(Command::new(S::NAME)), &S::defaults());
    command.about(short).long_about(S::ABOUT)
}

fn run<S: Subcommand>(matches: &ArgMatches, output: &Output) -> Outcome {
    S::from_arg_matches(matches)?.run(output)
}
