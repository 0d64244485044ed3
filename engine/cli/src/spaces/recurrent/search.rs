//! `darts search recurrent`.

use super::text::{RegularisationFlags, TextFlags};
use crate::{
    flags::copy_fields,
    keeping::Begin,
    output::{Outcome, Output},
    search::{Search, SearchFlags, SearchSpace, copy_search_flags},
    subcommand::Entry,
};
use clap::Args;
use darts_engine::{config::RecurrentConfig, data::Corpus, run::TextSource, space::Recurrent};

pub const ENTRY: Entry = Entry::of::<Search<Recurrent>>();

/// Flags of a search that no other space has.
#[derive(Args)]
pub struct Flags {
    #[command(flatten)]
    text: TextFlags,
    /// Units: the length of word vectors and states.
    #[arg(long, value_name = "N", help_heading = "Search")]
    hidden: usize,
    /// Words of a column that gradients go back through; one step in twenty takes half as many.
    #[arg(long, value_name = "N", help_heading = "Search")]
    bptt: usize,
    #[command(flatten, next_help_heading = "Training")]
    regularisation: RegularisationFlags,
}

impl SearchSpace for Recurrent {
    const NAME: &'static str = "recurrent";
    const ABOUT: &'static str = "Search the recurrent cell of a language model.\n\n\
        The training text trains the weights of a network in which every edge mixes all candidate ops, the validation text \
        trains how much each op counts. The folder RUN then has config.json, every event of the search in events.jsonl \
        while it goes on, checkpoints that --resume goes on from, and the cell derived in genotype.json. The defaults are \
        the paper's.";
    type Flags = Flags;

    fn config(flags: &Flags, search: &SearchFlags) -> RecurrentConfig {
        let mut config = RecurrentConfig::default();
        copy_search_flags!(search => config);
        copy_fields!(flags => config; hidden, bptt);
        config.dropouts = flags.regularisation.dropouts();
        config.penalties = flags.regularisation.penalties();
        config
    }

    fn open(flags: &Flags, begin: &Begin<Self>, _: &Output) -> Outcome<(Corpus, TextSource)> {
        flags.text.open(begin)
    }
}
