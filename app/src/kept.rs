//! A search that the browser keeps, so that it can be taken up again after a reload: what the page needs to offer it.

use crate::{link::Link, messages::DataChoice, recording::Reader, run::Run, setup::Setup};
use darts_engine::{event::Event, search::SearchConfig};
use serde::{Deserialize, Serialize};

/// What a kept search is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// Its settings, as an address has them.
    pub settings: String,
    /// The images that it learned from in the end.
    pub data: DataChoice,
    /// Steps done.
    pub steps: usize,
}

/// A kept search, read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// What it is about.
    pub about: About,
    /// Its settings.
    pub setup: Setup,
    /// How it began.
    pub config: SearchConfig,
    /// The run up to its checkpoint.
    pub run: Run,
    /// The engine's checkpoint, which the engine checks.
    pub checkpoint: Vec<u8>,
}

impl Kept {
    /// Reads back what the browser has, which may be anything.
    ///
    /// # Errors
    /// A clause that says what is wrong.
    pub fn read(about: &str, log: &str, checkpoint: Vec<u8>) -> Result<Self, String> {
        let about: About = serde_json::from_str(about).map_err(|error| error.to_string())?;
        let (Link { setup, .. }, problems) = Link::from_fragment(&about.settings);
        if let Some(problem) = problems.into_iter().next() {
            return Err(problem);
        }
        let (mut run, mut reader, mut config) = (Run::default(), Reader::default(), None);
        reader
            .feed(log.as_bytes(), |event| {
                if let Event::Started { config: of_run, .. } = &event {
                    config = Some(of_run.clone());
                }
                run.apply(&event);
            })
            .and_then(|()| reader.end())
            .map_err(|error| error.to_string())?;
        let config = config.ok_or("it is no search on images")?;
        if run.steps != about.steps {
            return Err(format!("its log has {} steps, and it should have {}", run.steps, about.steps));
        }
        Ok(Self { about, setup, config, run, checkpoint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use darts_engine::{
        event::Measure,
        space::{Alphas, EDGES, Op},
    };

    #[test]
    fn what_is_kept_reads_back_and_anything_else_is_refused() {
        let alphas = Alphas::from_flat(&vec![0.0; 2 * EDGES * Op::CANDIDATES.len()]);
        let setup = Setup { seed: 9, ..Setup::default() };
        let started = Event::Started {
            config: setup.config(),
            adapter: "a".into(),
            backend: "b".into(),
            parameters: 1,
            weight_images: 10,
            alpha_images: 10,
            steps_per_epoch: 5,
            alphas: alphas.clone(),
        };
        let measure = Measure { loss: 2.0, accuracy: 0.5 };
        let step = Event::Step {
            epoch: 0,
            step: 0,
            weights: measure,
            alphas: measure,
            gradient_norm: 1.0,
            seconds: 0.5,
            architecture: Some(alphas),
        };
        let log: String = [started, step].iter().map(|event| serde_json::to_string(event).unwrap() + "\n").collect();
        let about = About { settings: setup.to_fragment(), data: DataChoice::Cifar10, steps: 1 };
        let text = serde_json::to_string(&about).unwrap();
        let kept = Kept::read(&text, &log, vec![1]).unwrap();
        assert_eq!((kept.setup, kept.config, kept.run.steps), (setup, setup.config(), 1));
        let refused = |about: &str, log: &str| Kept::read(about, log, Vec::new()).unwrap_err();
        assert!(refused("{}", &log).contains("missing field"));
        assert_eq!(refused(&text, log.lines().next().unwrap()), "line 1: it ends in the middle of an event");
        let short = log.lines().next().unwrap().to_owned() + "\n";
        assert_eq!(refused(&text, &short), "its log has 0 steps, and it should have 1");
    }
}
