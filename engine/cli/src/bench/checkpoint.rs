//! `darts bench checkpoint`: time to write a checkpoint of a search, and to resume from it.

use crate::{
    device::{acquired, contain},
    keeping::CHECKPOINT_MINUTES,
    output::{Outcome, Output},
};
use darts_engine::{
    bench::Timing,
    checkpoint::Resumable,
    config::SearchConfig,
    data::{Dataset, TEXTURES},
    device::{DeviceChoice, block_on},
    event::Event,
    run::{CHECKPOINTS_FOLDER, Checkpoints, DataSource, Resumed, RunConfig, RunWriter},
    search::ConvSearch,
    space::Convolutional,
};
use serde::Serialize;
use std::{
    fmt, fs,
    path::Path,
    time::{Duration, Instant},
};

/// Share of a run's time that checkpoints may take.
const SHARE: f64 = 0.02;

/// Cost of a checkpoint.
#[derive(Serialize)]
struct Figures {
    adapter: String,
    backend: String,
    config: SearchConfig,
    /// Weights of the supernet.
    parameters: usize,
    /// A search step, after an untimed one.
    step_ms: f64,
    /// Bytes of a checkpoint.
    bytes: u64,
    /// Reading the state from the device, and checking it.
    read: Timing,
    /// Creating, writing and synchronising the file, and removing the oldest one. The search waits for this, too.
    write: Timing,
    /// Reading and checking the file, and sending the state to the device.
    resume: Timing,
    /// Share of a run's time that checkpoints take if no epoch ends between them.
    share: f64,
    /// Seconds of an epoch above which its checkpoint takes less than 2% of it.
    least_epoch_seconds: f64,
}

/// Times checkpoints of a search on generated images, `repeats` of them.
pub fn run(mut config: SearchConfig, repeats: usize, device: DeviceChoice, output: &Output) -> Outcome {
    let images = 2 * config.batch_size;
    config = SearchConfig { train_images: Some(images), epochs: 2, ..config };
    config.check()?;
    let compute = acquired(device, output)?;
    output.remark(format!("{} ({}), {repeats} checkpoints after two steps", compute.adapter, compute.backend));
    let data = Dataset::textures(config.seed, images, 0);
    let figures = contain(|| {
        let mut search = block_on(ConvSearch::new(config.clone(), &data, &compute))?;
        block_on(search.step())?;
        let began = Instant::now();
        block_on(search.step())?;
        let step_ms = ms(began);
        let temporary = tempfile::tempdir()?;
        let folder = temporary.path().join("run");
        let settings =
            RunConfig::<Convolutional>::search(device, DataSource::new(Path::new(TEXTURES), &data), config.clone());
        let mut writer = RunWriter::create(&folder, &settings)?;
        writer.record(&search.started())?;
        let mut checkpoints = Checkpoints::new(&folder, &settings, Duration::ZERO, 1);
        let (mut read, mut write) = (Vec::new(), Vec::new());
        for repeat in 0..repeats {
            let began = Instant::now();
            let state = block_on(search.state())?;
            read.push(ms(began));
            let began = Instant::now();
            // Each has a different step, so that it replaces the one before.
            checkpoints.save(repeat, state, &writer)?;
            write.push(ms(began));
        }
        drop(writer);
        let file = fs::read_dir(folder.join(CHECKPOINTS_FOLDER))?.filter_map(Result::ok);
        let bytes = file.filter_map(|file| file.metadata().ok()).map(|file| file.len()).max().unwrap_or(0);
        let mut resume = Vec::new();
        for _ in 0..repeats {
            let began = Instant::now();
            let resumed = Resumed::<Convolutional>::open(&folder)?;
            search.restore(&resumed.checkpoint.as_ref().ok_or("the checkpoint is gone")?.state)?;
            // Reading the state back waits for its arrival.
            block_on(search.state())?;
            resume.push(ms(began));
        }
        let [read, write, resume] = [read, write, resume].map(Timing::of);
        let cost = (read.median_ms + write.median_ms) / 1e3;
        Ok(Figures {
            adapter: compute.adapter.clone(),
            backend: compute.backend.clone(),
            parameters: match search.started() {
                Event::Started { parameters, .. } => parameters,
                other => return Err(format!("a search does not begin with {other:?}").into()),
            },
            config,
            step_ms,
            bytes,
            read,
            write,
            resume,
            share: cost / (cost + 60.0 * CHECKPOINT_MINUTES),
            least_epoch_seconds: cost / SHARE,
        })
    })?;
    output.print(&figures, &figures)
}

fn ms(began: Instant) -> f64 {
    began.elapsed().as_secs_f64() * 1e3
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SearchConfig { init_channels, layers, batch_size, .. } = self.config;
        let cost = self.read.median_ms + self.write.median_ms;
        writeln!(f, "{init_channels} channels, {layers} cells, batch {batch_size}: {} weights", self.parameters)?;
        writeln!(f, "search step     {:9.1} ms", self.step_ms)?;
        writeln!(
            f,
            "checkpoint      {cost:9.1} ms ({:.1} to read the state, {:.1} to write {:.1} MB)",
            self.read.median_ms,
            self.write.median_ms,
            self.bytes as f64 / 1e6
        )?;
        writeln!(
            f,
            "share           {:9.3} % of {CHECKPOINT_MINUTES} minutes; less than {:.0}% of an epoch of more than {:.1} seconds",
            100.0 * self.share,
            100.0 * SHARE,
            self.least_epoch_seconds
        )?;
        writeln!(f, "resume          {:9.1} ms", self.resume.median_ms)
    }
}
