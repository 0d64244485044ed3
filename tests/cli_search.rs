//! `darts search conv`, run as a program.

mod cli;

use cli::{darts, document, refusal};
use darts_engine::{
    config::{AnySearchConfig, Kernels, Order},
    event::Event,
    run::{DataSource, Run},
    space::{Alphas, Convolutional},
};
use darts_tests::{files, timeless};
use serde_json::json;
use std::{fs, path::Path, process::Command};
use tempfile::tempdir;

/// A search of a few seconds into `out`.
fn search(out: &Path, more: &[&str]) -> Command {
    let mut command = darts();
    command.args(["search", "conv", "--data", "textures", "--train-images", "9", "--batch-size", "2"]);
    command.args(["--init-channels", "4", "--layers", "3", "--epochs", "2", "--report-every", "1", "--out"]);
    command.arg(out).args(more);
    command
}

/// Events of a run, checked to be complete and in order.
fn events(run: &Run<Convolutional>) -> Vec<Event> {
    let events: Vec<Event> = run.events().unwrap().map(Result::unwrap).collect();
    let Event::Started {
        config: AnySearchConfig::Convolutional(config), steps_per_epoch: Some(steps_per_epoch), ..
    } = &events[0]
    else {
        panic!("{:?}", events[0])
    };
    assert_eq!(Some(config), run.config.search.as_ref());
    let mut rest = events[1..].iter();
    for epoch in 0..config.epochs {
        for i in 0..*steps_per_epoch {
            let Some(Event::Step { epoch: e, step, train, valid, .. }) = rest.next() else { panic!("a step is due") };
            assert_eq!((*e, *step), (epoch, epoch * steps_per_epoch + i));
            assert!(train.loss.is_finite() && valid.loss.is_finite());
        }
        let Some(Event::Epoch { epoch: e, .. }) = rest.next() else { panic!("an epoch is due") };
        assert_eq!(*e, epoch);
    }
    assert!(matches!(rest.next(), Some(Event::Finished { .. })));
    assert!(rest.next().is_none());
    events
}

#[test]
fn a_search_leaves_a_whole_run() {
    let dir = tempdir().unwrap();
    let out = dir.path().join("some/run");
    let output = search(&out, &["--seed", "3"]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{error}");
    for epoch in ["epoch 1 of 2: train loss ", "epoch 2 of 2: train loss "] {
        assert!(error.contains(epoch), "{error}");
    }
    assert_eq!(files(&out), ["checkpoints", "config.json", "events.jsonl", "genotype.json"]);

    let run = Run::<Convolutional>::open(&out).unwrap();
    let crc32 = run.config.data.crc32;
    let path = "textures".to_owned();
    let data = DataSource { name: path.clone(), path, train_images: 2000, test_images: 500, image_size: 32, crc32 };
    assert_eq!(run.config.data, data);
    let config = run.config.search.as_ref().unwrap();
    assert_eq!((config.seed, config.layers, config.epochs), (3, 3, 2));
    let events = events(&run);
    let Some(Event::Finished { genotype, .. }) = events.last() else { panic!("{:?}", events.last()) };
    assert_eq!(run.genotype().unwrap(), *genotype);

    // The cells are printed at the end, and again by `genotype show`.
    let cells = genotype.to_string();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with(&cells) && text.trim_end().ends_with(&out.display().to_string()), "{text}");
    for path in [&out, &out.join("genotype.json")] {
        let shown = darts().args(["genotype", "show"]).arg(path).output().unwrap();
        assert_eq!(String::from_utf8(shown.stdout).unwrap(), cells);
        assert_eq!(document(darts().args(["genotype", "show"]).arg(path)), serde_json::to_value(genotype).unwrap());
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let dir = tempdir().unwrap();
    let outcome = |out: &str, seed: &str, order: &str| {
        let out = dir.path().join(out);
        let result = document(&mut search(&out, &["--device", "cpu", "--seed", seed, "--order", order, "--quiet"]));
        assert_eq!(result["run"], json!(out));
        let run = Run::<Convolutional>::open(&out).unwrap();
        let config = run.config.search.as_ref().unwrap();
        assert_eq!(config.kernels, Kernels::Fused);
        assert_eq!(result["genotype"], serde_json::to_value(run.genotype().unwrap()).unwrap());
        let events = events(&run);
        let Some(Event::Finished { alphas, seconds, .. }) = events.last() else { unreachable!() };
        assert_eq!(serde_json::from_value::<Alphas>(result["alphas"].clone()).unwrap(), *alphas);
        assert!(*seconds > 0.0 && result["examples_per_second"].as_f64().unwrap() > 0.0);
        (config.order, timeless(&events))
    };
    for (order, word) in [(Order::First, "first"), (Order::Second, "second")] {
        let once = outcome(&format!("{word} once"), "5", word);
        assert_eq!(once.0, order);
        assert_eq!(once, outcome(&format!("{word} again"), "5", word));
        assert_ne!(once.1[1], outcome(&format!("{word} other"), "6", word).1[1]);
    }
}

#[test]
fn quiet_means_nothing_on_standard_error() {
    let dir = tempdir().unwrap();
    let output = search(&dir.path().join("run"), &["--device", "cpu", "--quiet"]).output().unwrap();
    assert!(output.status.success());
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_search_that_fails_ends_its_log_with_the_error() {
    let dir = tempdir().unwrap();
    let out = dir.path().join("run");
    let error = refusal(&mut search(&out, &["--device", "cpu", "--quiet", "--learning-rate", "1e30"]), 1);
    assert!(error.contains(" at step ") && error.contains("a lower learning-rate, grad-clip or "), "{error}");
    let run = Run::<Convolutional>::open(&out).unwrap();
    let last = run.events().unwrap().map(Result::unwrap).last();
    assert_eq!(last, Some(Event::Failed { message: error }));
    assert_eq!(files(&out), ["checkpoints", "config.json", "events.jsonl"]);
    let unfinished = refusal(darts().args(["genotype", "show"]).arg(&out), 1);
    assert_eq!(unfinished, format!("{} has no genotype.json: its search has not finished", out.display()));
}

#[test]
fn settings_out_of_range_are_refused() {
    let dir = tempdir().unwrap();
    let out = dir.path().join("run");
    let refused = |code: i32, more: &[&str]| {
        let mut command = darts();
        command.args(["search", "conv", "--data", "textures", "--out"]).arg(&out).args(more);
        let error = refusal(&mut command, code);
        assert!(!out.exists(), "{more:?}");
        error
    };
    for (flag, value, why) in [
        ("--epochs", "0", "epochs must be at least 1, not 0"),
        ("--epochs", "1000001", "epochs must be at most 1000000, not 1000001"),
        ("--batch-size", "0", "batch-size must be at least 1, not 0"),
        ("--batch-size", "1001", "batch-size is 1001, but the train split has only 1000 images"),
        ("--train-images", "2001", "train-images is 2001, but the data has 2000 training images"),
        ("--train-images", "100", "batch-size is 64, but the train split has only 50 images"),
        ("--train-images", "0", "train-images must be at least 2, not 0"),
        ("--train-portion", "1", "train-portion must be between 0 and 1, not 1"),
        ("--init-channels", "0", "init-channels must be at least 1, not 0"),
        ("--layers", "0", "layers must be at least 1, not 0"),
        ("--layers", "1000000", "layers must be at most 1000, not 1000000"),
        ("--report-every", "0", "report-every must be at least 1, not 0"),
        ("--learning-rate", "-0.1", "learning-rate must be above 0, not -0.1"),
        ("--learning-rate", "nan", "learning-rate must be above 0, not NaN"),
        ("--learning-rate-min", "-1", "learning-rate-min must be 0 or more, not -1"),
        ("--momentum", "1", "momentum must be from 0 to below 1, not 1"),
        ("--weight-decay", "inf", "weight-decay must be 0 or more, not inf"),
        ("--grad-clip", "0", "grad-clip must be above 0, not 0"),
        ("--arch-learning-rate", "0", "arch-learning-rate must be above 0, not 0"),
        ("--arch-beta1", "1", "arch-beta1 must be from 0 to below 1, not 1"),
        ("--arch-beta2", "-1", "arch-beta2 must be from 0 to below 1, not -1"),
        ("--arch-weight-decay", "-1", "arch-weight-decay must be 0 or more, not -1"),
    ] {
        assert_eq!(refused(1, &[flag, value]), why);
    }
    let large = refused(1, &["--device", "cpu", "--init-channels", "1000"]);
    assert!(large.starts_with("init-channels and layers make a network of "), "{large}");
    for (flag, value) in [
        ("--epochs", "many"),
        ("--epochs", "-1"),
        ("--seed", "-1"),
        ("--device", "tpu"),
        ("--order", "third"),
        ("--kernels", "fast"),
        ("--learning-rate", "slow"),
    ] {
        let error = refused(2, &[flag, value]);
        assert!(error.starts_with(&format!("invalid value '{value}' for '{flag} <")), "{error}");
    }
    assert!(refused(2, &["--epoch", "3"]).starts_with("unexpected argument '--epoch' found"));
}

#[test]
fn places_that_cannot_be_used_are_refused() {
    let dir = tempdir().unwrap();
    let refused = |data: &str, out: &str| {
        let mut command = darts();
        command.current_dir(dir.path()).args(["search", "conv", "--data", data, "--out", out]);
        refusal(&mut command, 1)
    };
    fs::write(dir.path().join("file"), "mine").unwrap();
    fs::create_dir(dir.path().join("old")).unwrap();
    fs::write(dir.path().join("old/events.jsonl"), "mine").unwrap();
    assert_eq!(refused("textures", "file"), "file is not a folder");
    assert_eq!(refused("textures", "file/run"), "file is not a folder");
    assert_eq!(refused("textures", "old"), "old already holds a run; name another folder or move it away");
    assert_eq!(refused("none", "run"), "cannot read none: No such file or directory (os error 2)");
    assert!(refused("file", "run").starts_with("file is a file of an unknown kind; "));
    assert_eq!(files(dir.path()), ["file", "old"]);
    assert_eq!(files(&dir.path().join("old")), ["events.jsonl"]);
    for file in ["file", "old/events.jsonl"] {
        assert_eq!(fs::read_to_string(dir.path().join(file)).unwrap(), "mine");
    }
}
