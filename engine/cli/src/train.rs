//! `darts train`: networks of derived cells, from scratch.

use crate::{
    data,
    device::{DEVICES, acquire, contain, devices, told_time, word},
    drive::{Before, Begin, Keeping, RunFiles, Show, at_step, drive},
    genotype, imagenet,
    output::{Outcome, Output},
    search::{kernels, kernels_help},
};
use clap::{Args, Subcommand};
use darts_engine::{
    checkpoint::Resumable,
    config::{Kernels, TrainConfig},
    device::{DeviceChoice, block_on},
    event::{Event, Measure, Tested},
    run::{BEST_FILE, DataSource, LAST_FILE, RunConfig},
    space::{Genotype, Stem},
    train::Training,
};
use indicatif::ProgressBar;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Subcommand)]
pub enum Command {
    /// Train a network of derived cells on CIFAR-10 and test it.
    ///
    /// The folder RUN then has config.json, the cells in genotype.json, every event in events.jsonl while it goes on,
    /// checkpoints that --resume goes on from, and the weights: last.safetensors after each epoch, best.safetensors after
    /// each test of lower error than any before. Tensors are named as in the authors' implementation. The defaults are the paper's.
    Cifar10(Box<Cifar10>),
    /// Train a network of derived cells on ImageNet, or on other pictures in folders, and test it.
    ///
    /// Pictures are read while it trains: a random part of each, mirrored or not, in jittered colours; the middle of each is
    /// tested. One that cannot be read is told, another one takes its place, and the epoch counts it. The folder RUN has what
    /// that of CIFAR-10 has. The defaults are the paper's.
    Imagenet(Box<imagenet::Train>),
    /// Train a language model around a recurrent cell on the Penn Treebank, or any text, and test it.
    ///
    /// The folder RUN then has config.json, the cell in genotype.json, the words in vocabulary.txt, every event in
    /// events.jsonl while it goes on, checkpoints that --resume goes on from, and the weights: last.safetensors after each
    /// epoch, best.safetensors after each epoch of lower validation loss than any before. The defaults are the paper's for the Penn Treebank.
    Ptb(Box<super::text::Ptb>),
    /// Train a language model as `train ptb` does, with the paper's settings for WikiText-2.
    Wt2(Box<super::text::Wt2>),
}

fn paper() -> TrainConfig {
    TrainConfig::default()
}

/// The arguments of all training runs on images, with a data set's defaults.
macro_rules! arguments {
    ($name:ident, $paper:expr) => {
        #[derive(Args)]
        pub struct $name {
            #[arg(long, value_name = "CELL", required_unless_present = "resume", help = genotype::CELL,
                                                                                help_heading = "Network")]
            pub arch: Option<String>,
            /// Channels of the first cell; every reduction cell doubles them.
            #[arg(long, value_name = "N", default_value_t = $paper.init_channels, help_heading = "Network")]
            init_channels: usize,
            /// Cells of the network.
            #[arg(long, value_name = "N", default_value_t = $paper.layers, help_heading = "Network")]
            layers: usize,

            /// Training images to use, picked at random [default: all].
            #[arg(long, value_name = "N", help_heading = "Data")]
            train_images: Option<usize>,

            /// The folder to write the run to; it must not hold one yet.
            #[arg(long, value_name = "RUN", required_unless_present = "resume", help_heading = "Run")]
            pub out: Option<PathBuf>,
            #[command(flatten)]
            pub keeping: Keeping,
            /// Where to compute.
            #[arg(long, value_name = "DEVICE", default_value = word(DEVICES, DeviceChoice::default()),
                                                                        value_parser = devices(), help_heading = "Run")]
            pub device: DeviceChoice,
            #[arg(long, value_name = "KERNELS", value_parser = kernels(), help = kernels_help("the network"),
                                                                                help_heading = "Run")]
            pub kernels: Option<Kernels>,
            /// Decides the initial weights, the choice and order of the images, how they are varied, and the paths dropped.
            #[arg(long, value_name = "N", default_value_t = $paper.seed, help_heading = "Run")]
            seed: u64,
            /// Steps from one logged to the next; an epoch's last is always logged.
            #[arg(long, value_name = "STEPS", default_value_t = $paper.report_every, help_heading = "Run")]
            report_every: usize,
            /// Epochs from one test to the next; the last is always tested.
            #[arg(long, value_name = "EPOCHS", default_value_t = $paper.test_every, help_heading = "Run")]
            test_every: usize,

            /// Passes over the images.
            #[arg(long, value_name = "N", default_value_t = $paper.epochs, help_heading = "Training")]
            epochs: usize,
            /// Images of a minibatch; those that do not fill a last one sit an epoch out.
            #[arg(long, value_name = "N", default_value_t = $paper.batch_size, help_heading = "Training")]
            batch_size: usize,
            /// First learning rate of SGD.
            #[arg(long, value_name = "RATE", default_value_t = $paper.learning_rate, help_heading = "Training")]
            learning_rate: f64,
            /// Momentum of SGD.
            #[arg(long, value_name = "SHARE", default_value_t = $paper.momentum, help_heading = "Training")]
            momentum: f64,
            /// Weight decay.
            #[arg(long, value_name = "RATE", default_value_t = $paper.weight_decay, help_heading = "Training")]
            weight_decay: f64,
            /// Norm that a gradient is cut down to where it is greater.
            #[arg(long, value_name = "NORM", default_value_t = $paper.grad_clip, help_heading = "Training")]
            grad_clip: f64,
            /// How much the loss of the auxiliary head counts; 0 is no such head.
            #[arg(long, value_name = "WEIGHT", default_value_t = $paper.auxiliary_weight, help_heading = "Training")]
            auxiliary_weight: f64,
            /// Probability to drop a path, which grows from 0 to this over the epochs.
            #[arg(long, value_name = "SHARE", default_value_t = $paper.drop_path, help_heading = "Training")]
            drop_path: f64,
        }

        impl $name {
            /// The data set's settings with these.
            pub fn config(&self) -> TrainConfig {
                TrainConfig {
                    epochs: self.epochs,
                    batch_size: self.batch_size,
                    init_channels: self.init_channels,
                    layers: self.layers,
                    train_images: self.train_images,
                    seed: self.seed,
                    learning_rate: self.learning_rate,
                    momentum: self.momentum,
                    weight_decay: self.weight_decay,
                    grad_clip: self.grad_clip,
                    auxiliary_weight: self.auxiliary_weight,
                    drop_path: self.drop_path,
                    test_every: self.test_every,
                    report_every: self.report_every,
                    kernels: self.kernels.unwrap_or($paper.kernels),
                    ..$paper
                }
            }
        }
    };
}

arguments!(Cifar10Training, TrainConfig::default());
arguments!(ImageNetTraining, TrainConfig::imagenet());

#[derive(Args)]
#[command(allow_negative_numbers = true)]
pub struct Cifar10 {
    #[arg(long, value_name = "PATH", required_unless_present = "resume", help = data::DATA, help_heading = "Data")]
    data: Option<PathBuf>,
    /// Side of the square cut out of each training image; 0 cuts nothing out.
    #[arg(long, value_name = "PIXELS", default_value_t = paper().cutout, help_heading = "Data")]
    cutout: usize,
    /// Learning rate that the first one goes down to, along a cosine.
    #[arg(long, value_name = "RATE", default_value_t = paper().learning_rate_min, help_heading = "Training")]
    learning_rate_min: f64,
    #[command(flatten)]
    training: Cifar10Training,
}

impl Cifar10 {
    fn config(&self) -> TrainConfig {
        let &Self { cutout, learning_rate_min, .. } = self;
        TrainConfig { cutout, learning_rate_min, ..self.training.config() }
    }
}

pub fn run(command: Command, output: &Output) -> Outcome {
    match command {
        Command::Cifar10(args) => cifar10(&args, output),
        Command::Imagenet(args) => imagenet::train(&args, output),
        Command::Ptb(args) => super::text::train(&args.settings(), output),
        Command::Wt2(args) => super::text::train(&args.settings(), output),
    }
}

fn cifar10(args: &Cifar10, output: &Output) -> Outcome {
    let Cifar10Training { arch, out, keeping, device, .. } = &args.training;
    let begin = keeping.begin(out.as_ref())?;
    let (config, genotype) = settings(&begin, Stem::Cifar10, arch.as_ref(), || args.config())?;
    let path = begin.data(args.data.as_ref())?;
    let data = data::open(&path, begin.image_size(None), output)?;
    let source = DataSource::new(&path, &data);
    begin.check(&source)?;
    config.images(data.train.len())?;
    let device = begin.device(*device);
    let (compute, remark) = contain(|| Ok(acquire(device)?))?;
    let training = contain(|| Ok(Training::new(config.clone(), genotype.clone(), &data, &compute)?))?;
    if let Some(remark) = remark {
        output.remark(remark);
    }
    drop(data);
    let run = RunConfig::train(device, source, config, genotype);
    let summary = perform(training, begin, &run, keeping, output)?;
    output.print(&summary, summary.text())
}

/// Settings and cells of a run that begins or goes on, refused where they make none.
pub fn settings(
    begin: &Begin<RunConfig>,
    stem: Stem,
    arch: Option<&String>,
    config: impl FnOnce() -> TrainConfig,
) -> Outcome<(TrainConfig, Genotype)> {
    let (config, genotype) = match begin.run() {
        Some(run) => {
            let decided = run.config.train.clone().zip(run.config.genotype.clone());
            let decided = decided.filter(|(config, _)| config.stem == stem);
            let wanted = match stem {
                Stem::Cifar10 => "on CIFAR-10",
                Stem::ImageNet => "on ImageNet or other pictures",
            };
            decided.ok_or_else(|| format!("{} holds no training run {wanted}", run.folder.display()))?
        }
        None => {
            let cell = arch.ok_or("--arch is needed: the cells of the network")?;
            (config(), genotype::find(cell)?)
        }
    };
    // What can be refused at once is refused before anything long begins.
    config.check()?;
    genotype.check()?;
    Ok((config, genotype))
}

/// Trains to the end, shows how it goes, and writes all of it to the run's folder.
pub fn perform(
    mut training: Training,
    begin: Begin<RunConfig>,
    run: &RunConfig,
    keeping: &Keeping,
    output: &Output,
) -> Outcome<Summary> {
    let mut view = View::new(begin.folder(), output);
    let before = |_: &mut Training, _: &dyn Fn() -> bool| Ok(Before::Step);
    drive(begin, run, keeping, &mut training, before, weights, &mut view, output)?;
    Ok(view.summary)
}

/// The weights that an event tells of.
fn weights(training: &Training, event: &Event) -> Outcome<RunFiles> {
    let file = match event {
        Event::TrainEpoch { .. } => LAST_FILE,
        Event::Evaluated { best: true, .. } => BEST_FILE,
        _ => return Ok(Vec::new()),
    };
    let (weights, steps) = block_on(training.weights())?;
    Ok(vec![(file, weights.to_safetensors(steps))])
}

/// What a training run comes to.
#[derive(Default, Serialize)]
pub struct Summary {
    run: PathBuf,
    adapter: String,
    backend: String,
    parameters: usize,
    train_images: usize,
    epochs: usize,
    seconds: f64,
    images_per_second: f64,
    /// Means over the last epoch.
    train: Measure,
    test: Tested,
    test_error: f64,
    best: Tested,
    best_epoch: usize,
}

impl Summary {
    pub fn text(&self) -> String {
        let plural = if self.epochs == 1 { "" } else { "s" };
        let best = match self.best == self.test {
            true => String::new(),
            false => format!("lowest after epoch {}: {}\n", self.best_epoch + 1, self.best),
        };
        format!(
            "{}\n{best}{} epoch{plural} in {}; the run is in {}",
            self.test,
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
    steps_per_epoch: usize,
    batch_size: usize,
    summary: Summary,
}

impl<'a> View<'a> {
    fn new(run: &Path, output: &'a Output) -> Self {
        let bar = output.progress(None, "{prefix} [{bar:20}]\n{wide_msg}");
        let summary = Summary { run: run.to_owned(), ..Summary::default() };
        Self { output, bar, epochs: 0, steps_per_epoch: 0, batch_size: 0, summary }
    }
}

impl Show<Training> for View<'_> {
    fn bar(&self) -> &ProgressBar {
        &self.bar
    }

    fn stepped(&mut self, training: &Training) {
        at_step(&self.bar, training.steps_done(), self.epochs, self.steps_per_epoch);
    }

    fn show(&mut self, event: Event) {
        let summary = &mut self.summary;
        match event {
            Event::TrainStarted { config, adapter, backend, parameters, train_images, steps_per_epoch, .. } => {
                (self.epochs, self.steps_per_epoch, self.batch_size) =
                    (config.epochs, steps_per_epoch, config.batch_size);
                self.bar.set_length((config.epochs * steps_per_epoch) as u64);
                self.bar.set_message("the first step also compiles the kernels");
                (summary.adapter, summary.backend) = (adapter, backend);
                (summary.parameters, summary.train_images) = (parameters, train_images);
            }
            Event::TrainStep { train, seconds, .. } => {
                self.bar.set_message(told(self.batch_size as f64 / seconds, train));
            }
            Event::TrainEpoch { epoch, train, images_per_second, unreadable, .. } => {
                (summary.train, summary.images_per_second) = (train, images_per_second);
                let mut line = format!("epoch {} of {}: {}", epoch + 1, self.epochs, told(images_per_second, train));
                if unreadable > 0 {
                    line += &format!("; {unreadable} unreadable");
                }
                self.bar.suspend(|| self.output.remark(line));
            }
            Event::Unreadable { picture, problem } => {
                self.bar.suspend(|| self.output.remark(format_args!("{picture} {problem}: another takes its place")));
            }
            Event::Evaluated { test, .. } => {
                self.bar.suspend(|| self.output.remark(format!("  {test}, loss {:.3}", test.loss)));
            }
            Event::TrainFinished { test, best, best_epoch, epochs, seconds } => {
                (summary.test, summary.test_error) = (test, test.error());
                (summary.best, summary.best_epoch) = (best, best_epoch);
                (summary.epochs, summary.seconds) = (epochs, seconds);
            }
            _ => {}
        }
    }
}

/// How the training goes in a line, which fits a terminal's.
fn told(images_per_second: f64, train: Measure) -> String {
    format!("loss {:.3}, {:.1}% right; {images_per_second:.1} images/s", train.loss, 100.0 * train.accuracy)
}
