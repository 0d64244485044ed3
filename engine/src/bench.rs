//! Timing of search and training steps, beside the device's peak rates.

#[cfg(all(feature = "compute", not(target_arch = "wasm32")))]
mod decode;
#[cfg(feature = "compute")]
mod steps;

use crate::profile::{Ceilings, DecodeStages, KernelFigures, TimedBy};
use crate::{
    config::{RecurrentConfig, SearchConfig, TrainConfig},
    space::Genotype,
};
#[cfg(all(feature = "compute", not(target_arch = "wasm32")))]
pub use decode::decode_benchmark;
use serde::{Deserialize, Serialize};
use std::fmt;
#[cfg(feature = "compute")]
pub use steps::{recurrent_benchmark, step_benchmark, training_benchmark};

/// Milliseconds of repeated measurements.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// Median.
    pub median_ms: f64,
    /// Fastest.
    pub least_ms: f64,
    /// Slowest.
    pub most_ms: f64,
}

impl Timing {
    /// Timing of at least one measurement.
    pub fn of(mut times: Vec<f64>) -> Self {
        times.sort_by(f64::total_cmp);
        Self { median_ms: times[times.len() / 2], least_ms: times[0], most_ms: times[times.len() - 1] }
    }
}

/// Cost of one kind of step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepFigures {
    /// Wall time of a step, including the wait for the device.
    pub time: Timing,
    /// Launches of this project's own shaders in a step.
    pub dispatches: u64,
    /// Launches of Burn's kernels on top: stem, classifier, loss, optimiser; with reference kernels, everything.
    pub other_dispatches: u64,
    /// Bytes that the launches of own shaders read and write, each distinct byte of a launch once, counted from shapes.
    pub bytes: u64,
    /// Multiply-accumulates of the network per step, in convolutions and the classifier: three times the forward pass for a
    /// weight step.
    pub multiply_accumulates: u64,
    /// Floating-point operations per second: two for each multiply-accumulate, over the median time.
    pub gflops: f64,
    /// Share of the device's multiply-add rate, where that was measured.
    pub fraction_of_multiply_add: Option<f64>,
    /// Bytes over the median time as a share of the device's copy rate, where both were measured.
    pub fraction_of_copy: Option<f64>,
}

/// The result of a step benchmark.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepBenchmark {
    /// The adapter.
    pub adapter: String,
    /// Its interface.
    pub backend: String,
    /// Sizes and settings.
    pub config: SearchConfig,
    /// Weights of the supernet.
    pub parameters: usize,
    /// Steps timed, after one that was not.
    pub steps: usize,
    /// SGD on the weights.
    pub weight_step: StepFigures,
    /// Adam on the alphas, of the configured order.
    pub architecture_step: StepFigures,
    /// Peak memory in bytes: of the device's allocator where it reports that, of the process where there is no device.
    pub peak_bytes: Option<u64>,
    /// Peak device memory of a step estimated from shapes, where that is known.
    pub expected_bytes: Option<u64>,
    /// Peak rates of the device; absent without compute shaders.
    pub ceilings: Option<Ceilings>,
    /// Clock that timed the kernels below, if they were timed.
    pub timed_by: Option<TimedBy>,
    /// Time by kernel in a weight step whose launches were timed one by one, the slowest first; empty unless profiled.
    pub kernels: Vec<KernelFigures>,
}

/// The result of a benchmark of a recurrent search's steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RecurrentBenchmark {
    /// The adapter.
    pub adapter: String,
    /// Its interface.
    pub backend: String,
    /// Sizes and settings.
    pub config: RecurrentConfig,
    /// Distinct words.
    pub vocabulary: usize,
    /// Weights of the supernet.
    pub parameters: usize,
    /// Steps timed, after one that was not.
    pub steps: usize,
    /// SGD on the weights: dropout masks drawn, the window sent, forward and backward pass, the update.
    pub weight_step: StepFigures,
    /// Adam on the alphas, of the configured order.
    pub architecture_step: StepFigures,
    /// Launches of all kernels in a weight and in an architecture step, divided by the rows of the window; launches made
    /// once a window are included.
    pub dispatches_per_word: [f64; 2],
    /// Peak memory in bytes: of the device's allocator where it reports that, of the process where there is no device.
    pub peak_bytes: Option<u64>,
    /// Peak rates of the device; absent without compute shaders.
    pub ceilings: Option<Ceilings>,
    /// Clock that timed the kernels below, if they were timed.
    pub timed_by: Option<TimedBy>,
    /// Time by kernel in a weight step whose launches were timed one by one, the slowest first; empty unless profiled.
    pub kernels: Vec<KernelFigures>,
}

/// The result of a benchmark of training steps.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainingBenchmark {
    /// The adapter.
    pub adapter: String,
    /// Its interface.
    pub backend: String,
    /// Sizes and settings.
    pub config: TrainConfig,
    /// The cells.
    pub genotype: Genotype,
    /// Weights of the network, without its auxiliary head.
    pub parameters: usize,
    /// Steps timed, after one that was not.
    pub steps: usize,
    /// A step: the minibatch made and sent, forward and backward pass, SGD.
    pub step: StepFigures,
    /// Peak memory in bytes: of the device's allocator where it reports that, of the process where there is no device.
    pub peak_bytes: Option<u64>,
    /// Peak rates of the device; absent without compute shaders.
    pub ceilings: Option<Ceilings>,
    /// Clock that timed the kernels below, if they were timed.
    pub timed_by: Option<TimedBy>,
    /// Time by kernel in a step whose launches were timed one by one, the slowest first; empty unless profiled.
    pub kernels: Vec<KernelFigures>,
}

impl StepFigures {
    /// Writes two lines on a step of that name.
    fn lines(&self, f: &mut fmt::Formatter<'_>, name: &str) -> fmt::Result {
        let Timing { median_ms, least_ms, most_ms } = self.time;
        write!(f, "{name:<18} {median_ms:9.1} ms ({least_ms:.1} to {most_ms:.1}), ")?;
        let (all, others) = (self.dispatches + self.other_dispatches, self.other_dispatches);
        if all > 0 {
            write!(f, "{all} dispatches ({others} of Burn), {:.1} GB moved, ", self.bytes as f64 / 1e9)?;
        }
        writeln!(f, "{:.1} GMAC, {:.1} GFLOP/s", self.multiply_accumulates as f64 / 1e9, self.gflops)?;
        if let Some(compute) = self.fraction_of_multiply_add {
            write!(f, "{:<21}{:.0}% of multiply-add", "", 100.0 * compute)?;
            match self.fraction_of_copy {
                Some(copy) => writeln!(f, ", {:.0}% of copy", 100.0 * copy)?,
                None => writeln!(f)?,
            }
        }
        Ok(())
    }
}

/// Writes the device's peak rates and the peak memory.
fn device_lines(
    f: &mut fmt::Formatter<'_>,
    ceilings: Option<Ceilings>,
    peak: Option<u64>,
    expected: Option<u64>,
) -> fmt::Result {
    if let Some(Ceilings { multiply_add_gflops, copy_gb_per_s }) = ceilings {
        let name = "ceilings";
        writeln!(f, "{name:<18} {multiply_add_gflops:9.1} GFLOP/s multiply-add, {copy_gb_per_s:.1} GB/s copy")?;
    }
    if let Some(peak) = peak {
        let whose = if ceilings.is_some() { "device memory" } else { "process memory" };
        write!(f, "{whose:<18} {:9.1} MB at most", peak as f64 / 1e6)?;
        match expected {
            Some(expected) => writeln!(f, ", {:.1} MB expected", expected as f64 / 1e6)?,
            None => writeln!(f)?,
        }
    }
    Ok(())
}

/// Writes the time by kernel.
fn kernel_lines(
    f: &mut fmt::Formatter<'_>,
    step: &str,
    timed_by: Option<TimedBy>,
    kernels: &[KernelFigures],
) -> fmt::Result {
    if let Some(timed_by) = timed_by {
        writeln!(f, "kernels of a {step}, timed by: {timed_by}")?;
    }
    for KernelFigures { name, launches, ms, bytes } in kernels {
        let moved = match bytes {
            Some(bytes) => {
                let gigabytes = *bytes as f64 / 1e9;
                format!("{gigabytes:7.3} GB  {:7.2} GB/s", gigabytes / (ms / 1e3))
            }
            None => " ".repeat(24),
        };
        writeln!(f, "  {ms:9.2} ms  {launches:4} launches  {moved}  {name}")?;
    }
    Ok(())
}

impl fmt::Display for StepBenchmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SearchConfig { init_channels, layers, batch_size, .. } = self.config;
        writeln!(f, "{init_channels} channels, {layers} cells, batch {batch_size}: {} weights", self.parameters)?;
        self.weight_step.lines(f, "weight step")?;
        self.architecture_step.lines(f, "architecture step")?;
        device_lines(f, self.ceilings, self.peak_bytes, self.expected_bytes)?;
        kernel_lines(f, "weight step", self.timed_by, &self.kernels)
    }
}

impl fmt::Display for RecurrentBenchmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RecurrentConfig { hidden, batch_size, bptt, .. } = self.config;
        let Self { vocabulary, parameters, .. } = self;
        writeln!(f, "{hidden} units, batch {batch_size}, bptt {bptt}, {vocabulary} words: {parameters} weights")?;
        self.weight_step.lines(f, "weight step")?;
        self.architecture_step.lines(f, "architecture step")?;
        let [weights, alphas] = self.dispatches_per_word;
        if weights > 0.0 {
            let name = "per word";
            writeln!(f, "{name:<18} {weights:9.1} dispatches in a weight step, {alphas:.1} in an architecture step")?;
        }
        device_lines(f, self.ceilings, self.peak_bytes, None)?;
        kernel_lines(f, "weight step", self.timed_by, &self.kernels)
    }
}

impl fmt::Display for TrainingBenchmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let TrainConfig { init_channels, layers, batch_size, .. } = self.config;
        writeln!(f, "{init_channels} channels, {layers} cells, batch {batch_size}: {} weights", self.parameters)?;
        self.step.lines(f, "training step")?;
        device_lines(f, self.ceilings, self.peak_bytes, None)?;
        kernel_lines(f, "training step", self.timed_by, &self.kernels)
    }
}

/// A benchmark of both kinds of a search's steps at one size.
pub trait Measured {
    /// Size in words, and a number that the work should be proportional to.
    fn size(&self) -> (String, usize);
    /// Figures of the weight step and the architecture step.
    fn figures(&self) -> [&StepFigures; 2];
}

impl Measured for StepBenchmark {
    fn size(&self) -> (String, usize) {
        let SearchConfig { batch_size, layers, .. } = self.config;
        (format!("batch {batch_size}, {layers} cells"), batch_size * layers)
    }

    fn figures(&self) -> [&StepFigures; 2] {
        [&self.weight_step, &self.architecture_step]
    }
}

impl Measured for RecurrentBenchmark {
    fn size(&self) -> (String, usize) {
        let RecurrentConfig { batch_size, bptt, .. } = self.config;
        (format!("batch {batch_size}"), batch_size * bptt)
    }

    fn figures(&self) -> [&StepFigures; 2] {
        [&self.weight_step, &self.architecture_step]
    }
}

/// Several sizes measured in one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sizes<B>(pub Vec<B>);

impl<B: Measured + fmt::Display> fmt::Display for Sizes<B> {
    /// Writes each, then the growth of their times: 1.00 is in proportion to the first size.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for measured in &self.0 {
            writeln!(f, "{measured}")?;
        }
        let Some(first) = self.0.first() else { return Ok(()) };
        writeln!(f, "growth, beside times in proportion to the first size")?;
        for measured in &self.0 {
            let (name, work) = measured.size();
            let larger = work as f64 / first.size().1 as f64;
            let [weights, alphas] = [0, 1].map(|kind| {
                let [time, of_first] = [measured, first].map(|size| size.figures()[kind].time.median_ms);
                (time, time / (of_first * larger))
            });
            writeln!(
                f,
                "  {name:<22} weight step {:9.1} ms ({:.2}), architecture step {:9.1} ms ({:.2})",
                weights.0, weights.1, alphas.0, alphas.1
            )?;
        }
        Ok(())
    }
}

/// Rate at which pictures are read, decoded, cropped, resized and varied.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecodeBenchmark {
    /// Whether the pictures were generated for the benchmark.
    pub generated: bool,
    /// Number of pictures.
    pub pictures: usize,
    /// Mean pixels of a picture.
    pub mean_pixels: f64,
    /// Mean bytes of a file.
    pub mean_bytes: f64,
    /// Side of the images made.
    pub image_size: usize,
    /// Threads at work.
    pub threads: usize,
    /// Threads that run at once: at most the machine's cores.
    pub cores: usize,
    /// Images made.
    pub images: usize,
    /// Wall time in seconds.
    pub seconds: f64,
    /// Images a second.
    pub images_per_second: f64,
    /// Images a second for each core at work.
    pub images_per_second_per_core: f64,
    /// Stages on a single thread.
    pub stages: DecodeStages,
}

impl fmt::Display for DecodeBenchmark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.generated { "generated" } else { "found" };
        let (pixels, kilobytes) = (self.mean_pixels / 1e3, self.mean_bytes / 1e3);
        writeln!(f, "{} pictures {kind}, {pixels:.0} thousand pixels and {kilobytes:.0} kB each", self.pictures)?;
        let DecodeStages { decode_ms, resize_ms, colour_ms } = self.stages;
        writeln!(
            f,
            "one thread: decode {decode_ms:.2} ms, crop and resize {resize_ms:.2} ms, colours {colour_ms:.2} ms"
        )?;
        write!(
            f,
            "{} threads on {} cores: {:.0} images of {}x{} a second, {:.0} a core",
            self.threads,
            self.cores,
            self.images_per_second,
            self.image_size,
            self.image_size,
            self.images_per_second_per_core
        )
    }
}
