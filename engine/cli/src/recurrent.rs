//! `darts search recurrent`: find the cell of a language model.

use crate::{
    device::{DEVICES, acquire, contain, devices, told_time, word},
    drive::{Before, Begin, Keeping, Show, at_row, drive},
    output::{Outcome, Output},
    search::{KERNELS, ORDERS, asked, kernels, orders},
    watch::{Watch, Watching},
};
use clap::Args;
use darts_engine::{
    config::{Dropouts, Kernels, Order, Penalties, RecurrentConfig},
    data::Corpus,
    device::{DeviceChoice, block_on},
    event::{Event, WordMeasure},
    run::{TextRunConfig, TextSource},
    search::{RecurrentError, RecurrentSearch},
    space::{RecurrentAlphas, RecurrentGenotype},
};
use indicatif::ProgressBar;
use serde::Serialize;
use std::path::{Path, PathBuf};

fn paper() -> RecurrentConfig {
    RecurrentConfig::default()
}

/// Single files in place of those of a folder of text.
#[derive(Args)]
pub struct TextFiles {
    /// The training text instead, whatever its name.
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    train_file: Option<PathBuf>,
    /// The validation text instead, whatever its name.
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    valid_file: Option<PathBuf>,
    /// The test text instead, whatever its name.
    #[arg(long, value_name = "FILE", help_heading = "Data")]
    test_file: Option<PathBuf>,
}

impl TextFiles {
    /// Each where it is named.
    pub fn named(&self) -> [Option<PathBuf>; 3] {
        [&self.train_file, &self.valid_file, &self.test_file].map(Option::clone)
    }
}

/// The text, for whatever trains on one.
#[derive(Args)]
pub struct TextData {
    /// A folder with train.txt, valid.txt and test.txt (or ptb.train.txt, wiki.train.tokens and so on), a sentence a line.
    #[arg(long, value_name = "DIR", required_unless_present = "resume", help_heading = "Data")]
    data: Option<PathBuf>,
    #[command(flatten)]
    files: TextFiles,
}

impl TextData {
    /// The text that the flags name, or that of the run to go on with, and where it came from.
    pub fn open(&self, begin: &Begin<TextRunConfig>) -> Outcome<(Corpus, TextSource)> {
        let mut files = self.files.named();
        if let (None, Some(run)) = (&self.data, begin.run()) {
            let TextSource { train, valid, test, .. } = &run.config.text;
            files.iter_mut().zip([train, valid, test]).for_each(|(file, was)| {
                file.get_or_insert(was.into());
            });
        }
        let corpus = Corpus::open(self.data.as_deref().unwrap_or(Path::new("")), &files)?;
        let source = TextSource::new(&corpus);
        begin.check(&source)?;
        Ok((corpus, source))
    }
}

#[derive(Args)]
#[command(allow_negative_numbers = true)]
pub struct Recurrent {
    #[command(flatten)]
    text: TextData,

    /// The folder to write the run to; it must not hold one yet.
    #[arg(long, value_name = "RUN", required_unless_present = "resume", help_heading = "Run")]
    out: Option<PathBuf>,
    #[command(flatten)]
    keeping: Keeping,
    /// Where to compute.
    #[arg(long, value_name = "DEVICE", default_value = word(DEVICES, DeviceChoice::default()), value_parser = devices(),
        help_heading = "Run")]
    device: DeviceChoice,
    /// What computes the supernet.
    #[arg(long, value_name = "KERNELS", default_value = word(KERNELS, Kernels::default()), value_parser = kernels(),
        help_heading = "Run")]
    kernels: Kernels,
    /// Decides the initial weights and alphas, the lengths of steps and what is dropped.
    #[arg(long, value_name = "N", default_value_t = paper().seed, help_heading = "Run")]
    seed: u64,
    /// Steps from one logged set of alphas to the next; an epoch's last are always logged.
    #[arg(long, value_name = "STEPS", default_value_t = paper().report_every, help_heading = "Run")]
    report_every: usize,

    #[command(flatten, next_help_heading = "Page")]
    watching: Watching,

    /// How the gradient of the alphas is approximated.
    #[arg(long, value_name = "ORDER", default_value = word(ORDERS, paper().order), value_parser = orders(),
        help_heading = "Search")]
    order: Order,
    /// Passes over the training text.
    #[arg(long, value_name = "N", default_value_t = paper().epochs, help_heading = "Search")]
    epochs: usize,
    /// Columns that texts are cut into.
    #[arg(long, value_name = "N", default_value_t = paper().batch_size, help_heading = "Search")]
    batch_size: usize,
    /// Units: the length of word vectors and states.
    #[arg(long, value_name = "N", default_value_t = paper().hidden, help_heading = "Search")]
    hidden: usize,
    /// Words of a column that gradients go back through; one step in twenty takes half as many.
    #[arg(long, value_name = "N", default_value_t = paper().bptt, help_heading = "Search")]
    bptt: usize,

    /// Learning rate of SGD.
    #[arg(long, value_name = "RATE", default_value_t = paper().learning_rate, help_heading = "Weights")]
    learning_rate: f64,
    /// Weight decay of the weights.
    #[arg(long, value_name = "RATE", default_value_t = paper().weight_decay, help_heading = "Weights")]
    weight_decay: f64,
    /// Norm that a gradient of the weights is cut down to where it is greater.
    #[arg(long, value_name = "NORM", default_value_t = paper().grad_clip, help_heading = "Weights")]
    grad_clip: f64,
    /// Share of words dropped from the vocabulary in a step.
    #[arg(long, value_name = "SHARE", default_value_t = paper().dropouts.embedding, help_heading = "Weights")]
    dropout_embedding: f64,
    /// Share of the word vectors' components dropped.
    #[arg(long, value_name = "SHARE", default_value_t = paper().dropouts.input, help_heading = "Weights")]
    dropout_input: f64,
    /// Share of the components of the cell's input dropped.
    #[arg(long, value_name = "SHARE", default_value_t = paper().dropouts.cell_input, help_heading = "Weights")]
    dropout_cell_input: f64,
    /// Share of the states' components dropped.
    #[arg(long, value_name = "SHARE", default_value_t = paper().dropouts.hidden, help_heading = "Weights")]
    dropout_hidden: f64,
    /// Share of the output's components dropped.
    #[arg(long, value_name = "SHARE", default_value_t = paper().dropouts.output, help_heading = "Weights")]
    dropout_output: f64,
    /// How much the mean square of the output adds to the loss.
    #[arg(long, value_name = "WEIGHT", default_value_t = paper().penalties.activation, help_heading = "Weights")]
    activation_penalty: f64,
    /// How much the mean square of the output's change from word to word adds to the loss.
    #[arg(long, value_name = "WEIGHT", default_value_t = paper().penalties.slowness, help_heading = "Weights")]
    slowness_penalty: f64,

    /// Learning rate of Adam.
    #[arg(long, value_name = "RATE", default_value_t = paper().arch_learning_rate, help_heading = "Alphas")]
    arch_learning_rate: f64,
    /// Share of the mean gradient that Adam keeps at each step.
    #[arg(long, value_name = "SHARE", default_value_t = paper().arch_betas.0, help_heading = "Alphas")]
    arch_beta1: f64,
    /// Share of the mean squared gradient that Adam keeps at each step.
    #[arg(long, value_name = "SHARE", default_value_t = paper().arch_betas.1, help_heading = "Alphas")]
    arch_beta2: f64,
    /// Weight decay of the alphas.
    #[arg(long, value_name = "RATE", default_value_t = paper().arch_weight_decay, help_heading = "Alphas")]
    arch_weight_decay: f64,
}

impl Recurrent {
    fn config(&self) -> RecurrentConfig {
        RecurrentConfig {
            order: self.order,
            epochs: self.epochs,
            batch_size: self.batch_size,
            hidden: self.hidden,
            bptt: self.bptt,
            seed: self.seed,
            learning_rate: self.learning_rate,
            weight_decay: self.weight_decay,
            grad_clip: self.grad_clip,
            dropouts: Dropouts {
                embedding: self.dropout_embedding,
                input: self.dropout_input,
                cell_input: self.dropout_cell_input,
                hidden: self.dropout_hidden,
                output: self.dropout_output,
            },
            penalties: Penalties { activation: self.activation_penalty, slowness: self.slowness_penalty },
            arch_learning_rate: self.arch_learning_rate,
            arch_betas: (self.arch_beta1, self.arch_beta2),
            arch_weight_decay: self.arch_weight_decay,
            kernels: self.kernels,
            report_every: self.report_every,
        }
    }
}

pub fn search(args: &Recurrent, output: &Output) -> Outcome {
    let begin: Begin<TextRunConfig> = args.keeping.begin(args.out.as_ref())?;
    let config = match begin.run() {
        Some(run) => run.config.search.clone().ok_or_else(|| format!("{} holds no search", run.folder.display()))?,
        None => args.config(),
    };
    // What can be refused at once is refused before anything long begins.
    config.check()?;
    let (corpus, source) = args.text.open(&begin)?;
    let watched = args.watching.start(begin.folder(), output)?;
    let device = begin.device(args.device);
    let (compute, remark) = contain(|| Ok(acquire(device)?))?;
    let search = contain(|| Ok(block_on(RecurrentSearch::new(config.clone(), &corpus, &compute))?))?;
    if let Some(remark) = remark {
        output.remark(remark);
    }
    drop(corpus);
    let run = TextRunConfig::search(device, source, config);
    let summary = perform(search, begin, &run, &args.keeping, watched.as_ref(), output)?;
    output.print(&summary, summary.text())
}

/// Searches to the end, shows how it goes, on a page too where it is watched, and writes all of it to the run's folder.
pub fn perform(
    mut search: RecurrentSearch,
    begin: Begin<TextRunConfig>,
    run: &TextRunConfig,
    keeping: &Keeping,
    watched: Option<&Watch>,
    output: &Output,
) -> Outcome<Summary> {
    let mut view = View::new(begin.folder(), output);
    let before = |search: &mut RecurrentSearch, interrupted: &dyn Fn() -> bool| match watched {
        Some(watch) => asked(watch, interrupted, |steering| match block_on(search.steer(steering)) {
            Err(RecurrentError::Steering(refused)) => Ok(Err(refused)),
            told => Ok(Ok(told?)),
        }),
        None => Ok(Before::Step),
    };
    drive(begin, run, keeping, &mut search, before, |_, _| Ok(Vec::new()), &mut view, output)?;
    Ok(view.summary)
}

/// What a search comes to; the measures are the last epoch's.
#[derive(Default, Serialize)]
pub struct Summary {
    run: PathBuf,
    adapter: String,
    backend: String,
    parameters: usize,
    vocabulary: usize,
    train_words: usize,
    valid_words: usize,
    epochs: usize,
    seconds: f64,
    words_per_second: f64,
    weights: WordMeasure,
    alphas: WordMeasure,
    valid: WordMeasure,
    architecture: RecurrentAlphas,
    genotype: Option<RecurrentGenotype>,
}

impl Summary {
    fn text(&self) -> String {
        let cell = self.genotype.as_ref().map(RecurrentGenotype::to_string).unwrap_or_default();
        let plural = if self.epochs == 1 { "" } else { "s" };
        let (time, run) = (told_time(self.seconds), self.run.display());
        format!("{cell}\n{} epoch{plural} in {time}; the run is in {run}", self.epochs)
    }
}

/// Shows a search while it runs and keeps what it comes to.
struct View<'a> {
    output: &'a Output,
    bar: ProgressBar,
    epochs: usize,
    rows: usize,
    summary: Summary,
}

impl<'a> View<'a> {
    fn new(run: &Path, output: &'a Output) -> Self {
        let bar = output.progress(None, "{prefix} [{bar:20}]\n{wide_msg}");
        let summary = Summary { run: run.to_owned(), ..Summary::default() };
        Self { output, bar, epochs: 0, rows: 0, summary }
    }
}

impl Show<RecurrentSearch> for View<'_> {
    fn bar(&self) -> &ProgressBar {
        &self.bar
    }

    fn stepped(&mut self, search: &RecurrentSearch) {
        at_row(&self.bar, search.place(), self.epochs, self.rows);
    }

    fn show(&mut self, event: Event) {
        let summary = &mut self.summary;
        match event {
            Event::RecurrentStarted {
                config,
                adapter,
                backend,
                parameters,
                vocabulary,
                train_words,
                valid_words,
                rows,
                ..
            } => {
                (self.epochs, self.rows) = (config.epochs, rows);
                self.bar.set_length((config.epochs * rows) as u64);
                at_row(&self.bar, (0, 0), self.epochs, self.rows);
                self.bar.set_message("the first step also compiles the kernels");
                (summary.adapter, summary.backend, summary.parameters) = (adapter, backend, parameters);
                (summary.vocabulary, summary.train_words, summary.valid_words) = (vocabulary, train_words, valid_words);
            }
            Event::RecurrentStep { weights, alphas, .. } => self.bar.set_message(told(weights, alphas)),
            Event::RecurrentEpoch { epoch, weights, alphas, valid, words_per_second, .. } => {
                (summary.weights, summary.alphas, summary.valid) = (weights, alphas, valid);
                summary.words_per_second = words_per_second;
                let line = format!(
                    "epoch {} of {}: {}; validation perplexity {:.2}; {words_per_second:.0} words/s",
                    epoch + 1,
                    self.epochs,
                    told(weights, alphas),
                    valid.perplexity
                );
                self.bar.suspend(|| self.output.remark(line));
            }
            Event::RecurrentFinished { genotype, architecture, epochs, seconds, .. } => {
                summary.genotype = Some(genotype);
                summary.architecture = architecture;
                (summary.epochs, summary.seconds) = (epochs, seconds);
            }
            _ => {}
        }
    }
}

/// The state of a search in a line, which fits a terminal's.
fn told(weights: WordMeasure, alphas: WordMeasure) -> String {
    format!("weight loss {:.3}, alpha loss {:.3}", weights.loss, alphas.loss)
}
