//! Compatibility with runs, logs and cells that version 1 wrote, kept in `version1` (see its README).

use darts_engine::{
    checkpoint::{Checkpoint, Resumable, State},
    config::{AnySearchConfig, AnyTrainConfig, Order},
    data::{Corpus, Dataset, Pictures},
    device::{Compute, block_on},
    event::{CPU_ADAPTER, Event, TestResult},
    run::{Events, Resumed, Run, RunConfig, RunError, RunSpace, read_text_weights, read_weights, run_genotype},
    search::{ConvSearch, RecurrentSearch},
    space::{Alphas, CONVOLUTIONAL, Convolutional, Genotype, RECURRENT, Recurrent},
    train::{ImageTraining, TextTraining},
};
use darts_tests::{files, relative_distance, timeless};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::{TempDir, tempdir};

const RUNS: [&str; 11] = [
    "conv-finished",
    "conv-interrupted",
    "images-finished",
    "images-interrupted",
    "pictures-interrupted",
    "recurrent-finished",
    "recurrent-frozen",
    "recurrent-interrupted",
    "text-averaged",
    "text-finished",
    "text-interrupted",
];

fn version1() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("version1")
}

/// Lines of a log, as JSON.
fn lines(log: &Path) -> Vec<Value> {
    fs::read_to_string(log).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// All events of a log.
fn events(log: &Path) -> Vec<Event> {
    let bytes = fs::read(log).unwrap();
    Events::of(bytes.as_slice(), "a log")
        .map(|event| event.unwrap_or_else(|error| panic!("{log:?}: {error}")))
        .collect()
}

/// Events as read back from a log: the digits of a float64 in JSON may be read as its neighbour.
fn logged(events: &[Event]) -> Vec<Event> {
    events.iter().map(|event| Event::from_json(&serde_json::to_vec(event).unwrap()).unwrap()).collect()
}

/// Events without fields that version 1 did not report (the examples of a step on images), the device, and times.
fn comparable(events: &[Event]) -> Vec<Value> {
    let mut events = timeless(events);
    for event in &mut events {
        let event = event.as_object_mut().unwrap();
        for key in ["version", "adapter", "backend"] {
            event.remove(key);
        }
        if !event.contains_key("row") {
            event.remove("examples");
        }
    }
    events
}

/// Name of an adapter in version 1.
fn adapter_then(adapter: &str) -> &str {
    if adapter == CPU_ADAPTER { "processor" } else { adapter }
}

/// Event in the format of version 1.
fn in_words_of_version_1(event: &Event) -> Value {
    let on_text = |alphas: &Alphas| alphas.space() == RECURRENT;
    let matrices = |alphas: &Alphas| match on_text(alphas) {
        true => json!(alphas.rows()),
        false => json!({ "normal": alphas.of(0), "reduce": alphas.of(1) }),
    };
    match event {
        Event::Started { config, adapter, backend, parameters, train_examples, valid_examples, alphas, .. } => {
            let Event::Started { steps_per_epoch, rows, vocabulary, .. } = event else { unreachable!() };
            let head = json!({ "adapter": adapter_then(adapter), "backend": backend, "parameters": parameters });
            let rest = match config {
                AnySearchConfig::Convolutional(config) => json!({
                    "type": "started", "config": config, "weight_images": train_examples, "alpha_images": valid_examples,
                    "steps_per_epoch": steps_per_epoch, "alphas": matrices(alphas),
                }),
                AnySearchConfig::Recurrent(config) => json!({
                    "type": "recurrent_started", "config": config, "train_words": train_examples,
                    "valid_words": valid_examples, "rows": rows, "vocabulary": vocabulary, "alphas": matrices(alphas),
                }),
            };
            both(head, rest)
        }
        Event::Step { epoch, step, row, examples, train, valid, gradient_norm, seconds, alphas } => {
            let kind = if row.is_some() { "recurrent_step" } else { "step" };
            json!({
                "type": kind, "epoch": epoch, "step": step, "row": row, "words": examples, "weights": train,
                "alphas": valid, "gradient_norm": gradient_norm, "seconds": seconds,
                "architecture": alphas.as_ref().map(matrices),
            })
        }
        Event::Epoch {
            epoch, learning_rate, train, valid, evaluation, examples_per_second, seconds, alphas, ..
        } => {
            let Event::Epoch { genotype, curvature, .. } = event else { unreachable!() };
            let (kind, speed) = match on_text(alphas) {
                true => ("recurrent_epoch", "words_per_second"),
                false => ("epoch", "images_per_second"),
            };
            let head = json!({ "type": kind, "epoch": epoch, "learning_rate": learning_rate, "weights": train });
            both(
                head,
                json!({
                    "alphas": valid, "valid": evaluation, speed: examples_per_second, "seconds": seconds,
                    "architecture": matrices(alphas), "genotype": genotype, "curvature": curvature,
                }),
            )
        }
        Event::Intervention { step, intervention, alphas } => {
            let kind = if on_text(alphas) { "recurrent_steered" } else { "steered" };
            json!({ "type": kind, "step": step, "steering": intervention, "architecture": matrices(alphas) })
        }
        Event::Finished { genotype, alphas, evaluation, epochs, seconds } => {
            let kind = if on_text(alphas) { "recurrent_finished" } else { "finished" };
            json!({
                "type": kind, "genotype": genotype, "architecture": matrices(alphas), "valid": evaluation,
                "epochs": epochs, "seconds": seconds,
            })
        }
        Event::TrainStarted { config, genotype, adapter, backend, parameters, auxiliary_parameters, .. } => {
            let Event::TrainStarted { train_examples, valid_examples, test_examples, .. } = event else {
                unreachable!()
            };
            let Event::TrainStarted { steps_per_epoch, rows, vocabulary, .. } = event else { unreachable!() };
            let head = json!({
                "genotype": genotype, "adapter": adapter_then(adapter), "backend": backend, "parameters": parameters,
                "auxiliary_parameters": auxiliary_parameters,
            });
            let rest = match config {
                AnyTrainConfig::Convolutional(config) => json!({
                    "type": "train_started", "config": config, "train_images": train_examples,
                    "test_images": test_examples, "steps_per_epoch": steps_per_epoch,
                }),
                AnyTrainConfig::Recurrent(config) => json!({
                    "type": "text_train_started", "config": config, "train_words": train_examples,
                    "valid_words": valid_examples, "test_words": test_examples, "rows": rows, "vocabulary": vocabulary,
                }),
            };
            both(head, rest)
        }
        Event::TrainStep { epoch, step, row, examples, train, gradient_norm, seconds } => {
            let kind = if row.is_some() { "text_train_step" } else { "train_step" };
            json!({
                "type": kind, "epoch": epoch, "step": step, "row": row, "words": examples, "train": train,
                "gradient_norm": gradient_norm, "seconds": seconds,
            })
        }
        Event::TrainEpoch { epoch, learning_rate, drop_path, train, valid, averaged, best, .. } => {
            let Event::TrainEpoch { examples_per_second, seconds, unreadable, .. } = event else { unreachable!() };
            let (kind, speed) = match valid {
                Some(_) => ("text_train_epoch", "words_per_second"),
                None => ("train_epoch", "images_per_second"),
            };
            let head = json!({
                "type": kind, "epoch": epoch, "learning_rate": learning_rate, "drop_path": drop_path, "train": train,
                "valid": valid, "averaged": averaged, "best": best,
            });
            let unreadable = (*unreadable > 0).then_some(unreadable);
            both(head, json!({ speed: examples_per_second, "seconds": seconds, "unreadable": unreadable }))
        }
        Event::TrainFinished { test, best, best_epoch, epochs, seconds } => {
            let (kind, name) = match best {
                TestResult::Images(_) => ("train_finished", "best"),
                TestResult::Words(_) => ("text_train_finished", "valid"),
            };
            json!({
                "type": kind, "test": test, name: best, "best_epoch": best_epoch, "epochs": epochs, "seconds": seconds,
            })
        }
        // These had the same names in version 1.
        Event::Unreadable { .. } | Event::Evaluated { .. } | Event::Sampled { .. } | Event::Failed { .. } => {
            serde_json::to_value(event).unwrap()
        }
    }
}

/// Fields of two objects.
fn both(mut a: Value, b: Value) -> Value {
    let Value::Object(b) = b else { panic!("{b}") };
    a.as_object_mut().unwrap().extend(b);
    a
}

/// Whether two documents are equal, where one may have nulls that the other leaves out, and a float32 number may be written
/// with the digits of either type.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let has = |of: &serde_json::Map<String, Value>, key: &String| of.get(key).cloned().unwrap_or(Value::Null);
            a.keys().chain(b.keys()).all(|key| same(&has(a, key), &has(b, key)))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Value::Number(x), Value::Number(y)) => {
            a == b || x.as_f64().zip(y.as_f64()).is_some_and(|(x, y)| x == y || x as f32 == y as f32)
        }
        _ => a == b,
    }
}

#[test]
fn every_line_of_every_log_is_read_with_all_its_values() {
    let mut kinds = std::collections::BTreeSet::new();
    for run in RUNS {
        let log = version1().join(run).join("events.jsonl");
        let (lines, events) = (lines(&log), events(&log));
        assert_eq!(lines.len(), events.len(), "{run}");
        for (line, event) in lines.iter().zip(&events) {
            let again = in_words_of_version_1(event);
            assert!(same(&again, line), "{run}\n{again}\n{line}");
            if let Event::Started { version, .. } | Event::TrainStarted { version, .. } = event {
                assert_eq!(*version, 1);
            }
            kinds.insert(line["type"].as_str().unwrap().to_owned());
            // An event is written under its new names, and reads back the same.
            let now = serde_json::to_string(event).unwrap();
            assert_eq!(Event::from_json(now.as_bytes()).unwrap(), *event);
            assert_eq!(serde_json::from_str::<Event>(&now).unwrap(), *event);
        }
    }
    let all = "epoch evaluated finished recurrent_epoch recurrent_finished recurrent_started recurrent_steered \
               recurrent_step started steered step text_train_epoch text_train_finished text_train_started \
               text_train_step train_epoch train_finished train_started train_step unreadable";
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), all.split_whitespace().collect::<Vec<_>>());
}

#[test]
fn cells_in_every_form_are_those_that_they_were() {
    let cells: Vec<Value> = serde_json::from_slice(&fs::read(version1().join("cells.json")).unwrap()).unwrap();
    let mut drawn: Vec<Genotype> = Vec::new();
    for cell in &cells {
        let space = if cell["space"] == "recurrent" { RECURRENT } else { CONVOLUTIONAL };
        let genotype: Genotype = serde_json::from_value(cell["genotype"].clone()).unwrap();
        assert_eq!((genotype.space(), genotype.check()), (space, Ok(())));
        assert_eq!(serde_json::to_value(&genotype).unwrap(), cell["genotype"]);
        let code = cell["code"].as_str().unwrap();
        assert_eq!(Genotype::from_code(code), Ok(genotype.clone()));
        assert_eq!(genotype.code().as_deref(), Ok(code));
        if let Some(python) = cell["python"].as_str() {
            assert_eq!(Genotype::from_python(python), Ok(genotype.clone()));
            assert_eq!(genotype.to_python().trim_end(), python.trim_end());
        }
        match cell["name"].as_str() {
            None => drawn.push(genotype),
            Some(run) if run.ends_with("-finished") => {
                assert_eq!(run_genotype(&version1().join(run)).unwrap(), genotype);
                let found = events(&version1().join(run).join("events.jsonl"));
                let Some(Event::Finished { genotype: found, alphas, .. }) = found.last() else { panic!("{run}") };
                assert_eq!((found, &alphas.genotype()), (&genotype, &genotype));
            }
            Some(name) => assert_eq!(space.published(name), Some(genotype)),
        }
    }
    let again = [CONVOLUTIONAL, RECURRENT].into_iter().flat_map(|space| Genotype::random(space, 5, 3));
    assert_eq!(drawn, again.collect::<Vec<_>>());
    assert_eq!(cells.len(), 9 + 6 + 2);
}

#[test]
fn weights_are_read_and_written_as_they_were() {
    for run in RUNS {
        let folder = version1().join(run);
        let genotype = run_genotype(&folder);
        for file in files(&folder).into_iter().filter(|file| file.ends_with(".safetensors")) {
            let (path, genotype) = (folder.join(file), genotype.as_ref().unwrap());
            let bytes = fs::read(&path).unwrap();
            let again = if genotype.space() == RECURRENT {
                read_text_weights(&path, genotype).unwrap().to_safetensors()
            } else {
                let classes = if run.starts_with("pictures") { 2 } else { 10 };
                read_weights(&path, genotype, classes).unwrap().to_safetensors(steps_of(&bytes))
            };
            assert!(again == bytes, "{path:?}");
        }
    }
}

/// Number of steps recorded in the weights of a network for images.
fn steps_of(file: &[u8]) -> u64 {
    let file = SafeTensors::deserialize(file).unwrap();
    let mut counts = file.iter().filter(|(name, _)| name.ends_with("num_batches_tracked"));
    u64::from_le_bytes(counts.next().unwrap().1.data().try_into().unwrap())
}

/// Writable copy of a run.
fn copy(run: &str) -> TempDir {
    let (from, to) = (version1().join(run), tempdir().unwrap());
    fs::create_dir(to.path().join("checkpoints")).unwrap();
    for folder in ["", "checkpoints"] {
        for file in files(&from.join(folder)).iter().map(|file| Path::new(folder).join(file)) {
            if from.join(&file).is_file() {
                fs::copy(from.join(&file), to.path().join(&file)).unwrap();
            }
        }
    }
    to
}

fn bits(state: &State) -> Vec<(String, Vec<u32>)> {
    let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect();
    state.tensors().map(|(name, values)| (name.to_owned(), bits(values))).collect()
}

/// Takes all remaining steps and returns their events.
fn finish(run: &mut impl Resumable) -> Vec<Event> {
    let mut events = Vec::new();
    while !run.is_finished() {
        events.extend(block_on(run.step()).unwrap());
    }
    events
}

/// Settings of a run.
fn config<S: RunSpace>(run: &str) -> RunConfig<S> {
    Run::open(version1().join(run)).unwrap().config
}

/// Relative distance from version 1's final state that rounding in other kernels may cause.
const TOLERANCE: f64 = 1e-3;

/// Resumes a run of version 1 from its checkpoint, and returns it as restored. It has to
///
/// - hold the state of the checkpoint bit for bit,
/// - continue identically, bit for bit, from the same state as written by this version,
/// - end where version 1 ended when it resumed the run: bit for bit if the kernels still compute the same, which a `finished`
///   run of the same kind shows.
fn resumed<S: RunSpace, R: Resumable>(run: &str, finished: &str, begin: impl Fn(RunConfig<S>) -> R) -> (R, State) {
    let folder = copy(run);
    let opened = Resumed::<S>::open(folder.path()).unwrap();
    assert_eq!(opened.passed_over, Vec::<String>::new());
    let then = opened.checkpoint.expect("a checkpoint");
    let restored = |state: &State| {
        let mut restored = begin(config::<S>(run));
        restored.restore(state).unwrap_or_else(|error| panic!("{run} {error}"));
        restored
    };
    let mut search = restored(&then.state);
    assert_eq!(search.steps_done(), then.step, "{run}");
    assert!(!search.ends_epoch(), "{run} is in the middle of an epoch");
    let now = block_on(search.state()).unwrap();
    assert_eq!(bits(&now), bits(&then.state), "{run}");
    assert_ne!(now, then.state, "{run}: this version has another format of progress");

    let mut again = restored(&now);
    let events = finish(&mut search);
    assert_eq!(timeless(&events), timeless(&finish(&mut again)), "{run}");
    let [end, end_again] = [&search, &again].map(|search| block_on(search.state()).unwrap());
    assert!(bits(&end) == bits(&end_again), "{run}");

    let place = version1().join("resumed").join(run);
    let expected = Checkpoint::from_bytes(&fs::read(place.join("end.checkpoint")).unwrap()).unwrap();
    assert_eq!(search.steps_done(), expected.step, "{run}");
    for ((name, found), (of, expected)) in end.tensors().zip(expected.state.tensors()) {
        let distance = relative_distance(found, expected);
        assert!(name == of && distance < TOLERANCE, "{run}: {name} is {distance:.1e} from {of}");
    }
    assert_eq!(end.tensors().count(), expected.state.tensors().count(), "{run}");
    let expected_events = self::events(&place.join("events.jsonl"));
    let kinds =
        |events: &[Event]| -> Vec<Value> { timeless(events).iter().map(|event| event["type"].clone()).collect() };
    assert_eq!(kinds(&events), kinds(&expected_events), "{run}");
    if same_kernels(finished, &begin) {
        assert!(bits(&end) == bits(&expected.state), "{run}");
        assert_eq!(comparable(&logged(&events)), comparable(&expected_events), "{run}");
        println!("{run}: same final state as version 1, bit for bit");
    } else {
        println!("{run}: close to the final state of version 1, by kernels that round differently");
    }
    (restored(&then.state), then.state)
}

/// Whether a run with the settings of a finished one gives the same bits as in version 1.
fn same_kernels<S: RunSpace, R: Resumable>(finished: &str, begin: impl Fn(RunConfig<S>) -> R) -> bool {
    let mut run = begin(config::<S>(finished));
    let now = [vec![run.started()], finish(&mut run)].concat();
    let then = comparable(&events(&version1().join(finished).join("events.jsonl")));
    let now = comparable(&logged(&now));
    if let Some((now, then)) = now.iter().zip(&then).find(|(now, then)| now != then) {
        println!("{finished}: now {now}\nthen {then}");
    }
    now == then
}

/// Fails unless the run's progress has the values in a checkpoint of version 1, under new names.
fn has_the_same_progress(then: &State, now: &impl Resumable, names: &[(&str, &str)]) {
    let [then, now] = [then, &block_on(now.state()).unwrap()].map(|state| state.progress::<Value>().unwrap());
    for (old, new) in names {
        let [old, new] = [then.pointer(old).unwrap_or_else(|| panic!("{old}")), now.pointer(new).unwrap()];
        assert!(same(old, new), "{old} {new}");
    }
}

const STEERED: [(&str, &str); 5] = [
    ("/steered/held", "/alphas/mask"),
    ("/steered/frozen", "/alphas/frozen"),
    ("/steered/order", "/settings/order"),
    ("/steered/learning_rate", "/settings/learning_rate"),
    ("/steered/arch_learning_rate", "/settings/arch_learning_rate"),
];

#[test]
fn a_search_on_images_resumes() {
    let data = Dataset::open(version1().join("few.packed")).unwrap();
    let begin = |config: RunConfig<Convolutional>| {
        block_on(ConvSearch::new(config.search.unwrap(), &data, &Compute::cpu())).unwrap()
    };
    let (search, then) = resumed("conv-interrupted", "conv-finished", begin);
    has_the_same_progress(&then, &search, &STEERED);
    let place = [
        ("/step", "/step"),
        ("/architecture_steps", "/architecture_steps"),
        ("/weight_position", "/position/train"),
        ("/alpha_position", "/position/valid"),
        ("/epoch_sums/0", "/sums/train"),
        ("/epoch_sums/1", "/sums/valid"),
        ("/epoch_seconds", "/sums/seconds"),
        ("/seconds", "/seconds"),
        ("/steered/learning_rate_min", "/settings/learning_rate_min"),
    ];
    has_the_same_progress(&then, &search, &place);
    // One step was taken with frozen alphas.
    assert_eq!((search.steps_done(), search.bilevel().architecture_steps), (7, 6));
    let config = search.config();
    assert_eq!((config.order, config.learning_rate, config.arch_learning_rate), (Order::Second, 0.02, 0.001));
    let alphas = block_on(search.alphas()).unwrap();
    assert_eq!(alphas.of(0)[3][3], -20.0, "a pruned op stays pruned");
    assert_eq!(alphas.of(1)[2].iter().filter(|alpha| **alpha == -20.0).count(), 7, "a pinned edge has one op");
}

#[test]
fn a_search_on_text_resumes() {
    let begin = |config: RunConfig<Recurrent>| {
        block_on(RecurrentSearch::new(config.search.unwrap(), &corpus(), &Compute::cpu())).unwrap()
    };
    for (run, frozen) in [("recurrent-interrupted", false), ("recurrent-frozen", true)] {
        let (search, then) = resumed(run, "recurrent-finished", begin);
        has_the_same_progress(&then, &search, &STEERED);
        let place = [
            ("/step", "/step"),
            ("/architecture_steps", "/architecture_steps"),
            ("/epoch", "/position/epoch"),
            ("/row", "/position/row"),
            ("/sums/steps", "/sums/steps"),
            ("/sums/words", "/sums/examples"),
            ("/sums/weights", "/sums/train/loss"),
            ("/sums/alphas", "/sums/valid/loss"),
            ("/sums/seconds", "/sums/seconds"),
            ("/seconds", "/seconds"),
        ];
        has_the_same_progress(&then, &search, &place);
        let config = search.config();
        assert_eq!((config.order, config.learning_rate, config.arch_learning_rate), (Order::Second, 2.5, 0.25));
        assert_eq!(search.bilevel().hold.frozen, frozen);
        assert_eq!(block_on(search.alphas()).unwrap().rows()[3][1], -20.0, "a pruned op stays pruned");
    }
}

#[test]
fn a_training_run_on_images_resumes() {
    let data = Dataset::open(version1().join("few.packed")).unwrap();
    let begin = |config: RunConfig<Convolutional>| {
        ImageTraining::new(config.train.unwrap(), config.genotype.unwrap(), &data, &Compute::cpu()).unwrap()
    };
    let (training, then) = resumed("images-interrupted", "images-finished", begin);
    has_the_same_progress(&then, &training, &TRAINING);
}

const TRAINING: [(&str, &str); 8] = [
    ("/step", "/step"),
    ("/position", "/network/position"),
    ("/best", "/network/best"),
    ("/unreadable", "/network/unreadable"),
    ("/epoch_unreadable", "/network/epoch_unreadable"),
    ("/epoch_sum", "/sums/train"),
    ("/epoch_seconds", "/sums/seconds"),
    ("/seconds", "/seconds"),
];

#[test]
fn a_training_run_on_pictures_resumes() {
    // An unreadable picture is identified by its path, which was this one.
    std::env::set_current_dir(version1()).unwrap();
    let pictures = Pictures::open("pictures").unwrap();
    let data = Dataset::open(version1().join("few.packed")).unwrap();
    let begin = |config: RunConfig<Convolutional>| {
        let (train, cells) = (config.train.unwrap(), config.genotype.unwrap());
        // The finished run that shows whether the kernels compute the same is one on images.
        match train.image_size {
            Some(_) => ImageTraining::on_pictures(train, cells, &pictures, 2, &Compute::cpu()).unwrap(),
            None => ImageTraining::new(train, cells, &data, &Compute::cpu()).unwrap(),
        }
    };
    let (training, then) = resumed("pictures-interrupted", "images-finished", begin);
    has_the_same_progress(&then, &training, &TRAINING);
    let said: Value = then.progress().unwrap();
    assert_eq!(said["unreadable"].as_array().map(Vec::len), Some(1), "{said}");
}

#[test]
fn a_training_run_on_text_resumes() {
    let begin = |config: RunConfig<Recurrent>| {
        TextTraining::new(config.train.unwrap(), config.genotype.unwrap(), &corpus(), &Compute::cpu()).unwrap()
    };
    for (run, averaged) in [("text-interrupted", false), ("text-averaged", true)] {
        let (training, then) = resumed(run, "text-finished", begin);
        let place = [
            ("/step", "/step"),
            ("/epoch", "/network/epoch"),
            ("/row", "/network/row"),
            ("/averaged", "/network/averaged"),
            ("/best", "/network/best"),
            ("/sums/steps", "/sums/steps"),
            ("/sums/words", "/sums/examples"),
            ("/sums/loss", "/sums/train/loss"),
            ("/sums/seconds", "/sums/seconds"),
            ("/seconds", "/seconds"),
        ];
        has_the_same_progress(&then, &training, &place);
        let said: Value = then.progress().unwrap();
        assert_eq!(said["averaged"].as_u64().is_some_and(|steps| steps > 0), averaged, "{said}");
    }
}

fn corpus() -> Corpus {
    Corpus::open(&version1().join("text"), &Default::default()).unwrap()
}

#[test]
fn settings_that_were_changed_are_refused() {
    fn refusal<S: RunSpace>(run: &str) -> String {
        let folder = copy(run);
        let file = folder.path().join("config.json");
        let text = fs::read_to_string(&file).unwrap();
        let changed = text.replacen("\"seed\": 1", "\"seed\": 2", 1);
        assert_ne!(changed, text);
        fs::write(&file, changed).unwrap();
        let refused = Resumed::<S>::open(folder.path()).unwrap_err();
        assert!(matches!(refused, RunError::OtherConfig { .. }), "{refused}");
        // Data that has moved is the same data.
        let moved = text.replace("few.packed", "elsewhere/few").replace("\"text/", "\"elsewhere/");
        assert_ne!(moved, text);
        fs::write(&file, moved).unwrap();
        assert!(Resumed::<S>::open(folder.path()).unwrap().checkpoint.is_some());
        refused.to_string()
    }
    for refused in [
        refusal::<Convolutional>("conv-interrupted"),
        refusal::<Convolutional>("images-interrupted"),
        refusal::<Recurrent>("recurrent-interrupted"),
        refusal::<Recurrent>("text-averaged"),
    ] {
        assert!(refused.ends_with("but a run resumes only with the settings that it began with"), "{refused}");
    }
}
