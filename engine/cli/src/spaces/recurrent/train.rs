//! `darts train ptb` and `darts train wt2`.

use super::text::{RegularisationFlags, TextFlags};
use crate::{
    flags::{SharedFlags, copy_fields, copy_shared_flags},
    keeping::Begin,
    output::{Outcome, Output},
    runner::RunFiles,
    subcommand::Entry,
    train::{Benchmark, Train},
};
use clap::Args;
use darts_engine::{
    config::TextTrainConfig,
    data::Corpus,
    device::Compute,
    run::{TextSource, VOCABULARY_FILE},
    space::{Genotype, Recurrent},
    train::{TextTrainee, TextTraining, TextWeights},
};
use std::marker::PhantomData;

pub const ENTRIES: [Entry; 2] = [Entry::of::<Train<Ptb>>(), Entry::of::<Train<Wt2>>()];

/// Hyper-parameters of language models.
#[derive(Args)]
pub struct NetworkFlags {
    /// Units: the length of word vectors and states.
    #[arg(long, value_name = "N", help_heading = "Network")]
    hidden: usize,
    /// Columns that the test text is cut into, which affects speed and the context of the first words of each column.
    #[arg(long, value_name = "N", help_heading = "Run")]
    test_batch_size: usize,
    /// Words that gradients flow back through (BPTT length), on average.
    #[arg(long, value_name = "N", help_heading = "Training")]
    bptt: usize,
    /// Epochs without a better validation loss before the weights are averaged.
    #[arg(long, value_name = "EPOCHS", help_heading = "Training")]
    patience: usize,
    #[command(flatten, next_help_heading = "Training")]
    regularisation: RegularisationFlags,
}

impl NetworkFlags {
    /// Settings from the flags.
    pub fn config(&self, shared: &SharedFlags) -> TextTrainConfig {
        let mut config = TextTrainConfig::default();
        copy_shared_flags!(shared => config);
        copy_fields!(self => config; hidden, test_batch_size, bptt, patience);
        config.dropouts = self.regularisation.dropouts();
        config.penalties = self.regularisation.penalties();
        config
    }
}

/// Text that language models are trained and tested on, with its settings.
pub trait TextBenchmark: 'static {
    /// Name of the subcommands.
    const NAME: &'static str;
    /// Help of the subcommand of `darts train`.
    const TRAIN: &'static str;
    /// Help of the subcommand of `darts test`.
    const TEST: &'static str;

    /// Hyper-parameters of the paper.
    fn paper() -> TextTrainConfig;
}

/// The Penn Treebank.
pub struct PennTreebank;

impl TextBenchmark for PennTreebank {
    const NAME: &'static str = "ptb";
    const TRAIN: &'static str = "Train a language model around a recurrent cell on the Penn Treebank, or any text, and test it.\n\n\
        The run writes to the folder RUN: its settings in config.json, the cell in genotype.json, the words in \
        vocabulary.txt, its events in events.jsonl, checkpoints for --resume, and the weights: last.safetensors after each \
        epoch, best.safetensors after each epoch with the lowest validation loss so far. The defaults are the paper's for \
        the Penn Treebank.";
    const TEST: &'static str = "Test the weights of a language model on the test text of the Penn Treebank, or any text.\n\n\
        The number of words and units follows from the weights; the cell must be the one that was trained. If vocabulary.txt \
        from the training run lies beside the weights, the text is read with it.";

    fn paper() -> TextTrainConfig {
        TextTrainConfig::default()
    }
}

/// WikiText-2.
pub struct WikiText2;

impl TextBenchmark for WikiText2 {
    const NAME: &'static str = "wt2";
    const TRAIN: &'static str = "Train a language model like `train ptb`, with the paper's settings for WikiText-2.";
    const TEST: &'static str = "Test the weights of a language model like `test ptb`, on the test text of WikiText-2.";

    fn paper() -> TextTrainConfig {
        TextTrainConfig::wikitext2()
    }
}

/// Language models for a text.
pub struct LanguageModel<T>(PhantomData<T>);

pub type Ptb = LanguageModel<PennTreebank>;
pub type Wt2 = LanguageModel<WikiText2>;

#[derive(Args)]
pub struct Flags {
    #[command(flatten)]
    text: TextFlags,
    #[command(flatten)]
    network: NetworkFlags,
}

impl<T: TextBenchmark> Benchmark for LanguageModel<T> {
    const NAME: &'static str = T::NAME;
    const ABOUT: &'static str = T::TRAIN;
    type Space = Recurrent;
    type Trainee = TextTrainee;
    type Flags = Flags;
    type Data = Corpus;

    fn paper() -> TextTrainConfig {
        T::paper()
    }

    fn config(flags: &Flags, shared: &SharedFlags) -> TextTrainConfig {
        flags.network.config(shared)
    }

    fn open(flags: &Flags, _: &TextTrainConfig, begin: &Begin<Recurrent>, _: &Output) -> Outcome<(Corpus, TextSource)> {
        flags.text.open(begin)
    }

    fn training(
        config: TextTrainConfig,
        genotype: Genotype,
        data: &Corpus,
        compute: &Compute,
    ) -> Outcome<TextTraining> {
        Ok(TextTraining::new(config, genotype, data, compute)?)
    }

    fn files(data: &Corpus) -> RunFiles {
        vec![(VOCABULARY_FILE, data.vocabulary.to_text().into_bytes())]
    }

    fn to_safetensors(weights: &TextWeights, _: u64) -> Vec<u8> {
        weights.to_safetensors()
    }
}
