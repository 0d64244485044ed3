//! `darts search recurrent`: find the cell of a language model.

use crate::{
    device::{DEVICES, acquire, contain, devices, logged, told_time, word},
    output::{Outcome, Output},
    search::{KERNELS, ORDERS, kernels, orders},
};
use clap::Args;
use darts_engine::{
    data::Corpus,
    device::{DeviceChoice, block_on},
    event::{Event, WordMeasure},
    run::{RunWriter, TextRunConfig, TextSource, VERSION},
    search::{Dropouts, Order, Penalties, RecurrentConfig, RecurrentSearch},
    space::{RecurrentAlphas, RecurrentGenotype},
    supernet::Kernels,
};
use indicatif::{HumanDuration, ProgressBar};
use serde::Serialize;
use std::path::{Path, PathBuf};

fn paper() -> RecurrentConfig {
    RecurrentConfig::default()
}

/// The text, for whatever trains on one.
#[derive(Args)]
pub struct TextData {
    /// A folder with train.txt, valid.txt and test.txt (or ptb.train.txt, wiki.train.tokens and so on), a sentence a line.
    #[arg(long, value_name = "DIR", help_heading = "Data")]
    data: PathBuf,
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

impl TextData {
    pub fn open(&self) -> Outcome<Corpus> {
        let Self { data, train_file, valid_file, test_file } = self;
        Ok(Corpus::open(data, &[train_file.clone(), valid_file.clone(), test_file.clone()])?)
    }
}

#[derive(Args)]
#[command(allow_negative_numbers = true)]
pub struct Recurrent {
    #[command(flatten)]
    text: TextData,

    /// The folder to write the run to; it must not hold one yet.
    #[arg(long, value_name = "RUN", help_heading = "Run")]
    out: PathBuf,
    /// Where to compute.
    #[arg(long, value_name = "DEVICE", default_value = word(DEVICES, DeviceChoice::default()), value_parser = devices(),
        help_heading = "Run")]
    device: DeviceChoice,
    #[arg(long, value_name = "KERNELS", value_parser = kernels(), help_heading = "Run",
        help = format!("What computes the supernet [default: {}; reference where no shaders run]",
            word(KERNELS, paper().kernels)))]
    kernels: Option<Kernels>,
    /// Decides the initial weights and alphas, the lengths of steps and what is dropped.
    #[arg(long, value_name = "N", default_value_t = paper().seed, help_heading = "Run")]
    seed: u64,
    /// Steps from one logged set of alphas to the next; an epoch's last are always logged.
    #[arg(long, value_name = "STEPS", default_value_t = paper().report_every, help_heading = "Run")]
    report_every: usize,

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
            kernels: self.kernels.unwrap_or(paper().kernels),
            report_every: self.report_every,
        }
    }
}

pub fn search(args: &Recurrent, output: &Output) -> Outcome {
    let mut config = args.config();
    // What can be refused at once is refused before anything long begins.
    config.check()?;
    RunWriter::check(&args.out)?;
    let corpus = args.text.open()?;
    let (compute, remark) = contain(|| Ok(acquire(args.device)?))?;
    if args.kernels.is_none() {
        config.kernels = compute.kernels();
    }
    let run = TextRunConfig {
        engine: VERSION.to_owned(),
        device: args.device,
        text: TextSource::new(&corpus),
        search: Some(config.clone()),
        train: None,
    };
    let mut search = contain(|| Ok(block_on(RecurrentSearch::new(config, &corpus, &compute))?))?;
    if let Some(remark) = remark {
        output.remark(remark);
    }
    drop(corpus);
    let mut writer = RunWriter::create(&args.out, &run)?;
    let mut view = View::new(&args.out, output);
    let searched = contain(|| {
        let started = search.started();
        writer.record(&started)?;
        view.show(started);
        while !search.is_finished() {
            for event in block_on(search.step())? {
                writer.record(&event)?;
                view.show(event);
            }
        }
        Ok(())
    });
    view.bar.finish_and_clear();
    logged(searched, &mut writer)?;
    output.print(&view.summary, view.summary.text())
}

/// What a search comes to; the measures are the last epoch's.
#[derive(Default, Serialize)]
struct Summary {
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
                self.bar.set_prefix(format!("epoch 1 of {}", self.epochs));
                self.bar.set_message("the first step also compiles the kernels");
                (summary.adapter, summary.backend, summary.parameters) = (adapter, backend, parameters);
                (summary.vocabulary, summary.train_words, summary.valid_words) = (vocabulary, train_words, valid_words);
            }
            Event::RecurrentStep { epoch, row, weights, alphas, .. } => {
                at(&self.bar, epoch, self.epochs, row, self.rows);
                self.bar.set_message(told(weights, alphas));
            }
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

/// Where a run on text is, in rows of its epoch.
pub fn at(bar: &ProgressBar, epoch: usize, epochs: usize, row: usize, rows: usize) {
    bar.set_position((epoch * rows + row) as u64);
    let left = HumanDuration(bar.eta());
    bar.set_prefix(format!("epoch {} of {epochs}, row {row} of {rows}, {left:#} left", epoch + 1));
}

/// The state of a search in a line, which fits a terminal's.
fn told(weights: WordMeasure, alphas: WordMeasure) -> String {
    format!("weight loss {:.3}, alpha loss {:.3}", weights.loss, alphas.loss)
}
