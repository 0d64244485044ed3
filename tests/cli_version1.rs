//! The program with runs, weights and cells of version 1; see `version1.rs`.

mod cli;

use cli::{darts, document, refusal};
use darts_engine::{
    checkpoint::Checkpoint,
    event::Event,
    run::{Run, space_of_run},
    space::{CONVOLUTIONAL, Convolutional, Recurrent},
};
use darts_tests::{files, relative_distance};
use serde_json::Value;
use std::{fs, path::Path, process::Command};
use tempfile::{TempDir, tempdir};

/// Interrupted runs, and the commands that resume them.
const INTERRUPTED: [(&str, [&str; 2]); 7] = [
    ("conv-interrupted", ["search", "conv"]),
    ("recurrent-interrupted", ["search", "recurrent"]),
    ("recurrent-frozen", ["search", "recurrent"]),
    ("images-interrupted", ["train", "cifar10"]),
    ("pictures-interrupted", ["train", "imagenet"]),
    ("text-interrupted", ["train", "ptb"]),
    ("text-averaged", ["train", "ptb"]),
];

/// Writable copy of all runs of version 1.
fn copy() -> TempDir {
    fn copy(from: &Path, to: &Path) {
        fs::create_dir_all(to).unwrap();
        for file in files(from) {
            let (from, to) = (from.join(&file), to.join(&file));
            if from.is_dir() { copy(&from, &to) } else { fs::copy(from, to).map(drop).unwrap() }
        }
    }
    let dir = tempdir().unwrap();
    copy(&Path::new(env!("CARGO_MANIFEST_DIR")).join("version1"), dir.path());
    dir
}

fn command(dir: &Path, words: &[&str]) -> Command {
    let mut command = darts();
    command.current_dir(dir).args(words);
    command
}

fn events(run: &Path) -> Vec<Event> {
    let events = match space_of_run(run).unwrap() == CONVOLUTIONAL {
        true => Run::<Convolutional>::open(run).unwrap().events(),
        false => Run::<Recurrent>::open(run).unwrap().events(),
    };
    events.unwrap().map(Result::unwrap).collect()
}

#[test]
fn every_interrupted_run_is_resumed_to_its_end() {
    let dir = copy();
    for (run, what) in INTERRUPTED {
        let folder = dir.path().join(run);
        let log = fs::read(folder.join("events.jsonl")).unwrap();
        let output = command(dir.path(), &what).args(["--resume", run]).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{run}: {error}");
        assert!(error.starts_with(&format!("{run} resumes after ")), "{error}");
        let now = fs::read(folder.join("events.jsonl")).unwrap();
        assert!(now.starts_with(&log), "{run}: what was reported before stays as it is");
        let end = events(&folder);
        assert!(matches!(end.last(), Some(Event::Finished { .. } | Event::TrainFinished { .. })), "{:?}", end.last());

        // The last checkpoint is close to the end state of version 1.
        let checkpoints = folder.join("checkpoints");
        let last = files(&checkpoints).into_iter().rfind(|file| file.starts_with("step-")).unwrap();
        let expected = dir.path().join("resumed").join(run).join("end.checkpoint");
        let [found, expected] =
            [checkpoints.join(last), expected].map(|file| Checkpoint::from_bytes(&fs::read(file).unwrap()).unwrap());
        assert_eq!(found.step, expected.step, "{run}");
        for ((name, found), (of, expected)) in found.state.tensors().zip(expected.state.tensors()) {
            let distance = relative_distance(found, expected);
            assert!(name == of && distance < 1e-3, "{run}: {name} is {distance:.1e} from {of}");
        }

        // Resumed again: it is finished, and its checkpoints are those of this version.
        let again = command(dir.path(), &what).args(["--resume", run]).output().unwrap();
        let error = String::from_utf8(again.stderr).unwrap();
        assert!(again.status.success() && error.contains(&format!("{run} is finished:")), "{error}");
    }
}

#[test]
fn finished_runs_are_shown_and_other_settings_refused() {
    let dir = copy();
    for (run, what) in [("conv-finished", ["search", "conv"]), ("recurrent-finished", ["search", "recurrent"])] {
        let shown = document(command(dir.path(), &what).args(["--resume", run]));
        let cells = fs::read(dir.path().join(run).join("genotype.json")).unwrap();
        assert_eq!(shown["genotype"], serde_json::from_slice::<Value>(&cells).unwrap());
        assert_eq!(shown["epochs"], 2);
    }
    for (run, what) in INTERRUPTED {
        let file = dir.path().join(run).join("config.json");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replacen("\"batch_size\": ", "\"batch_size\": 1", 1)).unwrap();
        let refused = refusal(command(dir.path(), &what).args(["--resume", run]), 1);
        assert!(refused.starts_with(&format!("{run}/config.json was changed since ")), "{refused}");
    }
}

#[test]
fn weights_test_as_they_did() {
    let dir = copy();
    let tests: Value = serde_json::from_slice(&fs::read(dir.path().join("tests.json")).unwrap()).unwrap();
    for (weights, then) in tests.as_object().unwrap() {
        let run = weights.split_once('/').unwrap().0;
        let (what, data) =
            if run.starts_with("text") { (["test", "ptb"], "text") } else { (["test", "cifar10"], "few.packed") };
        let mut test = command(dir.path(), &what);
        test.args(["--weights", weights, "--arch", run, "--data", data, "--device", "cpu"]);
        let now = document(&mut test);
        assert_eq!((&now["test"]["wrong"], &now["test"]["images"]), (&then["test"]["wrong"], &then["test"]["images"]));
        let loss = |of: &Value| of["test"]["loss"].as_f64().unwrap();
        assert!((loss(&now) - loss(then)).abs() < 1e-4 * loss(then), "{weights}: {now} {then}");
    }
    assert_eq!(tests.as_object().unwrap().len(), 4);
}

#[test]
fn codes_are_shown_as_the_cells_that_they_were() {
    let dir = copy();
    let cells: Vec<Value> = serde_json::from_slice(&fs::read(dir.path().join("cells.json")).unwrap()).unwrap();
    for cell in &cells {
        let code = cell["code"].as_str().unwrap();
        let coded = document(&mut command(dir.path(), &["genotype", "decode", code]));
        assert_eq!(coded, cell["genotype"], "{code}");
    }
    for run in ["conv-finished", "recurrent-finished"] {
        let shown = document(&mut command(dir.path(), &["genotype", "show", run]));
        assert!(cells.iter().any(|cell| cell["name"] == run && cell["genotype"] == shown), "{run}");
    }
}
