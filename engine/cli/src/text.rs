//! `darts train ptb`, `darts train wt2` and their tests: language models around recurrent cells.

use crate::{
    device::{DEVICES, acquire, contain, devices, told_time, word},
    drive::{Before, Begin, Keeping, RunFiles, Show, at_row, drive},
    genotype,
    output::{Outcome, Output},
    recurrent::TextData,
    search::{KERNELS, kernels},
};
use clap::Args;
use darts_engine::{
    config::{Dropouts, Kernels, Penalties, TextTrainConfig},
    data::{Corpus, Text, Vocabulary},
    device::{DeviceChoice, block_on},
    event::{Event, WordMeasure},
    run::{BEST_FILE, LAST_FILE, TextRunConfig, VOCABULARY_FILE, read_text_weights},
    train::{TextTraining, test_text},
};
use indicatif::ProgressBar;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// A training run asked for.
pub struct Settings<'a> {
    arch: Option<&'a String>,
    text: &'a TextData,
    out: Option<&'a PathBuf>,
    keeping: &'a Keeping,
    device: DeviceChoice,
    config: TextTrainConfig,
}

/// The arguments of a training run whose defaults are those of a corpus, and those among them that are hyper-parameters.
macro_rules! arguments {
    ($name:ident, $training:ident, $paper:expr) => {
        #[derive(Args)]
        #[command(allow_negative_numbers = true)]
        pub struct $name {
            #[arg(long, value_name = "CELL", required_unless_present = "resume", help = genotype::RECURRENT_CELL,
                                                                                help_heading = "Network")]
            arch: Option<String>,
            #[command(flatten)]
            text: TextData,

            /// The folder to write the run to; it must not hold one yet.
            #[arg(long, value_name = "RUN", required_unless_present = "resume", help_heading = "Run")]
            out: Option<PathBuf>,
            #[command(flatten)]
            keeping: Keeping,
            /// Where to compute.
            #[arg(long, value_name = "DEVICE", default_value = word(DEVICES, DeviceChoice::default()),
                                                                        value_parser = devices(), help_heading = "Run")]
            device: DeviceChoice,
            /// What computes the network.
            #[arg(long, value_name = "KERNELS", default_value = word(KERNELS, Kernels::default()),
                                                                        value_parser = kernels(), help_heading = "Run")]
            kernels: Kernels,
            /// Decides the initial weights, the lengths of steps and what is dropped.
            #[arg(long, value_name = "N", default_value_t = $paper.seed, help_heading = "Run")]
            seed: u64,
            #[command(flatten)]
            training: $training,
        }

        impl $name {
            pub fn settings(&self) -> Settings<'_> {
                let (arch, out) = (self.arch.as_ref(), self.out.as_ref());
                let config = self.training.config(self.seed, self.kernels);
                Settings { arch, text: &self.text, out, keeping: &self.keeping, device: self.device, config }
            }
        }

        #[derive(Args)]
        pub struct $training {
            /// Units: the length of word vectors and states.
            #[arg(long, value_name = "N", default_value_t = $paper.hidden, help_heading = "Network")]
            hidden: usize,
            /// Steps from one logged to the next; an epoch's last is always logged.
            #[arg(long, value_name = "STEPS", default_value_t = $paper.report_every, help_heading = "Run")]
            report_every: usize,
            /// Columns that the test text is cut into, which decides speed and which words the first of each follow.
            #[arg(long, value_name = "N", default_value_t = $paper.test_batch_size, help_heading = "Run")]
            test_batch_size: usize,

            /// Passes over the training text.
            #[arg(long, value_name = "N", default_value_t = $paper.epochs, help_heading = "Training")]
            epochs: usize,
            /// Columns that the training text is cut into.
            #[arg(long, value_name = "N", default_value_t = $paper.batch_size, help_heading = "Training")]
            batch_size: usize,
            /// Words of a column that gradients go back through, on average.
            #[arg(long, value_name = "N", default_value_t = $paper.bptt, help_heading = "Training")]
            bptt: usize,
            /// Learning rate of SGD, for steps of that many words.
            #[arg(long, value_name = "RATE", default_value_t = $paper.learning_rate, help_heading = "Training")]
            learning_rate: f64,
            /// Weight decay.
            #[arg(long, value_name = "RATE", default_value_t = $paper.weight_decay, help_heading = "Training")]
            weight_decay: f64,
            /// Norm that a gradient is cut down to where it is greater.
            #[arg(long, value_name = "NORM", default_value_t = $paper.grad_clip, help_heading = "Training")]
            grad_clip: f64,
            /// Epochs without a better validation loss after which weights are averaged.
            #[arg(long, value_name = "EPOCHS", default_value_t = $paper.patience, help_heading = "Training")]
            patience: usize,
            /// Share of words dropped from the vocabulary in a step.
            #[arg(long, value_name = "SHARE", default_value_t = $paper.dropouts.embedding, help_heading = "Training")]
            dropout_embedding: f64,
            /// Share of the word vectors' components dropped.
            #[arg(long, value_name = "SHARE", default_value_t = $paper.dropouts.input, help_heading = "Training")]
            dropout_input: f64,
            /// Share of the components of the cell's input dropped.
            #[arg(long, value_name = "SHARE", default_value_t = $paper.dropouts.cell_input, help_heading = "Training")]
            dropout_cell_input: f64,
            /// Share of the states' components dropped.
            #[arg(long, value_name = "SHARE", default_value_t = $paper.dropouts.hidden, help_heading = "Training")]
            dropout_hidden: f64,
            /// Share of the output's components dropped.
            #[arg(long, value_name = "SHARE", default_value_t = $paper.dropouts.output, help_heading = "Training")]
            dropout_output: f64,
            /// How much the mean square of the output adds to the loss.
            #[arg(long, value_name = "WEIGHT", default_value_t = $paper.penalties.activation,
                                                                        help_heading = "Training")]
            activation_penalty: f64,
            /// How much the mean square of the output's change from word to word adds to the loss.
            #[arg(long, value_name = "WEIGHT", default_value_t = $paper.penalties.slowness, help_heading = "Training")]
            slowness_penalty: f64,
        }

        impl $training {
            pub fn config(&self, seed: u64, kernels: Kernels) -> TextTrainConfig {
                TextTrainConfig {
                    epochs: self.epochs,
                    batch_size: self.batch_size,
                    hidden: self.hidden,
                    bptt: self.bptt,
                    seed,
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
                    patience: self.patience,
                    test_batch_size: self.test_batch_size,
                    report_every: self.report_every,
                    kernels,
                }
            }
        }
    };
}

arguments!(Ptb, PtbTraining, TextTrainConfig::default());
arguments!(Wt2, Wt2Training, TextTrainConfig::wikitext2());

pub fn train(settings: &Settings, output: &Output) -> Outcome {
    let &Settings { arch, text, out, keeping, device, .. } = settings;
    let begin: Begin<TextRunConfig> = keeping.begin(out)?;
    let (config, genotype) = match begin.run() {
        Some(run) => {
            let decided = run.config.train.clone().zip(run.config.genotype.clone());
            decided.ok_or_else(|| format!("{} holds no training run", run.folder.display()))?
        }
        None => {
            let cell = arch.ok_or("--arch is needed: the cell of the network")?;
            (settings.config.clone(), genotype::find_recurrent(cell)?)
        }
    };
    // What can be refused at once is refused before anything long begins.
    config.check()?;
    genotype.check()?;
    let (corpus, source) = text.open(&begin)?;
    let device = begin.device(device);
    let (compute, remark) = contain(|| Ok(acquire(device)?))?;
    let training = contain(|| Ok(TextTraining::new(config.clone(), genotype.clone(), &corpus, &compute)?))?;
    if let Some(remark) = remark {
        output.remark(remark);
    }
    let run = TextRunConfig::train(device, source, config, genotype);
    let summary = perform(training, begin, &run, (keeping, &corpus.vocabulary), output)?;
    output.print(&summary, summary.text())
}

/// Trains to the end, shows how it goes, and writes all of it to the run's folder.
pub fn perform(
    mut training: TextTraining,
    begin: Begin<TextRunConfig>,
    run: &TextRunConfig,
    (keeping, vocabulary): (&Keeping, &Vocabulary),
    output: &Output,
) -> Outcome<Summary> {
    let mut view = View::new(begin.folder(), output);
    let files = |training: &TextTraining, event: &Event| files(training, vocabulary, event);
    drive(begin, run, keeping, &mut training, |_, _| Ok(Before::Step), files, &mut view, output)?;
    Ok(view.summary)
}

/// The weights, or the words, that an event tells of.
fn files(training: &TextTraining, vocabulary: &Vocabulary, event: &Event) -> Outcome<RunFiles> {
    match event {
        Event::TextTrainStarted { .. } => Ok(vec![(VOCABULARY_FILE, vocabulary.to_text().into_bytes())]),
        Event::TextTrainEpoch { best, .. } => {
            let weights = block_on(training.weights())?.to_safetensors();
            let best = best.then(|| (BEST_FILE, weights.clone()));
            Ok([(LAST_FILE, weights)].into_iter().chain(best).collect())
        }
        _ => Ok(Vec::new()),
    }
}

/// What a training run comes to.
#[derive(Default, Serialize)]
pub struct Summary {
    run: PathBuf,
    adapter: String,
    backend: String,
    parameters: usize,
    vocabulary: usize,
    epochs: usize,
    seconds: f64,
    words_per_second: f64,
    /// Mean over the last epoch.
    train: WordMeasure,
    /// The lowest validation loss.
    valid: WordMeasure,
    best_epoch: usize,
    /// With the weights of that validation loss.
    test: WordMeasure,
}

impl Summary {
    fn text(&self) -> String {
        let plural = if self.epochs == 1 { "" } else { "s" };
        format!(
            "test perplexity {:.2}, validation perplexity {:.2} after epoch {}\n{} epoch{plural} in {}; the run is in {}",
            self.test.perplexity,
            self.valid.perplexity,
            self.best_epoch + 1,
            self.epochs,
            told_time(self.seconds),
            self.run.display()
        )
    }
}

/// Shows a training run while it goes on and keeps what it comes to.
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

impl Show<TextTraining> for View<'_> {
    fn bar(&self) -> &ProgressBar {
        &self.bar
    }

    fn stepped(&mut self, training: &TextTraining) {
        at_row(&self.bar, training.place(), self.epochs, self.rows);
    }

    fn show(&mut self, event: Event) {
        let summary = &mut self.summary;
        match event {
            Event::TextTrainStarted { config, adapter, backend, parameters, vocabulary, rows, .. } => {
                (self.epochs, self.rows) = (config.epochs, rows);
                self.bar.set_length((config.epochs * rows) as u64);
                self.bar.set_message("the first step also compiles the kernels");
                (summary.adapter, summary.backend) = (adapter, backend);
                (summary.parameters, summary.vocabulary) = (parameters, vocabulary);
            }
            Event::TextTrainStep { words, train, seconds, .. } => {
                self.bar.set_message(format!("loss {:.3}; {:.0} words/s", train.loss, words as f64 / seconds));
            }
            Event::TextTrainEpoch { epoch, train, valid, averaged, words_per_second, .. } => {
                (summary.train, summary.words_per_second) = (train, words_per_second);
                let averaged = if averaged { ", weights averaged" } else { "" };
                let line = format!(
                    "epoch {} of {}: loss {:.3}; validation perplexity {:.2}{averaged}; {words_per_second:.0} words/s",
                    epoch + 1,
                    self.epochs,
                    train.loss,
                    valid.perplexity
                );
                self.bar.suspend(|| self.output.remark(line));
            }
            Event::TextTrainFinished { valid, test, best_epoch, epochs, seconds } => {
                (summary.valid, summary.test, summary.best_epoch) = (valid, test, best_epoch);
                (summary.epochs, summary.seconds) = (epochs, seconds);
            }
            _ => {}
        }
    }
}

#[derive(Args)]
pub struct Test {
    /// A safetensors file, as a training run leaves it or with the tensors of the authors' implementation.
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    #[arg(long, value_name = "CELL", help = genotype::RECURRENT_CELL)]
    arch: String,
    /// The folder of the text; without vocabulary.txt beside the weights, all three parts of it are needed.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The test text instead, whatever its name.
    #[arg(long, value_name = "FILE")]
    test_file: Option<PathBuf>,
    /// Columns that the test text is cut into, which decides speed and which words the first of each follow.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    batch_size: u32,
    /// Where to compute.
    #[arg(long, value_name = "DEVICE", default_value = word(DEVICES, DeviceChoice::default()), value_parser = devices())]
    device: DeviceChoice,
}

/// What came of a test.
#[derive(Serialize)]
struct Tested {
    weights: PathBuf,
    adapter: String,
    backend: String,
    parameters: usize,
    words: usize,
    test: WordMeasure,
}

pub fn test(args: &Test, output: &Output) -> Outcome {
    let genotype = genotype::find_recurrent(&args.arch)?;
    let mut weights = read_text_weights(&args.weights, &genotype)?;
    let list = args.weights.with_file_name(VOCABULARY_FILE);
    let (text, vocabulary) = if list.exists() {
        let vocabulary = Vocabulary::open(&list)?;
        (Text::open_test(&args.data, args.test_file.as_deref(), &vocabulary)?, vocabulary)
    } else {
        let corpus = Corpus::open(&args.data, &[None, None, args.test_file.clone()])?;
        (corpus.test, corpus.vocabulary)
    };
    let (found, expected) = (weights.net.vocabulary(), vocabulary.len());
    if found != expected {
        let file = args.weights.display();
        return Err(format!("{file} is of a vocabulary of {found} words, and the text's has {expected}").into());
    }
    let (compute, remark) = contain(|| Ok(acquire(args.device)?))?;
    if let Some(remark) = remark {
        output.remark(remark);
    }
    weights.net = weights.net.on(Kernels::default());
    let sizes = [args.batch_size as usize, TextTrainConfig::default().bptt];
    let test = contain(|| Ok(block_on(test_text(&weights, &text, sizes, &compute.device))?))?;
    let tested = Tested {
        weights: args.weights.clone(),
        adapter: compute.adapter,
        backend: compute.backend,
        parameters: weights.weights.len(),
        words: text.tokens.len(),
        test,
    };
    let words = tested.words;
    output.print(&tested, format!("test perplexity {:.2}, loss {:.4}, {words} words", test.perplexity, test.loss))
}
