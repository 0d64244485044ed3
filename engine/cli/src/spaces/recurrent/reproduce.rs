//! `darts reproduce ptb`.

use super::{
    text::FileFlags,
    train::{self, NetworkFlags},
};
use crate::{
    flags::{SharedFlags, copy_fields},
    output::{Outcome, Output, counted},
    reproduce::{Length, Paper, Protocol, Reproduce, Row, RowOf, SearchShared, Size, deviation, mean, with_deviation},
    subcommand::Entry,
};
use clap::Args;
use darts_engine::{
    config::{RecurrentConfig, TextTrainConfig},
    data::Corpus,
    event::{Measure, TestResult},
    run::TextSource,
    space::{Genotype, REPORTED_PTB, REPORTED_WT2, Recurrent, TextReport, recurrent_parameters},
};
use serde::Serialize;
use std::{fmt, path::PathBuf};

pub const ENTRY: Entry = Entry::of::<Reproduce<Ptb>>();

/// Words of the Penn Treebank's texts, line ends included.
const PTB_WORDS: [usize; 3] = [929_589, 73_760, 82_430];

/// Protocol of recurrent cells on the Penn Treebank.
pub struct Ptb;

#[derive(Args)]
pub struct Flags {
    /// Folder with train.txt, valid.txt and test.txt (or ptb.train.txt, wiki.train.tokens and so on), one sentence per line.
    #[arg(long, value_name = "DIR", help_heading = "Data")]
    data: PathBuf,
    #[command(flatten)]
    files: FileFlags,
    /// Units of the supernet.
    #[arg(id = "search.hidden", long = "search-hidden", value_name = "N", help_heading = "Search")]
    search_hidden: usize,
    /// Words that the gradients of a search flow back through (BPTT length).
    #[arg(id = "search.bptt", long = "search-bptt", value_name = "N", help_heading = "Search")]
    search_bptt: usize,
    /// Learning rate of the supernet's weights.
    #[arg(id = "search.learning_rate", long = "search-learning-rate", value_name = "RATE", help_heading = "Search")]
    search_learning_rate: f64,
    /// Learning rate of the alphas.
    #[arg(
        id = "search.arch_learning_rate",
        long = "search-arch-learning-rate",
        value_name = "RATE",
        help_heading = "Search"
    )]
    search_arch_learning_rate: f64,
    #[command(flatten)]
    network: NetworkFlags,
}

/// Perplexities of a language model on the validation and test texts.
#[derive(Clone, Copy, Serialize)]
pub struct Tested {
    /// The lowest validation loss of all epochs.
    valid: Measure,
    /// Test perplexity of the weights with that loss.
    test: Measure,
}

/// Perplexities of several.
#[derive(Serialize)]
pub struct Perplexities {
    /// Mean.
    valid_perplexity: f64,
    /// Standard deviation, if there are several.
    valid_deviation: Option<f64>,
    /// Mean.
    test_perplexity: f64,
    /// Standard deviation, if there are several.
    test_deviation: Option<f64>,
}

#[derive(Serialize)]
pub struct Reported {
    /// On the Penn Treebank.
    reported_ptb: Vec<TextReport>,
    /// On WikiText-2.
    reported_wt2: Vec<TextReport>,
}

impl Protocol for Ptb {
    const NAME: &'static str = "ptb";
    const ABOUT: &'static str = "Search and train recurrent cells of language models on the Penn Treebank, or any text, and \
        print the paper's row.\n\n\
        Searches use consecutive seeds from the given one on, and so do full trainings. The cell of each search is first \
        trained briefly, from scratch. The best by validation perplexity is then trained fully, once or several times, and \
        each such model is tested once, with the weights of its lowest validation loss. The folder DIR contains a run \
        folder for each stage, and the report in report.json. After an interruption, the same command resumes and skips \
        finished stages. The defaults are the paper's.";
    type Space = Recurrent;
    type Benchmark = train::Ptb;
    type Flags = Flags;
    type Tested = Tested;
    type Figures = Perplexities;
    type Reported = Reported;

    /// Section 3.2.
    fn paper() -> Paper<Self> {
        let (search, train) = (RecurrentConfig::default(), TextTrainConfig::default());
        Paper { searches: 4, random_cells: 8, runs: 1, brief_epochs: 300, search, train }
    }

    fn open(flags: &Flags, _: &Output) -> Outcome<(Corpus, TextSource)> {
        let corpus = Corpus::open(&flags.data, &flags.files.named())?;
        let source = TextSource::new(&corpus);
        Ok((corpus, source))
    }

    fn search_config(flags: &Flags, shared: &SearchShared) -> RecurrentConfig {
        let mut config = RecurrentConfig::default();
        copy_fields!(shared => config; order, epochs, batch_size, seed, kernels);
        (config.hidden, config.bptt) = (flags.search_hidden, flags.search_bptt);
        (config.learning_rate, config.arch_learning_rate) =
            (flags.search_learning_rate, flags.search_arch_learning_rate);
        config
    }

    fn train_config(flags: &Flags, shared: &SharedFlags, _: Length) -> TextTrainConfig {
        flags.network.config(shared)
    }

    fn parameters(genotype: &Genotype, config: &TextTrainConfig, data: &Corpus) -> u64 {
        recurrent_parameters(genotype.nodes(0), data.vocabulary.len(), config.hidden)
    }

    fn data_sizes(source: &TextSource) -> Vec<Size> {
        let names = ["training words", "validation words", "test words"];
        let here = [source.train_words, source.valid_words, source.test_words];
        let sizes = names.into_iter().zip(here).zip(PTB_WORDS);
        sizes.map(|((what, here), paper)| Size { what, here, paper }).collect()
    }

    fn search_sizes(config: &RecurrentConfig) -> Vec<(&'static str, usize)> {
        vec![("search units", config.hidden), ("search bptt", config.bptt)]
    }

    fn train_sizes(config: &TextTrainConfig) -> Vec<(&'static str, usize)> {
        vec![("units", config.hidden), ("bptt", config.bptt)]
    }

    fn tested(test: TestResult, best: TestResult) -> Option<Tested> {
        match (test, best) {
            (TestResult::Words(test), TestResult::Words(valid)) => Some(Tested { valid, test }),
            _ => None,
        }
    }

    fn validation(tested: &Tested) -> f64 {
        tested.valid.loss.into()
    }

    fn figures(tested: &[Tested]) -> Perplexities {
        let of = |measure: fn(&Tested) -> Measure| -> Vec<f64> {
            tested.iter().map(|tested| measure(tested).perplexity.unwrap_or(f32::NAN).into()).collect()
        };
        let (valid, test) = (of(|tested| tested.valid), of(|tested| tested.test));
        Perplexities {
            valid_perplexity: mean(&valid),
            valid_deviation: deviation(&valid),
            test_perplexity: mean(&test),
            test_deviation: deviation(&test),
        }
    }

    fn compared(figures: &Perplexities) -> (f64, Option<f64>) {
        (figures.test_perplexity, figures.test_deviation)
    }

    fn reported() -> Reported {
        Reported { reported_ptb: REPORTED_PTB.into(), reported_wt2: REPORTED_WT2.into() }
    }

    fn write_tables(
        rows: &[RowOf<Self>],
        source: &TextSource,
        config: &TextTrainConfig,
        f: &mut fmt::Formatter,
    ) -> fmt::Result {
        let (hidden, epochs) = (config.hidden, counted(config.epochs, "epoch"));
        writeln!(f, "{}: language models of {hidden} units, {epochs}\n", source.train)?;
        let heads = |here: &str, runs: &str, days: &str| {
            format!(
                "{here:<27} {:<16} {:<16} {runs:>4} {:>7} {days:>11}",
                "valid perplexity", "test perplexity", "params"
            )
        };
        writeln!(f, "{}", heads("measured here", "runs", "device days"))?;
        for row in rows {
            let Perplexities { valid_perplexity, valid_deviation, test_perplexity, test_deviation } = row.figures;
            let valid = with_deviation(valid_perplexity, valid_deviation);
            let test = with_deviation(test_perplexity, test_deviation);
            let Row { runs, params, search_days, .. } = row;
            writeln!(f, "{:<27} {valid:<16} {test:<16} {runs:>4} {params:>6.2}M {search_days:>11.4}", row.title())?;
        }
        let Reported { reported_ptb, reported_wt2 } = Self::reported();
        for (table, reports) in [("Penn Treebank, table 2", reported_ptb), ("WikiText-2, table 5", reported_wt2)] {
            writeln!(f, "\nThe paper reports, on {table}:\n{}", heads("", "", "GPU days").trim_end())?;
            for TextReport { network, valid_perplexity, test_perplexity, params, gpu_days, .. } in reports {
                let valid = valid_perplexity.map_or_else(String::new, |valid| format!("{valid:.1}"));
                let days = gpu_days.map_or_else(String::new, |days| days.to_string());
                let line =
                    format!("{network:<27} {valid:<16} {test_perplexity:<16.1} {:>4} {params:>6.0}M {days:>11}", "");
                writeln!(f, "{}", line.trim_end())?;
            }
        }
        Ok(())
    }
}
