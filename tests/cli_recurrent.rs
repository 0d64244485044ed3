//! `darts search recurrent`, `darts train ptb` and `darts test ptb`, run as programs.

mod cli;

use cli::{darts, document, refusal};
use darts_engine::{
    config::{Kernels, Order},
    device::DeviceChoice,
    event::{Event, Measure, TestResult},
    run::Run,
    space::{Alphas, Convolutional, Genotype, Recurrent},
};
use darts_tests::{files, timeless, write_texts};
use serde_json::json;
use std::{fs, path::Path, process::Command};
use tempfile::{TempDir, tempdir};

type TextRun = Run<Recurrent>;

/// A folder with a small corpus in `text`.
fn folder() -> TempDir {
    let dir = tempdir().unwrap();
    write_texts(&dir.path().join("text"));
    dir
}

/// A command in `dir` with those of the `usual` flags that are not among `more`.
fn command(dir: &Path, words: &[&str], usual: &[[&str; 2]], more: &[&str]) -> Command {
    let mut command = darts();
    command.current_dir(dir).args(words);
    command.args(usual.iter().filter(|[flag, _]| !more.contains(flag)).flatten()).args(more);
    command
}

/// A search of a few seconds.
fn search(dir: &Path, out: &str, more: &[&str]) -> Command {
    let usual = [
        ["--data", "text"],
        ["--batch-size", "8"],
        ["--hidden", "6"],
        ["--bptt", "8"],
        ["--epochs", "2"],
        ["--report-every", "2"],
        ["--out", out],
    ];
    command(dir, &["search", "recurrent"], &usual, more)
}

/// A training run of a few seconds.
fn train(dir: &Path, out: &str, more: &[&str]) -> Command {
    let usual = [
        ["--data", "text"],
        ["--batch-size", "8"],
        ["--hidden", "6"],
        ["--bptt", "8"],
        ["--epochs", "4"],
        ["--patience", "1"],
        ["--report-every", "3"],
        ["--out", out],
    ];
    command(dir, &["train", "ptb", "--quiet"], &usual, more)
}

fn events(dir: &Path, run: &str) -> Vec<Event> {
    TextRun::open(dir.join(run)).unwrap().events().unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_search_leaves_a_whole_run() {
    let dir = folder();
    let output = search(dir.path(), "run", &["--seed", "3", "--device", "cpu"]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{error}");
    assert!(
        error.contains("epoch 2 of 2: train loss ") && error.contains("; at the end validation perplexity "),
        "{error}"
    );
    let folder = dir.path().join("run");
    assert_eq!(files(&folder), ["checkpoints", "config.json", "events.jsonl", "genotype.json"]);
    let run = TextRun::open(&folder).unwrap();
    let config = run.config.search.as_ref().unwrap();
    assert_eq!((config.seed, config.hidden, config.learning_rate), (3, 6, 20.0));
    assert_eq!((run.config.data.train_words, run.config.data.valid_words), (60 * 8, 16 * 8));

    let events = events(dir.path(), "run");
    let Event::Started { rows: Some(rows), vocabulary: Some(vocabulary), parameters, alphas, .. } = &events[0] else {
        panic!("{:?}", events[0]);
    };
    assert_eq!((*rows, *vocabulary), (60 - 2, run.config.data.vocabulary));
    assert_eq!(*parameters, vocabulary * 7 + 10 * 2 * 6 * 6);
    assert!(alphas.to_flat().iter().all(|alpha| alpha.abs() < 0.01));
    let (mut epochs, mut row_before) = (0, 0);
    for event in &events[1..events.len() - 1] {
        match event {
            Event::Step { epoch, row: Some(row), examples: Some(words), train, valid, .. } => {
                assert_eq!(*epoch, epochs);
                assert!([8, 4, 2].contains(&(row - row_before)) || row == rows, "{row_before} to {row}");
                assert!(words.is_multiple_of(8) && train.perplexity == Some(train.loss.exp()) && valid.loss > 0.0);
                row_before = *row;
            }
            Event::Epoch { epoch, evaluation: Some(valid), genotype, alphas, .. } => {
                assert_eq!((*epoch, row_before), (epochs, *rows));
                assert!(valid.loss > 0.0 && valid.loss < 10.0);
                assert_eq!(*genotype, alphas.genotype());
                (epochs, row_before) = (epochs + 1, 0);
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(epochs, 2);
    let Some(Event::Finished { genotype, .. }) = events.last() else { panic!("{:?}", events.last()) };
    assert_eq!(run.genotype().unwrap(), *genotype);

    // The cell is printed at the end, and again by `genotype show`.
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with(&genotype.to_string()) && text.trim_end().ends_with("the run is in run"), "{text}");
    for path in ["run", "run/genotype.json"] {
        let shown = darts().current_dir(dir.path()).args(["genotype", "show", path]).output().unwrap();
        assert_eq!(String::from_utf8(shown.stdout).unwrap(), genotype.to_string());
    }
    let other = refusal(darts().current_dir(dir.path()).args(["table", "run"]), 1);
    assert_eq!(other, "run has recurrent cells, but convolutional cells are needed");
}

/// The CPU computes by itself where only a software adapter is available.
#[test]
fn a_device_for_text_is_found() {
    let dir = folder();
    let begun = |out: &str, more: &[&str]| {
        let output = search(dir.path(), out, &[more, &["--epochs", "1"]].concat()).output().unwrap();
        let remarks = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{remarks}");
        let Event::Started { backend, .. } = events(dir.path(), out).remove(0) else { panic!("{remarks}") };
        let config = TextRun::open(dir.path().join(out)).unwrap().config;
        (config.device, config.search.unwrap().kernels, backend, remarks)
    };
    let (device, kernels, backend, remarks) = begun("found", &[]);
    let is_reported = remarks.contains("no GPU here: computing on the CPU, which is faster than the software adapter ");
    assert_eq!(kernels, Kernels::Fused);
    assert_eq!((device, is_reported), (DeviceChoice::Auto, backend == "Burn flex"), "{backend} {remarks}");
    let (device, kernels, ..) = begun("plain", &["--device", "cpu", "--kernels", "reference"]);
    assert_eq!((device, kernels), (DeviceChoice::Cpu, Kernels::Reference));
    // A run resumes on the device that it began on.
    for out in ["found", "plain"] {
        let output = darts().current_dir(dir.path()).args(["search", "recurrent", "--resume", out]).output().unwrap();
        let remarks = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success() && remarks.contains(&format!("{out} is finished:")), "{remarks}");
        assert!(!remarks.contains("may round differently"), "{remarks}");
    }
}

#[test]
fn the_same_seed_gives_the_same_search() {
    let dir = folder();
    let outcome = |out: &str, seed: &str, order: &str| {
        let cpu = ["--device", "cpu", "--quiet", "--epochs", "1", "--seed", seed, "--order", order];
        let result = document(&mut search(dir.path(), out, &cpu));
        assert_eq!(result["run"], json!(out));
        let run = TextRun::open(dir.path().join(out)).unwrap();
        let config = run.config.search.as_ref().unwrap();
        assert_eq!(config.kernels, Kernels::Fused);
        let events = timeless(&events(dir.path(), out));
        let last = events.last().unwrap();
        assert_eq!(last["genotype"], result["genotype"]);
        let alphas: Alphas = serde_json::from_value(last["alphas"].clone()).unwrap();
        let genotype: Genotype = serde_json::from_value(last["genotype"].clone()).unwrap();
        assert_eq!(alphas.genotype(), genotype);
        (config.order, events)
    };
    for (order, word) in [(Order::First, "first"), (Order::Second, "second")] {
        let once = outcome(&format!("{word}-once"), "5", word);
        assert_eq!(once.0, order);
        assert_eq!(once, outcome(&format!("{word}-again"), "5", word));
        assert_ne!(once.1[1], outcome(&format!("{word}-other"), "6", word).1[1]);
    }
}

#[test]
fn a_training_run_leaves_weights_that_test_alike() {
    let dir = folder();
    let output = train(dir.path(), "run", &["--arch", "darts_v1", "--device", "cpu"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let run = dir.path().join("run");
    let left = [
        "best.safetensors",
        "checkpoints",
        "config.json",
        "events.jsonl",
        "genotype.json",
        "last.safetensors",
        "vocabulary.txt",
    ];
    assert_eq!(files(&run), left);
    let events = events(dir.path(), "run");
    assert!(
        matches!(events[0], Event::TrainStarted { train_examples: 480, test_examples: 128, .. }),
        "{:?}",
        events[0]
    );
    let mut best: Option<(usize, Measure)> = None;
    let mut was_averaged = false;
    for event in &events {
        if let &Event::TrainEpoch { epoch, valid: Some(valid), averaged: Some(averaged), best: Some(is_best), .. } =
            event
        {
            assert_eq!(is_best, best.is_none_or(|(_, best)| valid.loss < best.loss));
            if is_best {
                best = Some((epoch, valid));
            }
            assert!(averaged || !was_averaged, "once weights are averaged they stay so");
            was_averaged = averaged;
        }
    }
    let Some(&Event::TrainFinished {
        best: TestResult::Words(valid),
        test: TestResult::Words(test),
        best_epoch,
        epochs: 4,
        ..
    }) = events.last()
    else {
        panic!("{:?}", events.last());
    };
    assert_eq!(best, Some((best_epoch, valid)));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with(&format!("test perplexity {:.2}, ", test.perplexity.unwrap())), "{text}");

    let tested = |arch: &str, more: &[&str]| {
        let mut command = darts();
        command.current_dir(dir.path()).args(["test", "ptb", "--weights", "run/best.safetensors", "--data", "text"]);
        command.args(["--device", "cpu", "--arch", arch]).args(more);
        command
    };
    for arch in ["run", "DARTS_V1"] {
        let found: Measure = serde_json::from_value(document(&mut tested(arch, &[]))["test"].clone()).unwrap();
        // Windows of another length round differently.
        assert!((found.loss - test.loss).abs() < 1e-5 * test.loss, "{found:?} {test:?}");
    }
    let other = refusal(&mut tested("ENAS", &[]), 1);
    assert_eq!(other, "run/best.safetensors: weights of another architecture: rnns.0._Ws.8 is missing");
    fs::write(dir.path().join("more.txt"), "the 1 sees\nthe zebra").unwrap();
    let unknown = refusal(&mut tested("run", &["--test-file", "more.txt"]), 1);
    let known = TextRun::open(&run).unwrap().config.data.vocabulary;
    assert_eq!(unknown, format!("more.txt, line 2: zebra is not among the {known} words of the vocabulary"));
    fs::remove_file(run.join("vocabulary.txt")).unwrap();
    let more = refusal(&mut tested("run", &["--test-file", "more.txt"]), 1);
    let wanted = format!("run/best.safetensors is for a vocabulary of {known} words, but the text has {}", known + 1);
    assert_eq!(more, wanted);
}

#[test]
fn the_same_seed_gives_the_same_weights() {
    let dir = folder();
    let run = |out: &str, more: &[&str]| {
        let fixed = ["--arch", "DARTS_V2", "--device", "cpu", "--epochs", "2"];
        document(&mut train(dir.path(), out, &[&fixed[..], more].concat()));
        fs::read(dir.path().join(out).join("last.safetensors")).unwrap()
    };
    let once = run("once", &["--seed", "5"]);
    assert!(once == run("again", &["--seed", "5"]));
    assert!(once != run("seed", &["--seed", "6"]));
    assert!(once != run("dropped", &["--seed", "5", "--dropout-embedding", "0"]));
    assert!(once != run("slow", &["--seed", "5", "--slowness-penalty", "1"]));
}

#[test]
fn invalid_settings_and_data_are_refused() {
    let dir = folder();
    let refused = |code: i32, more: &[&str]| {
        let error = refusal(&mut search(dir.path(), "run", more), code);
        assert!(!dir.path().join("run").exists(), "{more:?}");
        error
    };
    for (flag, value, why) in [
        ("--batch-size", "1", "batch-size must be at least 2, not 1"),
        ("--batch-size", "161", "text/train.txt has 480 words, but batch-size 161 needs at least 483"),
        ("--batch-size", "65", "text/valid.txt has 128 words, but batch-size 65 needs at least 130"),
        ("--hidden", "0", "hidden must be at least 1, not 0"),
        ("--bptt", "0", "bptt must be at least 1, not 0"),
        ("--dropout-hidden", "1", "dropout-hidden must be from 0 to below 1, not 1"),
        ("--slowness-penalty", "-1", "slowness-penalty must be 0 or more, not -1"),
        ("--train-file", "none", "cannot read none: No such file or directory (os error 2)"),
        ("--data", "none", "cannot read none: No such file or directory (os error 2)"),
    ] {
        assert_eq!(refused(1, &["--device", "cpu", flag, value]), why);
    }
    // The columns are whole periods of a repeated text, so that all are always at the same word.
    fs::write(dir.path().join("alike"), "a b c d e\n".repeat(32)).unwrap();
    let alike = ["--train-file", "alike", "--device", "cpu", "--dropout-input", "0"];
    let apart = "all 8 columns of alike begin with \"a\", but BatchNorm cannot normalise states that are all the same: \
                 change batch-size, or set dropout-input above 0";
    assert_eq!(refused(1, &[&alike[..], &["--dropout-cell-input", "0"]].concat()), apart);
    document(&mut search(dir.path(), "apart", &alike));
    fs::write(dir.path().join("bad"), b"good\nba\xffd").unwrap();
    assert_eq!(refused(1, &["--valid-file", "bad"]), "bad is not UTF-8 text: byte 8, on line 2, is invalid");
    fs::write(dir.path().join("bad"), "\n").unwrap();
    assert_eq!(refused(1, &["--test-file", "bad"]), "bad has no words");
    fs::rename(dir.path().join("text/train.txt"), dir.path().join("all.txt")).unwrap();
    let missing = "text has no train text: train.txt or ptb.train.txt or wiki.train.tokens is missing, but a corpus \
                   needs train, valid and test";
    assert_eq!(refused(1, &[]), missing);
    document(&mut search(dir.path(), "found", &["--train-file", "all.txt", "--device", "cpu", "--epochs", "1"]));

    let fails = refusal(
        &mut search(
            dir.path(),
            "fails",
            &["--train-file", "all.txt", "--device", "cpu", "--quiet", "--learning-rate", "1e38"],
        ),
        1,
    );
    let hint = "a lower learning-rate or grad-clip usually helps; the last good checkpoint is the one after ";
    assert!(fails.contains(hint), "{fails}");
    assert_eq!(events(dir.path(), "fails").last(), Some(&Event::Failed { message: fails }));

    let arch = refusal(&mut train(dir.path(), "net", &["--train-file", "all.txt", "--arch", "NASNet"]), 1);
    let known =
        "NASNet is not a published recurrent cell (DARTS_V1, DARTS_V2, ENAS), a file, a run folder or a share code";
    assert_eq!(arch, known);
    assert_eq!(
        refusal(darts().args(["data", "fetch", "ptb", "--out", "here", "--source", "npm"]), 1),
        "--source is for cifar10; texts come from one place, or from --url"
    );
    let mut fetch = darts();
    fetch.current_dir(dir.path()).args([
        "data",
        "fetch",
        "ptb",
        "--out",
        "new",
        "--url",
        "http://127.0.0.1:1/",
        "--quiet",
    ]);
    let unreachable = refusal(&mut fetch, 1);
    assert!(unreachable.starts_with("cannot fetch http://127.0.0.1:1/ptb.train.txt: "), "{unreachable}");
    assert!(!dir.path().join("new").exists());
    fs::create_dir_all(dir.path().join("old/ptb")).unwrap();
    fs::write(dir.path().join("old/ptb/ptb.train.txt"), "mine").unwrap();
    let other = refusal(darts().current_dir(dir.path()).args(["data", "fetch", "ptb", "--out", "old"]), 1);
    assert!(other.starts_with("old/ptb/ptb.train.txt has MD5 "), "{other}");
    assert!(Run::<Convolutional>::open(dir.path().join("found")).is_err(), "a run on text is not one on images");
}

#[test]
fn recurrent_cells_are_shown_drawn_and_passed_on() {
    let dir = tempdir().unwrap();
    let text = |args: &[&str]| {
        let output = darts().current_dir(dir.path()).args(args).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let shown = text(&["genotype", "show", "DARTS_V2", "--recurrent"]);
    assert!(shown.starts_with("recurrent cell\n  node 1  = sigmoid   of first state\n"), "{shown}");
    assert_ne!(shown, text(&["genotype", "show", "DARTS_V2"]));
    let code = text(&["genotype", "code", "DARTS_V2", "--recurrent"]);
    assert_eq!(text(&["genotype", "decode", code.trim()]), shown);
    assert_eq!(text(&["genotype", "show", code.trim()]), shown);
    let python = text(&["genotype", "show", code.trim(), "--format", "python"]);
    fs::write(dir.path().join("cell.py"), &python).unwrap();
    assert!(python.starts_with("Genotype(recurrent=[('sigmoid', 0), "), "{python}");
    assert_eq!(text(&["genotype", "show", "cell.py"]), shown);
    let many = text(&["genotype", "random", "--recurrent", "--seed", "1", "--count", "3"]);
    assert_eq!(many.matches("recurrent cell\n").count(), 3);
    assert!(many.starts_with(&text(&["genotype", "random", "--recurrent", "--seed", "1"])));
    let table = refusal(darts().current_dir(dir.path()).args(["table", "cell.py"]), 1);
    assert_eq!(table, "cell.py has recurrent cells, but convolutional cells are needed");
    let damaged = refusal(darts().args(["genotype", "show", &code.trim().replace('s', "t")]), 1);
    assert!(damaged.contains("a character is wrong or missing"), "{damaged}");
}
