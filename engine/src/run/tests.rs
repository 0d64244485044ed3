use super::{files::MAX_TEXT_BYTES, *};
use crate::{
    config::SearchConfig,
    device::DeviceChoice,
    event::{Event, Measure},
    space::{Alphas, CONVOLUTIONAL, Convolutional, Genotype},
};
use std::{fs, path::Path, process::Command};

type ConvRun = Run<Convolutional>;

fn published(name: &str) -> Genotype {
    CONVOLUTIONAL.published(name).unwrap()
}

fn config() -> RunConfig<Convolutional> {
    RunConfig {
        engine: "1.2.3".into(),
        space: CONVOLUTIONAL,
        device: DeviceChoice::Auto,
        data: DataSource {
            path: "here".into(),
            name: "textures".into(),
            train_images: 10,
            test_images: 2,
            image_size: 32,
            crc32: u32::MAX,
        },
        search: Some(SearchConfig { learning_rate: 0.1 + 0.2, train_images: Some(7), ..SearchConfig::default() }),
        train: None,
        genotype: None,
    }
}

fn step(step: usize) -> Event {
    let train = Measure::images(0.1 + step as f32, 1.0 / 3.0);
    Event::Step {
        epoch: 0,
        step,
        row: None,
        examples: Some(64),
        train,
        valid: train,
        gradient_norm: 1e-7,
        seconds: 0.5,
        alphas: None,
    }
}

fn finished() -> Event {
    let alphas = Alphas::from_flat(CONVOLUTIONAL, &(0..224).map(|i| 1.0 / (i + 1) as f32).collect::<Vec<_>>());
    Event::Finished { genotype: published("DARTS_V2"), alphas, evaluation: None, epochs: 1, seconds: 2.25 }
}

#[test]
fn lines_of_the_log_are_as_short_as_is_said() {
    // The longest numbers.
    let measure = Measure::images(-f32::MIN_POSITIVE, -f32::MIN_POSITIVE);
    let alphas = Alphas::from_flat(CONVOLUTIONAL, &[-f32::MIN_POSITIVE; 224]);
    let (seconds, epoch) = (-f64::MIN_POSITIVE, usize::MAX);
    let step = |alphas| Event::Step {
        epoch,
        step: usize::MAX,
        row: None,
        examples: Some(usize::MAX),
        train: measure,
        valid: measure,
        gradient_norm: -f32::MIN_POSITIVE,
        seconds,
        alphas,
    };
    let genotype = published("DARTS_V1");
    let length = |event: &Event| serde_json::to_vec(event).unwrap().len();
    assert!(length(&step(None)) < 400);
    assert!(length(&step(Some(alphas.clone()))) < 4 << 10);
    let ended = Event::Epoch {
        epoch,
        learning_rate: Some(seconds),
        train: measure,
        valid: measure,
        evaluation: None,
        examples_per_second: seconds,
        seconds,
        alphas,
        genotype,
        curvature: Some(-f32::MIN_POSITIVE),
    };
    assert!(length(&ended) < 6 << 10);
}

fn listing(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn a_run_reads_back_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("some/where");
    let mut writer = RunWriter::create(&folder, &config()).unwrap();
    let events = [step(0), step(1), finished()];
    for event in &events[..2] {
        writer.record(event).unwrap();
    }
    let run = ConvRun::open(&folder).unwrap();
    assert_eq!(run.config, config());
    assert_eq!(run.events().unwrap().map(Result::unwrap).collect::<Vec<_>>(), events[..2]);
    let unfinished = format!("{} has no genotype.json: its search has not finished", folder.display());
    assert_eq!(run.genotype().unwrap_err().to_string(), unfinished);

    writer.record(&events[2]).unwrap();
    assert_eq!(run.events().unwrap().map(Result::unwrap).collect::<Vec<_>>(), events);
    assert_eq!(run.genotype().unwrap(), published("DARTS_V2"));
    assert_eq!(listing(&folder), [CHECKPOINTS_FOLDER, CONFIG_FILE, EVENTS_FILE, GENOTYPE_FILE]);
}

#[test]
fn a_folder_that_cannot_take_a_run_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let refusal = |path: &str| {
        let folder = dir.path().join(path);
        let error = RunWriter::create(&folder, &config()).unwrap_err().to_string();
        assert_eq!(RunWriter::check(&folder).unwrap_err().to_string(), error);
        error.replace(&dir.path().display().to_string(), "")
    };
    fs::write(dir.path().join("file"), "mine").unwrap();
    assert_eq!(refusal("file"), "/file is not a folder");
    assert_eq!(refusal("file/deep/run"), "/file is not a folder");
    for file in [CONFIG_FILE, EVENTS_FILE, GENOTYPE_FILE] {
        let folder = dir.path().join(file).join("run");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join(file), "mine").unwrap();
        let exists = format!("/{file}/run already holds a run; name another folder or move it away");
        assert_eq!(refusal(&format!("{file}/run")), exists);
        assert_eq!(listing(&folder), [file]);
        assert_eq!(fs::read_to_string(folder.join(file)).unwrap(), "mine");
    }
    assert_eq!(fs::read_to_string(dir.path().join("file")).unwrap(), "mine");
    RunWriter::check(&dir.path().join("none/so/far")).unwrap();
    assert_eq!(listing(dir.path()), [CONFIG_FILE, EVENTS_FILE, "file", GENOTYPE_FILE]);
}

/// A full disk may cut a line.
#[test]
#[cfg(target_os = "linux")]
fn a_log_that_cannot_grow_keeps_whole_lines() {
    const FOLDER: &str = "DARTS_RUN_OF_LIMITED_SIZE";
    if let Some(folder) = std::env::var_os(FOLDER) {
        let mut writer = RunWriter::create(Path::new(&folder), &config()).unwrap();
        let error = (0..1000).find_map(|i| writer.record(&step(i)).err()).expect("a limit");
        assert!(error.to_string().contains("events.jsonl: File too large"), "{error}");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("run");
    let test = "run::tests::a_log_that_cannot_grow_keeps_whole_lines";
    // The signal of the limit is ignored, so that the write fails instead.
    let shell = format!("trap '' XFSZ; ulimit -f 4; exec \"$0\" --exact {test}");
    let program = std::env::current_exe().unwrap();
    let output = Command::new("sh").args(["-c", &shell]).arg(program).env(FOLDER, &folder).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let events: Vec<_> = ConvRun::open(&folder).unwrap().events().unwrap().map(Result::unwrap).collect();
    assert!(events.len() > 1);
    assert_eq!(events, (0..events.len()).map(step).collect::<Vec<_>>());
}

#[test]
fn a_log_that_is_not_right_names_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let mut writer = RunWriter::create(&dir.path().join("run"), &config()).unwrap();
    writer.record(&step(0)).unwrap();
    let run = ConvRun::open(dir.path().join("run")).unwrap();
    let log = run.folder.join(EVENTS_FILE);
    let good = fs::read_to_string(&log).unwrap();
    let refusal = |more: &str| {
        fs::write(&log, good.clone() + more).unwrap();
        let events: Vec<_> = run.events().unwrap().collect();
        assert_eq!((events.len(), events[0].as_ref().unwrap()), (2, &step(0)));
        let error = events[1].as_ref().unwrap_err().to_string();
        error.replace(&dir.path().display().to_string(), "")
    };
    assert_eq!(refusal(&good[..good.len() / 2]), "/run/events.jsonl, line 2: it ends in the middle of an event");
    assert_eq!(refusal("{} {}\n"), "/run/events.jsonl, line 2: missing field `type` at column 2");
    let unknown = refusal("{\"type\": \"rested\"}\n");
    assert!(unknown.starts_with("/run/events.jsonl, line 2: unknown variant `rested`"), "{unknown}");
    let long = format!("{}\n", " ".repeat(MAX_TEXT_BYTES as usize));
    assert_eq!(refusal(&long), "/run/events.jsonl, line 2: longer than any event");
}

#[test]
fn files_that_are_not_right_name_the_place() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("g.json");
    let whole = serde_json::to_value(published("DARTS_V1")).unwrap();
    let refusal = |text: &str| {
        fs::write(&file, text).unwrap();
        read_genotype(&file).unwrap_err().to_string().replace(&dir.path().display().to_string(), "")
    };
    let changed = |pointer: &str, value: serde_json::Value| {
        let mut json = whole.clone();
        *json.pointer_mut(pointer).unwrap() = value;
        refusal(&json.to_string())
    };
    let op = changed("/reduce/3/0", "conv_9x9".into());
    assert!(op.starts_with("/g.json: reduce[3][0]: unknown op \"conv_9x9\" (known: none, max_pool_3x3, "), "{op}");
    let state = changed("/normal/1/1", (-1).into());
    assert!(state.starts_with("/g.json: normal[1][1]: invalid value: integer `-1`, expected usize"), "{state}");
    let future = "/g.json: normal cell, node 0: reads state 5, which comes after it";
    assert_eq!(changed("/normal/1/1", 5.into()), future);
    assert_eq!(refusal(""), "/g.json: EOF while parsing a value at line 1 column 0");
    assert_eq!(refusal(&format!("{whole} more")), "/g.json: trailing characters at line 1 column 381");
    assert_eq!(refusal(&" ".repeat(MAX_TEXT_BYTES as usize + 1)), "/g.json: has more than 1048576 bytes");
    let unknown = refusal(&whole.to_string().replace("reduce_concat", "other"));
    assert!(unknown.starts_with("/g.json: other: unknown field `other`, expected one of "), "{unknown}");

    let refusal = |folder: &str| {
        ConvRun::open(dir.path().join(folder)).unwrap_err().to_string().replace(&dir.path().display().to_string(), "")
    };
    assert_eq!(refusal("."), "/. holds no run: it has no config.json");
    assert_eq!(refusal("none"), "cannot read /none/config.json: No such file or directory (os error 2)");
    let mut json = serde_json::to_value(config()).unwrap();
    json["search"]["epochs"] = "many".into();
    fs::write(dir.path().join(CONFIG_FILE), json.to_string()).unwrap();
    let epochs = refusal("");
    let invalid = "/config.json: search.epochs: invalid type: string \"many\", expected usize at line 1 column";
    assert!(epochs.replace("//", "/").starts_with(invalid), "{epochs}");
}
