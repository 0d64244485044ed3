//! Properties that must hold for arbitrary bytes, and valid samples for fuzzers to mutate.
//!
//! Each kind of input in [`KINDS`] has a function that takes bytes and panics if a property is violated, and a list of samples.

use darts_engine::{
    checkpoint::{Checkpoint, LogMark, State},
    config::{RecurrentConfig, SearchConfig, TextTrainConfig, TrainConfig},
    data::{CIFAR10_FILES, Corpus, Dataset, Vocabulary, is_decoding, read_picture, readable},
    device::DeviceChoice,
    event::{Event, LOG_VERSION, Measure},
    network::{Layout, Network, RecurrentNet},
    run::{DataSource, Events, RunConfig, TextSource},
    space::{
        Alphas, CONVOLUTIONAL, CodeError, Convolutional, Genotype, RECURRENT, Recurrent, SPACES, Stem, space_of_python,
    },
    train::{TextWeights, Weights},
};
use flate2::{Compression, write::GzEncoder};
use serde_json::{Value, json};
use std::{fs, io::Write, panic, path::Path};

/// Kind of input.
pub struct Kind {
    /// Fuzz target.
    pub name: &'static str,
    /// Valid samples.
    pub samples: fn() -> Vec<Vec<u8>>,
    /// Check that panics if a property is violated.
    pub holds: fn(&[u8]),
}

/// All kinds.
pub const KINDS: [Kind; 10] = [
    Kind { name: "share_code", samples: share_codes, holds: share_code },
    Kind { name: "python", samples: pythons, holds: python },
    Kind { name: "event_log", samples: event_logs, holds: event_log },
    Kind { name: "settings", samples: settings_files, holds: settings },
    Kind { name: "checkpoint", samples: checkpoints, holds: checkpoint },
    Kind { name: "weights", samples: || vec![conv_weights(), text_weights()], holds: weights },
    Kind { name: "archive", samples: archives, holds: archive },
    Kind { name: "packed", samples: || vec![unsealed_packed()], holds: packed },
    Kind { name: "picture", samples: pictures, holds: picture },
    Kind { name: "text", samples: texts, holds: text },
];

/// Kind of input of a name.
pub fn kind(name: &str) -> Kind {
    KINDS.into_iter().find(|known| known.name == name).expect("a kind of input")
}

/// Prepares a fuzzer: panics that the engine catches and reports as errors are not findings, and the samples are written to
/// the folder that `DARTS_FUZZ_SAMPLES` names.
pub fn begin(name: &str) {
    let usual = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        if !is_decoding() {
            usual(info);
        }
    }));
    let Some(folder) = std::env::var_os("DARTS_FUZZ_SAMPLES") else { return };
    for (i, sample) in (kind(name).samples)().into_iter().enumerate() {
        fs::write(Path::new(&folder).join(format!("sample-{i}")), sample).expect("samples can be written");
    }
}

/// Content followed by its CRC-32, as in checkpoints and packed files.
pub fn sealed(content: &[u8]) -> Vec<u8> {
    let mut sum = flate2::Crc::new();
    sum.update(content);
    [content, &sum.sum().to_le_bytes()].concat()
}

/// Reads a share code; if only its check is wrong, the check is corrected, so that mutations reach the code behind it.
pub fn share_code(bytes: &[u8]) {
    let code = String::from_utf8_lossy(bytes);
    let mended = |expected: &str| format!("{}.{expected}", code.rsplit_once('.').expect("a code with a check").0);
    let mut read = Genotype::from_code(&code);
    if let Err(CodeError::Check { expected, .. }) = &read {
        read = Genotype::from_code(&mended(expected));
    }
    if let Ok(genotype) = read {
        assert_eq!(Genotype::from_code(&genotype.code().unwrap()), Ok(genotype));
    }
}

/// All published cells.
fn published() -> impl Iterator<Item = Genotype> {
    SPACES.into_iter().flat_map(|space| space.published_names().filter_map(move |name| space.published(name)))
}

fn share_codes() -> Vec<Vec<u8>> {
    published().map(|genotype| genotype.code().unwrap().into_bytes()).collect()
}

/// Reads a genotype in Python's form.
pub fn python(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(genotype) = Genotype::from_python(&text) {
        let again = genotype.to_python();
        assert_eq!(space_of_python(&again), Some(genotype.space()));
        assert_eq!(Genotype::from_python(&again), Ok(genotype));
    }
}

fn pythons() -> Vec<Vec<u8>> {
    published().map(|genotype| genotype.to_python().into_bytes()).collect()
}

/// Reads the log of a run.
pub fn event_log(bytes: &[u8]) {
    let read: Vec<_> = Events::of(bytes, "a log").collect();
    assert!(read.iter().rev().skip(1).all(|event| event.is_ok()), "nothing follows an error");
    for event in read.into_iter().flatten() {
        // Every event that is read can be written, and reads back the same.
        let line = serde_json::to_vec(&event).unwrap();
        let again: Event = serde_json::from_slice(&line).unwrap();
        assert_eq!(serde_json::to_vec(&again).unwrap(), line);
    }
}

/// Events of every kind in a log.
pub fn events() -> Vec<Value> {
    let measure = Measure::images(2.3, 0.1);
    let alphas = Alphas::from_flat(CONVOLUTIONAL, &[0.125; 224]);
    let genotype = alphas.genotype();
    let words = Measure::words(5.5);
    let recurrent = Alphas::from_flat(RECURRENT, &[0.2; 180]);
    let step = |alphas| Event::Step {
        epoch: 0,
        step: 1,
        row: None,
        examples: Some(64),
        train: measure,
        valid: measure,
        gradient_norm: 1.0,
        seconds: 0.5,
        alphas,
    };
    let events = [
        Event::Started {
            version: LOG_VERSION,
            config: SearchConfig::default().into(),
            adapter: "none".into(),
            backend: "none".into(),
            parameters: 9,
            train_examples: 4,
            valid_examples: 4,
            steps_per_epoch: Some(2),
            rows: None,
            vocabulary: None,
            alphas: alphas.clone(),
        },
        step(None),
        step(Some(alphas.clone())),
        Event::Finished { genotype, alphas, evaluation: None, epochs: 1, seconds: 0.5 },
        Event::Finished {
            genotype: recurrent.genotype(),
            alphas: recurrent,
            evaluation: Some(words),
            epochs: 1,
            seconds: 0.5,
        },
        Event::Failed { message: "no more".into() },
    ];
    events.map(|event| serde_json::to_value(event).unwrap()).into()
}

/// Logs of version 1, which has other names.
const LOGS_OF_VERSION_1: [&str; 4] = [
    include_str!("../version1/conv-interrupted/events.jsonl"),
    include_str!("../version1/recurrent-finished/events.jsonl"),
    include_str!("../version1/images-finished/events.jsonl"),
    include_str!("../version1/text-finished/events.jsonl"),
];

/// The first event of each type in logs of version 1.
pub fn events_of_version_1() -> Vec<Value> {
    let mut events: Vec<Value> = Vec::new();
    for line in LOGS_OF_VERSION_1.iter().flat_map(|log| log.lines()) {
        let event: Value = serde_json::from_str(line).unwrap();
        if events.iter().all(|known| known["type"] != event["type"]) {
            events.push(event);
        }
    }
    events
}

fn event_logs() -> Vec<Vec<u8>> {
    [events(), events_of_version_1()]
        .map(|events| events.iter().flat_map(|event| format!("{event}\n").into_bytes()).collect())
        .into()
}

/// Reads the `config.json` of a run of either space.
pub fn settings(bytes: &[u8]) {
    if let Ok(config) = serde_json::from_slice::<RunConfig<Convolutional>>(bytes) {
        if let Some(search) = config.search.filter(|search| search.check().is_ok()) {
            let _ = search.split(1 << 20);
        }
        let _ = config.train.map(|train| train.check());
    }
    if let Ok(config) = serde_json::from_slice::<RunConfig<Recurrent>>(bytes) {
        let _ = config.search.map(|search| search.check());
        let _ = config.train.map(|train| train.check());
    }
}

/// Settings of each form that a run has: a search, a training run, and the two on text; and searches of version 1.
pub fn settings_samples() -> Vec<Value> {
    let data = DataSource {
        path: "x".to_owned(),
        name: "textures".to_owned(),
        train_images: 12,
        test_images: 0,
        image_size: 32,
        crc32: 0,
    };
    let text = TextSource::new(&corpus());
    let [cells, cell] = [CONVOLUTIONAL.published("DARTS_V2"), RECURRENT.published("ENAS")].map(|cells| cells.unwrap());
    let cpu = DeviceChoice::Cpu;
    let (search, train) = (SearchConfig::default(), TrainConfig::default());
    let (text_search, text_train) = (RecurrentConfig::default(), TextTrainConfig::default());
    let now = [
        serde_json::to_value(RunConfig::<Convolutional>::search(cpu, data.clone(), search)),
        serde_json::to_value(RunConfig::<Convolutional>::train(cpu, data, train, cells)),
        serde_json::to_value(RunConfig::<Recurrent>::search(cpu, text.clone(), text_search)),
        serde_json::to_value(RunConfig::<Recurrent>::train(cpu, text, text_train, cell)),
    ];
    now.map(|value| value.unwrap()).into_iter().chain(settings_of_version_1()).collect()
}

/// Settings of two searches of version 1, on images and on text.
pub fn settings_of_version_1() -> [Value; 2] {
    [
        include_str!("../version1/conv-interrupted/config.json"),
        include_str!("../version1/recurrent-interrupted/config.json"),
    ]
    .map(|text| serde_json::from_str(text).unwrap())
}

fn settings_files() -> Vec<Vec<u8>> {
    settings_samples().into_iter().map(|config| config.to_string().into_bytes()).collect()
}

/// The corpus of the runs of version 1.
pub fn corpus_of_version_1() -> Corpus {
    Corpus::from_texts([
        ("train", include_bytes!("../version1/text/train.txt")),
        ("valid", include_bytes!("../version1/text/valid.txt")),
        ("test", include_bytes!("../version1/text/test.txt")),
    ])
    .unwrap()
}

/// A corpus of a few words.
pub fn corpus() -> Corpus {
    let text = b"a b c d\n".repeat(12);
    Corpus::from_texts([("x", &text), ("y", &text), ("z", &text)]).unwrap()
}

/// Reads a checkpoint as it is, and with a right checksum.
pub fn checkpoint(bytes: &[u8]) {
    for bytes in [bytes, &sealed(bytes)] {
        if let Ok(checkpoint) = Checkpoint::from_bytes(bytes) {
            let written = checkpoint.to_bytes();
            assert_eq!(Checkpoint::from_bytes(&written).unwrap().to_bytes(), written);
        }
    }
}

fn checkpoints() -> Vec<Vec<u8>> {
    let tensors = [("weights", vec![0.5; 9]), ("alphas", vec![1.0; 4])].map(|(name, v)| (name.to_owned(), v));
    let progress = json!({ "epoch": 1, "step": 2, "seconds": [0.5, 1.5], "pinned": [null, 3] });
    let checkpoint = Checkpoint {
        step: 3,
        config: "c".into(),
        log: LogMark { bytes: 9, crc32: 8 },
        state: State::new(&progress, tensors),
    };
    let [_, old] = checkpoints_of_version_1();
    [checkpoint.to_bytes(), old].map(|bytes| bytes[..bytes.len() - 4].to_vec()).into()
}

/// Checkpoints of two searches of version 1, on images and on text.
pub fn checkpoints_of_version_1() -> [Vec<u8>; 2] {
    let images = include_bytes!("../version1/conv-interrupted/checkpoints/step-000000007.checkpoint");
    let text = include_bytes!("../version1/recurrent-interrupted/checkpoints/step-000000011.checkpoint");
    [images.to_vec(), text.to_vec()]
}

/// Reads a weights file of a network for images or of a language model.
pub fn weights(bytes: &[u8]) {
    let cells = CONVOLUTIONAL.published("DARTS_V2").unwrap();
    if let Ok(read) = Weights::from_safetensors(bytes, &cells, 10) {
        assert_eq!(read.weights.len(), read.network.layout().len());
        let again = Weights::from_safetensors(&read.to_safetensors(1), &cells, 10).unwrap();
        assert_eq!((again.weights, again.statistics), (read.weights, read.statistics));
    }
    let cell = RECURRENT.published("DARTS_V1").unwrap();
    if let Ok(read) = TextWeights::from_safetensors(bytes, &cell) {
        let again = TextWeights::from_safetensors(&read.to_safetensors(), &cell);
        assert_eq!(again.unwrap().weights, read.weights);
    }
}

/// The weights file of a small network.
pub fn conv_weights() -> Vec<u8> {
    let network = Network::new(CONVOLUTIONAL.published("DARTS_V2").unwrap(), Stem::Cifar10, 2, 3, 10, true);
    let zeros = |layout: &Layout| vec![0.0; layout.len()];
    let (weights, statistics) = (zeros(network.layout()), zeros(network.statistics()));
    Weights { network, weights, statistics }.to_safetensors(7)
}

fn text_weights() -> Vec<u8> {
    let net = RecurrentNet::derived(RECURRENT.published("DARTS_V1").unwrap(), 5, 3);
    let weights = vec![0.5; net.layout().len()];
    TextWeights { net, weights }.to_safetensors()
}

/// Reads CIFAR-10's archive, or the tar in it.
pub fn archive(bytes: &[u8]) {
    let packed = if bytes.starts_with(&[0x1f, 0x8b]) { bytes.to_vec() } else { gzipped(bytes) };
    let _ = Dataset::from_archive(packed.as_slice(), "x.tar.gz");
}

fn archives() -> Vec<Vec<u8>> {
    vec![tar_of(&["cifar-10-batches-bin/"; 7]), gzipped(&tar_of(&[""; 7]))]
}

pub fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gz = GzEncoder::new(Vec::new(), Compression::none());
    gz.write_all(bytes).unwrap();
    gz.finish().unwrap()
}

/// CIFAR-10's files as tar, one image each, in these folders.
pub fn tar_of(folders: &[&str; 7]) -> Vec<u8> {
    let data = Dataset::textures(0, 6, 0);
    let mut tar = Vec::new();
    for (i, (name, folder)) in CIFAR10_FILES.iter().zip(folders).enumerate() {
        let bytes = match i {
            6 => data.classes.iter().flat_map(|class| format!("{class}\n").into_bytes()).collect(),
            _ => [&[data.train.labels[i] as u8], data.train.image(i)].concat(),
        };
        let mut header = tar::Header::new_gnu();
        let path = format!("{folder}{name}");
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o777);
        header.set_cksum();
        tar.extend(header.as_bytes());
        tar.extend(&bytes);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
    tar.extend([0; 1024]);
    tar
}

/// Reads a packed subset as it is, and with a right checksum.
pub fn packed(bytes: &[u8]) {
    for bytes in [bytes, &sealed(bytes)] {
        if let Ok(data) = Dataset::from_packed(bytes) {
            assert_eq!(Dataset::from_packed(&data.to_packed().unwrap()).unwrap(), data);
        }
    }
}

pub fn unsealed_packed() -> Vec<u8> {
    let bytes = Dataset::textures(0, 4, 2).to_packed().unwrap();
    bytes[..bytes.len() - 4].to_vec()
}

/// Reads a picture in a folder of pictures.
pub fn picture(bytes: &[u8]) {
    if let Ok(pixels) = read_picture(bytes, 8) {
        assert_eq!(pixels.len(), 3 * 8 * 8);
    }
}

/// Small pictures of each format.
pub fn pictures() -> Vec<Vec<u8>> {
    const SIDE: u16 = 19;
    let pixels = |channels: usize| -> Vec<u8> {
        (0..usize::from(SIDE) * usize::from(SIDE) * channels).map(|i| (i * 37 % 251) as u8).collect()
    };
    let mut pictures = Vec::new();
    for (colour, depth) in [
        (png::ColorType::Grayscale, 8),
        (png::ColorType::Rgb, 8),
        (png::ColorType::Indexed, 4),
        (png::ColorType::GrayscaleAlpha, 8),
        (png::ColorType::Rgba, 16),
    ] {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, SIDE.into(), SIDE.into());
        encoder.set_color(colour);
        encoder.set_depth(png::BitDepth::from_u8(depth).unwrap());
        encoder.set_palette([9, 99, 199].repeat(16));
        let row = (usize::from(SIDE) * colour.samples() * usize::from(depth)).div_ceil(8);
        let data: Vec<u8> = pixels(8).into_iter().take(row * usize::from(SIDE)).collect();
        encoder.write_header().unwrap().write_image_data(&data).unwrap();
        pictures.push(bytes);
    }
    for (colour, channels, progressive) in [
        (jpeg_encoder::ColorType::Luma, 1, false),
        (jpeg_encoder::ColorType::Rgb, 3, false),
        (jpeg_encoder::ColorType::Rgb, 3, true),
        (jpeg_encoder::ColorType::Cmyk, 4, false),
    ] {
        let mut bytes = Vec::new();
        let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 80);
        encoder.set_progressive(progressive);
        encoder.set_restart_interval(3);
        encoder.encode(&pixels(channels), SIDE, SIDE, colour).unwrap();
        pictures.push(bytes);
    }
    pictures
}

/// Reads three texts separated by NUL, of words or of prose, or a list of words.
pub fn text(bytes: &[u8]) {
    let mut parts = bytes.splitn(3, |&byte| byte == 0);
    let mut part = || parts.next().unwrap_or_default();
    let texts = [("train", part()), ("valid", part()), ("test", part())];
    if let Ok(corpus) = Corpus::from_texts(texts) {
        let words = corpus.vocabulary.len();
        for text in [&corpus.train, &corpus.valid, &corpus.test] {
            assert!(text.tokens.iter().all(|&token| (token as usize) < words));
            if let Ok(columns) = text.columns(2, 2) {
                let window = columns.window(columns.rows - 2, 35);
                assert_eq!(window.targets.len(), window.length * window.batch_size);
            }
        }
        let again = Vocabulary::from_text("words", corpus.vocabulary.to_text().as_bytes());
        assert_eq!(again.unwrap(), corpus.vocabulary);
        assert_eq!(corpus.vocabulary.read("test", texts[2].1).unwrap(), corpus.test.tokens);
    }
    let _ = Vocabulary::from_text("words", bytes);
    if let Ok(corpus) = Corpus::from_prose("prose", bytes, 20) {
        assert!(corpus.vocabulary.len() <= 20);
        let words = corpus.vocabulary.words();
        readable(corpus.train.tokens.iter().map(|&token| words[token as usize].as_str()));
    }
}

fn texts() -> Vec<Vec<u8>> {
    let lines = "the <unk> of N years\n no it was n't\n".repeat(4);
    let prose = "\"No,\" said Mr. Cuff -- the Sergeant's 3rd answer; isn't it?\n\nHe left in 1,848.5 days! ".repeat(9);
    vec![[&lines, "\0", &lines, "\0", "the years\r\n"].concat().into_bytes(), prose.into_bytes()]
}
