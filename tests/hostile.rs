//! Hostile input: every format that is read is mutated at random for `DARTS_FUZZ_SECONDS` (by default a second or two each),
//! and must be refused or read, without a panic, within two gibibytes of memory.
//!
//! A failure prints a seed; `ARBTEST_SEED` repeats it. The properties of the inputs are in `fuzz/inputs.rs`, shared with the
//! coverage-guided fuzzers.

#[path = "fuzz/inputs.rs"]
#[allow(dead_code)]
mod inputs;

use arbtest::{
    arbitrary::{Result, Unstructured},
    arbtest,
};
use darts_engine::{
    checkpoint::{Checkpoint, LogMark, Resumable, State},
    config::{Kernels, RecurrentConfig, SearchConfig, TextTrainConfig},
    data::Dataset,
    device::{Compute, DeviceChoice, block_on},
    network::{Network, RecurrentNet},
    run::{
        CHECKPOINTS_FOLDER, CONFIG_FILE, Resumed, Run, RunConfig, RunSpace, TextSource, read_genotype, space_of_run,
    },
    search::{ConvSearch, RecurrentSearch},
    space::{CONVOLUTIONAL, Convolutional, Genotype, RECURRENT, Recurrent, SPACES, Stem},
    train::{TextTraining, Trainee, Weights},
};
use darts_tests::files;
use inputs::sealed;
use serde_json::{Value, json};
use std::{
    fs,
    io::Write,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};
use tempfile::tempdir;

/// Address space of a test in kibibytes.
const MEMORY: usize = 2 << 20;
/// Environment variable set where a test runs with limited memory.
const LIMITED: &str = "DARTS_TEST_OF_LIMITED_MEMORY";

/// Tries `property` repeatedly. The test runs itself in a second process with limited memory, and tries it there.
fn fuzz(test: &str, seconds: f64, property: impl FnMut(&mut Unstructured) -> Result<()>) {
    if cfg!(target_os = "linux") && std::env::var_os(LIMITED).is_none() {
        let shell = format!("ulimit -v {MEMORY}; exec \"$0\" --exact {test} --nocapture");
        let program = std::env::current_exe().unwrap();
        let output = Command::new("sh").args(["-c", &shell]).arg(program).env(LIMITED, "1").output().unwrap();
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed);
        print!("{printed}");
        assert!(output.status.success() && printed.contains("1 passed"), "{test} fails within {MEMORY} KiB: {printed}");
        return;
    }
    let asked = std::env::var("DARTS_FUZZ_SECONDS").map(|text| text.parse().expect("DARTS_FUZZ_SECONDS is a number"));
    let (mut property, mut count, began) = (property, 0u64, Instant::now());
    let counted = |u: &mut Unstructured| {
        count += 1;
        property(u)
    };
    arbtest(counted).budget(Duration::from_secs_f64(asked.unwrap_or(seconds))).run();
    println!("{test}: {count} inputs in {:.1} s", began.elapsed().as_secs_f64());
    assert!(count > 5, "too slow to find anything");
}

/// Changes bytes in one to eight places.
fn mutate(u: &mut Unstructured, bytes: &mut Vec<u8>) -> Result<()> {
    for _ in 0..u.int_in_range(1..=8)? {
        let at = u.int_in_range(0..=bytes.len())?;
        let end = bytes.len().min(at + u.int_in_range(0..=32usize)?);
        match u.int_in_range(0..=6)? {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..end)),
            2 => {
                let piece = bytes[at..end].to_vec();
                let to = u.int_in_range(0..=bytes.len())?;
                bytes.splice(to..to, piece);
            }
            3 => drop(bytes.splice(at..at, u.bytes(8.min(u.len()))?.to_vec())),
            4 if at < bytes.len() => bytes[at] = *u.choose(&[0, 1, 9, 10, 32, 34, 44, 127, 128, 255])?,
            5 if at < bytes.len() => bytes[at] ^= 1 << u.int_in_range(0..=7)?,
            _ => bytes[at..end].fill(*u.choose(&[0, 255])?),
        }
    }
    Ok(())
}

/// Mutates the samples of a kind of input.
fn mutated(test: &str, kind: &str, holds: impl Fn(&[u8])) {
    let samples = (inputs::kind(kind).samples)();
    samples.iter().for_each(|sample| holds(sample));
    fuzz(test, 1.0, |u| {
        let mut bytes = u.choose(&samples)?.clone();
        mutate(u, &mut bytes)?;
        holds(&bytes);
        Ok(())
    });
}

/// Changes values of a JSON document in one to four random places.
fn mutate_json(u: &mut Unstructured, value: &mut Value) -> Result<()> {
    for _ in 0..u.int_in_range(1..=4)? {
        mutate_value(u, value)?;
    }
    Ok(())
}

fn mutate_value(u: &mut Unstructured, value: &mut Value) -> Result<()> {
    let deeper = u.int_in_range(0..=9)? > 0;
    match value {
        Value::Object(map) if deeper && !map.is_empty() => {
            let key = map.keys().nth(u.choose_index(map.len())?).expect("a key").clone();
            match u.int_in_range(0..=12)? {
                0 => drop(map.remove(&key)),
                1 => {
                    let value = map[&key].clone();
                    map.insert(strange(u)?.as_str().map_or_else(|| key.clone() + "0", str::to_owned), value);
                }
                _ => mutate_value(u, map.get_mut(&key).expect("a value"))?,
            }
        }
        Value::Array(list) if deeper && !list.is_empty() => {
            let at = u.choose_index(list.len())?;
            match u.int_in_range(0..=8)? {
                0 => drop(list.remove(at)),
                1 => list.push(list[at].clone()),
                _ => mutate_value(u, &mut list[at])?,
            }
        }
        _ => *value = strange(u)?,
    }
    Ok(())
}

fn strange(u: &mut Unstructured) -> Result<Value> {
    let number = u.int_in_range(0..=40u64)?;
    Ok(match u.int_in_range(0..=9)? {
        0 => Value::Null,
        1 => json!(-1),
        2 => json!(u64::MAX),
        3 => json!(1u64 << number),
        4 => json!(1e300),
        5 => json!([]),
        6 => json!("cells.18446744073709551615.x"),
        7 => json!("auxiliary_head."),
        8 => json!("x".repeat(number as usize * 50)),
        _ => json!(number),
    })
}

/// Earlier findings of fuzzers stay fixed.
#[test]
fn findings() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/findings");
    let mut tried = 0;
    for kind in inputs::KINDS {
        let Ok(found) = fs::read_dir(folder.join(kind.name)) else { continue };
        for file in found {
            (kind.holds)(&fs::read(file.unwrap().path()).unwrap());
            tried += 1;
        }
    }
    assert!(tried > 0, "{} has findings", folder.display());
}

#[test]
fn share_codes() {
    mutated("share_codes", "share_code", inputs::share_code);
}

#[test]
fn python_genotypes() {
    let nested = format!("Genotype(normal_concat={}", "list(".repeat(100_000));
    assert!(Genotype::from_python(&nested).is_err());
    mutated("python_genotypes", "python", inputs::python);
}

#[test]
fn texts() {
    mutated("texts", "text", inputs::text);
}

#[test]
fn pictures() {
    let dir = tempdir().unwrap();
    let class = dir.path().join("train/a");
    fs::create_dir_all(&class).unwrap();
    for (i, bytes) in inputs::pictures().into_iter().enumerate() {
        fs::write(class.join(format!("{i}.png")), bytes).unwrap();
    }
    assert_eq!(Dataset::open(dir.path()).unwrap().train.len(), inputs::pictures().len());
    mutated("pictures", "picture", |bytes| {
        inputs::picture(bytes);
        // Beside a good one.
        fs::write(class.join("x.jpg"), bytes).unwrap();
        assert!(Dataset::open_at(dir.path(), 8, &mut drop).is_ok());
    });
}

#[test]
fn genotype_files() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("genotype.json");
    fuzz("genotype_files", 1.0, |u| {
        let space = *u.choose(&SPACES)?;
        let names: Vec<&str> = space.published_names().collect();
        let genotype = space.published(u.choose(&names)?).unwrap();
        let mut text = serde_json::to_value(&genotype).unwrap();
        mutate_json(u, &mut text)?;
        let mut text = text.to_string().into_bytes();
        if u.ratio(1, 3)? {
            mutate(u, &mut text)?;
        }
        fs::write(&file, text).unwrap();
        if let Ok(genotype) = read_genotype(&file) {
            genotype.code().unwrap();
            if genotype.space() == RECURRENT {
                RecurrentNet::derived(genotype, 5, 6);
            } else {
                Network::new(genotype, Stem::Cifar10, 4, 3, 10, true);
            }
        }
        Ok(())
    });
}

#[test]
fn event_logs() {
    let events = [inputs::events(), inputs::events_of_version_1()].concat();
    fuzz("event_logs", 1.0, |u| {
        let mut log = Vec::new();
        for event in &events {
            let mut event = event.clone();
            if u.ratio(1, 3)? {
                mutate_json(u, &mut event)?;
            }
            writeln!(log, "{event}").unwrap();
        }
        if u.ratio(1, 2)? {
            mutate(u, &mut log)?;
        }
        inputs::event_log(&log);
        Ok(())
    });
}

#[test]
fn settings() {
    let dir = tempdir().unwrap();
    let samples = inputs::settings_samples();
    fuzz("settings", 1.0, |u| {
        let mut config = u.choose(&samples)?.clone();
        mutate_json(u, &mut config)?;
        let config = config.to_string();
        inputs::settings(config.as_bytes());
        fs::write(dir.path().join(CONFIG_FILE), config).unwrap();
        let _ = space_of_run(dir.path());
        let _ = (Run::<Convolutional>::open(dir.path()), Run::<Recurrent>::open(dir.path()));
        Ok(())
    });
}

/// Tiny search on the CPU.
fn search(config: &SearchConfig) -> ConvSearch {
    let config = SearchConfig {
        batch_size: 2,
        init_channels: 2,
        layers: 2,
        train_images: Some(9),
        kernels: Kernels::Reference,
        ..config.clone()
    };
    block_on(ConvSearch::new(config, &Dataset::textures(0, 12, 0), &Compute::cpu())).unwrap()
}

/// A safetensors file with another header.
fn with_header(file: &[u8], change: impl FnOnce(&mut Value) -> Result<()>) -> Result<Vec<u8>> {
    let (length, rest) = file.split_first_chunk::<8>().unwrap();
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    let mut header: Value = serde_json::from_slice(header).unwrap();
    change(&mut header)?;
    let header = header.to_string().into_bytes();
    Ok([&(header.len() as u64).to_le_bytes(), header.as_slice(), data].concat())
}

/// Mutates the checkpoint of a run, restores it if possible, and opens it in a run folder of these settings.
fn mutated_checkpoints<S: RunSpace>(test: &str, run: &mut impl Resumable, config: &Value) {
    let state = block_on(run.state()).unwrap();
    mutated_state::<S>(test, run, state, config);
}

/// Mutates and restores any state of the run.
fn mutated_state<S: RunSpace>(test: &str, run: &mut impl Resumable, state: State, config: &Value) {
    let good = Checkpoint { step: 0, config: "c".into(), log: LogMark::default(), state };
    let bytes = good.to_bytes();
    let again = Checkpoint::from_bytes(&sealed(&bytes[..bytes.len() - 4])).unwrap();
    assert!(again.state.tensors().eq(good.state.tensors()));
    let good = bytes;
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join(CHECKPOINTS_FOLDER)).unwrap();
    fs::write(dir.path().join(CONFIG_FILE), config.to_string()).unwrap();
    let file = dir.path().join(CHECKPOINTS_FOLDER).join("step-000000000.checkpoint");
    fuzz(test, 2.0, |u| {
        let content = &good[..good.len() - 4];
        let bytes = match u.int_in_range(0..=2)? {
            // The header, and the JSON document in it.
            0 => {
                let body = with_header(&content[12..], |header| {
                    let inner = &mut header["__metadata__"]["run"];
                    if u.ratio(1, 2)? {
                        let mut run: Value = serde_json::from_str(inner.as_str().unwrap()).unwrap();
                        mutate_json(u, &mut run)?;
                        *inner = run.to_string().into();
                        return Ok(());
                    }
                    mutate_json(u, header)
                })?;
                sealed(&[&content[..12], &body].concat())
            }
            1 => {
                let mut content = content.to_vec();
                mutate(u, &mut content)?;
                sealed(&content)
            }
            _ => {
                let mut bytes = good.clone();
                mutate(u, &mut bytes)?;
                bytes
            }
        };
        if let Ok(checkpoint) = Checkpoint::from_bytes(&bytes) {
            // A restored state has only finite numbers.
            if run.restore(&checkpoint.state).is_ok() {
                assert_eq!(block_on(run.state()).unwrap().not_finite(), None);
            }
        }
        fs::write(&file, bytes).unwrap();
        let _ = Resumed::<S>::open(dir.path());
        Ok(())
    });
}

#[test]
fn checkpoints() {
    mutated_checkpoints::<Convolutional>(
        "checkpoints",
        &mut search(&SearchConfig::default()),
        &inputs::settings_samples()[0],
    );
    assert!(State::new(&(), []).progress::<u8>().is_err());
}

#[test]
fn checkpoints_of_version_1() {
    let ([state, _], [config, _]) = (states_of_version_1(), inputs::settings_of_version_1());
    let settings: RunConfig<Convolutional> = serde_json::from_value(config.clone()).unwrap();
    let data = Dataset::textures(0, 18, 6);
    let mut search = block_on(ConvSearch::new(settings.search.unwrap(), &data, &Compute::cpu())).unwrap();
    search.restore(&state).unwrap();
    mutated_state::<Convolutional>("checkpoints_of_version_1", &mut search, state, &config);
}

#[test]
fn checkpoints_of_searches_on_text_of_version_1() {
    let ([_, state], [_, config]) = (states_of_version_1(), inputs::settings_of_version_1());
    let settings: RunConfig<Recurrent> = serde_json::from_value(config.clone()).unwrap();
    let corpus = inputs::corpus_of_version_1();
    let mut search = block_on(RecurrentSearch::new(settings.search.unwrap(), &corpus, &Compute::cpu())).unwrap();
    search.restore(&state).unwrap();
    mutated_state::<Recurrent>("checkpoints_of_searches_on_text_of_version_1", &mut search, state, &config);
}

fn states_of_version_1() -> [State; 2] {
    inputs::checkpoints_of_version_1().map(|bytes| Checkpoint::from_bytes(&bytes).unwrap().state)
}

#[test]
fn checkpoints_of_searches_on_text() {
    let corpus = inputs::corpus();
    let source = TextSource::new(&corpus);
    let config = RecurrentConfig {
        batch_size: 2,
        hidden: 3,
        bptt: 4,
        epochs: 2,
        kernels: Kernels::Reference,
        ..RecurrentConfig::default()
    };
    let mut search = block_on(RecurrentSearch::new(config.clone(), &corpus, &Compute::cpu())).unwrap();
    block_on(search.step()).unwrap();
    let settings = RunConfig::<Recurrent>::search(DeviceChoice::Cpu, source, config);
    let settings = serde_json::to_value(settings).unwrap();
    mutated_checkpoints::<Recurrent>("checkpoints_of_searches_on_text", &mut search, &settings);
    if std::env::var_os(LIMITED).is_some() {
        // From any restored state, it continues or returns an error.
        (0..3).for_each(|_| drop(block_on(search.step())));
    }
}

#[test]
fn checkpoints_of_training_on_text() {
    let corpus = inputs::corpus();
    let source = TextSource::new(&corpus);
    let genotype = RECURRENT.published("DARTS_V1").unwrap();
    let config = TextTrainConfig {
        batch_size: 2,
        hidden: 3,
        bptt: 4,
        epochs: 5,
        patience: 1,
        kernels: Kernels::Reference,
        ..TextTrainConfig::default()
    };
    let mut training = TextTraining::new(config.clone(), genotype.clone(), &corpus, &Compute::cpu()).unwrap();
    // Into the second epoch, so that there are best weights and a history.
    while training.trainee().epoch() == 0 || training.trainee().at_epoch_start() {
        block_on(training.step()).unwrap();
    }
    let settings = RunConfig::<Recurrent>::train(DeviceChoice::Cpu, source, config, genotype);
    let settings = serde_json::to_value(settings).unwrap();
    mutated_checkpoints::<Recurrent>("checkpoints_of_training_on_text", &mut training, &settings);
    if std::env::var_os(LIMITED).is_some() {
        (0..9).for_each(|_| drop(block_on(training.step())));
    }
}

#[test]
fn weights() {
    let genotype = CONVOLUTIONAL.published("DARTS_V2").unwrap();
    let good = inputs::conv_weights();
    assert!(Weights::from_safetensors(&good, &genotype, 10).is_ok());
    // A short file that claims the largest network allowed.
    let wide = vec![0; 4 * 3000 * 27];
    let header = json!({
        "stem.0.weight": { "dtype": "F32", "shape": [3000, 3, 3, 3], "data_offsets": [0, wide.len()] },
        "cells.999.x": { "dtype": "F32", "shape": [0], "data_offsets": [wide.len(), wide.len()] },
    });
    let header = header.to_string().into_bytes();
    let promise = [&(header.len() as u64).to_le_bytes(), header.as_slice(), &wide].concat();
    if std::env::var_os(LIMITED).is_some() {
        let refusal = Weights::from_safetensors(&promise, &genotype, 10).unwrap_err();
        assert!(refusal.to_string().ends_with("stem.1.weight is missing"), "{refusal}");
    }
    fuzz("weights", 2.0, |u| {
        let mut bytes = match u.ratio(2, 3)? {
            true => with_header(&good, |header| mutate_json(u, header))?,
            false => good.clone(),
        };
        if u.ratio(1, 2)? {
            mutate(u, &mut bytes)?;
        }
        inputs::weights(&bytes);
        Ok(())
    });
}

#[test]
fn packed_subsets() {
    let good = inputs::unsealed_packed();
    fuzz("packed_subsets", 1.0, |u| {
        let mut content = good.clone();
        if u.ratio(1, 2)? {
            // The header is small compared to the pixels.
            let mut header = content[..150].to_vec();
            mutate(u, &mut header)?;
            content.splice(..150, header);
        } else {
            mutate(u, &mut content)?;
        }
        inputs::packed(&content);
        Ok(())
    });
}

#[test]
fn archives() {
    let dir = tempdir().unwrap();
    let folder = dir.path().join("a");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("x.tar.gz");
    fuzz("archives", 2.0, |u| {
        let mut folders = [""; 7];
        for folder in &mut folders {
            *folder = u.choose(&["cifar-10-batches-bin/", "", "../../", "/tmp/", "a/../../b/"])?;
        }
        let mut tar = inputs::tar_of(&folders);
        if u.ratio(1, 5)? {
            // The first file is larger than it claims, or not a file.
            let mut header = tar::Header::from_byte_slice(&tar[..512]).clone();
            header.set_size(*u.choose(&[header.size().unwrap(), u64::from(u32::MAX), 0])?);
            let kinds = [tar::EntryType::Regular, tar::EntryType::Symlink, tar::EntryType::GNULongName];
            header.set_entry_type(*u.choose(&kinds)?);
            header.set_link_name("/etc/passwd").unwrap();
            header.set_cksum();
            tar[..512].copy_from_slice(header.as_bytes());
        }
        if u.ratio(1, 2)? {
            mutate(u, &mut tar)?;
        }
        let mut bytes = inputs::gzipped(&tar);
        if u.ratio(1, 4)? {
            mutate(u, &mut bytes)?;
        }
        fs::write(&file, bytes).unwrap();
        let _ = Dataset::open(&file);
        Ok(())
    });
    // Files of an archive are never written, in this folder or beside it.
    assert_eq!(files(&folder), ["x.tar.gz"].into_iter().filter(|_| file.exists()).collect::<Vec<_>>());
    assert_eq!(files(dir.path()), ["a"]);
    assert!(!Path::new("/tmp/data_batch_1.bin").exists());
}
