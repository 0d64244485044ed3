//! `darts genotype`: prints, draws and shares cells; and the parser of cells in the arguments of all subcommands.

use crate::output::{Outcome, Output};
use clap::{Args, Subcommand, ValueEnum, builder::PossibleValuesParser, builder::TypedValueParser};
use darts_engine::{
    run::{RunError, read_genotype, read_genotype_of, run_genotype, space_of_run},
    space::{CONVOLUTIONAL, Genotype, RECURRENT, SPACES, Space, code::space_of_code},
};
use serde::Serialize;
use std::{fmt::Write, path::Path};

/// Help of an argument that names cells of a space.
pub fn cell_help(space: Space) -> String {
    let names: Vec<_> = space.published_names().collect();
    format!(
        "A published {}cell ({}), a genotype file in JSON or Python, a run folder, or a share code",
        adjective(space),
        names.join(", ")
    )
}

/// Word for the cells of a space in messages; empty for convolutional ones.
fn adjective(space: Space) -> String {
    if space == CONVOLUTIONAL { String::new() } else { format!("{space} ") }
}

/// Search space of cells that are given by name only.
#[derive(Args)]
pub struct SpaceFlag {
    /// Search space of a published cell or of random cells; files, runs and share codes name their own.
    #[arg(long, value_name = "SPACE", default_value = CONVOLUTIONAL.name, value_parser = spaces())]
    space: Space,
    /// Short for --space recurrent.
    #[arg(long, conflicts_with = "space")]
    recurrent: bool,
}

fn spaces() -> impl TypedValueParser<Value = Space> {
    let names = PossibleValuesParser::new(SPACES.map(|space| space.name));
    names.map(|name| Space::named(&name).expect("the names are those of the spaces"))
}

impl SpaceFlag {
    fn space(&self) -> Space {
        if self.recurrent { RECURRENT } else { self.space }
    }
}

#[derive(Subcommand)]
pub enum Command {
    /// Print cells.
    ///
    /// CELL is the name of a published cell, a file, a run folder or a share code. Published cells are DARTS_V1 and DARTS_V2
    /// (the paper's, of first and second order), NASNet, AmoebaNet, PNASNet and ENAS. A file contains JSON as a run writes
    /// it, or Python: Genotype(normal=[('sep_conv_3x3', 1), ...], normal_concat=range(2, 6), ...). Files, runs and codes of
    /// recurrent cells are recognised; a name means a recurrent cell with --space recurrent.
    Show {
        #[arg(value_name = "CELL", help = cell_help(CONVOLUTIONAL))]
        cell: String,
        #[command(flatten)]
        space: SpaceFlag,
        /// Output format.
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: Format,
    },
    /// Print the share code of cells.
    ///
    /// The code is short, fits in a web address and describes the cells completely; it includes a checksum against typing
    /// errors.
    Code {
        #[arg(value_name = "CELL", help = cell_help(CONVOLUTIONAL))]
        cell: String,
        #[command(flatten)]
        space: SpaceFlag,
    },
    /// Print the cells of a share code.
    Decode {
        /// A code printed by `darts genotype code`.
        #[arg(value_name = "CODE")]
        code: String,
        /// Output format.
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: Format,
    },
    /// Draw random cells, as a random search does.
    ///
    /// Each node of a convolutional cell reads two distinct earlier states, each through one of the seven candidate ops other
    /// than zero; all pairs and all ops are equally likely, and all nodes form the output. Each of the eight nodes of a
    /// recurrent cell reads one earlier state through one of four ops. The same seed gives the same cells on every machine.
    Random {
        #[command(flatten)]
        space: SpaceFlag,
        /// Seed of the random numbers.
        #[arg(long, value_name = "N", default_value_t = 0)]
        seed: u64,
        /// Number of cells to draw.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        count: u32,
    },
}

/// Output format of cells.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Node by node, for people to read.
    Text,
    /// JSON, as in the file genotype.json of a run; the same as --json.
    Json,
    /// Python, as in the authors' implementation.
    Python,
    /// A graph for Graphviz: `darts genotype show CELL --format dot | dot -Tsvg`.
    Dot,
}

pub fn run(command: Command, output: &Output) -> Outcome {
    match command {
        Command::Show { cell, space, format } => print(&find_any(&cell, space.space())?, format, output),
        Command::Decode { code, format } => print(&decode(&code)?, format, output),
        Command::Code { cell, space } => {
            let coded = Coded::new(find_any(&cell, space.space())?)?;
            output.print(&coded, &coded.code)
        }
        Command::Random { space, seed, count } => {
            let drawn = Genotype::random(space.space(), seed, count as usize);
            let cells = drawn.map(Coded::new).collect::<Outcome<Vec<_>>>()?;
            let mut text = String::new();
            for Coded { code, genotype } in &cells {
                writeln!(text, "{code}\n{genotype}")?;
            }
            output.print(&cells, text)
        }
    }
}

/// Cells with their share code.
#[derive(Serialize)]
struct Coded {
    code: String,
    genotype: Genotype,
}

impl Coded {
    fn new(genotype: Genotype) -> Outcome<Self> {
        Ok(Self { code: genotype.code()?, genotype })
    }
}

fn print(genotype: &Genotype, format: Format, output: &Output) -> Outcome {
    match format {
        Format::Json => Output { json: true, ..*output }.print(genotype, ""),
        Format::Python | Format::Dot if output.json => {
            Err("--json does not go with another --format; choose one of them".into())
        }
        Format::Python => output.print(genotype, genotype.to_python()),
        Format::Dot => output.print(genotype, genotype.dot()),
        Format::Text => output.print(genotype, genotype),
    }
}

/// Cells of a space that an argument names, see [`cell_help`]; a folder or file of that name takes precedence.
pub fn find(space: Space, text: &str) -> Outcome<Genotype> {
    let path = Path::new(text);
    if path.is_dir() {
        return match space_of_run(path)? {
            found if found == space => Ok(run_genotype(path)?),
            found => {
                let place = path.display().to_string();
                Err(RunError::OtherKind { place, found: found.name, wanted: space.name }.into())
            }
        };
    }
    if path.exists() {
        return Ok(read_genotype_of(space, path)?);
    }
    if space_of_code(text) == Some(space) {
        return decode(text);
    }
    let kind = adjective(space);
    let known: Vec<_> = space.published_names().collect();
    let unknown = || {
        let known = known.join(", ");
        format!("{text} is not a published {kind}cell ({known}), a file, a run folder or a share code").into()
    };
    space.published(text).ok_or_else(unknown)
}

/// Cells that an argument names, of any space; a published name means those of `space`.
fn find_any(text: &str, space: Space) -> Outcome<Genotype> {
    let path = Path::new(text);
    match path {
        _ if space != CONVOLUTIONAL => find(space, text),
        folder if folder.is_dir() => Ok(run_genotype(folder)?),
        file if file.exists() => Ok(read_genotype(file)?),
        _ if space_of_code(text).is_some() => decode(text),
        _ => find(space, text),
    }
}

fn decode(code: &str) -> Outcome<Genotype> {
    Genotype::from_code(code).map_err(|error| format!("the share code {code} cannot be read: {error}").into())
}
