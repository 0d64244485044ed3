//! `darts genotype`: look at cells, draw them at random, pass them on; and what every other subcommand takes for a cell.

use crate::output::{Outcome, Output};
use clap::{Args, Subcommand, ValueEnum, builder::PossibleValuesParser, builder::TypedValueParser};
use darts_engine::{
    run::{RunError, read_genotype, read_genotype_of, run_genotype, space_of_run},
    space::{CONVOLUTIONAL, Genotype, RECURRENT, SPACES, Space, code::space_of_code},
};
use serde::Serialize;
use std::{fmt::Write, path::Path};

/// Help of a flag that takes the cells of a space.
pub fn cell_help(space: Space) -> String {
    let names: Vec<_> = space.published_names().collect();
    format!(
        "A published {}cell ({}), a genotype file in JSON or Python, a run folder, or a share code",
        adjective(space),
        names.join(", ")
    )
}

/// What tells cells of a space from convolutional ones, which need no word.
fn adjective(space: Space) -> String {
    if space == CONVOLUTIONAL { String::new() } else { format!("{space} ") }
}

/// Search space of cells that a name alone does not tell.
#[derive(Args)]
pub struct SpaceFlag {
    /// Space of the published cell of a name, and of cells drawn at random; files, runs and codes tell it themselves.
    #[arg(long, value_name = "SPACE", default_value = CONVOLUTIONAL.name, value_parser = spaces())]
    space: Space,
    /// The same as --space recurrent.
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
    /// Print both cells, or the recurrent cell.
    ///
    /// A CELL is the name of a published one, a file, a run folder or a share code. Published are DARTS_V1 and DARTS_V2 (the
    /// paper's, of first and second order), NASNet, AmoebaNet, PNASNet and ENAS. A file holds JSON as a run writes it, or
    /// Python as people paste it: Genotype(normal=[('sep_conv_3x3', 1), ...], normal_concat=range(2, 6), ...). Files, runs
    /// and codes of recurrent cells are recognised; names mean them with --space recurrent.
    Show {
        #[arg(value_name = "CELL", help = cell_help(CONVOLUTIONAL))]
        cell: String,
        #[command(flatten)]
        space: SpaceFlag,
        /// How to print them.
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: Format,
    },
    /// Print the share code of both cells, or of the recurrent cell.
    ///
    /// It is short, can be part of an address, and names the cells completely; a typing error in it is noticed.
    Code {
        #[arg(value_name = "CELL", help = cell_help(CONVOLUTIONAL))]
        cell: String,
        #[command(flatten)]
        space: SpaceFlag,
    },
    /// Print the cells of a share code.
    Decode {
        /// A code that `darts genotype code` printed.
        #[arg(value_name = "CODE")]
        code: String,
        /// How to print them.
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: Format,
    },
    /// Draw cells at random, as a random search does.
    ///
    /// Each node of each cell reads two distinct earlier states, every pair as likely, and each by one of the seven candidate
    /// ops other than zero, every op as likely; all nodes make the output. Each of the eight nodes of a recurrent cell reads one
    /// earlier state by one of four ops. The same seed gives the same sequence of cells on every machine.
    Random {
        #[command(flatten)]
        space: SpaceFlag,
        /// Decides which cells are drawn.
        #[arg(long, value_name = "N", default_value_t = 0)]
        seed: u64,
        /// Cells to draw.
        #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
        count: u32,
    },
}

/// A form of cells.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Node by node, to read.
    Text,
    /// As the file genotype.json of a run; --json does the same.
    Json,
    /// As the authors' implementation has it.
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
            Err("--json prints JSON, --format something else; choose one of them".into())
        }
        Format::Python => output.print(genotype, genotype.to_python()),
        Format::Dot => output.print(genotype, genotype.dot()),
        Format::Text => output.print(genotype, genotype),
    }
}

/// Cells of a space that an argument names, see [`cell_help`]: a folder or file of that name comes first.
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
        format!("{text} is no published {kind}cell ({known}), no file, no run folder and no share code").into()
    };
    space.published(text).ok_or_else(unknown)
}

/// Cells of the space that the argument is of; a name alone means those of `space`.
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
