//! `darts train imagenet`, `darts test imagenet` and searches on pictures in folders, run as programs.

mod cli;

use cli::{darts, document, refusal};
use darts_engine::{
    config::AnyTrainConfig,
    event::{Event, TestResult, Tested},
    run::Run,
    space::Convolutional,
};
use darts_tests::{files, timeless};
use jpeg_encoder::{ColorType, Encoder};
use serde_json::{Value, json};
use std::{fs, path::Path, process::Command};
use tempfile::{TempDir, tempdir};

/// Writes a picture of stripes.
fn write(path: &Path, [width, height]: [u16; 2], colour: [u8; 3], stripe: usize) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let pixel = |i: usize| if (i / stripe).is_multiple_of(2) { colour } else { [128; 3] };
    let pixels: Vec<u8> = (0..usize::from(width) * usize::from(height)).flat_map(pixel).collect();
    if path.extension().is_some_and(|end| end == "png") {
        let mut encoder = png::Encoder::new(fs::File::create(path).unwrap(), width.into(), height.into());
        encoder.set_color(png::ColorType::Rgb);
        encoder.write_header().unwrap().write_image_data(&pixels).unwrap();
    } else {
        let mut bytes = Vec::new();
        Encoder::new(&mut bytes, 90).encode(&pixels, width, height, ColorType::Rgb).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// Six classes of five pictures to train on and two to test on, of all kinds of names and sizes, in `data`.
fn folder() -> TempDir {
    let dir = tempdir().unwrap();
    for class in 0..6u8 {
        for i in 0..7u16 {
            let set = if i < 5 { "train" } else { "val" };
            let end = ["JPEG", "jpg", "png"][usize::from(i) % 3];
            let path = dir.path().join(format!("data/{set}/class {class}/{i}.{end}"));
            write(&path, [40 + 9 * i, 70 - 5 * i], [40 * class, 255 - 40 * class, 90], 3 + usize::from(class));
        }
    }
    dir
}

/// A training run of a few seconds, in minibatches of `batch`.
fn train(dir: &Path, out: &str, batch: usize, more: &[&str]) -> Command {
    let mut command = darts();
    command.current_dir(dir).args(["train", "imagenet", "--arch", "DARTS_V2", "--data", "data", "--out", out]);
    command.args(["--device", "cpu", "--image-size", "64", "--auxiliary-weight", "0", "--init-channels", "4"]);
    command.args(["--layers", "3", "--epochs", "2", "--batch-size", &batch.to_string()]).args(more);
    command
}

fn test(dir: &Path, weights: &str, more: &[&str]) -> Command {
    let mut command = darts();
    command.current_dir(dir).args(["test", "imagenet", "--arch", "DARTS_V2", "--data", "data", "--weights", weights]);
    command.args(["--device", "cpu", "--image-size", "64"]).args(more);
    command
}

fn events(dir: &Path, run: &str) -> Vec<Event> {
    Run::<Convolutional>::open(dir.join(run)).unwrap().events().unwrap().map(Result::unwrap).collect()
}

#[test]
fn a_network_trains_on_pictures_and_tests_alike_whatever_the_threads() {
    let dir = folder();
    let report = document(&mut train(dir.path(), "run", 8, &["--threads", "1", "--seed", "3"]));
    assert_eq!((&report["train_examples"], &report["epochs"]), (&json!(30), &json!(2)));
    let run = dir.path().join("run");
    let left = ["best.safetensors", "checkpoints", "config.json", "events.jsonl", "genotype.json", "last.safetensors"];
    assert_eq!(files(&run), left);
    let events = self::events(dir.path(), "run");
    let Event::TrainStarted {
        config: AnyTrainConfig::Convolutional(config),
        train_examples: 30,
        test_examples: 12,
        steps_per_epoch: Some(3),
        ..
    } = &events[0]
    else {
        panic!("{:?}", events[0]);
    };
    assert_eq!((config.image_size, config.label_smoothing, config.weight_decay), (Some(64), 0.1, 3e-5));
    let rates: Vec<f64> = events
        .iter()
        .filter_map(|event| match event {
            Event::TrainEpoch { learning_rate, unreadable: 0, .. } => *learning_rate,
            _ => None,
        })
        .collect();
    assert!(rates.len() == 2 && rates[0] == 0.1 && (rates[1] - 0.097).abs() < 1e-12, "{rates:?}");
    let Some(Event::TrainFinished { test: TestResult::Images(last), .. }) = events.last() else { unreachable!() };
    let five = last.wrong_of_five.expect("the five likeliest are asked for");
    assert!(five <= last.wrong && last.images == 12, "{last:?}");

    document(&mut train(dir.path(), "again", 8, &["--threads", "5", "--seed", "3"]));
    assert_eq!(timeless(&self::events(dir.path(), "again")), timeless(&events));
    let weights = |run: &str| fs::read(dir.path().join(run).join("last.safetensors")).unwrap();
    assert!(weights("run") == weights("again"), "the same bits");
    document(&mut train(dir.path(), "other", 8, &["--seed", "4"]));
    assert!(weights("run") != weights("other"));
    document(&mut train(dir.path(), "sharp", 8, &["--seed", "3", "--label-smoothing", "0"]));
    assert!(weights("run") != weights("sharp"));

    let report = document(&mut test(dir.path(), "run/last.safetensors", &["--batch-size", "5"]));
    let found: Tested = serde_json::from_value(report["test"].clone()).unwrap();
    assert_eq!((found.wrong, found.wrong_of_five, found.images), (last.wrong, Some(five), 12));
    assert!((found.loss - last.loss).abs() < 1e-3 * last.loss, "{found:?} {last:?}");
    assert_eq!(report["top5_error"], json!(five as f64 / 12.0));
    let text = String::from_utf8(test(dir.path(), "run/last.safetensors", &[]).output().unwrap().stdout).unwrap();
    assert!(
        text.starts_with(&format!("test error {:.2}% ({} of 12), top-5 ", 100.0 * last.error(), last.wrong)),
        "{text}"
    );

    // Weights for ImageNet do not fit a network for CIFAR-10.
    let mut cifar = darts();
    cifar.current_dir(dir.path()).args(["test", "cifar10", "--arch", "DARTS_V2", "--data", "data", "--device", "cpu"]);
    let error = refusal(cifar.args(["--weights", "run/last.safetensors"]), 1);
    assert_eq!(error, "run/last.safetensors: weights of a network for ImageNet, not for CIFAR-10");
}

/// At the size that the auxiliary head is made for, on the machine's best device and on its CPU.
#[test]
fn devices_agree_on_a_network_with_its_auxiliary_head() {
    let dir = folder();
    let loss = |out: &str, device: &str| {
        let mut command = darts();
        command.current_dir(dir.path()).args(["train", "imagenet", "--arch", "DARTS_V1", "--data", "data"]);
        command.args(["--out", out, "--device", device, "--init-channels", "4", "--layers", "2", "--batch-size", "2"]);
        let report = document(command.args(["--train-images", "4", "--epochs", "1", "--learning-rate", "0.001"]));
        let Event::TrainStarted { auxiliary_parameters, .. } = &events(dir.path(), out)[0] else { unreachable!() };
        assert!(auxiliary_parameters.is_some_and(|count| count > 0));
        (report["train"]["loss"].as_f64().unwrap(), report["test"]["loss"].as_f64().unwrap())
    };
    let (best, cpu) = (loss("best", "auto"), loss("cpu", "cpu"));
    let near = |a: f64, b: f64| (a - b).abs() < 1e-2 * b;
    assert!(near(best.0, cpu.0) && near(best.1, cpu.1), "{best:?} {cpu:?}");
}

#[test]
fn broken_pictures_are_reported_once_counted_and_left_out() {
    let dir = folder();
    let broken =
        ["train/class 1/0.JPEG", "train/class 4/2.png", "val/class 0/6.JPEG"].map(|file| format!("data/{file}"));
    for file in &broken {
        let path = dir.path().join(file);
        let whole = fs::read(&path).unwrap();
        fs::write(path, &whole[..whole.len() / 2]).unwrap();
    }
    let flags = ["--threads", "3", "--test-every", "2", "--checkpoint-minutes", "0", "--keep", "9"];
    let output = train(dir.path(), "run", 15, &flags).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{error}");
    assert_eq!(error.matches("data/train/class 1/0.JPEG is not a readable JPEG: ").count(), 1, "{error}");
    let events = events(dir.path(), "run");
    let reported: Vec<&str> = events
        .iter()
        .filter_map(|event| match event {
            Event::Unreadable { picture, .. } => Some(picture.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(reported.len(), 3, "{reported:?}");
    assert!(broken.iter().all(|file| reported.contains(&file.as_str())), "{reported:?}");
    // Every picture is drawn in every epoch, and a broken one may be drawn in place of another.
    for event in &events {
        if let Event::TrainEpoch { unreadable, .. } = event {
            assert!(*unreadable >= 2, "{event:?}");
        }
    }
    let Some(Event::TrainFinished { test: TestResult::Images(last), .. }) = events.last() else { unreachable!() };
    assert_eq!((last.images, last.unreadable), (11, 1));
    let report = document(&mut test(dir.path(), "run/last.safetensors", &[]));
    assert_eq!(report["test"]["images"], json!(11));
    let unreadable = report["unreadable"][0].as_str().unwrap();
    assert!(unreadable.starts_with("data/val/class 0/6.JPEG is not a readable JPEG: "), "{unreadable}");

    // Resumed in the middle of an epoch, it ends alike, including the pictures reported and counted before.
    let weights = || fs::read(dir.path().join("run/last.safetensors")).unwrap();
    let (whole, checkpoints) = (weights(), dir.path().join("run/checkpoints"));
    let steps: Vec<String> = files(&checkpoints).into_iter().filter(|file| file.starts_with("step-")).collect();
    assert_eq!(steps.len(), 5, "one before the first step, and one after each");
    fs::remove_file(checkpoints.join(&steps[4])).unwrap();
    let mut again = darts();
    document(again.current_dir(dir.path()).args(["train", "imagenet", "--resume", "run", "--threads", "2"]));
    assert_eq!(timeless(&self::events(dir.path(), "run")), timeless(&events));
    assert!(weights() == whole, "the same bits");
}

#[test]
fn unfit_folders_and_sizes_are_refused() {
    let dir = folder();
    let refused = |more: &[&str]| {
        let error = refusal(&mut train(dir.path(), "run", 8, more), 1);
        assert!(!dir.path().join("run").exists());
        error
    };
    let mut odd = darts();
    odd.current_dir(dir.path()).args(["train", "imagenet", "--arch", "DARTS_V2", "--data", "data", "--out", "run"]);
    assert_eq!(refusal(odd.args(["--image-size", "100"]), 1), "image-size must be a multiple of 32, not 100");
    let mut head = darts();
    head.current_dir(dir.path()).args(["train", "imagenet", "--arch", "DARTS_V2", "--data", "data", "--out", "run"]);
    let head = refusal(head.args(["--image-size", "64"]), 1);
    assert_eq!(head, "image-size must be 224 or 256 unless auxiliary-weight is 0, not 64");
    let too_many = refused(&["--train-images", "31"]);
    assert_eq!(too_many, "train-images is 31, but the data has 30 training images");
    assert_eq!(refused(&["--label-smoothing", "1"]), "label-smoothing must be from 0 to below 1, not 1");
    assert_eq!(refused(&["--learning-rate-decay", "0"]), "learning-rate-decay must be above 0 to 1, not 0");

    fs::create_dir(dir.path().join("data/train/empty")).unwrap();
    assert_eq!(refused(&[]), "data/train/empty has no pictures (.jpg, .jpeg or .png)");
    fs::remove_dir(dir.path().join("data/train/empty")).unwrap();
    write(&dir.path().join("data/val/other/1.jpg"), [8, 8], [0; 3], 1);
    assert_eq!(refused(&[]), "data/val/other is a class that data/train does not have");
    fs::remove_dir_all(dir.path().join("data/val")).unwrap();
    assert_eq!(refused(&[]), "data has no folder val, with the pictures to test on");
    fs::rename(dir.path().join("data/train"), dir.path().join("data/training")).unwrap();
    assert_eq!(refused(&[]), "data has no folder train");
    assert_eq!(files(dir.path()), ["data"]);
}

#[test]
fn a_search_takes_pictures_of_any_classes() {
    let dir = folder();
    fs::write(dir.path().join("data/train/class 2/9.jpg"), "broken").unwrap();
    let search = |out: &str, more: &[&str]| {
        let mut command = darts();
        command.current_dir(dir.path()).args(["search", "conv", "--data", "data", "--out", out, "--epochs", "1"]);
        command.args(["--init-channels", "2", "--layers", "2", "--batch-size", "5"]).args(more);
        command
    };
    let output = search("run", &[]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{error}");
    assert!(error.contains("data/train/class 2/9.jpg is neither JPEG nor PNG: left out"), "{error}");
    let report = document(&mut search("large", &["--image-size", "48", "--quiet"]));
    assert_eq!((&report["train_examples"], &report["valid_examples"]), (&json!(15), &json!(15)));
    let config: Value = serde_json::from_slice(&fs::read(dir.path().join("large/config.json")).unwrap()).unwrap();
    assert_eq!(config["data"]["name"], json!("data"));
    let mut odd = search("odd", &["--image-size", "42", "--quiet"]);
    assert_eq!(refusal(&mut odd, 1), "image-size must be a multiple of 4, not 42");
    let mut other = darts();
    other.current_dir(dir.path()).args(["search", "conv", "--data", "textures", "--out", "odd", "--image-size", "48"]);
    let expected = "image-size is 48, but textures has images of 32x32 pixels; only pictures in folders are resized";
    assert_eq!(refusal(&mut other, 1), expected);
    assert!(!dir.path().join("odd").exists());

    let mut show = darts();
    let report = document(show.current_dir(dir.path()).args(["data", "show", "data", "--quiet"]));
    assert_eq!((&report["train_images"], &report["classes"][5]["name"]), (&json!(30), &json!("class 5")));
}

#[test]
fn decoding_is_measured() {
    let dir = folder();
    let mut bench = darts();
    bench.current_dir(dir.path()).args(["bench", "decode", "--data", "data", "--threads", "2", "--seconds", "1"]);
    let report = document(&mut bench);
    let number = |path: &str| report.pointer(path).and_then(Value::as_f64).unwrap_or_else(|| panic!("{path}"));
    assert_eq!((number("/pictures"), number("/threads"), &report["generated"]), (30.0, 2.0, &json!(false)));
    let rate = number("/images_per_second");
    assert!((rate - number("/images") / number("/seconds")).abs() < 1e-6 * rate);
    assert!(
        number("/stages/decode_ms") > 0.0 && number("/stages/resize_ms") > 0.0 && number("/stages/colour_ms") > 0.0
    );
}
