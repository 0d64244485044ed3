//! `darts train cifar10` and `darts test cifar10`, run as programs.

mod cli;

use cli::{darts, document, refusal};
use darts_engine::{
    config::AnyTrainConfig,
    event::{Event, TestResult, Tested},
    run::{Run, RunError, read_weights},
    space::{CONVOLUTIONAL, Convolutional, Genotype, Op},
};
use darts_tests::{files, timeless};
use safetensors::SafeTensors;
use serde_json::json;
use std::{fs, path::Path, process::Command};
use tempfile::{TempDir, tempdir};

type ConvRun = Run<Convolutional>;

fn published(name: &str) -> Genotype {
    CONVOLUTIONAL.published(name).unwrap()
}

/// A folder with a few textures in `few.packed`.
fn folder() -> TempDir {
    let dir = tempdir().unwrap();
    let mut subset = darts();
    subset.args(["data", "subset", "--data", "textures", "--train-images", "40", "--test-images", "25", "--out"]);
    assert!(subset.arg(dir.path().join("few.packed")).output().unwrap().status.success());
    dir
}

/// A training run of a few seconds.
fn train(dir: &Path, out: &str, more: &[&str]) -> Command {
    let mut command = darts();
    command.current_dir(dir).args(["train", "cifar10", "--data", "few.packed", "--out", out, "--batch-size", "8"]);
    command.args(["--init-channels", "4", "--layers", "3", "--epochs", "3", "--report-every", "2"]).args(more);
    command
}

fn test(dir: &Path, weights: &str, arch: &str) -> Command {
    let mut command = darts();
    command.current_dir(dir).args(["test", "cifar10", "--data", "few.packed", "--device", "cpu"]);
    command.args(["--weights", weights, "--arch", arch]);
    command
}

fn events(dir: &Path, run: &str) -> Vec<Event> {
    ConvRun::open(dir.join(run)).unwrap().events().unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_training_run_leaves_weights_that_test_alike() {
    let dir = folder();
    let output = train(dir.path(), "run", &["--arch", "darts_v2", "--test-every", "2"]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{error}");
    assert!(error.contains("epoch 3 of 3: loss "), "{error}");
    let run = dir.path().join("run");
    let expected =
        ["best.safetensors", "checkpoints", "config.json", "events.jsonl", "genotype.json", "last.safetensors"];
    assert_eq!(files(&run), expected);

    let events = events(dir.path(), "run");
    let Event::TrainStarted {
        config: AnyTrainConfig::Convolutional(config),
        genotype,
        train_examples: 40,
        test_examples: 25,
        steps_per_epoch: Some(5),
        ..
    } = &events[0]
    else {
        panic!("{:?}", events[0]);
    };
    let opened = ConvRun::open(&run).unwrap();
    assert_eq!(opened.config.train.as_ref(), Some(config));
    assert_eq!((&opened.genotype().unwrap(), opened.config.search), (genotype, None));
    let kinds: Vec<String> =
        events.iter().map(|event| serde_json::to_value(event).unwrap()["type"].as_str().unwrap().to_owned()).collect();
    let steps = |count| vec!["train_step"; count];
    // Steps 0, 2 and 4 of the first epoch, 6, 8 and 9 of the next, 10, 12 and 14; a test after every other and the last.
    let expected: Vec<&str> = [
        vec!["train_started"],
        steps(3),
        vec!["train_epoch"],
        steps(3),
        vec!["train_epoch", "evaluated"],
        steps(3),
        vec!["train_epoch", "evaluated", "train_finished"],
    ]
    .concat();
    assert_eq!(kinds, expected);
    let rates: Vec<(f64, f64)> = events
        .iter()
        .filter_map(|event| match event {
            Event::TrainEpoch { learning_rate: Some(rate), drop_path: Some(drop), .. } => Some((*rate, *drop)),
            _ => None,
        })
        .collect();
    for ((rate, drop), (expected_rate, expected_drop)) in
        rates.into_iter().zip([(0.025, 0.0), (0.01875, 0.2 / 3.0), (0.00625, 0.4 / 3.0)])
    {
        assert!((rate - expected_rate).abs() < 1e-12 && (drop - expected_drop).abs() < 1e-12, "{rate} {drop}");
    }

    // The test command reproduces the result that the run reported and printed on standard output.
    let Some(&Event::TrainFinished {
        test: TestResult::Images(last), best: TestResult::Images(best), best_epoch, ..
    }) = events.last()
    else {
        unreachable!()
    };
    assert!(best.wrong <= last.wrong && last.images == 25);
    assert!(matches!(best_epoch, 1 | 2), "only two epochs were tested");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with(&format!("{last}\n")), "{text}");
    for (file, expected) in [("run/last.safetensors", last), ("run/best.safetensors", best)] {
        for arch in ["run", "DARTS_V2"] {
            // The run computed on the machine's best device, this test on its CPU.
            let report = document(&mut test(dir.path(), file, arch));
            let found: Tested = serde_json::from_value(report["test"].clone()).unwrap();
            assert_eq!((found.wrong, found.images), (expected.wrong, expected.images));
            assert!((found.loss - expected.loss).abs() < 1e-3 * expected.loss, "{found:?} {expected:?}");
            assert_eq!(report["test_error"], json!(expected.wrong as f64 / 25.0));
        }
    }
    // The best device repeats the run too, with the same bits of weights.
    document(&mut train(dir.path(), "again", &["--arch", "darts_v2", "--test-every", "2"]));
    assert_eq!(timeless(&self::events(dir.path(), "again")), timeless(&events));
    for file in ["best.safetensors", "last.safetensors"] {
        assert!(fs::read(run.join(file)).unwrap() == fs::read(dir.path().join("again").join(file)).unwrap(), "{file}");
    }

    let output = test(dir.path(), "run/last.safetensors", "run").output().unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.starts_with(&format!("{last}, loss ")), "{printed}");
}

#[test]
fn the_same_seed_gives_the_same_run_and_weights() {
    let dir = folder();
    let run = |out: &str, more: &[&str]| {
        let fixed = ["--arch", "NASNet", "--device", "cpu", "--quiet", "--train-images", "32"];
        let report = document(&mut train(dir.path(), out, &[&fixed[..], more].concat()));
        assert_eq!((&report["run"], &report["train_examples"]), (&json!(out), &json!(32)));
        let weights = fs::read(dir.path().join(out).join("last.safetensors")).unwrap();
        (timeless(&events(dir.path(), out)), weights)
    };
    let once = run("once", &["--seed", "5"]);
    assert!(once == run("again", &["--seed", "5"]));
    for (out, more) in [
        ("seed", ["--seed", "6"]),
        ("cutout", ["--cutout", "0"]),
        ("dropped", ["--drop-path", "0"]),
        ("head", ["--auxiliary-weight", "0"]),
    ] {
        let seed: &[&str] = if out == "seed" { &[] } else { &["--seed", "5"] };
        assert!(run(out, &[&more[..], seed].concat()).1 != once.1, "{more:?}");
    }
    // Without an auxiliary head there are no weights for it.
    let head = |run: &str| {
        let bytes = fs::read(dir.path().join(run).join("last.safetensors")).unwrap();
        SafeTensors::deserialize(&bytes).unwrap().names().iter().any(|name| name.starts_with("auxiliary_head."))
    };
    assert!(head("once") && !head("head"));
    // A run's cells are found in it.
    assert_eq!(ConvRun::open(dir.path().join("once")).unwrap().genotype().unwrap(), published("NASNet"));
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let dir = folder();
    document(&mut train(dir.path(), "run", &["--arch", "DARTS_V1", "--device", "cpu"]));
    let other = "weights of another architecture";
    let error = refusal(&mut test(dir.path(), "run/last.safetensors", "AmoebaNet"), 1);
    assert_eq!(error, format!("run/last.safetensors: {other}: cells.0._ops.2.op.1.weight is missing"));
    let error = refusal(&mut test(dir.path(), "run/last.safetensors", "NASNet"), 1);
    let first = "cells.0._ops.0.op.1.weight is [4, 1, 3, 3], but the architecture has [4, 1, 5, 5]";
    assert_eq!(error, format!("run/last.safetensors: {other}: {first}"));
    // Cells with fewer weights: the file has all of theirs, and others too.
    let mut cells = published("DARTS_V1");
    let normal = &mut cells.cells_mut()[0];
    normal.ops[7].0 = Op::MAX_POOL_3X3;
    normal.ops[6].0 = Op::SKIP_CONNECT;
    fs::write(dir.path().join("fewer.json"), serde_json::to_string(&cells).unwrap()).unwrap();
    let error = refusal(&mut test(dir.path(), "run/last.safetensors", "fewer.json"), 1);
    let first = "cells.0._ops.6.op.1.weight is not one of its tensors";
    assert_eq!(error, format!("run/last.safetensors: {other}: {first}"));

    let whole = fs::read(dir.path().join("run/last.safetensors")).unwrap();
    for bytes in [0, 7, 100, 20_000, whole.len() - 1] {
        fs::write(dir.path().join("cut"), &whole[..bytes]).unwrap();
        let error = refusal(&mut test(dir.path(), "cut", "run"), 1);
        assert!(error.starts_with("cut: truncated, or not a safetensors file: "), "{bytes} bytes: {error}");
    }
    let error = refusal(&mut test(dir.path(), "none", "run"), 1);
    assert_eq!(error, "cannot read none: No such file or directory (os error 2)");
    // Read by the library, the classes of the data count too.
    let genotype: Genotype = published("DARTS_V1");
    let error = read_weights(&dir.path().join("run/last.safetensors"), &genotype, 100).unwrap_err();
    assert!(matches!(error, RunError::Weights { .. }));
    assert!(error.to_string().ends_with("but the architecture has [100, 768]"), "{error}");
}

#[test]
fn settings_out_of_range_are_refused() {
    let dir = folder();
    let refused = |code: i32, more: &[&str]| {
        let mut command = darts();
        command.current_dir(dir.path()).args(["train", "cifar10", "--data", "few.packed", "--out", "run"]).args(more);
        if !more.contains(&"--arch") {
            command.args(["--arch", "DARTS_V2"]);
        }
        let error = refusal(&mut command, code);
        assert!(!dir.path().join("run").exists(), "{more:?}");
        error
    };
    for (flag, value, why) in [
        ("--epochs", "0", "epochs must be at least 1, not 0"),
        ("--batch-size", "1", "batch-size must be at least 2, not 1"),
        ("--batch-size", "41", "batch-size is 41, but there are only 40 training images"),
        ("--train-images", "41", "train-images is 41, but the data has 40 training images"),
        ("--train-images", "1", "train-images must be at least 2, not 1"),
        ("--init-channels", "0", "init-channels must be at least 1, not 0"),
        ("--layers", "1", "layers must be at least 2, not 1"),
        ("--layers", "1001", "layers must be at most 1000, not 1001"),
        ("--report-every", "0", "report-every must be at least 1, not 0"),
        ("--test-every", "0", "test-every must be at least 1, not 0"),
        ("--learning-rate", "0", "learning-rate must be above 0, not 0"),
        ("--learning-rate-min", "-1", "learning-rate-min must be 0 or more, not -1"),
        ("--momentum", "1", "momentum must be from 0 to below 1, not 1"),
        ("--weight-decay", "inf", "weight-decay must be 0 or more, not inf"),
        ("--grad-clip", "nan", "grad-clip must be above 0, not NaN"),
        ("--auxiliary-weight", "-0.4", "auxiliary-weight must be 0 or more, not -0.4"),
        ("--drop-path", "1", "drop-path must be from 0 to below 1, not 1"),
    ] {
        assert_eq!(refused(1, &[flag, value]), why);
    }
    let large = refused(1, &["--device", "cpu", "--init-channels", "1000", "--batch-size", "8"]);
    assert!(large.starts_with("init-channels and layers make a network of "), "{large}");
    assert!(refused(1, &["--arch", "NONE_SUCH"]).starts_with("NONE_SUCH is not a published cell ("));
    assert!(refused(1, &["--arch", "few.packed"]).starts_with("few.packed: "));
    assert!(refused(2, &["--device", "tpu"]).starts_with("invalid value 'tpu' for '--device <"));
    assert_eq!(files(dir.path()), ["few.packed"]);
}

#[test]
fn a_training_run_that_fails_ends_its_log_with_the_error() {
    let dir = folder();
    let flags = ["--arch", "DARTS_V2", "--device", "cpu", "--quiet", "--learning-rate", "1e30"];
    let error = refusal(&mut train(dir.path(), "run", &flags), 1);
    assert!(error.contains("a lower learning-rate or grad-clip usually helps"), "{error}");
    assert_eq!(events(dir.path(), "run").last(), Some(&Event::Failed { message: error }));
    let error = refusal(&mut train(dir.path(), "run", &flags), 1);
    assert_eq!(error, "run already holds a run; name another folder or move it away");
}
