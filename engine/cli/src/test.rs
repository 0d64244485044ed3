//! `darts test`, on any benchmark.

use crate::{
    device::{DeviceFlag, acquired, contain},
    genotype::{cell_help, find},
    output::{Outcome, Output},
    subcommand::Subcommand,
};
use clap::Args;
use darts_engine::{
    device::Compute,
    event::TestResult,
    space::{Genotype, Space},
};
use serde::Serialize;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Data set that trained weights are tested on by `darts test`.
pub trait TestSet: Sized + 'static {
    /// Name of the subcommand.
    const NAME: &'static str;
    /// Help of the subcommand.
    const ABOUT: &'static str;
    /// Search space of the cells.
    const SPACE: Space;
    /// Flags for the data.
    type Flags: Args;

    /// Default batch size: images of a minibatch, or columns of text.
    fn batch_size() -> usize;

    /// Checks that the flags are in range.
    fn check(_flags: &Self::Flags) -> Outcome {
        Ok(())
    }

    /// Reads the weights of a network of these cells, and opens the data.
    fn open(flags: &Self::Flags, weights: &Path, genotype: &Genotype, output: &Output) -> Outcome<Self>;

    /// Weights of the network.
    fn parameters(&self) -> usize;

    /// Tests the weights.
    fn test(&self, batch_size: usize, compute: &Compute, output: &Output) -> Outcome<Tested>;
}

/// Result of a test.
pub struct Tested {
    pub result: TestResult,
    /// Examples tested.
    pub examples: usize,
    /// Pictures that could not be read, if pictures are read one by one.
    pub unreadable: Option<Vec<String>>,
}

/// `darts test BENCHMARK`.
#[derive(Args)]
pub struct Test<T: TestSet> {
    /// Weights as a safetensors file, from a training run or with the tensors of the authors' implementation.
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    #[arg(long, value_name = "CELL", help = cell_help(T::SPACE))]
    arch: String,
    #[command(flatten)]
    own: T::Flags,
    /// Images of a minibatch, which affects only memory and speed; or columns that the test text is cut into, which
    /// affects speed and the context of the first words of each column.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    batch_size: u32,
    #[command(flatten)]
    device: DeviceFlag,
}

/// Report of a test.
#[derive(Serialize)]
struct Report {
    weights: PathBuf,
    adapter: String,
    backend: String,
    parameters: usize,
    test_examples: usize,
    test: TestResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    test_error: Option<f64>,
    /// Of the five likeliest classes.
    #[serde(skip_serializing_if = "Option::is_none")]
    top5_error: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<Vec<String>>,
}

impl<T: TestSet> Subcommand for Test<T> {
    const NAME: &'static str = T::NAME;
    const ABOUT: &'static str = T::ABOUT;

    fn defaults() -> Value {
        json!({ "batch_size": T::batch_size() })
    }

    fn run(self, output: &Output) -> Outcome {
        T::check(&self.own)?;
        let genotype = find(T::SPACE, &self.arch)?;
        let set = T::open(&self.own, &self.weights, &genotype, output)?;
        let compute = acquired(self.device.device, output)?;
        let tested = contain(|| set.test(self.batch_size as usize, &compute, output))?;
        let Tested { result, examples, unreadable } = tested;
        let (test_error, top5_error, text) = match result {
            TestResult::Images(test) => {
                let top5_error = test.wrong_of_five.map(|wrong| wrong as f64 / test.images as f64);
                (Some(test.error()), top5_error, format!("{test}, loss {:.3}", test.loss))
            }
            TestResult::Words(test) => {
                let perplexity = test.perplexity.unwrap_or_default();
                let text = format!("test perplexity {perplexity:.2}, loss {:.4}, {examples} words", test.loss);
                (None, None, text)
            }
        };
        let report = Report {
            weights: self.weights,
            adapter: compute.adapter,
            backend: compute.backend,
            parameters: set.parameters(),
            test_examples: examples,
            test: result,
            test_error,
            top5_error,
            unreadable,
        };
        output.print(&report, text)
    }
}
