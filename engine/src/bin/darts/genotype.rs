//! `darts genotype`: look at cells, draw them at random, pass them on; and what every other subcommand takes for a cell.

use crate::output::{Outcome, Output};
use clap::{Subcommand, ValueEnum};
use darts_engine::{
    run::{Run, read_genotype},
    space::{Genotype, PUBLISHED, code::looks_like_code, published},
};
use serde::Serialize;
use std::{fmt::Write, path::Path};

/// What a CELL argument may be, for the help of subcommands that take one.
pub const CELL: &str = "A published cell (DARTS_V1, DARTS_V2, NASNet, AmoebaNet, PNASNet, ENAS), a genotype file in JSON or \
                        Python, a run folder, or a share code";

#[derive(Subcommand)]
pub enum Command {
    /// Print both cells.
    ///
    /// A CELL is the name of a published one, a file, a run folder or a share code. Published are DARTS_V1 and DARTS_V2 (the
    /// paper's, of first and second order), NASNet, AmoebaNet, PNASNet and ENAS. A file holds JSON as a run writes it, or
    /// Python as people paste it: Genotype(normal=[('sep_conv_3x3', 1), ...], normal_concat=range(2, 6), ...).
    Show {
        #[arg(value_name = "CELL", help = CELL)]
        cell: String,
        /// How to print them.
        #[arg(long, value_name = "FORMAT", default_value = "text")]
        format: Format,
    },
    /// Print the share code of both cells.
    ///
    /// It is short, can be part of an address, and names both cells completely; a typing error in it is noticed.
    Code {
        #[arg(value_name = "CELL", help = CELL)]
        cell: String,
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
    /// ops other than zero, every op as likely; all nodes make the output. The same seed gives the same sequence of cells on
    /// every machine.
    Random {
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
        Command::Show { cell, format } => print(&find(&cell)?, format, output),
        Command::Decode { code, format } => print(&decode(&code)?, format, output),
        Command::Code { cell } => {
            let genotype = find(&cell)?;
            let code = genotype.code()?;
            output.print(&Coded { code: code.clone(), genotype }, code)
        }
        Command::Random { seed, count } => {
            let cells: Outcome<Vec<Coded>> = Genotype::random(seed, count as usize)
                .map(|genotype| Ok(Coded { code: genotype.code()?, genotype }))
                .collect();
            let cells = cells?;
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

fn print(genotype: &Genotype, format: Format, output: &Output) -> Outcome {
    match format {
        Format::Text => output.print(genotype, genotype),
        Format::Json => Output { json: true, ..*output }.print(genotype, ""),
        Format::Python if !output.json => output.print(genotype, genotype.to_python()),
        Format::Dot if !output.json => output.print(genotype, genotype.dot()),
        Format::Python | Format::Dot => Err("--json prints JSON, --format something else; choose one of them".into()),
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

fn decode(code: &str) -> Outcome<Genotype> {
    Genotype::from_code(code).map_err(|error| format!("the share code {code} cannot be read: {error}").into())
}
