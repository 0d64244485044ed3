//! Progress bar, remarks and summary of a run, from its events.

use crate::output::{Output, counted, duration};
use darts_engine::{
    checkpoint::Resumable,
    event::{Event, Measure, TestResult},
    search::{Family, Search, Stream},
    space::{Alphas, Genotype},
    train::{Trainee, Training},
};
use indicatif::{HumanDuration, ProgressBar};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Run and its place: the epoch, from 0, and on text the rows already read.
pub trait Placed: Resumable {
    /// Place of the next step.
    fn place(&self) -> (usize, Option<usize>);
}

impl<F: Family> Placed for Search<F> {
    fn place(&self) -> (usize, Option<usize>) {
        (self.stream().epoch(), self.stream().row())
    }
}

impl<T: Trainee> Placed for Training<T> {
    fn place(&self) -> (usize, Option<usize>) {
        (self.trainee().epoch(), self.trainee().row())
    }
}

/// Outcome of a search or a training run. Measures are those of the last epoch.
#[derive(Default, Serialize)]
pub struct Summary {
    run: PathBuf,
    adapter: String,
    backend: String,
    parameters: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    vocabulary: Option<usize>,
    train_examples: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_examples: Option<usize>,
    epochs: usize,
    seconds: f64,
    examples_per_second: f64,
    train: Measure,
    /// Minibatches of the valid split in a search.
    #[serde(skip_serializing_if = "Option::is_none")]
    valid: Option<Measure>,
    /// Whole valid split after the last epoch of a search.
    #[serde(skip_serializing_if = "Option::is_none")]
    evaluation: Option<Measure>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alphas: Option<Alphas>,
    #[serde(skip_serializing_if = "Option::is_none")]
    genotype: Option<Genotype>,
    #[serde(flatten)]
    tests: Option<Tests>,
}

/// Tests of a training run.
#[derive(Clone, Copy, Serialize)]
struct Tests {
    test: TestResult,
    #[serde(skip_serializing_if = "Option::is_none")]
    test_error: Option<f64>,
    best: TestResult,
    best_epoch: usize,
}

impl Summary {
    /// Summary for people.
    pub fn text(&self) -> String {
        let result = match (&self.genotype, &self.tests) {
            (Some(genotype), _) => format!("{genotype}\n"),
            (None, Some(tests)) => tests.text(),
            (None, None) => String::new(),
        };
        let (epochs, time) = (counted(self.epochs, "epoch"), duration(self.seconds));
        format!("{result}{epochs} in {time}; the run is in {}", self.run.display())
    }
}

impl Tests {
    fn text(&self) -> String {
        let epoch = self.best_epoch + 1;
        match (self.test, self.best) {
            (TestResult::Images(test), TestResult::Images(best)) if test == best => format!("{test}\n"),
            (TestResult::Images(test), TestResult::Images(best)) => {
                format!("{test}\nlowest after epoch {epoch}: {best}\n")
            }
            (test, best) => {
                let [test, best] = [test, best].map(perplexity);
                format!("test perplexity {test:.2}, validation perplexity {best:.2} after epoch {epoch}\n")
            }
        }
    }
}

/// Perplexity of a test on text.
fn perplexity(result: TestResult) -> f32 {
    match result {
        TestResult::Words(measure) => measure.perplexity.unwrap_or(f32::NAN),
        TestResult::Images(tested) => tested.loss.exp(),
    }
}

/// Shows a run in progress and collects its summary.
pub struct View<'a> {
    output: &'a Output,
    bar: ProgressBar,
    epochs: usize,
    /// Steps or rows of an epoch.
    length: usize,
    summary: Summary,
}

impl<'a> View<'a> {
    /// View of a run of `epochs` epochs in `folder`.
    pub fn new(folder: &Path, epochs: usize, output: &'a Output) -> Self {
        let bar = output.progress(None, "{prefix} [{bar:20}]\n{wide_msg}");
        let summary = Summary { run: folder.to_owned(), ..Summary::default() };
        Self { output, bar, epochs, length: 1, summary }
    }

    /// Ends the progress bar and returns the summary.
    pub fn finish(self) -> Summary {
        self.bar.finish_and_clear();
        self.summary
    }

    /// Moves the bar to the place of a run that took a step.
    pub fn stepped(&self, run: &impl Placed) {
        let (epoch, row) = run.place();
        self.place(run.steps_done(), epoch, row);
    }

    /// Moves the bar to the place where a run is resumed, and measures time from there.
    pub fn resumed(&self, run: &impl Placed) {
        self.stepped(run);
        self.bar.reset_eta();
    }

    fn place(&self, steps: usize, epoch: usize, row: Option<usize>) {
        let Self { bar, epochs, length, .. } = self;
        let (position, epoch, unit, at) = match row {
            Some(row) => (epoch * length + row, (epoch + 1).min(*epochs), "row", row),
            None if steps == 0 => (0, 1, "step", 0),
            None => (steps, (steps - 1) / length + 1, "step", (steps - 1) % length + 1),
        };
        bar.set_position(position as u64);
        let left = match position {
            0 => String::new(),
            _ => format!(", {:#} left", HumanDuration(bar.eta())),
        };
        bar.set_prefix(format!("epoch {epoch} of {epochs}, {unit} {at} of {length}{left}"));
    }

    /// Shows an event.
    pub fn show(&mut self, event: Event) {
        match event {
            Event::Started { valid_examples, .. } => {
                self.summary.valid_examples = Some(valid_examples);
                self.started(event);
            }
            Event::TrainStarted { valid_examples, .. } => {
                self.summary.valid_examples = valid_examples;
                self.started(event);
            }
            Event::Step { train, valid, examples, seconds, .. } => {
                // A step reads as many examples of either split.
                let rate = examples.map(|examples| rate(train, 2.0 * examples as f64 / seconds));
                self.bar.set_message(line([Some(both(train, valid)), rate]));
            }
            Event::TrainStep { train, examples, seconds, .. } => {
                let rate = examples.map(|examples| rate(train, examples as f64 / seconds));
                self.bar.set_message(line([Some(loss(train)), rate]));
            }
            Event::Epoch { epoch, train, valid, evaluation, examples_per_second, curvature, .. } => {
                let curvature = curvature.map(|curvature| format!("curvature {curvature:.3}"));
                let evaluation = evaluation.map(|evaluation| format!("at the end {}", validation(evaluation)));
                let parts = [evaluation, Some(rate(train, examples_per_second)), curvature];
                self.summary.valid = Some(valid);
                self.epoch(epoch, (train, examples_per_second), both(train, valid), parts);
            }
            Event::TrainEpoch { epoch, train, valid, averaged, examples_per_second, unreadable, .. } => {
                let averaged = if averaged == Some(true) { ", weights averaged" } else { "" };
                let valid = valid.map(|valid| validation(valid) + averaged);
                let unreadable = (unreadable > 0).then(|| format!("{unreadable} unreadable"));
                let parts = [valid, Some(rate(train, examples_per_second)), unreadable];
                self.epoch(epoch, (train, examples_per_second), loss(train), parts);
            }
            Event::Unreadable { picture, problem } => {
                self.remark(&format!("{picture} {problem}: replaced by another"));
            }
            Event::Evaluated { test, .. } => self.remark(&format!("  {test}, loss {:.3}", test.loss)),
            Event::Finished { genotype, alphas, evaluation, epochs, seconds } => {
                let summary = &mut self.summary;
                (summary.genotype, summary.alphas, summary.evaluation) = (Some(genotype), Some(alphas), evaluation);
                (summary.epochs, summary.seconds) = (epochs, seconds);
            }
            Event::TrainFinished { test, best, best_epoch, epochs, seconds } => {
                let test_error = match test {
                    TestResult::Images(tested) => Some(tested.error()),
                    TestResult::Words(_) => None,
                };
                self.summary.tests = Some(Tests { test, test_error, best, best_epoch });
                (self.summary.epochs, self.summary.seconds) = (epochs, seconds);
            }
            _ => {}
        }
    }

    fn started(&mut self, event: Event) {
        let (Event::Started {
            adapter, backend, parameters, train_examples, steps_per_epoch, rows, vocabulary, ..
        }
        | Event::TrainStarted {
            adapter,
            backend,
            parameters,
            train_examples,
            steps_per_epoch,
            rows,
            vocabulary,
            ..
        }) = event
        else {
            return;
        };
        self.length = rows.or(steps_per_epoch).unwrap_or(1);
        self.bar.set_length((self.epochs * self.length) as u64);
        self.place(0, 0, rows.map(|_| 0));
        self.bar.set_message("the first step also compiles the kernels");
        let summary = &mut self.summary;
        (summary.adapter, summary.backend, summary.parameters) = (adapter, backend, parameters);
        (summary.train_examples, summary.vocabulary) = (train_examples, vocabulary);
    }

    fn epoch(&mut self, epoch: usize, mean: (Measure, f64), measures: String, more: [Option<String>; 3]) {
        (self.summary.train, self.summary.examples_per_second) = mean;
        let measures = line(std::iter::once(Some(measures)).chain(more));
        self.remark(&format!("epoch {} of {}: {measures}", epoch + 1, self.epochs));
    }

    fn remark(&self, text: &str) {
        self.bar.suspend(|| self.output.remark(text));
    }
}

/// Parts of a line, short enough for a terminal.
fn line(parts: impl IntoIterator<Item = Option<String>>) -> String {
    parts.into_iter().flatten().collect::<Vec<_>>().join("; ")
}

fn loss(measure: Measure) -> String {
    match measure.accuracy {
        Some(accuracy) => format!("loss {:.3}, {:.1}% right", measure.loss, 100.0 * accuracy),
        None => format!("loss {:.3}", measure.loss),
    }
}

/// Measures of both splits of a search: the train split trains the weights, the valid split the alphas.
fn both(train: Measure, valid: Measure) -> String {
    format!("train {}; validation {}", loss(train), loss(valid))
}

/// Measure of a whole valid split.
fn validation(measure: Measure) -> String {
    match measure.perplexity {
        Some(perplexity) => format!("validation perplexity {perplexity:.2}"),
        None => format!("validation {}", loss(measure)),
    }
}

fn rate(measure: Measure, per_second: f64) -> String {
    match measure.perplexity {
        Some(_) => format!("{per_second:.0} words/s"),
        None => format!("{per_second:.1} images/s"),
    }
}
