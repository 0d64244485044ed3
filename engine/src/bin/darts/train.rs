//! `darts train`: networks of derived cells, from scratch.

use crate::{
    device::{DEVICES, acquire, contain, devices, logged, told_time, word},
    genotype,
    output::{Outcome, Output},
};
use clap::{Args, Subcommand};
use darts_engine::{
    data::Dataset,
    device::{DeviceChoice, block_on},
    event::{Event, Measure, Tested},
    run::{BEST_FILE, DataSource, LAST_FILE, RunConfig, RunWriter},
    train::{TrainConfig, Training},
};
use indicatif::{HumanDuration, ProgressBar};
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Subcommand)]
pub enum Command {
    /// Train a network of derived cells on CIFAR-10 and test it.
    ///
    /// The folder RUN then has config.json, the cells in genotype.json, every event in events.jsonl while it goes on, and
    /// the weights: last.safetensors after each epoch, best.safetensors after each test of lower error than any before.
    /// Tensors are named as in the authors' implementation. The defaults are the paper's.
    Cifar10(Box<Cifar10>),
    /// Train a language model around a recurrent cell on the Penn Treebank, or any text, and test it.
    ///
    /// The folder RUN then has config.json, the cell in genotype.json, the words in vocabulary.txt, every event in
    /// events.jsonl while it goes on, and the weights: last.safetensors after each epoch, best.safetensors after each epoch of
    /// lower validation loss than any before. The defaults are the paper's for the Penn Treebank.
    Ptb(Box<super::text::Ptb>),
    /// Train a language model as `train ptb` does, with the paper's settings for WikiText-2.
    Wt2(Box<super::text::Wt2>),
}

fn paper() -> TrainConfig {
    TrainConfig::default()
}

#[derive(Args)]
#[command(allow_negative_numbers = true)]
pub struct Cifar10 {
    #[arg(long, value_name = "CELL", help = genotype::CELL, help_heading = "Network")]
    arch: String,
    /// Channels of the first cell; every reduction cell doubles them.
    #[arg(long, value_name = "N", default_value_t = paper().init_channels, help_heading = "Network")]
    init_channels: usize,
    /// Cells of the network.
    #[arg(long, value_name = "N", default_value_t = paper().layers, help_heading = "Network")]
    layers: usize,

    /// A cifar-10-batches-bin folder, cifar-10-binary.tar.gz, a packed subset, or the word textures for generated images.
    #[arg(long, value_name = "PATH", help_heading = "Data")]
    data: PathBuf,
    /// Training images to use, picked at random [default: all].
    #[arg(long, value_name = "N", help_heading = "Data")]
    train_images: Option<usize>,
    /// Side of the square cut out of each training image; 0 cuts nothing out.
    #[arg(long, value_name = "PIXELS", default_value_t = paper().cutout, help_heading = "Data")]
    cutout: usize,

    /// The folder to write the run to; it must not hold one yet.
    #[arg(long, value_name = "RUN", help_heading = "Run")]
    out: PathBuf,
    /// Where to compute.
    #[arg(long, value_name = "DEVICE", default_value = word(DEVICES, DeviceChoice::default()), value_parser = devices(),
        help_heading = "Run")]
    device: DeviceChoice,
    /// Decides the initial weights, the choice and order of the images, how they are varied, and the paths dropped.
    #[arg(long, value_name = "N", default_value_t = paper().seed, help_heading = "Run")]
    seed: u64,
    /// Steps from one logged to the next; an epoch's last is always logged.
    #[arg(long, value_name = "STEPS", default_value_t = paper().report_every, help_heading = "Run")]
    report_every: usize,
    /// Epochs from one test to the next; the last is always tested.
    #[arg(long, value_name = "EPOCHS", default_value_t = paper().test_every, help_heading = "Run")]
    test_every: usize,

    /// Passes over the images.
    #[arg(long, value_name = "N", default_value_t = paper().epochs, help_heading = "Training")]
    epochs: usize,
    /// Images of a minibatch; those that do not fill a last one sit an epoch out.
    #[arg(long, value_name = "N", default_value_t = paper().batch_size, help_heading = "Training")]
    batch_size: usize,
    /// First learning rate of SGD, which goes down along a cosine.
    #[arg(long, value_name = "RATE", default_value_t = paper().learning_rate, help_heading = "Training")]
    learning_rate: f64,
    /// Learning rate that the cosine goes down to.
    #[arg(long, value_name = "RATE", default_value_t = paper().learning_rate_min, help_heading = "Training")]
    learning_rate_min: f64,
    /// Momentum of SGD.
    #[arg(long, value_name = "SHARE", default_value_t = paper().momentum, help_heading = "Training")]
    momentum: f64,
    /// Weight decay.
    #[arg(long, value_name = "RATE", default_value_t = paper().weight_decay, help_heading = "Training")]
    weight_decay: f64,
    /// Norm that a gradient is cut down to where it is greater.
    #[arg(long, value_name = "NORM", default_value_t = paper().grad_clip, help_heading = "Training")]
    grad_clip: f64,
    /// How much the loss of the auxiliary head counts; 0 is no such head.
    #[arg(long, value_name = "WEIGHT", default_value_t = paper().auxiliary_weight, help_heading = "Training")]
    auxiliary_weight: f64,
    /// Probability to drop a path, which grows from 0 to this over the epochs.
    #[arg(long, value_name = "SHARE", default_value_t = paper().drop_path, help_heading = "Training")]
    drop_path: f64,
}

impl Cifar10 {
    fn config(&self) -> TrainConfig {
        TrainConfig {
            epochs: self.epochs,
            batch_size: self.batch_size,
            init_channels: self.init_channels,
            layers: self.layers,
            train_images: self.train_images,
            seed: self.seed,
            learning_rate: self.learning_rate,
            learning_rate_min: self.learning_rate_min,
            momentum: self.momentum,
            weight_decay: self.weight_decay,
            grad_clip: self.grad_clip,
            auxiliary_weight: self.auxiliary_weight,
            drop_path: self.drop_path,
            cutout: self.cutout,
            test_every: self.test_every,
            report_every: self.report_every,
        }
    }
}

pub fn run(command: Command, output: &Output) -> Outcome {
    match command {
        Command::Cifar10(args) => cifar10(&args, output),
        Command::Ptb(args) => super::text::train(&args.settings(), output),
        Command::Wt2(args) => super::text::train(&args.settings(), output),
    }
}

fn cifar10(args: &Cifar10, output: &Output) -> Outcome {
    let config = args.config();
    // What can be refused at once is refused before anything long begins.
    config.check()?;
    let genotype = genotype::find(&args.arch)?;
    RunWriter::check(&args.out)?;
    let data = Dataset::open(&args.data)?;
    config.images(data.train.len())?;
    let (compute, remark) = contain(|| Ok(acquire(args.device)?))?;
    let run = RunConfig {
        engine: env!("CARGO_PKG_VERSION").to_owned(),
        device: args.device,
        data: DataSource::new(&args.data, &data),
        search: None,
        train: Some(config.clone()),
    };
    let mut training = contain(|| Ok(Training::new(config, genotype, &data, &compute)?))?;
    if let Some(remark) = remark {
        output.remark(remark);
    }
    drop(data);
    let mut writer = RunWriter::create(&args.out, &run)?;
    let mut view = View::new(&args.out, output);
    let trained = contain(|| {
        let started = training.started();
        writer.record(&started)?;
        view.show(started);
        while !training.is_finished() {
            let events = block_on(training.step())?;
            view.stepped();
            for event in events {
                // Weights are there before the event that tells of them.
                let file = match event {
                    Event::TrainEpoch { .. } => Some(LAST_FILE),
                    Event::Evaluated { best: true, .. } => Some(BEST_FILE),
                    _ => None,
                };
                if let Some(file) = file {
                    let (weights, steps) = block_on(training.weights())?;
                    writer.save(file, &weights.to_safetensors(steps))?;
                }
                writer.record(&event)?;
                view.show(event);
            }
        }
        Ok(())
    });
    view.bar.finish_and_clear();
    logged(trained, &mut writer)?;
    output.print(&view.summary, view.summary.text())
}

/// What a training run comes to.
#[derive(Default, Serialize)]
struct Summary {
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
    fn text(&self) -> String {
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

    /// A step is done, told or not.
    fn stepped(&self) {
        self.bar.inc(1);
        let Self { epochs, steps_per_epoch, .. } = self;
        let step = self.bar.position() as usize - 1;
        let (epoch, step) = (step / steps_per_epoch + 1, step % steps_per_epoch + 1);
        let left = HumanDuration(self.bar.eta());
        self.bar.set_prefix(format!("epoch {epoch} of {epochs}, step {step} of {steps_per_epoch}, {left:#} left"));
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
            Event::TrainEpoch { epoch, train, images_per_second, .. } => {
                (summary.train, summary.images_per_second) = (train, images_per_second);
                let line = format!("epoch {} of {}: {}", epoch + 1, self.epochs, told(images_per_second, train));
                self.bar.suspend(|| self.output.remark(line));
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
