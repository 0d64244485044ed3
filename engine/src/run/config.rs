use super::{
    CONFIG_FILE, DataSource, Events, GENOTYPE_FILE, RunError, Source, TextSource, VERSION,
    files::{name, read_json},
    genotype::{other_space, read_genotype_of},
};
use crate::{
    config::{RecurrentConfig, SearchConfig, SearchSettings, TextTrainConfig, TrainConfig, TrainSettings},
    device::DeviceChoice,
    space::{CONVOLUTIONAL, Convolutional, Genotype, RECURRENT, Recurrent, Space},
};
use serde::{Deserialize, Serialize};
use std::{
    fmt::Debug,
    path::{Path, PathBuf},
};

/// Runs in one search space.
pub trait RunSpace: Clone + Copy + Debug + PartialEq + 'static {
    /// The search space.
    const SPACE: Space;
    /// Name of the data in settings of version 1.
    const DATA_OF_VERSION_1: &'static str = "data";
    /// Hyper-parameters of a search.
    type Search: SearchSettings;
    /// Hyper-parameters of a training run.
    type Train: TrainSettings;
    /// Data.
    type Source: Source + Debug;
}

impl RunSpace for Convolutional {
    const SPACE: Space = CONVOLUTIONAL;
    type Search = SearchConfig;
    type Train = TrainConfig;
    type Source = DataSource;
}

impl RunSpace for Recurrent {
    const SPACE: Space = RECURRENT;
    const DATA_OF_VERSION_1: &'static str = "text";
    type Search = RecurrentConfig;
    type Train = TextTrainConfig;
    type Source = TextSource;
}

/// Settings that decide a search or a training run: its `config.json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, bound = "")]
pub struct RunConfig<S: RunSpace> {
    /// Version of the engine that began the run.
    pub engine: String,
    /// The search space; version 1 did not write it.
    #[serde(default = "space_of::<S>")]
    pub space: Space,
    /// Device requested.
    pub device: DeviceChoice,
    /// Data.
    #[serde(alias = "text")]
    pub data: S::Source,
    /// Every hyper-parameter of a search.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub search: Option<S::Search>,
    /// Every hyper-parameter of a training run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train: Option<S::Train>,
    /// Cells of a training run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub genotype: Option<Genotype>,
}

impl<S: RunSpace> RunConfig<S> {
    /// Settings of a search.
    pub fn search(device: DeviceChoice, data: S::Source, config: S::Search) -> Self {
        Self {
            engine: VERSION.to_owned(),
            space: S::SPACE,
            device,
            data,
            search: Some(config),
            train: None,
            genotype: None,
        }
    }

    /// Settings of a training run of these cells.
    pub fn train(device: DeviceChoice, data: S::Source, config: S::Train, genotype: Genotype) -> Self {
        Self {
            engine: VERSION.to_owned(),
            space: S::SPACE,
            device,
            data,
            search: None,
            train: Some(config),
            genotype: Some(genotype),
        }
    }

    /// Same settings without the paths of the data.
    pub(super) fn without_paths(self) -> Self {
        Self { data: self.data.without_paths(), ..self }
    }
}

fn space_of<S: RunSpace>() -> Space {
    S::SPACE
}

/// Run that has been written, or is being written.
#[derive(Clone, Debug)]
pub struct Run<S: RunSpace> {
    /// Its folder.
    pub folder: PathBuf,
    /// Its settings.
    pub config: RunConfig<S>,
}

impl<S: RunSpace> Run<S> {
    /// Opens a run folder.
    ///
    /// # Errors
    /// It holds no run, one of another space, or its settings cannot be read.
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, RunError> {
        let folder = folder.into();
        let found = space_of_run(&folder)?;
        if found != S::SPACE {
            return Err(other_space(&folder, found, S::SPACE));
        }
        Ok(Self { config: read_config(&folder)?, folder })
    }

    /// Events of its log in order.
    ///
    /// # Errors
    /// The log cannot be opened. An item is an error where a line cannot be read; nothing follows it.
    pub fn events(&self) -> Result<Events, RunError> {
        Events::open(&self.folder)
    }

    /// Cells that its search derived, or that it trains.
    ///
    /// # Errors
    /// The search has not finished, or the cells cannot be read.
    pub fn genotype(&self) -> Result<Genotype, RunError> {
        genotype_file(&self.folder, S::SPACE)
    }
}

/// Search space of the run in a folder, by its settings.
///
/// # Errors
/// The folder holds no run, or one of an unknown space.
pub fn space_of_run(folder: &Path) -> Result<Space, RunError> {
    let config = read_config::<serde_json::Value>(folder)?;
    match config.get("space") {
        Some(space) => Space::deserialize(space).map_err(|error| RunError::Format {
            file: name(&folder.join(CONFIG_FILE)),
            problem: format!("space: {error}"),
        }),
        // Version 1, which had two spaces.
        None if config.get("text").is_some() => Ok(RECURRENT),
        None => Ok(CONVOLUTIONAL),
    }
}

/// Cells of a run folder of any space.
///
/// # Errors
/// It holds no run, its search has not finished, or the cells cannot be read.
pub fn run_genotype(folder: &Path) -> Result<Genotype, RunError> {
    genotype_file(folder, space_of_run(folder)?)
}

fn genotype_file(folder: &Path, space: Space) -> Result<Genotype, RunError> {
    let file = folder.join(GENOTYPE_FILE);
    match file.exists() {
        true => read_genotype_of(space, &file),
        false => Err(RunError::Unfinished { folder: name(folder) }),
    }
}

/// Settings of a run folder.
fn read_config<T: serde::de::DeserializeOwned>(folder: &Path) -> Result<T, RunError> {
    let file = folder.join(CONFIG_FILE);
    if folder.is_dir() && !file.exists() {
        return Err(RunError::NoRun { folder: name(folder) });
    }
    read_json(&file)
}
