//! What crosses between the page and the worker, through serde-wasm-bindgen.
//!
//! Every search has a number, so that what an abandoned one still says can be told apart from the current one.

use darts_engine::{
    bench::StepBenchmark,
    config::{RecurrentConfig, SearchConfig, TrainConfig},
    event::Event,
    intervention::Control,
    space::Genotype,
};
use serde::{Deserialize, Serialize};

/// Page to worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    /// Abandon the current search, if any, and begin this one; or go on with it where it was kept.
    Start {
        /// Number of the search.
        run: u32,
        /// What is searched.
        wanted: Wanted,
        /// The engine's checkpoint, where it was kept.
        #[serde(default, with = "serde_bytes")]
        checkpoint: Option<Vec<u8>>,
        /// Whether it waits for a word before it takes a step.
        held: bool,
    },
    /// Have the device compile what a step of this search takes, as long as nothing else is asked for.
    Rehearse {
        /// What may be searched next.
        wanted: Wanted,
    },
    /// Have the network of the current search on text write some.
    Sample {
        /// How many words.
        words: usize,
        /// What scores are divided by.
        temperature: f64,
        /// What decides the words.
        seed: u64,
    },
    /// Train networks of these cells from scratch, a step of each in turn, beside whatever is searched.
    Race {
        /// Number of the race.
        race: u32,
        /// Hyper-parameters of all of them.
        config: TrainConfig,
        /// Their images.
        data: DataChoice,
        /// Their cells.
        cells: Vec<Genotype>,
    },
    /// Abandon the race.
    StopRace,
    /// What any search can be asked while it runs.
    Control {
        /// What.
        control: Control,
    },
    /// Abandon the search, and time steps on random images.
    Bench {
        /// Number of the benchmark, among those of searches.
        run: u32,
        /// Sizes and settings.
        config: SearchConfig,
        /// Steps of each kind to time.
        steps: usize,
    },
}

/// What is searched, and on what.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case")]
pub enum Wanted {
    /// Convolutional cells, on images.
    Images {
        /// Hyper-parameters.
        config: SearchConfig,
        /// The images.
        data: DataChoice,
    },
    /// A recurrent cell, on text.
    Text {
        /// Hyper-parameters.
        config: RecurrentConfig,
        /// The most words of the vocabulary.
        words: usize,
        /// The text, where it is not the book beside the page.
        own: Option<OwnText>,
    },
}

/// Which images a search learns from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataChoice {
    /// The subset of CIFAR-10 that lies beside the page.
    #[default]
    Cifar10,
    /// Generated textures of ten classes.
    Textures,
}

impl DataChoice {
    /// The name used in the URL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cifar10 => "cifar10",
            Self::Textures => "textures",
        }
    }

    /// The choice with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Cifar10, Self::Textures].into_iter().find(|choice| choice.name() == name)
    }
}

/// Which text a search learns from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TextChoice {
    /// The book that lies beside the page.
    #[default]
    Book,
    /// A file that somebody dropped on the page.
    Own,
}

impl TextChoice {
    /// The name used in the URL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Book => "book",
            Self::Own => "own",
        }
    }

    /// The choice with that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Book, Self::Own].into_iter().find(|choice| choice.name() == name)
    }
}

/// A text file of somebody's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OwnText {
    /// What it is called.
    pub name: String,
    /// What is in it.
    #[serde(with = "serde_bytes")]
    pub bytes: Vec<u8>,
}

/// Worker to page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Message {
    /// The engine is being downloaded.
    Loading {
        /// Bytes that have arrived.
        received: f64,
        /// Bytes there are, where the server says so.
        total: Option<f64>,
    },
    /// The device is there; commands are heard from now on.
    Ready {
        /// Name of the adapter that computes.
        adapter: String,
        /// The interface used, for example `WebGPU`.
        backend: String,
        /// The processor emulates the GPU, or stands in for it.
        software: bool,
        /// Why it is the processor without any GPU interface, where it is: a sentence.
        instead: Option<String>,
    },
    /// The images of a search are there.
    Data {
        /// Number of the search.
        run: u32,
        /// What the search learns from in the end.
        data: DataChoice,
        /// Training images there are.
        images: usize,
        /// Why it is not what was asked for.
        notice: Option<String>,
    },
    /// The text of a search is there.
    Text {
        /// Number of the search.
        run: u32,
        /// What it is called.
        name: String,
    },
    /// What a search is doing now.
    Status {
        /// Number of the search.
        run: u32,
        /// What it is doing.
        activity: Activity,
    },
    /// An event of a search.
    Event {
        /// Number of the search.
        run: u32,
        /// The event.
        event: Box<Event>,
    },
    /// An event of one of the networks that are trained side by side.
    Raced {
        /// Number of the race.
        race: u32,
        /// Which network.
        runner: usize,
        /// The event.
        event: Box<Event>,
    },
    /// What a search can be taken up again from, as it is after all events told so far.
    Kept {
        /// Number of the search.
        run: u32,
        /// The engine's checkpoint.
        #[serde(with = "serde_bytes")]
        checkpoint: Vec<u8>,
    },
    /// A change that could not be made; the search goes on as before.
    Refused {
        /// Number of the search.
        run: u32,
        /// Why.
        reason: String,
    },
    /// What a benchmark has timed.
    Timing {
        /// Number of the benchmark.
        run: u32,
        /// The kind of step.
        kind: String,
        /// Steps of it, the first of which does not count.
        done: usize,
    },
    /// The figures of a benchmark.
    Benchmark {
        /// Number of the benchmark.
        run: u32,
        /// The figures.
        figures: Box<StepBenchmark>,
    },
    /// The worker is broken and must be replaced.
    Failed {
        /// What went wrong, in one sentence.
        message: String,
    },
}

/// What a search in the worker is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activity {
    /// Fetching images or text, or generating images.
    Data,
    /// Setting up the supernet's weights on the device.
    Building,
    /// Computing steps.
    Stepping,
    /// Writing text.
    Writing,
    /// Waiting for a command; no step is in flight.
    Holding,
}
