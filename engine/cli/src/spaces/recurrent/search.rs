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

/// Flags of a search in this space only.
#[derive(Args)]
pub struct Flags {
    #[command(flatten)]
    text: TextFlags,
    /// Units: the length of word vectors and states.
    #[arg(long, value_name = "N", help_heading = "Search")]
    hidden: usize,
    /// Words that gradients flow back through (BPTT length), halved in one step out of twenty.
    #[arg(long, value_name = "N", help_heading = "Search")]
    bptt: usize,
    #[command(flatten, next_help_heading = "Training")]
    regularisation: RegularisationFlags,
}

impl SearchSpace for Recurrent {
    const NAME: &'static str = "recurrent";
    const ABOUT: &'static str = "Search the recurrent cell of a language model.\n\n\
        In the network, every edge mixes all candidate ops. The training text trains the weights, the validation text the \
        alphas, which weigh the ops. The run writes to the folder RUN: its settings in config.json, its events in \
        events.jsonl, checkpoints for --resume, and the derived cell in genotype.json. The defaults are the paper's.";
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
