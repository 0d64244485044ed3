//! `darts genotype`: look at cells, draw them at random, pass them on; and what every other subcommand takes for a cell.

use crate::output::{Outcome, Output};
use clap::{Subcommand, ValueEnum};
use darts_engine::{
    run::{AnyGenotype, Run, TextRun, read_any_genotype, read_genotype, read_recurrent_genotype, run_genotype},
    space::{
        Genotype, PUBLISHED, PUBLISHED_RECURRENT, RecurrentGenotype,
        code::{looks_like_code, looks_like_recurrent_code},
        published, published_recurrent,
    },
};
use serde::Serialize;
use std::{fmt::Write, path::Path};

/// What a CELL argument may be, for the help of subcommands that take one.
pub const CELL: &str = "A published cell (DARTS_V1, DARTS_V2, NASNet, AmoebaNet, PNASNet, ENAS), a genotype file in JSON or \
                        Python, a run folder, or a share code";

/// The same for a recurrent cell.
pub const RECURRENT_CELL: &str = "A published recurrent cell (DARTS_V1, DARTS_V2, ENAS), a genotype file in JSON or \
                                  Python, a run folder, or a share code";

/// Which of the published cells of a name is meant; whatever else names cells tells by itself.
const RECURRENT: &str = "A name means the published recurrent cell (DARTS_V1, DARTS_V2, ENAS)";

#[derive(Subcommand)]
pub enum Command {
    /// Print both cells, or the recurrent cell.
    ///
    /// A CELL is the name of a published one, a file, a run folder or a share code. Published are DARTS_V1 and DARTS_V2 (the
    /// paper's, of first and second order), NASNet, AmoebaNet, PNASNet and ENAS. A file holds JSON as a run writes it, or
    /// Python as people paste it: Genotype(normal=[('sep_conv_3x3', 1), ...], normal_concat=range(2, 6), ...). Files, runs
    /// and codes of recurrent cells are recognised; names mean them with --recurrent.
    Show {
        #[arg(value_name = "CELL", help = CELL)]
        cell: String,
        #[arg(long, help = RECURRENT)]
        recurrent: bool,
        /// How to print them.
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: Format,
    },
    /// Print the share code of both cells, or of the recurrent cell.
    ///
    /// It is short, can be part of an address, and names the cells completely; a typing error in it is noticed.
    Code {
        #[arg(value_name = "CELL", help = CELL)]
        cell: String,
        #[arg(long, help = RECURRENT)]
        recurrent: bool,
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
        /// Draw recurrent cells.
        #[arg(long)]
        recurrent: bool,
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
        Command::Show { cell, recurrent, format } => print(&find_any(&cell, recurrent)?, format, output),
        Command::Decode { code, format } => {
            let cells = match looks_like_recurrent_code(&code) {
                true => AnyGenotype::Recurrent(decode_recurrent(&code)?),
                false => AnyGenotype::Convolutional(decode(&code)?),
            };
            print(&cells, format, output)
        }
        Command::Code { cell, recurrent } => {
            let coded = Coded::new(find_any(&cell, recurrent)?)?;
            output.print(&coded, &coded.code)
        }
        Command::Random { recurrent, seed, count } => {
            let count = count as usize;
            let cells: Outcome<Vec<Coded>> = match recurrent {
                true => RecurrentGenotype::random(seed, count).map(AnyGenotype::Recurrent).map(Coded::new).collect(),
                false => Genotype::random(seed, count).map(AnyGenotype::Convolutional).map(Coded::new).collect(),
            };
            let cells = cells?;
            let mut text = String::new();
            for Coded { code, genotype } in &cells {
                writeln!(text, "{code}\n{}", told(genotype, Format::Text))?;
            }
            output.print(&cells, text)
        }
    }
}

/// Cells with their share code.
#[derive(Serialize)]
struct Coded {
    code: String,
    genotype: AnyGenotype,
}

impl Coded {
    fn new(genotype: AnyGenotype) -> Outcome<Self> {
        let code = match &genotype {
            AnyGenotype::Convolutional(cells) => cells.code()?,
            AnyGenotype::Recurrent(cell) => cell.code()?,
        };
        Ok(Self { code, genotype })
    }
}

fn print(genotype: &AnyGenotype, format: Format, output: &Output) -> Outcome {
    match format {
        Format::Json => Output { json: true, ..*output }.print(genotype, ""),
        Format::Python | Format::Dot if output.json => {
            Err("--json prints JSON, --format something else; choose one of them".into())
        }
        _ => output.print(genotype, told(genotype, format)),
    }
}

fn told(genotype: &AnyGenotype, format: Format) -> String {
    match (genotype, format) {
        (AnyGenotype::Convolutional(cells), Format::Python) => cells.to_python(),
        (AnyGenotype::Convolutional(cells), Format::Dot) => cells.dot(),
        (AnyGenotype::Convolutional(cells), _) => cells.to_string(),
        (AnyGenotype::Recurrent(cell), Format::Python) => cell.to_python(),
        (AnyGenotype::Recurrent(cell), Format::Dot) => cell.dot(),
        (AnyGenotype::Recurrent(cell), _) => cell.to_string(),
    }
}

/// The cells that an argument names, see [`CELL`]: a folder or file of that name comes first.
pub fn find(text: &str) -> Outcome<Genotype> {
    let path = Path::new(text);
    if path.is_dir() {
        return Ok(Run::open(path)?.genotype()?);
    }
    if path.exists() {
        return Ok(read_genotype(path)?);
    }
    if looks_like_code(text) {
        return decode(text);
    }
    let known = PUBLISHED.join(", ");
    let unknown = || format!("{text} is no published cell ({known}), no file, no run folder and no share code").into();
    published(text).ok_or_else(unknown)
}

/// The recurrent cell that an argument names, see [`RECURRENT_CELL`]: a folder or file of that name comes first.
pub fn find_recurrent(text: &str) -> Outcome<RecurrentGenotype> {
    let path = Path::new(text);
    if path.is_dir() {
        return Ok(TextRun::open(path)?.genotype()?);
    }
    if path.exists() {
        return Ok(read_recurrent_genotype(path)?);
    }
    if looks_like_recurrent_code(text) {
        return decode_recurrent(text);
    }
    let known = PUBLISHED_RECURRENT.join(", ");
    let unknown =
        || format!("{text} is no published recurrent cell ({known}), no file, no run folder and no share code").into();
    published_recurrent(text).ok_or_else(unknown)
}

/// Cells of the kind that the argument is of; a name alone means convolutional ones, unless `recurrent` says otherwise.
fn find_any(text: &str, recurrent: bool) -> Outcome<AnyGenotype> {
    let path = Path::new(text);
    match path {
        _ if recurrent => Ok(AnyGenotype::Recurrent(find_recurrent(text)?)),
        folder if folder.is_dir() => Ok(run_genotype(folder)?),
        file if file.exists() => Ok(read_any_genotype(file)?),
        _ if looks_like_recurrent_code(text) => Ok(AnyGenotype::Recurrent(decode_recurrent(text)?)),
        _ => Ok(AnyGenotype::Convolutional(find(text)?)),
    }
}

fn decode_recurrent(code: &str) -> Outcome<RecurrentGenotype> {
    RecurrentGenotype::from_code(code).map_err(|error| format!("the share code {code} cannot be read: {error}").into())
}

fn decode(code: &str) -> Outcome<Genotype> {
    Genotype::from_code(code).map_err(|error| format!("the share code {code} cannot be read: {error}").into())
}
