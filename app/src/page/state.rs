//! States of the parts of the page.

use darts_app::messages::DataChoice;

/// State of the search, for the buttons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// No search.
    Idle,
    /// Computing, or about to.
    Running,
    /// Paused, or about to be.
    Paused,
    /// All epochs are done.
    Finished,
    /// Stopped with an error.
    Failed,
    /// A recorded run is shown.
    Recorded,
}

impl Phase {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Finished => "finished",
            Self::Failed => "failed",
            Self::Recorded => "recorded",
        }
    }

    /// Whether there is a search that can continue.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Running | Self::Paused)
    }

    /// Whether there was a search, and it ended.
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Finished | Self::Failed)
    }
}

/// State of the engine in the worker.
#[derive(Clone, Debug, PartialEq)]
pub enum EngineState {
    /// Not requested: without WebGPU it is fetched when a search starts.
    Waiting,
    Loading {
        received: f64,
        total: Option<f64>,
    },
    /// `cpu_reason` explains why the CPU computes, if it does.
    Ready {
        adapter: String,
        backend: String,
        software: bool,
        cpu_reason: Option<String>,
    },
    Broken,
}

/// The images of the current search.
#[derive(Clone, Debug, PartialEq)]
pub struct Images {
    pub data: DataChoice,
    pub count: usize,
}

/// A sentence above the pictures.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    pub text: String,
    pub error: bool,
}

/// State of the benchmark.
#[derive(Clone, Debug, PartialEq)]
pub enum BenchState {
    Idle,
    /// Its progress, in words.
    Running(String),
    /// The report, as the command line prints it.
    Done(String),
}

/// Source of the events.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum RunSource {
    /// The engine in this page's worker.
    #[default]
    Worker,
    /// A search of the command line, which serves this page.
    Served,
    /// A recorded log.
    Recording {
        /// Name of its file.
        name: String,
        /// Share read so far, from 0 to 1, until all is read.
        reading: Option<f64>,
    },
}

/// Purpose of a file that is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilePurpose {
    /// To be shown.
    Show,
    /// To be compared with what is shown.
    Compare,
    /// To be learned from.
    Learn,
}
