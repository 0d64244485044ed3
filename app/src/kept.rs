//! A search that the browser keeps, so that it can be taken up again after a reload: what the page needs to offer it.

use crate::{
    link::Link,
    messages::{DataChoice, OwnText, TextChoice, Wanted},
    recording::Reader,
    run::{Plan, Run},
    setup::Setup,
};
use serde::{Deserialize, Serialize};

/// What a kept search is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// The settings that it began with, as an address has them.
    pub settings: String,
    /// The images that it learned from in the end.
    pub data: DataChoice,
    /// The name of the text that it learned from, where that was somebody's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Steps done.
    pub steps: usize,
}

/// A kept search, read back.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    /// The settings that it began with.
    pub setup: Setup,
    /// What was searched, as it began.
    pub wanted: Wanted,
    /// The run up to its checkpoint.
    pub run: Run,
    /// The engine's checkpoint, which the engine checks.
    pub checkpoint: Vec<u8>,
}

impl Kept {
    /// Reads back what the browser has, which may be anything; `text` is somebody's own, where there is one.
    ///
    /// # Errors
    /// A clause that says what is wrong.
    pub fn read(about: &str, log: &str, checkpoint: Vec<u8>, text: Option<Vec<u8>>) -> Result<Self, String> {
        let about: About = serde_json::from_str(about).map_err(|error| error.to_string())?;
        let (Link { setup, .. }, problems) = Link::from_fragment(&about.settings);
        if let Some(problem) = problems.into_iter().next() {
            return Err(problem);
        }
        let (mut run, mut reader) = (Run::default(), Reader::default());
        reader
            .feed(log.as_bytes(), |event| run.apply(&event))
            .and_then(|()| reader.end())
            .map_err(|error| error.to_string())?;
        let own = about.text.zip(text).map(|(name, bytes)| OwnText { name, bytes });
        let wanted = match run.started.as_ref().map(|started| started.plan.clone()).ok_or("its log is empty")? {
            Plan::Images { config, .. } => Wanted::Images { config, data: about.data },
            Plan::Text { .. } if own.is_none() && setup.text == TextChoice::Own => {
                return Err("the text that it learned from is not there".into());
            }
            Plan::Text { config, .. } => Wanted::Text { config, words: setup.words, own },
        };
        if run.steps != about.steps {
            return Err(format!("its log has {} steps, and it should have {}", run.steps, about.steps));
        }
        Ok(Self { setup, wanted, run, checkpoint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use darts_engine::{
        event::{Event, Measure, WordMeasure},
        space::{Alphas, EDGES, Op, RecurrentAlphas},
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
        let about = About { settings: setup.to_fragment(), data: DataChoice::Cifar10, text: None, steps: 1 };
        let text = serde_json::to_string(&about).unwrap();
        let kept = Kept::read(&text, &log, vec![1], None).unwrap();
        let wanted = Wanted::Images { config: setup.config(), data: DataChoice::Cifar10 };
        assert_eq!((kept.setup, kept.wanted, kept.run.steps), (setup, wanted, 1));
        let refused = |about: &str, log: &str| Kept::read(about, log, Vec::new(), None).unwrap_err();
        assert!(refused("{}", &log).contains("missing field"));
        assert_eq!(refused(&text, log.lines().next().unwrap()), "line 1: it ends in the middle of an event");
        let short = log.lines().next().unwrap().to_owned() + "\n";
        assert_eq!(refused(&text, &short), "its log has 0 steps, and it should have 1");
    }

    #[test]
    fn a_search_on_a_text_of_somebodys_own_is_kept_with_it() {
        let alphas = RecurrentAlphas::from_flat(&[0.0; 180]);
        let setup = Setup { text: TextChoice::Own, words: 77, ..Setup::of(crate::cells::Task::Recurrent) };
        let measure = WordMeasure::new(2.0);
        let events = [
            Event::RecurrentStarted {
                config: setup.text_config(),
                adapter: "a".into(),
                backend: "b".into(),
                parameters: 1,
                vocabulary: 9,
                train_words: 90,
                valid_words: 10,
                rows: 20,
                alphas: alphas.clone(),
            },
            Event::RecurrentStep {
                epoch: 0,
                step: 0,
                row: 4,
                words: 8,
                weights: measure,
                alphas: measure,
                gradient_norm: 1.0,
                seconds: 0.5,
                architecture: Some(alphas),
            },
            Event::Sampled { step: 1, temperature: 0.8, seed: 1, text: "on and on".into() },
        ];
        let log: String = events.iter().map(|event| serde_json::to_string(event).unwrap() + "\n").collect();
        let about = About {
            settings: setup.to_fragment(),
            data: DataChoice::default(),
            text: Some("mine.txt".into()),
            steps: 1,
        };
        let about = serde_json::to_string(&about).unwrap();
        let kept = Kept::read(&about, &log, vec![1], Some(b"On and on.".to_vec())).unwrap();
        let own = Some(OwnText { name: "mine.txt".into(), bytes: b"On and on.".to_vec() });
        assert_eq!(kept.wanted, Wanted::Text { config: setup.text_config(), words: 77, own });
        assert_eq!((kept.run.steps, kept.run.samples.len()), (1, 1));
        let without = Kept::read(&about, &log, vec![1], None).unwrap_err();
        assert_eq!(without, "the text that it learned from is not there");
    }
}
