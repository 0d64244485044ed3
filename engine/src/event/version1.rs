//! Logs of version 1, which have other names and separate events for text.

use super::CPU_ADAPTER;
use serde_json::{Map, Value};

/// Adapter of a run on the CPU in version 1.
const CPU_THEN: &str = "processor";

/// Old and new names of an event's renamed fields.
type Names = &'static [(&'static str, &'static str)];

/// Type, type in version 2, space of its configuration, and fields renamed, in this order.
const EVENTS: [(&str, &str, Option<&str>, Names); 16] = [
    (
        "started",
        "started",
        Some("convolutional"),
        &[("weight_images", "train_examples"), ("alpha_images", "valid_examples")],
    ),
    ("step", "step", None, &[("weights", "train"), ("alphas", "valid"), ("architecture", "alphas")]),
    (
        "epoch",
        "epoch",
        None,
        &[
            ("weights", "train"),
            ("alphas", "valid"),
            ("architecture", "alphas"),
            ("images_per_second", "examples_per_second"),
        ],
    ),
    ("steered", "intervention", None, &[("steering", "intervention"), ("architecture", "alphas")]),
    ("finished", "finished", None, &[("architecture", "alphas")]),
    (
        "train_started",
        "train_started",
        Some("convolutional"),
        &[("train_images", "train_examples"), ("test_images", "test_examples")],
    ),
    ("train_epoch", "train_epoch", None, &[("images_per_second", "examples_per_second")]),
    ("train_finished", "train_finished", None, &[]),
    (
        "recurrent_started",
        "started",
        Some("recurrent"),
        &[("train_words", "train_examples"), ("valid_words", "valid_examples")],
    ),
    (
        "recurrent_step",
        "step",
        None,
        &[("words", "examples"), ("weights", "train"), ("alphas", "valid"), ("architecture", "alphas")],
    ),
    (
        "recurrent_epoch",
        "epoch",
        None,
        &[
            ("valid", "evaluation"),
            ("weights", "train"),
            ("alphas", "valid"),
            ("architecture", "alphas"),
            ("words_per_second", "examples_per_second"),
        ],
    ),
    ("recurrent_steered", "intervention", None, &[("steering", "intervention"), ("architecture", "alphas")]),
    ("recurrent_finished", "finished", None, &[("architecture", "alphas"), ("valid", "evaluation")]),
    (
        "text_train_started",
        "train_started",
        Some("recurrent"),
        &[("train_words", "train_examples"), ("valid_words", "valid_examples"), ("test_words", "test_examples")],
    ),
    ("text_train_step", "train_step", None, &[("words", "examples")]),
    ("text_train_epoch", "train_epoch", None, &[("words_per_second", "examples_per_second")]),
];

/// Event of version 1 translated to this version; none if the line has nothing of version 1.
pub(super) fn translated(line: &[u8]) -> Option<Value> {
    let Value::Object(mut event) = serde_json::from_slice(line).ok()? else { return None };
    let kind = event.get("type")?.as_str()?.to_owned();
    if event.contains_key("version") {
        return None;
    }
    if kind == "text_train_finished" {
        rename(&mut event, "valid", "best");
        event.insert("type".into(), "train_finished".into());
        return Some(Value::Object(event));
    }
    let &(_, now, space, names) = EVENTS.iter().find(|(then, ..)| *then == kind)?;
    let mut changed = kind != now || space.is_some();
    for (then, now) in names {
        // An event of this version has `alphas` too.
        changed |= rename(&mut event, then, now) && *then != "alphas";
    }
    event.insert("type".into(), now.into());
    if let Some(space) = space {
        event.insert("version".into(), 1.into());
        if event.get("adapter").is_some_and(|adapter| adapter == CPU_THEN) {
            event.insert("adapter".into(), CPU_ADAPTER.into());
        }
        if let Some(Value::Object(config)) = event.get_mut("config") {
            config.insert("space".into(), space.into());
        }
    }
    changed.then_some(Value::Object(event))
}

fn rename(event: &mut Map<String, Value>, then: &str, now: &str) -> bool {
    let value = event.remove(then);
    let there = value.is_some();
    if let Some(value) = value {
        event.insert(now.to_owned(), value);
    }
    there
}

#[cfg(test)]
mod tests {
    use crate::{
        event::{Event, Measure, TestResult},
        space::{Alphas, CONVOLUTIONAL, RECURRENT},
    };

    fn read(line: &str) -> Event {
        Event::from_json(line.as_bytes()).unwrap_or_else(|error| panic!("{line}: {error}"))
    }

    #[test]
    fn steps_of_version_1_are_read() {
        let measure = r#"{"loss":2.0,"accuracy":0.5}"#;
        let step = format!(
            r#"{{"type":"step","epoch":0,"step":3,"weights":{measure},"alphas":{{"loss":1.0,"accuracy":0.25}},"gradient_norm":1.0,"seconds":0.5}}"#
        );
        let Event::Step { step: 3, train, valid, alphas: None, .. } = read(&step) else { panic!() };
        assert_eq!((train, valid), (Measure::images(2.0, 0.5), Measure::images(1.0, 0.25)));
        let words = r#"{"type":"recurrent_step","epoch":0,"step":0,"row":35,"words":70,"weights":{"loss":1.0,"perplexity":2.7},"alphas":{"loss":2.0,"perplexity":7.4},"gradient_norm":1.0,"seconds":0.5}"#;
        let Event::Step { row: Some(35), examples: Some(70), train, valid, .. } = read(words) else { panic!() };
        assert_eq!((train.loss, train.perplexity, valid.loss), (1.0, Some(2.7), 2.0));
    }

    #[test]
    fn ends_of_training_runs_of_version_1_are_read() {
        let words = r#"{"type":"text_train_finished","valid":{"loss":5.0,"perplexity":148.4},"test":{"loss":5.1,"perplexity":164.0},"best_epoch":1,"epochs":2,"seconds":9.0}"#;
        let Event::TrainFinished { test: TestResult::Words(test), best: TestResult::Words(best), .. } = read(words)
        else {
            panic!()
        };
        assert_eq!((test.loss, best.loss), (5.1, 5.0));
        let images = r#"{"type":"train_finished","test":{"loss":1.0,"wrong":3,"images":10},"best":{"loss":0.9,"wrong":2,"images":10},"best_epoch":0,"epochs":2,"seconds":9.0}"#;
        let Event::TrainFinished { test: TestResult::Images(test), .. } = read(images) else { panic!() };
        assert_eq!((test.wrong, test.images), (3, 10));
    }

    #[test]
    fn a_fault_of_an_old_line_is_that_of_the_line() {
        let alphas = serde_json::to_string(Alphas::zeros(RECURRENT).rows()).unwrap();
        let steering = r#"{"change":"freeze","frozen":"yes"}"#;
        let line = format!(r#"{{"type":"recurrent_steered","step":1,"steering":{steering},"architecture":{alphas}}}"#);
        let error = Event::from_json(line.as_bytes()).unwrap_err().to_string();
        assert!(error.contains("expected a boolean"), "{error}");
        assert!(Event::from_json(line.replace("\"yes\"", "true").as_bytes()).is_ok());
    }

    #[test]
    fn a_fault_of_a_new_line_is_that_of_the_line() {
        let measure = Measure::images(1.0, 0.5);
        let step = Event::Step {
            epoch: 0,
            step: 1,
            row: None,
            examples: Some(2),
            train: measure,
            valid: measure,
            gradient_norm: 2.5,
            seconds: 0.5,
            alphas: Some(Alphas::zeros(CONVOLUTIONAL)),
        };
        let line = serde_json::to_string(&step).unwrap();
        assert_eq!(read(&line), step);
        let error = Event::from_json(line.replace("2.5", "1e39").as_bytes()).unwrap_err().to_string();
        assert!(error.contains("a number beyond float32"), "{error}");
    }
}
