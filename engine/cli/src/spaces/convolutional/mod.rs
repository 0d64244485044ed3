//! Convolutional space: cells for images, searched on CIFAR-10 and trained on CIFAR-10 and ImageNet.

mod images;
mod reproduce;
mod search;
mod test;
pub mod train;

use crate::subcommand::SpaceCommands;

pub const COMMANDS: SpaceCommands = SpaceCommands {
    search: &[search::ENTRY],
    train: &train::ENTRIES,
    test: &test::ENTRIES,
    reproduce: &[reproduce::ENTRY],
};
