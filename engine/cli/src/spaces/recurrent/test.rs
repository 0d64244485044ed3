//! `darts test ptb` and `darts test wt2`.

use super::train::{PennTreebank, TextBenchmark, WikiText2};
use crate::{
    output::{Outcome, Output},
    subcommand::Entry,
    test::{Test, TestSet, Tested},
};
use clap::Args;
use darts_engine::{
    config::{Kernels, TextTrainConfig},
    data::{Corpus, Text, Vocabulary},
    device::{Compute, block_on},
    event::TestResult,
    run::{VOCABULARY_FILE, read_text_weights},
    space::{Genotype, RECURRENT, Space},
    train::{TextWeights, test_text},
};
use std::{
    marker::PhantomData,
    path::{Path, PathBuf},
};

pub const ENTRIES: [Entry; 2] = [Entry::of::<Test<Ptb>>(), Entry::of::<Test<Wt2>>()];

/// Weights, and the text that they are tested on.
pub struct LanguageModel<T> {
    weights: TextWeights,
    text: Text,
    kind: PhantomData<T>,
}

pub type Ptb = LanguageModel<PennTreebank>;
pub type Wt2 = LanguageModel<WikiText2>;

#[derive(Args)]
pub struct Flags {
    /// Folder of the text; all three of its parts are needed unless vocabulary.txt lies beside the weights.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Test text, in place of the file in the folder.
    #[arg(long, value_name = "FILE")]
    test_file: Option<PathBuf>,
}

impl<T: TextBenchmark> TestSet for LanguageModel<T> {
    const NAME: &'static str = T::NAME;
    const ABOUT: &'static str = T::TEST;
    const SPACE: Space = RECURRENT;
    type Flags = Flags;

    fn batch_size() -> usize {
        TextTrainConfig::default().test_batch_size
    }

    fn open(flags: &Flags, file: &Path, genotype: &Genotype, _: &Output) -> Outcome<Self> {
        let mut weights = read_text_weights(file, genotype)?;
        let list = file.with_file_name(VOCABULARY_FILE);
        let (text, vocabulary) = if list.exists() {
            let vocabulary = Vocabulary::open(&list)?;
            (Text::open_test(&flags.data, flags.test_file.as_deref(), &vocabulary)?, vocabulary)
        } else {
            let corpus = Corpus::open(&flags.data, &[None, None, flags.test_file.clone()])?;
            (corpus.test, corpus.vocabulary)
        };
        let (found, expected) = (weights.net.vocabulary(), vocabulary.len());
        if found != expected {
            let file = file.display();
            return Err(format!("{file} is for a vocabulary of {found} words, but the text has {expected}").into());
        }
        weights.net = weights.net.on(Kernels::default());
        Ok(Self { weights, text, kind: PhantomData })
    }

    fn parameters(&self) -> usize {
        self.weights.weights.len()
    }

    fn test(&self, batch_size: usize, compute: &Compute, _: &Output) -> Outcome<Tested> {
        let sizes = [batch_size, TextTrainConfig::default().bptt];
        let measure = block_on(test_text(&self.weights, &self.text, sizes, &compute.device))?;
        Ok(Tested { result: TestResult::Words(measure), examples: self.text.tokens.len(), unreadable: None })
    }
}
