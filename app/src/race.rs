//! Networks of derived cells trained from scratch side by side: a fold over the events of their training runs.

use crate::cells::Cells;
use darts_engine::event::{Event, Tested};

/// Networks trained side by side.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Race {
    /// Passes over the training images.
    pub epochs: usize,
    /// Seed of initial weights, choice and order of the images, and augmentation, the same for all of them.
    pub seed: u64,
    /// The networks.
    pub runners: Vec<Runner>,
    /// Whether it was stopped before its end.
    pub stopped: bool,
}

/// One of the networks.
#[derive(Clone, Debug, PartialEq)]
pub struct Runner {
    /// Name of its cells.
    pub title: String,
    /// Cells.
    pub cells: Cells,
    /// Number of weights of the network, once known.
    pub parameters: usize,
    /// Examples trained on.
    pub train_examples: usize,
    /// Number of test examples, which it never learns from.
    pub test_examples: usize,
    /// Steps done and the training loss of each.
    pub losses: Vec<(f32, f32)>,
    /// Tests, each with the steps done by then.
    pub tests: Vec<(usize, Tested)>,
    /// Whether all epochs are done.
    pub finished: bool,
}

impl Runner {
    /// Network that has not started.
    pub fn new(title: String, cells: Cells) -> Self {
        Self {
            title,
            cells,
            parameters: 0,
            train_examples: 0,
            test_examples: 0,
            losses: Vec::new(),
            tests: Vec::new(),
            finished: false,
        }
    }

    /// Steps done.
    pub fn steps(&self) -> usize {
        self.losses.last().map_or(0, |(step, _)| *step as usize)
    }

    /// Latest test accuracy and its standard error, both in percent.
    pub fn right(&self) -> Option<(f64, f64)> {
        let (_, test) = self.tests.last()?;
        let right = 1.0 - test.error();
        Some((100.0 * right, 100.0 * (right * (1.0 - right) / test.images.max(1) as f64).sqrt()))
    }
}

impl Race {
    /// Takes in the next event of one of the networks.
    pub fn apply(&mut self, runner: usize, event: &Event) {
        if let Event::Failed { .. } = event {
            self.stopped = true;
        }
        let Some(runner) = self.runners.get_mut(runner) else { return };
        match event {
            &Event::TrainStarted { parameters, train_examples, test_examples, .. } => {
                let fresh = Runner::new(runner.title.clone(), runner.cells.clone());
                *runner = Runner { parameters, train_examples, test_examples, ..fresh };
            }
            Event::TrainStep { step, train, .. } => runner.losses.push((*step as f32 + 1.0, train.loss)),
            Event::Evaluated { test, .. } => runner.tests.push((runner.steps(), *test)),
            Event::TrainFinished { .. } => runner.finished = true,
            _ => {}
        }
    }

    /// Whether training is still going on.
    pub fn is_going(&self) -> bool {
        !self.stopped && self.runners.iter().any(|runner| !runner.finished)
    }

    /// Result of the tests in a sentence, which says how much of it may be chance; `None` before all are tested.
    pub fn verdict(&self) -> Option<String> {
        let all: Option<Vec<_>> = self.runners.iter().map(|runner| Some((runner, runner.right()?))).collect();
        let all = all.filter(|all| all.len() == 2)?;
        let [(a, (first, error_a)), (b, (second, error_b))] = all[..] else { return None };
        let (difference, error) = (first - second, error_a.hypot(error_b));
        let better = if difference >= 0.0 { &a.title } else { &b.title };
        let judged = if difference.abs() < 2.0 * error {
            "it may well be chance".to_owned()
        } else {
            format!("more than the choice of test images explains, though other seeds may differ ({better} is ahead)")
        };
        let tests = a.tests.len().min(b.tests.len());
        Some(format!(
            "After epoch {tests} of {}: {first:.1}% and {second:.1}% of {} test images are classified correctly. The difference \
             of {:.1} points has a standard error of {error:.1}: {judged}. One run each, seed {}.",
            self.epochs,
            a.test_examples,
            difference.abs(),
            self.seed
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::Task;
    use darts_engine::event::Measure;

    #[test]
    fn a_race_is_what_its_events_say() {
        let cells = |seed| Task::CONVOLUTIONAL.random_cells(seed).unwrap();
        let runners = vec![Runner::new("One".into(), cells(1)), Runner::new("Other".into(), cells(2))];
        let mut race = Race { epochs: 1, seed: 5, runners, stopped: false };
        let step = |step, loss| Event::TrainStep {
            epoch: 0,
            step,
            row: None,
            examples: None,
            train: Measure::images(loss, 0.0),
            gradient_norm: 1.0,
            seconds: 0.1,
        };
        let tested = |wrong| Event::Evaluated {
            epoch: 0,
            test: Tested { loss: 1.0, wrong, images: 100, ..Tested::default() },
            best: true,
            seconds: 0.1,
        };
        race.apply(0, &step(0, 2.5));
        race.apply(0, &step(1, 2.0));
        race.apply(0, &tested(60));
        race.apply(7, &tested(60));
        assert_eq!(race.runners[0].losses, [(1.0, 2.5), (2.0, 2.0)]);
        assert_eq!((race.runners[0].tests.len(), race.runners[0].tests[0].0), (1, 2));
        assert_eq!(race.verdict(), None, "the other has not been tested");
        race.apply(1, &tested(62));
        let verdict = race.verdict().unwrap();
        assert!(verdict.contains("40.0% and 38.0%") && verdict.contains("standard error of 6.9"), "{verdict}");
        assert!(verdict.contains("it may well be chance") && verdict.ends_with("seed 5."), "{verdict}");
        race.apply(1, &tested(90));
        assert!(race.verdict().unwrap().contains("(One is ahead)"));
        assert!(race.is_going());
        race.stopped = true;
        assert!(!race.is_going());
    }
}
