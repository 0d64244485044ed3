//! Search spaces of the command line. A space is a file, or a folder, with its commands, and a line in [`SPACES`].

mod convolutional;
mod recurrent;

use crate::{
    output::{Outcome, Output},
    subcommand::{Entry, SpaceCommands},
};
use clap::{ArgMatches, Command, FromArgMatches, error::ErrorKind};
use std::marker::PhantomData;

/// Commands of all spaces.
const SPACES: [&SpaceCommands; 2] = [&convolutional::COMMANDS, &recurrent::COMMANDS];

/// Verb with the subcommands of all spaces.
pub trait Verb {
    /// Subcommands of a space.
    fn entries(space: &'static SpaceCommands) -> &'static [Entry];
}

/// Declares verbs.
macro_rules! verbs {
    ($($verb:ident: $field:ident),+ $(,)?) => {
        $(
            #[doc = concat!("`darts ", stringify!($field), "`.")]
            pub struct $verb;

            impl Verb for $verb {
                fn entries(space: &'static SpaceCommands) -> &'static [Entry] {
                    space.$field
                }
            }
        )+
    };
}

verbs! { Search: search, Train: train, Test: test, Reproduce: reproduce }

/// Subcommand of a verb, with its arguments.
pub struct Chosen<V> {
    entry: Entry,
    matches: ArgMatches,
    verb: PhantomData<V>,
}

impl<V: Verb> Chosen<V> {
    /// Runs the subcommand.
    pub fn run(&self, output: &Output) -> Outcome {
        self.entry.run(&self.matches, output)
    }
}

fn entries<V: Verb>() -> impl Iterator<Item = Entry> {
    SPACES.into_iter().flat_map(V::entries).copied()
}

impl<V: Verb> clap::Subcommand for Chosen<V> {
    fn augment_subcommands(command: Command) -> Command {
        command.subcommands(entries::<V>().map(Entry::command))
    }

    fn augment_subcommands_for_update(command: Command) -> Command {
        Self::augment_subcommands(command)
    }

    fn has_subcommand(name: &str) -> bool {
        entries::<V>().any(|entry| entry.name == name)
    }
}

impl<V: Verb> FromArgMatches for Chosen<V> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let chosen = matches.subcommand().and_then(|(name, matches)| {
            let entry = entries::<V>().find(|entry| entry.name == name)?;
            Some(Self { entry, matches: matches.clone(), verb: PhantomData })
        });
        chosen.ok_or_else(|| clap::Error::raw(ErrorKind::MissingSubcommand, "a subcommand is required"))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{search, subcommand::Subcommand, train};
    use darts_engine::space::{Convolutional, Recurrent};
    use serde::Serialize;
    use serde_json::{Value, json};

    /// Arguments that a subcommand requires.
    const NEEDED: [&str; 4] = ["--data", "data", "--out", "out"];

    fn parsed<S: Subcommand>(needed: &[&str], more: &[&str]) -> S {
        let words = [&[S::NAME], needed, more].concat();
        S::from_arg_matches(&Entry::of::<S>().command().try_get_matches_from(words).unwrap()).unwrap()
    }

    /// Value of a setting that is not its default.
    fn other(default: &Value, argument: &clap::Arg) -> Option<Value> {
        match default {
            Value::Number(number) if number.is_f64() => Some(json!(number.as_f64().unwrap() / 2.0 + 0.001)),
            Value::Number(number) => Some(json!(number.as_u64().unwrap() + 1)),
            Value::String(word) => {
                let words = argument.get_possible_values();
                words.iter().map(|word| word.get_name()).find(|name| name != word).map(|name| json!(name))
            }
            _ => None,
        }
    }

    /// Without flags a subcommand has the settings of the paper, and each flag sets its own.
    fn flags_set_what_they_name<S: Subcommand, C: Serialize>(needed: &[&str], config: impl Fn(S) -> C) -> usize {
        let settings = |more: &[&str]| serde_json::to_value(config(parsed(needed, more))).unwrap();
        let defaults = S::defaults();
        assert_eq!(settings(&[]), defaults, "{}", S::NAME);
        let mut tried = 0;
        for argument in Entry::of::<S>().command().get_arguments() {
            let place = format!("/{}", argument.get_id().as_str().replace('.', "/"));
            let Some(value) = defaults.pointer(&place).and_then(|default| other(default, argument)) else { continue };
            let flag = format!("--{}", argument.get_long().unwrap());
            let word = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            let mut expected = defaults.clone();
            *expected.pointer_mut(&place).unwrap() = value;
            assert_eq!(settings(&[&flag, &word]), expected, "{} {flag} {word}", S::NAME);
            tried += 1;
        }
        tried
    }

    #[test]
    fn searches_have_the_settings_of_the_paper_and_of_their_flags() {
        assert_eq!(flags_set_what_they_name(&NEEDED, |search: search::Search<Convolutional>| search.config()), 19);
        assert_eq!(flags_set_what_they_name(&NEEDED, |search: search::Search<Recurrent>| search.config()), 22);
    }

    #[test]
    fn trainings_have_the_settings_of_the_paper_and_of_their_flags() {
        fn of<B: train::Benchmark>() -> usize {
            let needed = [&NEEDED[..], &["--arch", "DARTS_V1"]].concat();
            flags_set_what_they_name(&needed, |train: train::Train<B>| train.config())
        }
        assert_eq!(of::<convolutional::train::Cifar10>(), 16);
        assert_eq!(of::<convolutional::train::ImageNet>(), 17);
        assert_eq!(of::<recurrent::train::Ptb>(), 19);
        assert_eq!(of::<recurrent::train::Wt2>(), 19);
    }
}
