//! Recurrent space: cells of language models, searched on the Penn Treebank and trained on it and on WikiText-2, or on any text.

mod reproduce;
mod search;
mod test;
mod text;
pub mod train;

use crate::subcommand::SpaceCommands;

pub const COMMANDS: SpaceCommands = SpaceCommands {
    search: &[search::ENTRY],
    train: &train::ENTRIES,
    test: &test::ENTRIES,
    reproduce: &[reproduce::ENTRY],
};
