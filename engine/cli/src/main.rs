//! The darts command line. Each subcommand has its own file; this one dispatches to them. The parts that depend on the
//! search space are in [`spaces`].

#![forbid(unsafe_code)]

mod bench;
mod data;
mod device;
mod flags;
mod genotype;
mod keeping;
mod output;
mod reproduce;
mod runner;
mod search;
mod serve;
mod spaces;
mod subcommand;
mod table;
mod test;
mod train;
mod view;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use output::Output;
use spaces::Chosen;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    /// Download, check, list and shrink data sets.
    #[command(subcommand)]
    Data(data::Command),
    /// Search the cells of a network.
    #[command(subcommand)]
    Search(Chosen<spaces::Search>),
    /// Train a network of derived cells from scratch.
    #[command(subcommand)]
    Train(Chosen<spaces::Train>),
    /// Test the trained weights of a network.
    #[command(subcommand)]
    Test(Chosen<spaces::Test>),
    /// Reproduce a result of the paper, from the search to its row of the table.
    #[command(subcommand)]
    Reproduce(Chosen<spaces::Reproduce>),
    /// Print, draw at random and share cells.
    #[command(subcommand)]
    Genotype(genotype::Command),
    /// Compare the cost of networks with the paper's tables.
    ///
    /// Parameters and multiply-accumulates are computed for any cells, at the paper's sizes for CIFAR-10 and ImageNet. Test
    /// errors, costs and GPU days of the search are quoted from the paper's tables 1 and 3, if they list the network.
    Table(table::Table),
    /// Open the explorer: serve the page that searches in a browser on this machine.
    ///
    /// Prints the address, and serves the page until the program is stopped.
    Explore(serve::Explore),
    /// Replay a recorded search on the page, in a browser on this machine.
    ///
    /// Prints the address, and serves the page until the program is stopped.
    Replay(serve::Replay),
    /// Measure the speed of this machine.
    #[command(subcommand)]
    Bench(bench::Command),
}

fn main() -> ExitCode {
    device::keep_decoders_quiet();
    let mut command = Cli::command();
    let parsed = command.try_get_matches_from_mut(std::env::args_os()).and_then(|matches| {
        keeping::check_flags(&mut command, &matches)?;
        Cli::from_arg_matches(&matches)
    });
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return output::usage(&error),
    };
    output::report(match cli.command {
        Command::Data(command) => data::run(command, &cli.output),
        Command::Search(chosen) => chosen.run(&cli.output),
        Command::Train(chosen) => chosen.run(&cli.output),
        Command::Test(chosen) => chosen.run(&cli.output),
        Command::Reproduce(chosen) => chosen.run(&cli.output),
        Command::Genotype(command) => genotype::run(command, &cli.output),
        Command::Table(table) => table::run(table, &cli.output),
        Command::Explore(args) => serve::explore(&args, &cli.output),
        Command::Replay(args) => serve::replay(&args, &cli.output),
        Command::Bench(command) => bench::run(command, &cli.output),
    })
}
