//! Bytes from anywhere: whatever is read is mutated at random for `DARTS_FUZZ_SECONDS` (a second or two each unless that is
//! set), and must be refused or read, without a panic, within two gibibytes of memory.
//!
//! A failure names a seed; `ARBTEST_SEED` repeats it.

use arbtest::{
    arbitrary::{Result, Unstructured},
    arbtest,
};
use darts_engine::{
    checkpoint::{Checkpoint, LogMark, Resumable, State},
    data::{CIFAR10_FILES, Corpus, Dataset},
    device::{Compute, DeviceChoice, block_on},
    event::{Event, Measure},
    run::{
        CHECKPOINTS_FOLDER, CONFIG_FILE, DataSource, EVENTS_FILE, Resumed, Run, RunConfig, Settings, TextRun,
        TextRunConfig, TextSource, read_genotype,
    },
    search::{ConvSearch, RecurrentConfig, RecurrentSearch, SearchConfig},
    space::{Alphas, Genotype, PUBLISHED, code::CodeError, published, published_recurrent},
    supernet::{Kernels, Layout},
    train::{Network, Stem, TextTrainConfig, TextTraining, Weights},
};
use darts_tests::files;
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use std::{
    fs,
    io::Write,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};
use tempfile::tempdir;

/// Kibibytes of address space that a test may have.
const MEMORY: usize = 2 << 20;
/// Tells a test that its memory is limited.
const LIMITED: &str = "DARTS_TEST_OF_LIMITED_MEMORY";

/// Tries `property` again and again. The test runs itself a second time in a process of limited memory, and there tries it.
fn fuzz(test: &str, seconds: f64, property: impl FnMut(&mut Unstructured) -> Result<()>) {
    if cfg!(target_os = "linux") && std::env::var_os(LIMITED).is_none() {
        let shell = format!("ulimit -v {MEMORY}; exec \"$0\" --exact {test} --nocapture");
        let program = std::env::current_exe().unwrap();
        let output = Command::new("sh").args(["-c", &shell]).arg(program).env(LIMITED, "1").output().unwrap();
        let told = [output.stdout, output.stderr].concat();
        let told = String::from_utf8_lossy(&told);
        print!("{told}");
        assert!(output.status.success() && told.contains("1 passed"), "{test} fails within {MEMORY} KiB: {told}");
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

/// Changes values of a JSON document in one to four places, wherever they are.
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

#[test]
fn share_codes() {
    fuzz("share_codes", 1.0, |u| {
        let mut code = published(u.choose(&PUBLISHED)?).unwrap().code().unwrap().into_bytes();
        mutate(u, &mut code)?;
        let code = String::from_utf8_lossy(&code).into_owned();
        let mut read = Genotype::from_code(&code);
        if let Err(CodeError::Check { expected, .. }) = &read {
            // As whoever writes a code by hand would, to get at what is behind the check.
            let (rest, _) = code.rsplit_once('.').unwrap();
            read = Genotype::from_code(&format!("{rest}.{expected}"));
        }
        if let Ok(genotype) = read {
            assert_eq!(Genotype::from_code(&genotype.code().unwrap()), Ok(genotype));
        }
        Ok(())
    });
}

#[test]
fn python_genotypes() {
    let nested = format!("Genotype(normal_concat={}", "list(".repeat(100_000));
    fuzz("python_genotypes", 1.0, |u| {
        let mut text = published(u.choose(&PUBLISHED)?).unwrap().to_python().into_bytes();
        mutate(u, &mut text)?;
        if let Ok(genotype) = Genotype::from_python(&String::from_utf8_lossy(&text)) {
            assert_eq!(Genotype::from_python(&genotype.to_python()), Ok(genotype));
        }
        assert!(Genotype::from_python(&nested).is_err());
        Ok(())
    });
}

#[test]
fn genotype_files() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("genotype.json");
    fuzz("genotype_files", 1.0, |u| {
        let genotype = published(u.choose(&PUBLISHED)?).unwrap();
        let mut text = serde_json::to_value(&genotype).unwrap();
        mutate_json(u, &mut text)?;
        let mut text = text.to_string().into_bytes();
        if u.ratio(1, 3)? {
            mutate(u, &mut text)?;
        }
        fs::write(&file, text).unwrap();
        if let Ok(genotype) = read_genotype(&file) {
            genotype.code().unwrap();
            Network::new(genotype, Stem::Cifar10, 4, 3, 10, true);
        }
        Ok(())
    });
}

#[test]
fn event_logs() {
    let dir = tempdir().unwrap();
    let search = search(&SearchConfig::default());
    let measure = Measure { loss: 2.3, accuracy: 0.1 };
    let architecture = Alphas::from_flat(&[0.125; 224]);
    let genotype = architecture.genotype();
    let step = |architecture| Event::Step {
        epoch: 0,
        step: 1,
        weights: measure,
        alphas: measure,
        gradient_norm: 1.0,
        seconds: 0.5,
        architecture,
    };
    let finished = Event::Finished { genotype, architecture: architecture.clone(), epochs: 1, seconds: 0.5 };
    let events = [search.started(), step(None), step(Some(architecture)), finished];
    let events = events.map(|event| serde_json::to_value(event).unwrap());
    fs::write(dir.path().join(CONFIG_FILE), config().to_string()).unwrap();
    let run = Run::open(dir.path()).unwrap();
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
        fs::write(dir.path().join(EVENTS_FILE), &log).unwrap();
        let read: Vec<_> = run.events().unwrap().collect();
        assert!(read.iter().rev().skip(1).all(|event| event.is_ok()), "nothing follows an error");
        Ok(())
    });
}

/// What a run's `config.json` holds.
fn config() -> Value {
    let data = DataSource {
        path: "x".to_owned(),
        name: "textures".to_owned(),
        train_images: 12,
        test_images: 0,
        image_size: 32,
        crc32: 0,
    };
    serde_json::to_value(RunConfig::search(DeviceChoice::Cpu, data, SearchConfig::default())).unwrap()
}

#[test]
fn settings() {
    let dir = tempdir().unwrap();
    let genotype = published_recurrent("ENAS").unwrap();
    let text = TextRunConfig::train(DeviceChoice::Cpu, corpus().1, TextTrainConfig::default(), genotype);
    fuzz("settings", 1.0, |u| {
        let (mut config, mut text) = (config(), serde_json::to_value(&text).unwrap());
        mutate_json(u, &mut config)?;
        fs::write(dir.path().join(CONFIG_FILE), config.to_string()).unwrap();
        if let Ok(run) = Run::open(dir.path())
            && let Some(search) = run.config.search
            && search.check().is_ok()
        {
            let _ = search.split(1 << 20);
        }
        mutate_json(u, &mut text)?;
        fs::write(dir.path().join(CONFIG_FILE), text.to_string()).unwrap();
        if let Ok(run) = TextRun::open(dir.path()) {
            let _ = run.config.train.map(|config| config.check());
        }
        Ok(())
    });
}

/// A search on the processor that takes no time.
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

/// Content as its writer would seal it.
fn sealed(mut content: Vec<u8>) -> Vec<u8> {
    let sum = crc32(&content);
    content.extend(sum.to_le_bytes());
    content
}

/// CRC-32, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| (sum >> 1) ^ if sum & 1 == 1 { 0xedb8_8320 } else { 0 })
    })
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

/// Mutates the checkpoint of a run, restores it where it can be, and looks for it in a run folder of such settings.
fn mutated_checkpoints<C: Settings>(test: &str, run: &mut impl Resumable, config: &Value) {
    let state = block_on(run.state()).unwrap();
    let good = Checkpoint { step: 0, config: "c".into(), log: LogMark::default(), state };
    let bytes = good.to_bytes();
    let again = Checkpoint::from_bytes(&sealed(bytes[..bytes.len() - 4].to_vec())).unwrap();
    assert!(again.state.tensors().eq(good.state.tensors()));
    let good = bytes;
    let dir = tempdir().unwrap();
    fs::create_dir(dir.path().join(CHECKPOINTS_FOLDER)).unwrap();
    fs::write(dir.path().join(CONFIG_FILE), config.to_string()).unwrap();
    let file = dir.path().join(CHECKPOINTS_FOLDER).join("step-000000000.checkpoint");
    fuzz(test, 2.0, |u| {
        let content = &good[..good.len() - 4];
        let bytes = match u.int_in_range(0..=2)? {
            // The header, and the document in it.
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
                sealed([&content[..12], &body].concat())
            }
            1 => {
                let mut content = content.to_vec();
                mutate(u, &mut content)?;
                sealed(content)
            }
            _ => {
                let mut bytes = good.clone();
                mutate(u, &mut bytes)?;
                bytes
            }
        };
        if let Ok(checkpoint) = Checkpoint::from_bytes(&bytes) {
            // Whatever is restored has numbers that can be gone on with.
            if run.restore(&checkpoint.state).is_ok() {
                assert_eq!(block_on(run.state()).unwrap().not_finite(), None);
            }
        }
        fs::write(&file, bytes).unwrap();
        let _ = Resumed::<C>::open(dir.path());
        Ok(())
    });
}

#[test]
fn checkpoints() {
    mutated_checkpoints::<RunConfig>("checkpoints", &mut search(&SearchConfig::default()), &config());
    assert!(State::new(&(), []).progress::<u8>().is_err());
}

/// A corpus of a few words, and its source.
fn corpus() -> (Corpus, TextSource) {
    let text = b"a b c d\n".repeat(12);
    let corpus = Corpus::from_texts([("x", &text), ("y", &text), ("z", &text)]).unwrap();
    let source = TextSource::new(&corpus);
    (corpus, source)
}

#[test]
fn checkpoints_of_searches_on_text() {
    let (corpus, source) = corpus();
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
    let settings = TextRunConfig::search(DeviceChoice::Cpu, source, config);
    let settings = serde_json::to_value(settings).unwrap();
    mutated_checkpoints::<TextRunConfig>("checkpoints_of_searches_on_text", &mut search, &settings);
    if std::env::var_os(LIMITED).is_some() {
        // Wherever it was restored to, it goes on or says why not.
        (0..3).for_each(|_| drop(block_on(search.step())));
    }
}

#[test]
fn checkpoints_of_training_on_text() {
    let (corpus, source) = corpus();
    let genotype = published_recurrent("DARTS_V1").unwrap();
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
    // Into the second epoch, so that there are a best one and a history.
    while training.place().0 == 0 || training.place().1 == 0 {
        block_on(training.step()).unwrap();
    }
    let settings = TextRunConfig::train(DeviceChoice::Cpu, source, config, genotype);
    let settings = serde_json::to_value(settings).unwrap();
    mutated_checkpoints::<TextRunConfig>("checkpoints_of_training_on_text", &mut training, &settings);
    if std::env::var_os(LIMITED).is_some() {
        (0..9).for_each(|_| drop(block_on(training.step())));
    }
}

#[test]
fn weights() {
    let genotype = published("DARTS_V2").unwrap();
    let network = Network::new(genotype.clone(), Stem::Cifar10, 2, 3, 10, true);
    let zeros = |layout: &Layout| vec![0.0; layout.len()];
    let (weights, statistics) = (zeros(network.layout()), zeros(network.statistics()));
    let good = Weights { network, weights, statistics }.to_safetensors(7);
    assert!(Weights::from_safetensors(&good, &genotype, 10).is_ok());
    // A short file that promises the largest network there may be.
    let wide = vec![0; 4 * 3000 * 27];
    let header = json!({
        "stem.0.weight": { "dtype": "F32", "shape": [3000, 3, 3, 3], "data_offsets": [0, wide.len()] },
        "cells.999.x": { "dtype": "F32", "shape": [0], "data_offsets": [wide.len(), wide.len()] },
    });
    let header = header.to_string().into_bytes();
    let promise = [&(header.len() as u64).to_le_bytes(), header.as_slice(), &wide].concat();
    if std::env::var_os(LIMITED).is_some() {
        let refusal = Weights::from_safetensors(&promise, &genotype, 10).unwrap_err();
        assert!(refusal.to_string().ends_with("stem.1.weight is not there"), "{refusal}");
    }
    fuzz("weights", 2.0, |u| {
        let mut bytes = match u.ratio(2, 3)? {
            true => with_header(&good, |header| mutate_json(u, header))?,
            false => good.clone(),
        };
        if u.ratio(1, 2)? {
            mutate(u, &mut bytes)?;
        }
        let _ = Weights::from_safetensors(&bytes, &genotype, 10);
        Ok(())
    });
}

#[test]
fn packed_subsets() {
    let good = Dataset::textures(0, 4, 2).to_packed().unwrap();
    fuzz("packed_subsets", 1.0, |u| {
        let mut content = good[..good.len() - 4].to_vec();
        if u.ratio(1, 2)? {
            // The header is small beside the pixels.
            let mut header = content[..150].to_vec();
            mutate(u, &mut header)?;
            content.splice(..150, header);
        } else {
            mutate(u, &mut content)?;
        }
        if let Ok(data) = Dataset::from_packed(&sealed(content)) {
            assert_eq!(Dataset::from_packed(&data.to_packed().unwrap()).unwrap(), data);
        }
        Ok(())
    });
}

#[test]
fn archives() {
    let dir = tempdir().unwrap();
    let folder = dir.path().join("a");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("x.tar.gz");
    let data = Dataset::textures(0, 6, 0);
    fuzz("archives", 2.0, |u| {
        let mut tar = Vec::new();
        for (i, name) in CIFAR10_FILES.iter().enumerate() {
            let i = i % 6;
            let record = [&[data.train.labels[i] as u8], data.train.image(i)].concat();
            let place = *u.choose(&["cifar-10-batches-bin/", "", "../../", "/tmp/", "a/../../b/"])?;
            let mut header = tar::Header::new_gnu();
            let path = format!("{place}{name}");
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_size(*u.choose(&[record.len() as u64, record.len() as u64, u64::from(u32::MAX), 0])?);
            header.set_mode(0o777);
            let kinds = [tar::EntryType::Regular, tar::EntryType::Symlink, tar::EntryType::GNULongName];
            if u.ratio(1, 10)? {
                header.set_entry_type(*u.choose(&kinds)?);
                header.set_link_name("/etc/passwd").unwrap();
            }
            header.set_cksum();
            tar.extend(header.as_bytes());
            tar.extend(&record);
            tar.resize(tar.len().next_multiple_of(512), 0);
        }
        tar.extend([0; 1024]);
        if u.ratio(1, 2)? {
            mutate(u, &mut tar)?;
        }
        let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
        gz.write_all(&tar).unwrap();
        let mut bytes = gz.finish().unwrap();
        if u.ratio(1, 4)? {
            mutate(u, &mut bytes)?;
        }
        fs::write(&file, bytes).unwrap();
        let _ = Dataset::open(&file);
        Ok(())
    });
    // What an archive names is never written, here or beside it.
    assert_eq!(files(&folder), ["x.tar.gz"].into_iter().filter(|_| file.exists()).collect::<Vec<_>>());
    assert_eq!(files(dir.path()), ["a"]);
    assert!(!Path::new("/tmp/data_batch_1.bin").exists());
}
