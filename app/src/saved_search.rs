//! The search that the browser saves, so that it can be resumed after a reload.

use crate::{
    messages::{DataChoice, DataRequest, OwnText, SearchRequest, TextChoice},
    recording::Reader,
    run::Run,
    settings::Settings,
    share_link::ShareLink,
};
use serde::{Deserialize, Serialize};

/// Version of [`Manifest`]. Version 1 has no such field, and logs of version 1 with it.
const VERSION: u32 = 2;

/// Description of a saved search, in the form that the browser stores.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    #[serde(default = "first_version")]
    version: u32,
    /// The initial settings, as a fragment.
    pub settings: String,
    /// The images that it actually learned from.
    pub data: DataChoice,
    /// Name of the user's own text, if it learned from one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Steps done.
    pub steps: usize,
}

const fn first_version() -> u32 {
    1
}

impl Manifest {
    /// Description in the current version.
    pub const fn new(settings: String, data: DataChoice, text: Option<String>, steps: usize) -> Self {
        Self { version: VERSION, settings, data, text, steps }
    }
}

/// A saved search, read back.
#[derive(Clone, Debug, PartialEq)]
pub struct SavedSearch {
    /// The initial settings.
    pub settings: Settings,
    /// The search as it was requested.
    pub request: SearchRequest,
    /// The run up to its checkpoint.
    pub run: Run,
    /// The checkpoint, which the engine checks.
    pub checkpoint: Vec<u8>,
}

impl SavedSearch {
    /// Reads back the data that the browser stored, which may be invalid; `text` is the user's own, if any.
    ///
    /// # Errors
    /// A clause about the first problem.
    pub fn read(manifest: &str, log: &str, checkpoint: Vec<u8>, text: Option<Vec<u8>>) -> Result<Self, String> {
        let manifest: Manifest = serde_json::from_str(manifest).map_err(|error| error.to_string())?;
        if manifest.version > VERSION {
            return Err(format!("a later version of this page saved it (version {})", manifest.version));
        }
        let (ShareLink { settings, .. }, problems) = ShareLink::from_fragment(&manifest.settings);
        if let Some(problem) = problems.into_iter().next() {
            return Err(problem);
        }
        let (mut run, mut reader) = (Run::default(), Reader::default());
        reader
            .feed(log.as_bytes(), |event| run.apply(&event))
            .and_then(|()| reader.end())
            .map_err(|error| error.to_string())?;
        let started = run.started.as_ref().ok_or("its log is empty")?;
        let own = manifest.text.zip(text).map(|(name, bytes)| OwnText { name, bytes });
        let data = match started.alphas.task().of_text() {
            false => DataRequest::Images { choice: manifest.data },
            true if own.is_none() && settings.text == TextChoice::Own => {
                return Err("its text is missing".into());
            }
            true => DataRequest::Text { words: settings.words, own },
        };
        if run.steps != manifest.steps {
            return Err(format!("its log has {} steps, but should have {}", run.steps, manifest.steps));
        }
        let request = SearchRequest { config: started.config.clone(), data };
        Ok(Self { settings, request, run, checkpoint })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cells::Task;
    use darts_engine::{
        config::AnySearchConfig,
        event::{Event, LOG_VERSION, Measure},
        space::Alphas,
    };

    fn started(config: impl Into<AnySearchConfig>) -> Event {
        let config = config.into();
        Event::Started {
            version: LOG_VERSION,
            adapter: "a".into(),
            backend: "b".into(),
            parameters: 1,
            train_examples: 10,
            valid_examples: 10,
            steps_per_epoch: Some(5),
            rows: None,
            vocabulary: None,
            alphas: Alphas::zeros(config.space()),
            config,
        }
    }

    fn step(measure: Measure) -> Event {
        Event::Step {
            epoch: 0,
            step: 0,
            row: None,
            examples: None,
            train: measure,
            valid: measure,
            gradient_norm: 1.0,
            seconds: 0.5,
            alphas: None,
        }
    }

    fn log(events: &[Event]) -> String {
        events.iter().map(|event| serde_json::to_string(event).unwrap() + "\n").collect()
    }

    #[test]
    fn a_saved_search_reads_back_and_anything_else_is_refused() {
        let settings = Settings { seed: 9, ..Settings::default() };
        let log = log(&[started(settings.convolutional_config()), step(Measure::images(2.0, 0.5))]);
        let manifest = Manifest::new(settings.to_fragment(), DataChoice::Cifar10, None, 1);
        let text = serde_json::to_string(&manifest).unwrap();
        let saved = SavedSearch::read(&text, &log, vec![1], None).unwrap();
        let data = DataRequest::Images { choice: DataChoice::Cifar10 };
        let request = SearchRequest { config: settings.convolutional_config().into(), data };
        assert_eq!((saved.settings, saved.request, saved.run.steps), (settings, request, 1));
        let refused = |manifest: &str, log: &str| SavedSearch::read(manifest, log, Vec::new(), None).unwrap_err();
        assert!(refused("{}", &log).contains("missing field"));
        let later = text.replace("\"version\":2", "\"version\":3");
        assert_eq!(refused(&later, &log), "a later version of this page saved it (version 3)");
        assert_eq!(refused(&text, log.lines().next().unwrap()), "line 1: it ends in the middle of an event");
        let short = log.lines().next().unwrap().to_owned() + "\n";
        assert_eq!(refused(&text, &short), "its log has 0 steps, but should have 1");
    }

    #[test]
    fn a_search_on_the_users_own_text_is_saved_with_it() {
        let settings = Settings { text: TextChoice::Own, words: 77, ..Settings::for_task(Task::RECURRENT) };
        let sampled = Event::Sampled { step: 1, temperature: 0.8, seed: 1, text: "on and on".into() };
        let log = log(&[started(settings.recurrent_config()), step(Measure::words(2.0)), sampled]);
        let manifest = Manifest::new(settings.to_fragment(), DataChoice::default(), Some("mine.txt".into()), 1);
        let manifest = serde_json::to_string(&manifest).unwrap();
        let saved = SavedSearch::read(&manifest, &log, vec![1], Some(b"On and on.".to_vec())).unwrap();
        let own = Some(OwnText { name: "mine.txt".into(), bytes: b"On and on.".to_vec() });
        let data = DataRequest::Text { words: 77, own };
        assert_eq!(saved.request, SearchRequest { config: settings.recurrent_config().into(), data });
        assert_eq!((saved.run.steps, saved.run.samples.len()), (1, 1));
        let without = SavedSearch::read(&manifest, &log, vec![1], None).unwrap_err();
        assert_eq!(without, "its text is missing");
    }

    #[test]
    fn searches_that_a_page_of_version_1_saved_are_read() {
        let manifest = r#"{"settings":"data=textures&images=8&channels=2&cells=3&batch=2&epochs=1&lr=0.025&alr=0.0003&seed=0&curvature=measured","data":"textures","steps":2}"#;
        let log = include_str!("version1/images.jsonl");
        let saved = SavedSearch::read(manifest, log, vec![1], None).unwrap();
        assert_eq!((saved.settings.channels, saved.settings.curvature, saved.run.steps), (2, true, 2));
        assert_eq!(saved.request.data, DataRequest::Images { choice: DataChoice::Textures });
        assert_eq!(saved.request.config, saved.run.started.unwrap().config);

        let manifest = r#"{"settings":"task=recurrent&text=own&words=60&units=4&bptt=20&batch=8&epochs=1&lr=0.1&alr=0.003&seed=0&dropout=paper","data":"cifar10","text":"mine.txt","steps":2}"#;
        let log = include_str!("version1/text.jsonl");
        let saved = SavedSearch::read(manifest, log, vec![1], Some(b"one two".to_vec())).unwrap();
        let own = Some(OwnText { name: "mine.txt".into(), bytes: b"one two".to_vec() });
        assert_eq!(saved.request.data, DataRequest::Text { words: 60, own });
        assert_eq!((saved.settings.units, saved.run.samples[0].text.as_str()), (4, "one two three\nfour"));
    }
}
