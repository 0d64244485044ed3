//! Flags for images.

use crate::{
    data,
    keeping::Begin,
    output::{Outcome, Output},
};
use clap::Args;
use darts_engine::{data::Dataset, run::DataSource, space::Convolutional};
use std::path::PathBuf;

/// Images in memory.
#[derive(Args)]
pub struct ImagesFlag {
    #[arg(long, value_name = "PATH", required_unless_present = "resume", help = data::DATA, help_heading = "Data")]
    data: Option<PathBuf>,
}

impl ImagesFlag {
    /// Opens the images; pictures of a folder at `image_size`, or at the size of the run to resume.
    pub fn open(
        &self,
        image_size: Option<u32>,
        begin: &Begin<Convolutional>,
        output: &Output,
    ) -> Outcome<(Dataset, DataSource)> {
        let path = path(self.data.as_ref(), begin)?;
        let side = begin.config().map_or(image_size, |config| u32::try_from(config.data.image_size).ok());
        let data = data::open(&path, side, output)?;
        let source = DataSource::new(&path, &data);
        Ok((data, source))
    }
}

/// Path that a flag names, or that of the run to resume.
pub fn path(flag: Option<&PathBuf>, begin: &Begin<Convolutional>) -> Outcome<PathBuf> {
    let path = flag.cloned().or(begin.config().map(|config| config.data.path.clone().into()));
    Ok(path.ok_or("--data is needed: where the data is")?)
}
