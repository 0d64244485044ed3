//! The darts command line. Each subcommand has a file of its own; this one picks among them.

mod bench;
mod data;
mod device;
mod genotype;
mod output;
mod recurrent;
mod search;
mod table;
mod test;
mod text;
mod train;

use clap::{Parser, Subcommand};
use output::Output;
use std::process::ExitCode;

/// Differentiable architecture search on WebGPU compute.
#[derive(Parser)]
#[command(name = "darts", version, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Fetch, check, look at and shrink the images to search on.
    #[command(subcommand)]
    Data(data::Command),
    /// Search for cells.
    #[command(subcommand)]
    Search(search::Command),
    /// Train a network of derived cells from scratch.
    #[command(subcommand)]
    Train(train::Command),
    /// Test trained weights.
    #[command(subcommand)]
    Test(test::Command),
    /// Look at cells, draw them at random, pass them on.
    #[command(subcommand)]
    Genotype(genotype::Command),
    /// Compare what networks of cells cost with what the paper reports.
    ///
    /// Parameters and multiply-accumulates are computed for any cells, at the paper's sizes for CIFAR-10 and ImageNet; test
    /// errors, costs and GPU days of the search are quoted from its tables 1 and 3, where it has them.
    Table(table::Table),
    /// Measure how fast this machine is.
    #[command(subcommand)]
    Bench(bench::Command),
}

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error),
    };
    output::report(match cli.command {
        Command::Data(command) => data::run(command, &cli.output),
        Command::Search(command) => search::run(command, &cli.output),
        Command::Train(command) => train::run(command, &cli.output),
        Command::Test(command) => test::run(command, &cli.output),
        Command::Genotype(command) => genotype::run(command, &cli.output),
        Command::Table(table) => table::run(table, &cli.output),
        Command::Bench(command) => bench::run(command, &cli.output),
    })
}
