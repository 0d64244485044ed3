//! Messages between the page and the worker, through serde-wasm-bindgen.
//!
//! Every search has a number, so that messages of an abandoned search are ignored.

use darts_engine::{
    bench::StepBenchmark,
    config::{AnySearchConfig, SearchConfig, TrainConfig},
    event::Event,
    intervention::Control,
    space::Genotype,
};
use serde::{Deserialize, Serialize};

/// Page to worker.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Command {
    /// Abandon the current search, if any, and begin this one; or resume it from a snapshot.
    Start {
        /// Number of the search.
        run: u32,
        /// The search.
        request: SearchRequest,
        /// The engine's checkpoint, if the search was saved.
        #[serde(default, with = "serde_bytes")]
        checkpoint: Option<Vec<u8>>,
        /// Whether it starts paused.
        paused: bool,
    },
    /// Compile the shaders of a step of this search, until another command arrives.
    Rehearse {
        /// Search that may come next.
        request: SearchRequest,
    },
    /// Write text with the network of the current search.
    Sample {
        /// Words to write.
        words: usize,
        /// Divisor of the scores.
        temperature: f64,
        /// Seed of the words.
        seed: u64,
    },
    /// Train networks of these cells from scratch, a step of each in turn, beside any search.
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
    /// Request to the running search.
    Control {
        /// The request.
        control: Control,
    },
    /// Abandon the search, and time steps on random images.
    Bench {
        /// Number of the benchmark, among those of searches.
        run: u32,
        /// Sizes and settings.
        config: SearchConfig,
        /// Number of steps of each kind to time.
        steps: usize,
    },
}

/// Search to begin: its space with its hyper-parameters, and its data.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SearchRequest {
    /// Hyper-parameters.
    pub config: AnySearchConfig,
    /// Data.
    pub data: DataRequest,
}

/// Data of a search.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum DataRequest {
    /// Images.
    Images {
        /// Data set.
        choice: DataChoice,
    },
    /// A text.
    Text {
        /// Maximum size of the vocabulary, in words.
        words: usize,
        /// The user's own text, in place of the book.
        own: Option<OwnText>,
    },
}

/// Images that a search learns from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DataChoice {
    /// The subset of CIFAR-10 that comes with the page.
    #[default]
    Cifar10,
    /// Generated textures of ten classes.
    Textures,
}

impl DataChoice {
    /// Name in the URL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cifar10 => "cifar10",
            Self::Textures => "textures",
        }
    }

    /// Choice of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Cifar10, Self::Textures].into_iter().find(|choice| choice.name() == name)
    }
}

/// Text that a search learns from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TextChoice {
    /// The book that comes with the page.
    #[default]
    Book,
    /// A file of the user's own.
    Own,
}

impl TextChoice {
    /// Name in the URL.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Book => "book",
            Self::Own => "own",
        }
    }

    /// Choice of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Book, Self::Own].into_iter().find(|choice| choice.name() == name)
    }
}

/// A text file of the user's own.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OwnText {
    /// Name.
    pub name: String,
    /// Contents.
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
        /// Total bytes, if the server reports them.
        total: Option<f64>,
    },
    /// The device is ready, and the worker accepts commands.
    Ready {
        /// Name of the adapter that computes.
        adapter: String,
        /// Interface used, for example `WebGPU`.
        backend: String,
        /// Whether it is a software adapter, or the CPU by itself.
        software: bool,
        /// Reason that the CPU computes without any GPU interface, if it does: a sentence.
        instead: Option<String>,
    },
    /// The images of a search are there.
    Data {
        /// Number of the search.
        run: u32,
        /// Images that the search actually learns from.
        data: DataChoice,
        /// Training images there are.
        images: usize,
        /// Reason that they are not the requested ones.
        notice: Option<String>,
    },
    /// The text of a search is there.
    Text {
        /// Number of the search.
        run: u32,
        /// Name.
        name: String,
    },
    /// Present activity of a search.
    Status {
        /// Number of the search.
        run: u32,
        /// The activity.
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
        /// Place of the network.
        runner: usize,
        /// The event.
        event: Box<Event>,
    },
    /// State to resume the search from, after all events sent so far.
    Snapshot {
        /// Number of the search.
        run: u32,
        /// The engine's checkpoint.
        #[serde(with = "serde_bytes")]
        checkpoint: Vec<u8>,
    },
    /// A refused intervention; the search continues unchanged.
    Refused {
        /// Number of the search.
        run: u32,
        /// Reason.
        reason: String,
    },
    /// Progress of a benchmark.
    Timing {
        /// Number of the benchmark.
        run: u32,
        /// Kind of step.
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
        /// The error, in one sentence.
        message: String,
    },
}

/// Activity of a search in the worker.
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
