//! The search that the browser saves, so that it can be resumed after a reload.

use crate::{
    messages::{DataChoice, OwnText, TextChoice, Wanted},
    recording::Reader,
    run::{Plan, Run},
    settings::Settings,
    share_link::ShareLink,
};
use serde::{Deserialize, Serialize};

/// Description of a saved search, in the form that the browser stores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The settings that it began with, as a fragment.
    pub settings: String,
    /// The images that it learned from in the end.
    pub data: DataChoice,
    /// Name of the user's own text that it learned from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Steps done.
    pub steps: usize,
}

/// A saved search, read back.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedSearch {
    /// The settings that it began with.
    pub settings: Settings,
    /// The search as it was requested.
    pub request: Wanted,
    /// The run up to its checkpoint.
    pub run: Run,
    /// The checkpoint, which the engine checks.
    pub checkpoint: Vec<u8>,
}

impl SavedSearch {
    /// Reads back what the browser stored, which may be anything; `text` is the user's own, where there is one.
    ///
    /// # Errors
    /// A clause about the first problem.
    pub fn read(manifest: &str, log: &str, checkpoint: Vec<u8>, text: Option<Vec<u8>>) -> Result<Self, String> {
        let manifest: Manifest = serde_json::from_str(manifest).map_err(|error| error.to_string())?;
        let (ShareLink { settings, .. }, problems) = ShareLink::from_fragment(&manifest.settings);
        if let Some(problem) = problems.into_iter().next() {
            return Err(problem);
        }
        let (mut run, mut reader) = (Run::default(), Reader::default());
        reader
            .feed(log.as_bytes(), |event| run.apply(&event))
            .and_then(|()| reader.end())
            .map_err(|error| error.to_string())?;
        let own = manifest.text.zip(text).map(|(name, bytes)| OwnText { name, bytes });
        let request = match run.started.as_ref().map(|started| started.plan.clone()).ok_or("its log is empty")? {
            Plan::Images { config, .. } => Wanted::Images { config, data: manifest.data },
            Plan::Text { .. } if own.is_none() && settings.text == TextChoice::Own => {
                return Err("the text that it learned from is not there".into());
            }
            Plan::Text { config, .. } => Wanted::Text { config, words: settings.words, own },
        };
        if run.steps != manifest.steps {
            return Err(format!("its log has {} steps, and it should have {}", run.steps, manifest.steps));
        }
        Ok(Self { settings, request, run, checkpoint })
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
    fn a_saved_search_reads_back_and_anything_else_is_refused() {
        let alphas = Alphas::from_flat(&vec![0.0; 2 * EDGES * Op::CANDIDATES.len()]);
        let settings = Settings { seed: 9, ..Settings::default() };
        let started = Event::Started {
            config: settings.search_config(),
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
        let manifest = Manifest { settings: settings.to_fragment(), data: DataChoice::Cifar10, text: None, steps: 1 };
        let text = serde_json::to_string(&manifest).unwrap();
        let saved = SavedSearch::read(&text, &log, vec![1], None).unwrap();
        let request = Wanted::Images { config: settings.search_config(), data: DataChoice::Cifar10 };
        assert_eq!((saved.settings, saved.request, saved.run.steps), (settings, request, 1));
        let refused = |manifest: &str, log: &str| SavedSearch::read(manifest, log, Vec::new(), None).unwrap_err();
        assert!(refused("{}", &log).contains("missing field"));
        assert_eq!(refused(&text, log.lines().next().unwrap()), "line 1: it ends in the middle of an event");
        let short = log.lines().next().unwrap().to_owned() + "\n";
        assert_eq!(refused(&text, &short), "its log has 0 steps, and it should have 1");
    }

    #[test]
    fn the_users_own_text_is_saved_with_its_search() {
        let alphas = RecurrentAlphas::from_flat(&[0.0; 180]);
        let settings =
            Settings { text: TextChoice::Own, words: 77, ..Settings::for_task(crate::cells::Task::Recurrent) };
        let measure = WordMeasure::new(2.0);
        let events = [
            Event::RecurrentStarted {
                config: settings.recurrent_config(),
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
        let manifest = Manifest {
            settings: settings.to_fragment(),
            data: DataChoice::default(),
            text: Some("mine.txt".into()),
            steps: 1,
        };
        let manifest = serde_json::to_string(&manifest).unwrap();
        let saved = SavedSearch::read(&manifest, &log, vec![1], Some(b"On and on.".to_vec())).unwrap();
        let own = Some(OwnText { name: "mine.txt".into(), bytes: b"On and on.".to_vec() });
        assert_eq!(saved.request, Wanted::Text { config: settings.recurrent_config(), words: 77, own });
        assert_eq!((saved.run.steps, saved.run.samples.len()), (1, 1));
        let without = SavedSearch::read(&manifest, &log, vec![1], None).unwrap_err();
        assert_eq!(without, "the text that it learned from is not there");
    }
}
