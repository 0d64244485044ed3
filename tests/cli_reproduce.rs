//! `darts reproduce`, run as a program.

mod cli;

use cli::{darts, document, refusal};
use darts_engine::{
    run::Run,
    space::{CONVOLUTIONAL, Convolutional, Genotype, RECURRENT, Recurrent},
};
use darts_tests::{files, write_texts};
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, SystemTime},
};
use tempfile::{TempDir, tempdir};

fn folder() -> TempDir {
    let dir = tempdir().unwrap();
    let mut subset = darts();
    subset.args(["data", "subset", "--data", "textures", "--train-images", "40", "--test-images", "20", "--out"]);
    assert!(subset.arg(dir.path().join("few.packed")).output().unwrap().status.success());
    dir
}

/// Two searches of each order, or three random cells, at the smallest sizes.
fn reproduce(dir: &Path, out: &str, more: &[&str]) -> Command {
    let mut command = darts();
    command.current_dir(dir).args(["reproduce", "cifar10", "--data", "few.packed", "--out", out, "--seed", "7"]);
    command.args(["--searches", "2", "--random-cells", "3", "--runs", "2", "--train-device", "cpu"]);
    command.args(["--search-epochs", "1", "--search-batch-size", "10", "--search-init-channels", "2"]);
    command.args(["--search-layers", "2", "--epochs", "1", "--brief-epochs", "1", "--batch-size", "10"]);
    command.args(["--init-channels", "2", "--layers", "2"]).args(more);
    command
}

fn changed(path: &Path) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

#[test]
fn the_protocol_runs_once_and_resumes() {
    let dir = folder();
    let searchers = ["--searcher", "first,random"];
    let mut report = document(&mut reproduce(dir.path(), "out", &searchers));
    let out = dir.path().join("out");
    assert_eq!(files(&out), ["first", "random", "report.json"]);
    let (first, random) = (&report["rows"][0], &report["rows"][1]);
    assert_eq!((&first["searcher"], &random["searcher"]), (&json!("first"), &json!("random")));

    // The best cells of each row by validation were trained, and the printed figures follow from them.
    for (row, count) in [(first, 2), (random, 3)] {
        let candidates = row["candidates"].as_array().unwrap();
        assert_eq!(candidates.len(), count);
        let wrong = |candidate: &Value| candidate["brief"]["wrong"].as_u64().unwrap();
        assert!(candidates.iter().all(|candidate| candidate["brief"]["images"] == json!(20)), "the images held out");
        let best = (0..count).min_by_key(|&i| wrong(&candidates[i])).unwrap();
        for (i, candidate) in candidates.iter().enumerate() {
            let runs = candidate["runs"].as_array().unwrap();
            assert_eq!(runs.len(), if i == best { 2 } else { 0 });
            assert!(runs.iter().all(|run| run["images"] == json!(20)));
        }
        let errors: Vec<f64> = candidates[best]["runs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|run| 5.0 * run["wrong"].as_f64().unwrap())
            .collect();
        let (mean, half) = ((errors[0] + errors[1]) / 2.0, (errors[0] - errors[1]).abs() / 2.0);
        assert!((row["test_error"].as_f64().unwrap() - mean).abs() < 1e-9);
        assert!((row["deviation"].as_f64().unwrap() - half * 2f64.sqrt()).abs() < 1e-9, "of two values");
        assert_eq!(row["runs"], json!(2));
        assert!(row["search_days"].as_f64().unwrap() > 0.0 && row["training_days"].as_f64().unwrap() > 0.0);
        let best = best + 1;
        let name = row["searcher"].as_str().unwrap();
        let mut expected: Vec<String> = (1..=count).map(|i| format!("brief-{i}")).collect();
        if name == "first" {
            expected.extend(["search-1".to_owned(), "search-2".to_owned()]);
        }
        expected.extend([format!("train-{best}-1"), format!("train-{best}-2")]);
        assert_eq!(files(&out.join(name)), expected);
    }
    let cells: Vec<Genotype> = serde_json::from_value(
        random["candidates"].as_array().unwrap().iter().map(|c| c["genotype"].clone()).collect(),
    )
    .unwrap();
    assert_eq!(cells, Genotype::random(CONVOLUTIONAL, 7, 3).collect::<Vec<_>>());
    assert_eq!(random["selection_days"], json!(0.0), "for random search that is the search");
    let searched = Run::<Convolutional>::open(out.join("first/search-2")).unwrap();
    assert_eq!(searched.config.search.as_ref().unwrap().seed, 8);
    assert_eq!(serde_json::to_value(searched.genotype().unwrap()).unwrap(), first["candidates"][1]["genotype"]);
    let scaled: Vec<&str> =
        report["scaled"].as_array().unwrap().iter().map(|scaled| scaled["what"].as_str().unwrap()).collect();
    assert!(["training images", "searches", "epochs", "cells", "runs"].iter().all(|what| scaled.contains(what)));

    // A second run repeats no stage, and the report is the same.
    let stage = out.join("first/search-1/events.jsonl");
    let before = changed(&stage);
    let again = reproduce(dir.path(), "out", &searchers).output().unwrap();
    let (text, remarks) = (String::from_utf8(again.stdout).unwrap(), String::from_utf8(again.stderr).unwrap());
    assert_eq!(remarks.matches(": already done").count(), 11, "{remarks}");
    assert_eq!(changed(&stage), before);
    let written: Value = serde_json::from_slice(&fs::read(out.join("report.json")).unwrap()).unwrap();
    assert_eq!(written, report);
    assert!(text.contains("DARTS (first order) + cutout") && text.contains("3.00 \u{b1} 0.14"), "{text}");
    assert!(text.contains("These sizes differ from the paper's") && text.contains("epochs 1 (600)"), "{text}");
    assert!(text.contains(" than random (standard error of the difference "), "{text}");

    // An interrupted stage is repeated, with the same result.
    fs::rename(out.join("random/brief-2"), out.join("random/brief-2.unfinished")).unwrap();
    fs::remove_file(out.join("random/brief-2.unfinished/events.jsonl")).unwrap();
    let mut once_more = document(&mut reproduce(dir.path(), "out", &searchers));
    for report in [&mut report, &mut once_more] {
        for seconds in ["search_days", "training_days"] {
            report["rows"][1].as_object_mut().unwrap().remove(seconds);
        }
        for candidate in report["rows"][1]["candidates"].as_array_mut().unwrap() {
            candidate["brief"].as_object_mut().unwrap().remove("seconds");
        }
    }
    assert_eq!(once_more, report);
    assert!(!files(&out.join("random")).iter().any(|name| name.ends_with(".unfinished")));
}

#[test]
fn all_cells_may_be_trained_and_other_settings_are_another_reproduction() {
    let dir = folder();
    let report = document(&mut reproduce(dir.path(), "out", &["--searcher", "random", "--select", "all"]));
    let row = &report["rows"][0];
    assert_eq!(row["runs"], json!(6));
    assert!(row["candidates"].as_array().unwrap().iter().all(|candidate| candidate.get("brief").is_none()));
    assert_eq!(files(&dir.path().join("out/random")).len(), 6);

    let other = reproduce(dir.path(), "out", &["--searcher", "random", "--select", "all", "--quiet"]);
    let mut changed = darts();
    changed.current_dir(dir.path()).args(other.get_args().map(|arg| if arg == "7" { "8".as_ref() } else { arg }));
    let error = refusal(&mut changed, 1);
    assert_eq!(error, "out/random/train-1-1 was made with other settings; name another folder or move it away");
    let twice = refusal(&mut reproduce(dir.path(), "new", &["--order", "first,first"]), 1);
    assert_eq!(twice, "--searcher names the same searcher twice");
    let none = refusal(&mut reproduce(dir.path(), "new", &["--searcher", "genetic"]), 2);
    assert!(none.starts_with("invalid value 'genetic' for '--searcher <"), "{none}");
    assert!(!dir.path().join("new").exists());
}

/// Two searches, three random cells and ENAS's on a small corpus.
fn reproduce_text(dir: &Path, out: &str, more: &[&str]) -> Command {
    let mut command = darts();
    command.current_dir(dir).args([
        "reproduce",
        "ptb",
        "--data",
        "text",
        "--out",
        out,
        "--seed",
        "7",
        "--device",
        "cpu",
    ]);
    command.args(["--searcher", "first,random,ENAS", "--searches", "2", "--random-cells", "3", "--runs", "2"]);
    command.args(["--search-epochs", "1", "--search-batch-size", "8", "--search-hidden", "4", "--search-bptt", "8"]);
    command.args(["--brief-epochs", "1", "--epochs", "2", "--batch-size", "8", "--hidden", "5", "--bptt", "8"]);
    command.args(more);
    command
}

/// A report without times.
fn without_times(mut report: Value) -> Value {
    for row in report["rows"].as_array_mut().unwrap() {
        for days in ["search_days", "selection_days", "training_days"] {
            row.as_object_mut().unwrap().remove(days);
        }
        for candidate in row["candidates"].as_array_mut().unwrap() {
            candidate.as_object_mut().unwrap().remove("search_seconds");
            if let Some(brief) = candidate.get_mut("brief").and_then(Value::as_object_mut) {
                brief.remove("seconds");
            }
            for run in candidate["runs"].as_array_mut().unwrap() {
                run.as_object_mut().unwrap().remove("seconds");
            }
        }
    }
    report
}

#[test]
fn the_protocol_of_language_models_runs_once_and_resumes() {
    let dir = tempdir().unwrap();
    write_texts(&dir.path().join("text"));
    let report = document(&mut reproduce_text(dir.path(), "out", &[]));
    let out = dir.path().join("out");
    assert_eq!(files(&out), ["ENAS", "first", "random", "report.json"]);
    let rows = report["rows"].as_array().unwrap();
    let number = |value: &Value| value.as_f64().unwrap();
    for (row, (name, count)) in rows.iter().zip([("first", 2), ("random", 3), ("ENAS", 1)]) {
        assert_eq!(row["searcher"], json!(name));
        let candidates = row["candidates"].as_array().unwrap();
        assert_eq!(candidates.len(), count);
        // The best by validation perplexity is trained; a single one needs no selection.
        let brief = |i: &usize| candidates[*i]["brief"]["valid"]["loss"].as_f64().unwrap_or(0.0);
        let best = (0..count).min_by(|i, j| brief(i).total_cmp(&brief(j))).unwrap();
        assert!(candidates.iter().all(|candidate| candidate.get("brief").is_some() == (count > 1)));
        let trained: Vec<usize> = candidates.iter().map(|one| one["runs"].as_array().unwrap().len()).collect();
        assert_eq!(trained, (0..count).map(|i| if i == best { 2 } else { 0 }).collect::<Vec<_>>());
        let runs = candidates[best]["runs"].as_array().unwrap();
        for text in ["valid", "test"] {
            let of = |run: &Value| number(&run[text]["perplexity"]);
            let (mean, half) = ((of(&runs[0]) + of(&runs[1])) / 2.0, (of(&runs[0]) - of(&runs[1])).abs() / 2.0);
            assert!((number(&row[format!("{text}_perplexity")]) - mean).abs() < 1e-6 * mean, "JSON holds float32");
            assert!((number(&row[format!("{text}_deviation")]) - half * 2f64.sqrt()).abs() < 1e-6 * mean);
            assert!(half > 0.0, "each training has a seed of its own");
        }
        let stage = Run::<Recurrent>::open(out.join(format!("{name}/train-{}-1", best + 1))).unwrap();
        let weights = number(&candidates[best]["params"]);
        assert_eq!(number(&row["params"]), weights / 1e6);
        let started = stage.events().unwrap().next().unwrap().unwrap();
        assert_eq!(serde_json::to_value(started).unwrap()["parameters"], json!(weights as u64));
    }
    let cells = |row: &Value| -> Vec<Genotype> {
        let cells = row["candidates"].as_array().unwrap().iter().map(|candidate| candidate["genotype"].clone());
        cells.map(|cell| serde_json::from_value(cell).unwrap()).collect()
    };
    assert_eq!(cells(&rows[1]), Genotype::random(RECURRENT, 7, 3).collect::<Vec<_>>());
    assert_eq!(cells(&rows[2]), [RECURRENT.published("ENAS").unwrap()]);
    let searched = Run::<Recurrent>::open(out.join("first/search-2")).unwrap();
    assert_eq!(searched.config.search.as_ref().unwrap().seed, 8);
    assert_eq!(searched.genotype().unwrap(), cells(&rows[0])[1]);

    // The paper's figures are listed separately from the measured ones.
    let again = reproduce_text(dir.path(), "out", &[]).output().unwrap();
    let (text, remarks) = (String::from_utf8(again.stdout).unwrap(), String::from_utf8(again.stderr).unwrap());
    assert_eq!(remarks.matches(": already done").count(), 2 + 2 + 3 + 3 * 2, "{remarks}");
    let (measured, reported) = text.split_once("The paper reports, on Penn Treebank, table 2:").unwrap();
    assert!(measured.contains("measured here") && measured.contains("ENAS, as published"), "{text}");
    assert!(!measured.contains("55.7") && reported.contains("58.1             55.7"), "{text}");
    assert!(reported.contains("on WikiText-2, table 5:") && reported.contains("epochs 2 (8000)"), "{text}");
    let reported = report["reported_ptb"].as_array().unwrap();
    assert_eq!(reported.iter().filter(|row| row["cell"] == json!("DARTS_V2")).count(), 1);

    // An interrupted stage resumes from its checkpoint, and one that lost its log is repeated, with the same result.
    let mut cut = reproduce_text(dir.path(), "cut", &[]).stderr(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    let log = dir.path().join("cut/first/search-1.unfinished/events.jsonl");
    while fs::read(&log).map_or(0, |log| log.iter().filter(|byte| **byte == b'\n').count()) < 2 {
        assert!(cut.try_wait().unwrap().is_none());
        sleep(Duration::from_millis(2));
    }
    assert!(Command::new("kill").args(["-INT", &cut.id().to_string()]).status().unwrap().success());
    assert_eq!(cut.wait().unwrap().code(), Some(130));
    let resumed = reproduce_text(dir.path(), "cut", &[]).output().unwrap();
    let remarks = String::from_utf8(resumed.stderr).unwrap();
    assert!(remarks.contains("cut/first/search-1.unfinished resumes after "), "{remarks}");
    fs::rename(dir.path().join("cut/random/brief-2"), dir.path().join("cut/random/brief-2.unfinished")).unwrap();
    fs::remove_file(dir.path().join("cut/random/brief-2.unfinished/events.jsonl")).unwrap();
    let once_more = document(&mut reproduce_text(dir.path(), "cut", &[]));
    assert_eq!(without_times(once_more), without_times(report));
    assert!(!files(&dir.path().join("cut/random")).iter().any(|name| name.ends_with(".unfinished")));

    let same = reproduce_text(dir.path(), "out", &["--quiet"]);
    let mut other = darts();
    other.current_dir(dir.path()).args(same.get_args().map(|arg| if arg == "5" { "6".as_ref() } else { arg }));
    let error = refusal(&mut other, 1);
    assert_eq!(error, "out/first/brief-1 was made with other settings; name another folder or move it away");
}
