//! `darts genotype`: look at cells.

use crate::output::{Outcome, Output};
use clap::Subcommand;
use darts_engine::{
    run::{Run, read_genotype},
    space::{Genotype, PUBLISHED, published},
};
use std::path::Path;

#[derive(Subcommand)]
pub enum Command {
    /// Print the cells of a finished search, of a genotype file, or of a published network.
    ///
    /// Published are DARTS_V1 and DARTS_V2 (the paper's, of first and second order), NASNet and AmoebaNet. With --json
    /// the genotype is printed in the form of the file genotype.json.
    Show {
        /// A run folder, a genotype file, or the name of a published network.
        #[arg(value_name = "RUN, FILE or NAME")]
        genotype: String,
    },
}

pub fn run(command: Command, output: &Output) -> Outcome {
    let Command::Show { genotype } = command;
    let genotype = find(&genotype)?;
    output.print(&genotype, &genotype)
}

/// The cells of a run folder or a file, or the published ones of that name.
pub fn find(text: &str) -> Outcome<Genotype> {
    let path = Path::new(text);
    if path.is_dir() {
        return Ok(Run::open(path)?.genotype()?);
    }
    if path.exists() {
        return Ok(read_genotype(path)?);
    }
    let known = PUBLISHED.join(", ");
    published(text).ok_or_else(|| format!("{text} is no run folder, no file and no published network ({known})").into())
}
