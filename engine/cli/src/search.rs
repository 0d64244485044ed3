//! `darts search`: find cells.

use crate::{
    data,
    device::{DEVICES, Words, acquire, contain, devices, told_time, word, words},
    drive::{Before, Begin, Keeping, Show, at_step, drive},
    output::{Outcome, Output},
    watch::{STOPPED, Watch, Watching},
};
use clap::{Args, Subcommand, builder::TypedValueParser};
use darts_engine::{
    checkpoint::Resumable,
    config::{Kernels, Order, SearchConfig},
    device::{DeviceChoice, block_on},
    event::{Event, Measure},
    intervention::{Control, SteerError, Steering},
    run::{DataSource, RunConfig},
    search::{ConvSearch, SearchError},
    space::{Alphas, Genotype},
};
use indicatif::{HumanCount, ProgressBar};
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Subcommand)]
pub enum Command {
    /// Search the cells of a convolutional network for images.
    ///
    /// One half of the training images trains the weights of a network in which every edge mixes all candidate ops, the
    /// other half trains how much each op counts. The folder RUN then has config.json, every event of the search in
    /// events.jsonl while it goes on, checkpoints that --resume goes on from, and the cells derived in genotype.json. The
    /// defaults are the paper's.
    Conv(Box<Conv>),
    /// Search the recurrent cell of a language model.
    ///
    /// The training text trains the weights of a network in which every edge mixes all candidate ops, the validation text
    /// trains how much each op counts. The folder RUN then has config.json, every event of the search in events.jsonl while
    /// it goes on, checkpoints that --resume goes on from, and the cell derived in genotype.json. The defaults are the
    /// paper's.
    Recurrent(Box<super::recurrent::Recurrent>),
}

pub const ORDERS: Words = &[
    ("first", "The weights as they are stand for trained ones"),
    ("second", "The weights one step ahead stand for them, at the cost of more passes"),
];
pub const KERNELS: Words = &[
    ("fused", "Written for the network: compute shaders, and the same for a processor"),
    ("reference", "Plain tensor operations: slow, and what the others are compared with"),
];

/// The orders of the architecture gradient as a flag takes them.
pub fn orders() -> impl TypedValueParser<Value = Order> {
    words(ORDERS)
}

/// The paths that compute a supernet as a flag takes them.
pub fn kernels() -> impl TypedValueParser<Value = Kernels> {
    words(KERNELS)
}

/// What the flag for them says, of whatever network for images they compute.
pub fn kernels_help(network: &str) -> String {
    format!("What computes {network} [default: {}]", word(KERNELS, Kernels::default()))
}

fn paper() -> SearchConfig {
    SearchConfig::default()
}

#[derive(Args)]
#[command(allow_negative_numbers = true)]
pub struct Conv {
    #[arg(long, value_name = "PATH", required_unless_present = "resume", help = data::DATA, help_heading = "Data")]
    data: Option<PathBuf>,
    /// Side that the pictures of a folder are resized to, a multiple of 4 [default: 32].
    #[arg(long, value_name = "PIXELS", value_parser = clap::value_parser!(u32).range(8..=512), help_heading = "Data")]
    image_size: Option<u32>,
    /// Training images to use, picked at random [default: all].
    #[arg(long, value_name = "N", help_heading = "Data")]
    train_images: Option<usize>,
    /// Share of them that trains the weights; the rest trains the alphas.
    #[arg(long, value_name = "SHARE", default_value_t = paper().train_portion, help_heading = "Data")]
    train_portion: f64,

    /// The folder to write the run to; it must not hold one yet.
    #[arg(long, value_name = "RUN", required_unless_present = "resume", help_heading = "Run")]
    out: Option<PathBuf>,
    #[command(flatten)]
    keeping: Keeping,
    /// Where to compute.
    #[arg(long, value_name = "DEVICE", default_value = word(DEVICES, DeviceChoice::default()), value_parser = devices(),
        help_heading = "Run")]
    device: DeviceChoice,
    #[arg(long, value_name = "KERNELS", value_parser = kernels(), help = kernels_help("the supernet"),
        help_heading = "Run")]
    kernels: Option<Kernels>,
    /// Decides the initial weights and alphas, the split, the order of the images and how they are varied.
    #[arg(long, value_name = "N", default_value_t = paper().seed, help_heading = "Run")]
    seed: u64,
    /// Steps from one logged set of alphas to the next; an epoch's last are always logged.
    #[arg(long, value_name = "STEPS", default_value_t = paper().report_every, help_heading = "Run")]
    report_every: usize,
    /// Products with the Hessian, two passes each, that measure after each epoch how sharply the validation loss bends along
    /// the alphas; 0 leaves it out. Searches where that grows tend to collapse into skip connections.
    #[arg(long, value_name = "N", default_value_t = paper().curvature_rounds, help_heading = "Run")]
    curvature_rounds: usize,

    #[command(flatten, next_help_heading = "Page")]
    watching: Watching,

    /// How the gradient of the alphas is approximated.
    #[arg(long, value_name = "ORDER", default_value = word(ORDERS, paper().order), value_parser = orders(),
        help_heading = "Search")]
    order: Order,
    /// Passes over the images.
    #[arg(long, value_name = "N", default_value_t = paper().epochs, help_heading = "Search")]
    epochs: usize,
    /// Images of a minibatch.
    #[arg(long, value_name = "N", default_value_t = paper().batch_size, help_heading = "Search")]
    batch_size: usize,
    /// Channels of the first cell; every reduction cell doubles them.
    #[arg(long, value_name = "N", default_value_t = paper().init_channels, help_heading = "Search")]
    init_channels: usize,
    /// Cells of the supernet.
    #[arg(long, value_name = "N", default_value_t = paper().layers, help_heading = "Search")]
    layers: usize,

    /// First learning rate of SGD, which goes down along a cosine.
    #[arg(long, value_name = "RATE", default_value_t = paper().learning_rate, help_heading = "Weights")]
    learning_rate: f64,
    /// Learning rate that the cosine goes down to.
    #[arg(long, value_name = "RATE", default_value_t = paper().learning_rate_min, help_heading = "Weights")]
    learning_rate_min: f64,
    /// Momentum of SGD.
    #[arg(long, value_name = "SHARE", default_value_t = paper().momentum, help_heading = "Weights")]
    momentum: f64,
    /// Weight decay of the weights.
    #[arg(long, value_name = "RATE", default_value_t = paper().weight_decay, help_heading = "Weights")]
    weight_decay: f64,
    /// Norm that a gradient of the weights is cut down to where it is greater.
    #[arg(long, value_name = "NORM", default_value_t = paper().grad_clip, help_heading = "Weights")]
    grad_clip: f64,

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

impl Conv {
    fn config(&self) -> SearchConfig {
        SearchConfig {
            order: self.order,
            epochs: self.epochs,
            batch_size: self.batch_size,
            init_channels: self.init_channels,
            layers: self.layers,
            train_images: self.train_images,
            train_portion: self.train_portion,
            seed: self.seed,
            learning_rate: self.learning_rate,
            learning_rate_min: self.learning_rate_min,
            momentum: self.momentum,
            weight_decay: self.weight_decay,
            grad_clip: self.grad_clip,
            arch_learning_rate: self.arch_learning_rate,
            arch_betas: (self.arch_beta1, self.arch_beta2),
            arch_weight_decay: self.arch_weight_decay,
            kernels: self.kernels.unwrap_or(paper().kernels),
            report_every: self.report_every,
            curvature_rounds: self.curvature_rounds,
        }
    }
}

pub fn run(command: Command, output: &Output) -> Outcome {
    match command {
        Command::Conv(args) => conv(&args, output),
        Command::Recurrent(args) => super::recurrent::search(&args, output),
    }
}

fn conv(args: &Conv, output: &Output) -> Outcome {
    let begin: Begin<RunConfig> = args.keeping.begin(args.out.as_ref())?;
    let config = match begin.run() {
        Some(run) => run.config.search.clone().ok_or_else(|| format!("{} holds no search", run.folder.display()))?,
        None => args.config(),
    };
    // What can be refused at once is refused before anything long begins.
    config.check()?;
    let path = begin.data(args.data.as_ref())?;
    let data = data::open(&path, begin.image_size(args.image_size), output)?;
    let source = DataSource::new(&path, &data);
    begin.check(&source)?;
    config.split(data.train.len())?;
    let watched = args.watching.start(begin.folder(), output)?;
    let device = begin.device(args.device);
    let (compute, remark) = contain(|| Ok(acquire(device)?))?;
    let search = contain(|| Ok(block_on(ConvSearch::new(config.clone(), &data, &compute))?))?;
    if let Some(remark) = remark {
        output.remark(remark);
    }
    drop(data);
    let run = RunConfig::search(device, source, config);
    let summary = perform(search, begin, &run, &args.keeping, watched.as_ref(), output)?;
    output.print(&summary, summary.text())
}

/// Searches to the end, shows how it goes, on a page too where it is watched, and writes all of it to the run's folder.
pub fn perform(
    mut search: ConvSearch,
    begin: Begin<RunConfig>,
    run: &RunConfig,
    keeping: &Keeping,
    watched: Option<&Watch>,
    output: &Output,
) -> Outcome<Summary> {
    let mut view = View::new(begin.folder(), output);
    let before = |search: &mut ConvSearch, interrupted: &dyn Fn() -> bool| match watched {
        Some(watch) => asked(watch, interrupted, |steering| match block_on(search.steer(steering)) {
            Err(SearchError::Steering(refused)) => Ok(Err(refused)),
            told => Ok(Ok(told?)),
        }),
        None => Ok(Before::Step),
    };
    drive(begin, run, keeping, &mut search, before, |_, _| Ok(Vec::new()), &mut view, output)?;
    Ok(view.summary)
}

/// Does what is asked on the page before the next step; `steer` tells a change, or why it is none.
pub fn asked(
    watch: &Watch,
    interrupted: &dyn Fn() -> bool,
    mut steer: impl FnMut(Steering) -> Outcome<Result<Event, SteerError>>,
) -> Outcome<Before> {
    while let Some(control) = watch.asked(interrupted) {
        let Control::Steer { steering } = control else {
            return Ok(Before::Stop(STOPPED));
        };
        match steer(steering)? {
            Ok(event) => return Ok(Before::Changed(event.into())),
            Err(refused) => watch.refuse(refused.to_string()),
        }
    }
    Ok(Before::Step)
}

/// What a search comes to; the measures are the last epoch's.
#[derive(Default, Serialize)]
pub struct Summary {
    run: PathBuf,
    adapter: String,
    backend: String,
    parameters: usize,
    weight_images: usize,
    alpha_images: usize,
    epochs: usize,
    seconds: f64,
    images_per_second: f64,
    weights: Measure,
    alphas: Measure,
    architecture: Alphas,
    genotype: Option<Genotype>,
}

impl Summary {
    fn text(&self) -> String {
        let cells = self.genotype.as_ref().map(Genotype::to_string).unwrap_or_default();
        let time = told_time(self.seconds);
        let epochs = HumanCount(self.epochs as u64);
        let plural = if self.epochs == 1 { "" } else { "s" };
        format!("{cells}\n{epochs} epoch{plural} in {time}; the run is in {}", self.run.display())
    }
}

/// Shows a search while it runs and keeps what it comes to.
struct View<'a> {
    output: &'a Output,
    bar: ProgressBar,
    epochs: usize,
    steps_per_epoch: usize,
    /// Images of a step, of both halves.
    images: usize,
    summary: Summary,
}

impl<'a> View<'a> {
    fn new(run: &Path, output: &'a Output) -> Self {
        let bar = output.progress(None, "{prefix} [{bar:20}]\n{wide_msg}");
        let summary = Summary { run: run.to_owned(), ..Summary::default() };
        Self { output, bar, epochs: 0, steps_per_epoch: 0, images: 0, summary }
    }
}

impl Show<ConvSearch> for View<'_> {
    fn bar(&self) -> &ProgressBar {
        &self.bar
    }

    fn show(&mut self, event: Event) {
        match event {
            Event::Started {
                config,
                adapter,
                backend,
                parameters,
                weight_images,
                alpha_images,
                steps_per_epoch,
                ..
            } => {
                (self.epochs, self.steps_per_epoch, self.images) =
                    (config.epochs, steps_per_epoch, 2 * config.batch_size);
                self.bar.set_length((config.epochs * steps_per_epoch) as u64);
                at_step(&self.bar, 0, self.epochs, self.steps_per_epoch);
                self.bar.set_message("the first step also compiles the kernels");
                let run = std::mem::take(&mut self.summary.run);
                self.summary =
                    Summary { run, adapter, backend, parameters, weight_images, alpha_images, ..Summary::default() };
            }
            Event::Step { weights, alphas, seconds, .. } => {
                let rate = self.images as f64 / seconds;
                self.bar.set_message(told(rate, weights, alphas));
            }
            Event::Epoch { epoch, weights, alphas, images_per_second, curvature, .. } => {
                let summary = &mut self.summary;
                (summary.weights, summary.alphas, summary.images_per_second) = (weights, alphas, images_per_second);
                let mut means = told(images_per_second, weights, alphas);
                if let Some(curvature) = curvature {
                    means += &format!("; curvature {curvature:.3}");
                }
                let line = format!("epoch {} of {}: {means}", epoch + 1, self.epochs);
                self.bar.suspend(|| self.output.remark(line));
            }
            Event::Finished { genotype, architecture, epochs, seconds } => {
                let summary = &mut self.summary;
                summary.genotype = Some(genotype);
                summary.architecture = architecture;
                (summary.epochs, summary.seconds) = (epochs, seconds);
            }
            _ => {}
        }
    }

    fn stepped(&mut self, search: &ConvSearch) {
        at_step(&self.bar, search.steps_done(), self.epochs, self.steps_per_epoch);
    }
}

/// The state of a search in a line, which fits a terminal's.
fn told(images_per_second: f64, weights: Measure, alphas: Measure) -> String {
    let told = |half: Measure| format!("loss {:.3}, {:.1}% right", half.loss, 100.0 * half.accuracy);
    format!("weight {}; alpha {}; {images_per_second:.1} images/s", told(weights), told(alphas))
}
