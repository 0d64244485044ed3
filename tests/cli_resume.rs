//! Runs that are killed, interrupted, damaged or run out of disk space, and then resumed.

mod cli;

use cli::{darts, document, refusal};
use darts_engine::{
    checkpoint::Checkpoint,
    event::Event,
    run::{CHECKPOINTS_FOLDER, Run},
    space::{Convolutional, Recurrent},
};
use darts_tests::{files, timeless, write_texts};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};
use tempfile::{TempDir, tempdir};

/// A folder with a few textures in `few.packed` and a small corpus in `text`.
fn folder() -> TempDir {
    let dir = tempdir().unwrap();
    let mut subset = darts();
    subset.args(["data", "subset", "--data", "textures", "--train-images", "40", "--test-images", "20", "--out"]);
    assert!(subset.arg(dir.path().join("few.packed")).output().unwrap().status.success());
    write_texts(&dir.path().join("text"));
    dir
}

/// A command in such a folder.
fn command(dir: &Path, what: &[&str], more: &[&str]) -> Command {
    let mut command = darts();
    command.current_dir(dir).args(what).args(more);
    command
}

const SEARCH: [&str; 2] = ["search", "conv"];
const TRAIN: [&str; 2] = ["train", "cifar10"];
const TEXT_SEARCH: [&str; 2] = ["search", "recurrent"];
const TEXT_TRAIN: [&str; 2] = ["train", "ptb"];

/// Settings of a search of eight steps in two epochs, without its channels.
const SMALL_SEARCH: [&str; 12] = [
    "--data",
    "few.packed",
    "--train-images",
    "17",
    "--batch-size",
    "2",
    "--layers",
    "3",
    "--epochs",
    "2",
    "--report-every",
    "3",
];
/// Fastest device and channels for a search of that size.
const ON_CPU: [&str; 4] = ["--device", "cpu", "--init-channels", "2"];

fn search(more: &[&'static str]) -> Vec<&'static str> {
    [&SMALL_SEARCH[..], &ON_CPU, more].concat()
}

/// Settings of a training run of ten steps in two epochs, with everything that draws random numbers.
fn training() -> Vec<&'static str> {
    let network = ["--arch", "DARTS_V2", "--init-channels", "4", "--layers", "3", "--batch-size", "8"];
    [&["--data", "few.packed", "--device", "cpu", "--epochs", "2", "--report-every", "1"], &network[..]].concat()
}

/// Settings of runs on text of some eight steps an epoch.
const SMALL_TEXT: [&str; 8] = ["--data", "text", "--batch-size", "8", "--hidden", "6", "--bptt", "8"];

fn text_search(more: &[&'static str]) -> Vec<&'static str> {
    [&SMALL_TEXT[..], &["--epochs", "2", "--report-every", "3"], more].concat()
}

/// Settings of six epochs, the last with averaged weights.
fn text_training(more: &[&'static str]) -> Vec<&'static str> {
    let training = ["--arch", "DARTS_V1", "--epochs", "6", "--patience", "1", "--report-every", "3", "--device", "cpu"];
    [&SMALL_TEXT[..], &training, more].concat()
}

/// Runs a command to its end and returns standard error.
fn done(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{error}");
    error
}

/// The events of a run on images or on text.
fn events(run: &Path) -> Vec<Event> {
    let events = match Run::<Convolutional>::open(run) {
        Ok(run) => run.events(),
        Err(_) => Run::<Recurrent>::open(run).unwrap().events(),
    };
    events.unwrap().map(Result::unwrap).collect()
}

/// Results of a run except times: events, and every file of weights or state.
fn left(run: &Path) -> (Vec<Value>, Vec<(String, Vec<u32>)>) {
    let events = events(run);
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect();
    let mut weights = Vec::new();
    let last = checkpoints(run).pop().expect("a checkpoint");
    let state = Checkpoint::from_bytes(&fs::read(last).unwrap()).unwrap().state;
    weights.extend(state.tensors().map(|(name, values)| (name.to_owned(), bits(values))));
    for file in files(run).into_iter().filter(|file| file.ends_with(".safetensors")) {
        let bytes = fs::read(run.join(&file)).unwrap().into_iter().map(u32::from).collect();
        weights.push((file, bytes));
    }
    (timeless(&events), weights)
}

/// Checkpoints of a run, the last one last.
fn checkpoints(run: &Path) -> Vec<PathBuf> {
    let folder = run.join(CHECKPOINTS_FOLDER);
    files(&folder).into_iter().filter(|file| file.starts_with("step-")).map(|file| folder.join(file)).collect()
}

fn step_of(checkpoint: &Path) -> usize {
    Checkpoint::from_bytes(&fs::read(checkpoint).unwrap()).unwrap().step
}

fn lines(run: &Path) -> usize {
    fs::read(run.join("events.jsonl")).map_or(0, |log| log.iter().filter(|byte| **byte == b'\n').count())
}

/// Starts a command whose output is not read.
fn spawn(command: &mut Command) -> Child {
    command.arg("--quiet").stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits until the log of a run has so many lines.
fn wait_for(run: &Path, count: usize, child: &mut Child) {
    let began = Instant::now();
    while lines(run) < count {
        assert!(child.try_wait().unwrap().is_none(), "it ended after {} lines", lines(run));
        assert!(began.elapsed() < Duration::from_secs(60), "{} lines in a minute", lines(run));
        sleep(Duration::from_millis(5));
    }
}

fn rounds(usual: usize) -> usize {
    std::env::var("DARTS_KILL_ROUNDS").map_or(usual, |text| text.parse().expect("DARTS_KILL_ROUNDS is a number"))
}

/// Kills a run repeatedly at random moments, resumes it each time, and compares it with an uninterrupted one.
fn killed_at_random(what: [&str; 2], settings: &[&str], kills: usize, seed: u64) {
    let dir = folder();
    let began = Instant::now();
    done(command(dir.path(), &what, settings).args(["--out", "whole", "--quiet"]));
    let took = began.elapsed();
    let whole = left(&dir.path().join("whole"));
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (run, mut killed, mut attempt) = (dir.path().join("killed"), 0, 0);
    while killed < kills {
        attempt += 1;
        // Some save after every step, others after epochs only.
        let minutes = if rng.random_bool(0.5) { "0" } else { "10" };
        let place = if run.join("config.json").exists() {
            command(dir.path(), &what, &["--resume", "killed", "--checkpoint-minutes", minutes])
        } else {
            command(dir.path(), &what, &[settings, &["--out", "killed", "--checkpoint-minutes", minutes]].concat())
        };
        let mut child = spawn(&mut { place });
        sleep(took.mul_f64(rng.random_range(0.0..1.1)));
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "attempt {attempt}: {}", stderr_of(child));
            // It finished: compare, and start over.
            same(&left(&run), &whole);
            fs::remove_dir_all(&run).unwrap();
            continue;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        killed += 1;
    }
    if !run.join("config.json").exists() {
        return;
    }
    done(&mut command(dir.path(), &what, &["--resume", "killed"]));
    same(&left(&run), &whole);
    assert!(!files(&run).iter().any(|file| file.starts_with(".darts-")), "{:?}", files(&run));
}

fn stderr_of(child: Child) -> String {
    String::from_utf8(child.wait_with_output().unwrap().stderr).unwrap()
}

fn same(found: &(Vec<Value>, Vec<(String, Vec<u32>)>), expected: &(Vec<Value>, Vec<(String, Vec<u32>)>)) {
    for (found, expected) in found.0.iter().zip(&expected.0) {
        assert_eq!(found, expected);
    }
    assert_eq!(found.0.len(), expected.0.len());
    for (found, expected) in found.1.iter().zip(&expected.1) {
        assert!(found == expected, "{} differs", found.0);
    }
    assert_eq!(found.1.len(), expected.1.len());
}

#[test]
fn a_search_on_fused_kernels_that_is_killed_resumes_bit_for_bit() {
    let settings = [&SMALL_SEARCH[..], &["--init-channels", "4", "--order", "second"]].concat();
    killed_at_random(SEARCH, &settings, rounds(2), 1);
}

#[test]
fn a_search_on_plain_ops_that_is_killed_resumes_bit_for_bit() {
    killed_at_random(SEARCH, &search(&["--order", "second"]), rounds(4), 2);
}

#[test]
fn a_training_run_that_is_killed_resumes_bit_for_bit() {
    killed_at_random(TRAIN, &training(), rounds(8), 3);
}

#[test]
fn a_text_search_that_is_killed_resumes_bit_for_bit() {
    killed_at_random(TEXT_SEARCH, &text_search(&["--order", "second", "--device", "cpu"]), rounds(4), 4);
}

#[test]
fn a_text_search_on_fused_kernels_that_is_killed_resumes_bit_for_bit() {
    let one_epoch = [&SMALL_TEXT[..], &["--epochs", "1", "--report-every", "3", "--kernels", "fused"]].concat();
    killed_at_random(TEXT_SEARCH, &one_epoch, rounds(2), 5);
}

#[test]
fn a_text_training_run_that_is_killed_resumes_bit_for_bit() {
    killed_at_random(TEXT_TRAIN, &text_training(&[]), rounds(6), 6);
}

#[test]
fn a_run_on_text_resumes_from_any_step() {
    let dir = folder();
    for (what, settings) in [
        (TEXT_SEARCH, text_search(&["--order", "first", "--device", "cpu"])),
        (TEXT_SEARCH, text_search(&["--order", "second", "--device", "cpu"])),
        (TEXT_TRAIN, text_training(&[])),
    ] {
        let every = ["--out", "whole", "--checkpoint-minutes", "0", "--keep", "99", "--quiet"];
        done(&mut command(dir.path(), &what, &[&settings[..], &every].concat()));
        let run = dir.path().join("whole");
        let whole = left(&run);
        let mut averaged = whole.0.iter().filter_map(|event| event["averaged"].as_bool());
        assert_eq!(averaged.next().is_some(), what == TEXT_TRAIN);
        assert!(what != TEXT_TRAIN || averaged.any(|averaged| averaged), "weights are averaged in the end");
        let last = step_of(checkpoints(&run).last().unwrap());
        for step in (1..last).step_by(last / 6) {
            copy(&run, "again", step);
            done(&mut command(dir.path(), &what, &["--resume", "again"]));
            same(&left(&dir.path().join("again")), &whole);
            fs::remove_dir_all(dir.path().join("again")).unwrap();
        }

        // Damaged checkpoints are skipped, and so are the events after the last intact one.
        let damaged = copy(&run, "damaged", 7);
        let checkpoint = |step: usize| damaged.join(CHECKPOINTS_FOLDER).join(format!("step-{step:09}.checkpoint"));
        let mut bytes = fs::read(checkpoint(7)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
        fs::write(checkpoint(7), &bytes).unwrap();
        fs::write(checkpoint(6), &bytes[..middle]).unwrap();
        let remarks = done(&mut command(dir.path(), &what, &["--resume", "damaged"]));
        assert_eq!(remarks.matches(" is truncated or corrupt: its checksum does not match\n").count(), 2, "{remarks}");
        assert!(remarks.contains("\ndamaged resumes after 5 steps; "), "{remarks}");
        same(&left(&damaged), &whole);

        // A run resumes only by its own command, and on its own text.
        copy(&run, "other", 5);
        let resume =
            |what: [&str; 2], more: &[&str]| command(dir.path(), &what, &[&["--resume", "other"], more].concat());
        let (other, holds) =
            if what == TEXT_TRAIN { (TEXT_SEARCH, "no search") } else { (TEXT_TRAIN, "no training run") };
        assert_eq!(refusal(&mut resume(other, &[]), 1), format!("other holds {holds}"));
        let kind = refusal(&mut resume(SEARCH, &[]), 1);
        assert_eq!(kind, "other has recurrent cells, but convolutional cells are needed");
        let fixed = refusal(&mut resume(what, &["--hidden", "7"]), 2);
        assert!(fixed.starts_with("--hidden does not go with --resume: "), "{fixed}");
        let (valid, moved) = (dir.path().join("text/valid.txt"), dir.path().join("moved.txt"));
        let text = fs::read_to_string(&valid).unwrap();
        fs::write(&valid, text.replacen("sees", "hears", 1)).unwrap();
        let changed = refusal(&mut resume(what, &[]), 1);
        let expected = "text/valid.txt is not the data of the run: it is a text of 128 words and CRC-32 ";
        assert!(changed.starts_with(expected), "{changed}");
        fs::write(&moved, text.replace('\n', " \n")).unwrap();
        let again = done(&mut resume(what, &["--valid-file", "moved.txt"]));
        assert!(again.starts_with("other resumes after 5 steps; "), "{again}");
        same(&left(&dir.path().join("other")), &whole);
        fs::write(&valid, text).unwrap();
        for run in ["whole", "damaged", "other"] {
            fs::remove_dir_all(dir.path().join(run)).unwrap();
        }
    }
}

#[test]
#[cfg(unix)]
fn an_interrupted_run_on_text_saves_its_step_and_resumes() {
    let dir = folder();
    let run = dir.path().join("run");
    let long = ["--device", "cpu", "--epochs", "12", "--report-every", "1"];
    for (what, more) in [(TEXT_SEARCH, &[][..]), (TEXT_TRAIN, &["--arch", "DARTS_V1", "--patience", "1"])] {
        let settings = |out| [&SMALL_TEXT[..], &long, more, &["--out", out]].concat();
        let mut child = spawn(&mut command(dir.path(), &what, &settings("run")));
        wait_for(&run, 3, &mut child);
        let busy = refusal(&mut command(dir.path(), &what, &["--resume", "run"]), 1);
        assert_eq!(busy, "run is being written by another process");
        assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
        let output = child.wait_with_output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(130), "{error}");
        let step = step_of(checkpoints(&run).last().unwrap());
        assert_eq!(error, format!("darts: interrupted after {step} steps, all saved; --resume continues from there\n"));
        let remarks = done(&mut command(dir.path(), &what, &["--resume", "run"]));
        assert!(remarks.starts_with(&format!("run resumes after {step} steps\n")), "{remarks}");
        done(command(dir.path(), &what, &settings("whole")).arg("--quiet"));
        same(&left(&run), &left(&dir.path().join("whole")));
        let shown = document(&mut command(dir.path(), &what, &["--resume", "run"]));
        assert_eq!(shown["epochs"], Value::from(12), "the result of a finished run is shown again");
        for run in ["run", "whole"] {
            fs::remove_dir_all(dir.path().join(run)).unwrap();
        }
    }
}

#[test]
#[cfg(unix)]
fn an_interrupted_run_saves_its_step_and_resumes() {
    let dir = folder();
    let at = |out| search(&["--out", out]);
    done(&mut command(dir.path(), &SEARCH, &at("whole")));
    let run = dir.path().join("run");
    let mut first = at("run");
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        let before = lines(&run);
        let mut child = spawn(&mut command(dir.path(), &SEARCH, &first));
        wait_for(&run, before.max(1) + 1, &mut child);
        let sent = Command::new("kill").args([&format!("-{signal}"), &child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let output = child.wait_with_output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{error}");
        let step = step_of(checkpoints(&run).last().unwrap());
        let plural = if step == 1 { "" } else { "s" };
        assert_eq!(
            error,
            format!("darts: interrupted after {step} step{plural}, all saved; --resume continues from there\n")
        );
        let events = events(&run);
        assert!(matches!(events.last(), Some(Event::Step { .. } | Event::Epoch { .. })), "{:?}", events.last());
        first = vec!["--resume", "run"];
    }
    let error = done(&mut command(dir.path(), &SEARCH, &first));
    assert!(error.starts_with("run resumes after "), "{error}");
    same(&left(&run), &left(&dir.path().join("whole")));

    // Times add up over all parts.
    let events = events(&run);
    let steps: f64 =
        events.iter().map(|event| if let Event::Step { seconds, .. } = event { *seconds } else { 0.0 }).sum();
    let Some(Event::Finished { seconds, .. }) = events.last() else { panic!("{:?}", events.last()) };
    assert!((seconds - steps).abs() < 1e-6 * steps, "{seconds} in all, {steps} in steps");

    // The result of a finished run is shown again.
    let shown = document(&mut command(dir.path(), &SEARCH, &["--resume", "run"]));
    assert_eq!((&shown["epochs"], shown["seconds"].as_f64()), (&2.into(), Some(*seconds)));
    assert_eq!(
        shown["genotype"],
        serde_json::to_value(Run::<Convolutional>::open(&run).unwrap().genotype().unwrap()).unwrap()
    );
}

/// Runs a search in `dir/whole` that keeps a checkpoint of each of its eight steps.
fn kept(dir: &Path) -> PathBuf {
    let every = ["--out", "whole", "--checkpoint-minutes", "0", "--keep", "99", "--quiet"];
    done(&mut command(dir, &SEARCH, &search(&every)));
    let run = dir.join("whole");
    assert_eq!(checkpoints(&run).iter().map(|file| step_of(file)).collect::<Vec<_>>(), (0..=8).collect::<Vec<_>>());
    run
}

/// Copy of a run after `step` steps, with the log of all steps.
fn copy(run: &Path, name: &str, step: usize) -> PathBuf {
    let to = run.with_file_name(name);
    fs::create_dir_all(to.join(CHECKPOINTS_FOLDER)).unwrap();
    for file in files(run).into_iter().filter(|file| file != CHECKPOINTS_FOLDER) {
        fs::copy(run.join(&file), to.join(file)).unwrap();
    }
    for file in checkpoints(run).iter().filter(|file| step_of(file) <= step) {
        fs::copy(file, to.join(CHECKPOINTS_FOLDER).join(file.file_name().unwrap())).unwrap();
    }
    to
}

#[test]
fn damaged_files_are_skipped_and_the_last_intact_state_is_used() {
    let dir = folder();
    let run = kept(dir.path());
    let whole = left(&run);
    let resume = |name: &str| command(dir.path(), &SEARCH, &["--resume", name]);
    let change = |file: &Path, change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = fs::read(file).unwrap();
        change(&mut bytes);
        fs::write(file, bytes).unwrap();
    };
    let checkpoint = |step: usize| format!("checkpoints/step-{step:09}.checkpoint");

    // Events after the checkpoint are discarded.
    let six = copy(&run, "six", 6);
    fs::write(six.join(".darts-abc"), "half").unwrap();
    fs::write(six.join("checkpoints/.darts-def"), "half").unwrap();
    let remarks = done(&mut resume("six"));
    assert!(
        remarks.starts_with("six resumes after 6 steps; 4 lines of its log after that will be written again\n"),
        "{remarks}"
    );
    same(&left(&six), &whole);
    assert_eq!(files(&six), ["checkpoints", "config.json", "events.jsonl", "genotype.json"]);
    // Three checkpoints are kept by default.
    assert_eq!(
        files(&six.join("checkpoints")),
        ["lock", "step-000000005.checkpoint", "step-000000006.checkpoint", "step-000000008.checkpoint"]
    );

    // A flipped bit, a truncated file, an empty file, and a log truncated in the middle of a line.
    let bits = copy(&run, "bits", 6);
    change(&bits.join(checkpoint(6)), &|bytes| {
        let middle = bytes.len() / 2;
        bytes[middle] ^= 4;
    });
    change(&bits.join(checkpoint(5)), &|bytes| bytes.truncate(bytes.len() - 1));
    change(&bits.join(checkpoint(4)), &Vec::clear);
    change(&bits.join("events.jsonl"), &|bytes| bytes.truncate(bytes.len() - 40));
    let remarks = done(&mut resume("bits"));
    let corrupt = "is truncated or corrupt: its checksum does not match";
    let expected = [6, 5, 4].map(|step| format!("skipped: bits/{} {corrupt}\n", checkpoint(step))).concat();
    assert!(remarks.starts_with(&(expected + "bits resumes after 3 steps; 8 lines of its log ")), "{remarks}");
    same(&left(&bits), &whole);

    // A log that is shorter than at the checkpoint.
    let log = copy(&run, "log", 3);
    let events = fs::read(log.join("events.jsonl")).unwrap();
    let ends: Vec<usize> = (0..events.len()).filter(|&at| events[at] == b'\n').collect();
    fs::write(log.join("events.jsonl"), &events[..ends[2] + 20]).unwrap();
    let remarks = done(&mut resume("log"));
    assert!(remarks.starts_with(&format!("skipped: log/events.jsonl: has only {} of the ", ends[2] + 20)), "{remarks}");
    assert!(
        remarks.contains("\nlog resumes after 2 steps; 1 line of its log after that will be written again\n"),
        "{remarks}"
    );
    same(&left(&log), &whole);

    // Without a usable checkpoint, the run is refused and stays as it is.
    let none = copy(&run, "none", 1);
    change(&none.join("events.jsonl"), &|bytes| bytes[5] ^= 1);
    let before = fs::read(none.join("events.jsonl")).unwrap();
    let changed = "none/events.jsonl: was changed in the part that the checkpoint covers";
    assert_eq!(refusal(&mut resume("none"), 1), format!("none cannot be resumed: {changed}; {changed}"));
    fs::remove_dir_all(none.join("checkpoints")).unwrap();
    assert_eq!(refusal(&mut resume("none"), 1), "none cannot be resumed: it has no checkpoint");
    assert_eq!(fs::read(none.join("events.jsonl")).unwrap(), before);

    // A run that stopped before its first step.
    let new = copy(&run, "new", 0);
    fs::remove_dir_all(new.join("checkpoints")).unwrap();
    fs::write(new.join("events.jsonl"), &events[..30]).unwrap();
    let remarks = done(&mut resume("new"));
    assert!(remarks.starts_with("new starts anew; 1 line of its log after that will be written again\n"), "{remarks}");
    same(&left(&new), &whole);
}

#[test]
fn a_run_resumes_with_its_own_settings() {
    let dir = folder();
    let run = kept(dir.path());
    let resume = |name: &str, more: &[&str]| command(dir.path(), &SEARCH, &[&["--resume", name], more].concat());
    copy(&run, "run", 4);
    for (flag, value) in [("--epochs", "3"), ("--batch-size", "2"), ("--out", "other"), ("--device", "cpu")] {
        let error = refusal(&mut resume("run", &[flag, value]), 2);
        let expected =
            format!("{flag} does not go with --resume: the run keeps the settings in its config.json (see --help)");
        assert_eq!(error, expected);
    }
    let error = refusal(&mut resume("run", &["--data", "textures"]), 1);
    assert!(error.starts_with("textures is not the data of the run: it is textures, 2000 training and "), "{error}");
    let error = refusal(&mut command(dir.path(), &TRAIN, &["--resume", "run"]), 1);
    assert_eq!(error, "run holds no training run on CIFAR-10");
    let error = refusal(&mut resume("nowhere", &[]), 1);
    assert_eq!(error, "cannot read nowhere/config.json: No such file or directory (os error 2)");
    fs::create_dir(dir.path().join("empty")).unwrap();
    assert_eq!(refusal(&mut resume("empty", &[]), 1), "empty holds no run: it has no config.json");
    assert!(files(&dir.path().join("empty")).is_empty());
    let needed = refusal(&mut command(dir.path(), &SEARCH, &[]), 2);
    assert!(needed.contains("required arguments were not provided: --data <PATH> --out <RUN>"), "{needed}");
    for (flag, value) in [("--keep", "0"), ("--checkpoint-minutes", "-1"), ("--checkpoint-minutes", "nan")] {
        let error = refusal(&mut resume("run", &[&format!("{flag}={value}")]), 2);
        assert!(error.starts_with(&format!("invalid value '{value}' for '{flag} <")), "{error}");
    }

    // The data may have moved.
    fs::create_dir(dir.path().join("moved")).unwrap();
    fs::rename(dir.path().join("few.packed"), dir.path().join("moved/data")).unwrap();
    let error = refusal(&mut resume("run", &[]), 1);
    assert_eq!(error, "cannot read few.packed: No such file or directory (os error 2)");
    done(&mut resume("run", &["--data", "moved/data", "--keep", "1"]));
    same(&left(&dir.path().join("run")), &left(&run));
    assert_eq!(files(&dir.path().join("run/checkpoints")), ["lock", "step-000000008.checkpoint"]);

    let other = copy(&run, "other", 4);
    let config = fs::read_to_string(other.join("config.json")).unwrap();
    fs::write(other.join("config.json"), config.replace("\"epochs\": 2", "\"epochs\": 3")).unwrap();
    let error = refusal(&mut resume("other", &["--data", "moved/data"]), 1);
    let expected = "other/config.json was changed since other/checkpoints/step-000000004.checkpoint was written, but a run \
                    resumes only with the settings that it began with";
    assert_eq!(error, expected);
}

#[test]
fn a_folder_has_one_writer() {
    let dir = folder();
    let settings: Vec<&str> =
        search(&["--out", "run"]).into_iter().map(|word| if word == "17" { "40" } else { word }).collect();
    let mut child = spawn(&mut command(dir.path(), &SEARCH, &settings));
    wait_for(&dir.path().join("run"), 2, &mut child);
    let error = refusal(&mut command(dir.path(), &SEARCH, &["--resume", "run"]), 1);
    let exists = refusal(&mut command(dir.path(), &SEARCH, &settings), 1);
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(error, "run is being written by another process");
    assert_eq!(exists, "run already holds a run; name another folder or move it away");
}

#[test]
fn numbers_that_are_not_finite_leave_the_last_good_state() {
    let dir = folder();
    let wild = ["--out", "run", "--learning-rate", "1e30", "--checkpoint-minutes", "0", "--quiet"];
    for (what, settings, hint) in [
        (SEARCH, search(&[]), "a lower learning-rate, grad-clip or arch-learning-rate usually helps"),
        (TRAIN, training(), "a lower learning-rate or grad-clip usually helps"),
        (TEXT_SEARCH, text_search(&["--device", "cpu"]), "a lower learning-rate or grad-clip usually helps"),
        (TEXT_TRAIN, text_training(&[]), "a lower learning-rate or grad-clip usually helps"),
    ] {
        let error = refusal(&mut command(dir.path(), &what, &[&settings[..], &wild].concat()), 1);
        let run = dir.path().join("run");
        let step = step_of(checkpoints(&run).last().unwrap());
        let plural = if step == 1 { "" } else { "s" };
        let end = format!("{hint}; the last good checkpoint is the one after {step} step{plural}");
        assert!(error.contains(&format!(" at step {step} of epoch 0: ")) && error.ends_with(&end), "{error}");
        assert_eq!(events(&run).pop(), Some(Event::Failed { message: error }));
        // No file of weights holds a number that is not finite.
        for file in checkpoints(&run) {
            assert_eq!(Checkpoint::from_bytes(&fs::read(file).unwrap()).unwrap().state.not_finite(), None);
        }
        assert!(!run.join("last.safetensors").exists());
        fs::remove_dir_all(run).unwrap();
    }
}

/// File system of one mebibyte, where this user may mount one.
#[cfg(target_os = "linux")]
struct SmallDisk(PathBuf);

#[cfg(target_os = "linux")]
impl SmallDisk {
    fn mount(at: &Path) -> Option<Self> {
        fs::create_dir(at).unwrap();
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"]).arg(at);
        let mounted = mount.stderr(Stdio::null()).status().is_ok_and(|status| status.success());
        mounted.then(|| Self(at.to_owned()))
    }

    fn remount(&self, options: &str) {
        let options = format!("remount,{options}");
        assert!(Command::new("mount").args(["-o", &options]).arg(&self.0).status().unwrap().success());
    }
}

#[cfg(target_os = "linux")]
impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_stops_a_run_that_then_resumes() {
    let dir = folder();
    let settings = |out: &'static str| search(&["--out", out, "--checkpoint-minutes", "0", "--keep", "99", "--quiet"]);
    done(&mut command(dir.path(), &SEARCH, &settings("whole")));
    let whole = left(&dir.path().join("whole"));
    let Some(disk) = SmallDisk::mount(&dir.path().join("disk")) else {
        // Without the right to mount, a limit on file sizes stands in for it.
        let limited = "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\"";
        let darts = command(dir.path(), &SEARCH, &settings("run"));
        let mut shell = Command::new("sh");
        shell.current_dir(dir.path()).args(["-c", limited]).arg(darts.get_program()).args(darts.get_args());
        let error = refusal(&mut shell, 1);
        assert!(error.starts_with("cannot write run/") && error.contains("File too large"), "{error}");
        done(&mut command(dir.path(), &SEARCH, &["--resume", "run"]));
        return same(&left(&dir.path().join("run")), &whole);
    };
    let error = refusal(&mut command(dir.path(), &SEARCH, &settings("disk/run")), 1);
    let run = dir.path().join("disk/run");
    let step = step_of(checkpoints(&run).last().unwrap());
    assert!(step > 0, "some checkpoints fit");
    let expected = format!(
        "cannot write disk/run/checkpoints/step-{:09}.checkpoint: No space left on device (os error 28); the last good \
         checkpoint is the one after {step} step",
        step + 1
    );
    assert!(error.starts_with(&expected), "{error}");
    assert!(checkpoints(&run).iter().all(|file| Checkpoint::from_bytes(&fs::read(file).unwrap()).is_ok()));
    // A read-only file system.
    disk.remount("ro");
    let error = refusal(&mut command(dir.path(), &SEARCH, &["--resume", "disk/run"]), 1);
    assert_eq!(error, "cannot write disk/run/checkpoints/lock: Read-only file system (os error 30)");
    let error = refusal(&mut command(dir.path(), &SEARCH, &settings("disk/other")), 1);
    assert_eq!(error, "cannot write disk/other: Read-only file system (os error 30)");
    disk.remount("rw,size=20m");
    done(&mut command(dir.path(), &SEARCH, &["--resume", "disk/run"]));
    same(&left(&run), &whole);
}
