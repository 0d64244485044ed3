//! Data on disk: folders, archives and packed files, read within the limits of CIFAR-10's sizes.

use super::{
    CIFAR10, CIFAR10_CLASSES, DataError, Dataset, Images, Pictures, SIDE, TEXTURES, TEXTURES_TEST, TEXTURES_TRAIN,
    Unreadable,
    cifar::{
        CIFAR10_FILES, CIFAR10_FOLDER, CLASSES_FILE, FILE_BYTES, FILE_RECORDS, SUMS, TEST_FILE, TRAIN_FILES,
        read_classes, read_records,
    },
    packed::{MAGIC, MAX_BYTES, unpack},
};
use flate2::read::GzDecoder;
use sha2::{Digest, Sha256};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

/// Most bytes that an archive may unpack to; CIFAR-10's has 184 million.
const ARCHIVE_BYTES: u64 = 256 << 20;
/// Most bytes read of a file of names or checksums.
const TEXT_BYTES: u64 = 65_536;

impl Dataset {
    /// Opens data in any form: a `cifar-10-batches-bin` folder or a folder that holds it, the official
    /// `cifar-10-binary.tar.gz`, a folder of pictures, a packed subset, or the word `textures` for generated
    /// images.
    ///
    /// # Errors
    /// There is no data, or it cannot be read; the message names the file, and the record or entry.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, DataError> {
        let mut first = None;
        let data = Self::open_at(path, SIDE, &mut |unreadable| {
            first.get_or_insert(unreadable);
        })?;
        match first {
            Some(Unreadable { picture, problem }) => Err(DataError::Unreadable { picture, problem }),
            None => Ok(data),
        }
    }

    /// Opens data as [`Dataset::open`] does. The pictures of a folder are read at `side` by `side` pixels; those that
    /// cannot be read are passed to `report` and left out.
    ///
    /// # Errors
    /// As [`Dataset::open`], or images of a fixed size have another than `side`.
    pub fn open_at(path: impl AsRef<Path>, side: usize, report: &mut dyn FnMut(Unreadable)) -> Result<Self, DataError> {
        let path = path.as_ref();
        if Pictures::is_there(path) && find_folder(path).is_err() {
            return Pictures::open(path)?.read(side, report);
        }
        let data = Self::open_fixed(path)?;
        if side == SIDE { Ok(data) } else { Err(DataError::Resized { file: name(path), side }) }
    }

    /// Reads the official archive, a gzipped tar; `file` is its name in errors.
    ///
    /// # Errors
    /// It is not such an archive, or lacks a file; the message names the file, and the record or entry.
    pub fn from_archive(archive: impl Read, file: &str) -> Result<Self, DataError> {
        assemble(&archive_files(archive, file)?, file)
    }

    /// Opens images of CIFAR-10's size.
    fn open_fixed(path: &Path) -> Result<Self, DataError> {
        if path == Path::new(TEXTURES) {
            return Ok(Self::textures(0, TEXTURES_TRAIN, TEXTURES_TEST));
        }
        let kind = fs::metadata(path).map_err(|source| DataError::Read { file: name(path), source })?;
        if kind.is_dir() {
            return assemble(&folder_files(&find_folder(path)?)?, &name(path));
        }
        match &read_bounded(path, MAGIC.len() as u64)?[..] {
            start if start == MAGIC => unpack(&read_bounded(path, MAX_BYTES)?, &name(path)),
            [0x1f, 0x8b, ..] => Self::from_archive(io::BufReader::new(open(path)?), &name(path)),
            [] => Err(DataError::Unknown { file: name(path), problem: "an empty file" }),
            _ => Err(DataError::Unknown { file: name(path), problem: "a file of an unknown kind" }),
        }
    }
}

/// Result of checking a folder.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Verified {
    /// Folder that holds the files.
    pub folder: PathBuf,
    /// Whether the folder has a list of checksums.
    pub checksums: bool,
    /// Training images.
    pub train_images: usize,
    /// Test images.
    pub test_images: usize,
}

/// Checks that a folder holds all of CIFAR-10: every file, its checksum if there is a list, every label, and equally many
/// images of each class.
///
/// # Errors
/// The first problem found.
pub fn verify(path: impl AsRef<Path>) -> Result<Verified, DataError> {
    let path = path.as_ref();
    let kind = fs::metadata(path).map_err(|source| DataError::Read { file: name(path), source })?;
    if !kind.is_dir() {
        return Err(DataError::Unknown { file: name(path), problem: "not a folder" });
    }
    let folder = find_folder(path)?;
    let data = assemble(&folder_files(&folder)?, &name(&folder))?;
    data.check_whole(&name(&folder))?;
    let checksums = folder.join(SUMS).exists();
    Ok(Verified { folder, checksums, train_images: data.train.len(), test_images: data.test.len() })
}

/// Writes a packed file, which appears whole or not at all. Returns its size in bytes.
///
/// # Errors
/// The file exists, cannot be written, or cannot hold the data.
pub fn write_packed(data: &Dataset, out: impl AsRef<Path>) -> Result<u64, DataError> {
    let out = out.as_ref();
    if fs::symlink_metadata(out).is_ok() {
        return Err(DataError::Exists { file: name(out) });
    }
    let bytes = data.to_packed()?;
    let error = |source| DataError::Write { file: name(out), source };
    let parent = out.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    make_folder(parent)?;
    let mut builder = tempfile::Builder::new();
    // Permissions of any new file; the umask restricts them.
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.prefix(".darts-").tempfile_in(parent).map_err(|e| error(without_path(e)))?;
    file.write_all(&bytes).map_err(|e| error(without_path(e)))?;
    file.persist_noclobber(out).map_err(|e| error(e.error))?;
    Ok(bytes.len() as u64)
}

/// Makes a folder and its parents if they do not exist.
///
/// # Errors
/// It cannot be made; the message names it.
pub fn make_folder(path: &Path) -> Result<(), DataError> {
    fs::create_dir_all(path).map_err(|source| {
        // A file is in the way: "not a directory" names that cause, "file exists" does not.
        let file = source.kind() == io::ErrorKind::AlreadyExists;
        let source = if file { io::ErrorKind::NotADirectory.into() } else { source };
        DataError::Write { file: name(path), source }
    })
}

/// Error of a temporary file without its random path, which means nothing to the user.
pub fn without_path(error: io::Error) -> io::Error {
    let mut found: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(cause) = found {
        if let Some(code) = cause.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error) {
            return io::Error::from_raw_os_error(code);
        }
        found = cause.source();
    }
    error
}

/// SHA-256 of some bytes in hexadecimal digits.
pub(super) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// Bytes in hexadecimal digits.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

/// Name of a path in errors.
pub(super) fn name(path: &Path) -> String {
    path.display().to_string()
}

/// Folder with the files: this one, or the official one in it.
fn find_folder(path: &Path) -> Result<PathBuf, DataError> {
    if CIFAR10_FILES.iter().any(|file| path.join(file).exists()) {
        return Ok(path.into());
    }
    let inner = path.join(CIFAR10_FOLDER);
    if inner.is_dir() {
        return Ok(inner);
    }
    Err(DataError::Unknown { file: name(path), problem: "a folder without CIFAR-10's files or pictures" })
}

/// Files of a folder by name, checked against its list of checksums if it has one.
fn folder_files(folder: &Path) -> Result<BTreeMap<String, Vec<u8>>, DataError> {
    let mut files = BTreeMap::new();
    for file in CIFAR10_FILES {
        let path = folder.join(file);
        match fs::metadata(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Ok(found) if found.len() > FILE_BYTES => {
                return Err(DataError::Size { file: name(&path), bytes: found.len() });
            }
            _ => {
                files.insert(file.to_owned(), read_bounded(&path, FILE_BYTES)?);
            }
        }
    }
    let list = folder.join(SUMS);
    if list.exists() {
        let text = read_bounded(&list, TEXT_BYTES)?;
        check_sums(folder, &String::from_utf8_lossy(&text), &files)?;
    }
    Ok(files)
}

fn check_sums(folder: &Path, list: &str, files: &BTreeMap<String, Vec<u8>>) -> Result<(), DataError> {
    let list_name = name(&folder.join(SUMS));
    let mut sums = BTreeMap::new();
    for (i, line) in list.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let pair = line.split_once(' ').map(|(sum, file)| (file.trim_start_matches([' ', '*']), sum));
        let Some((file, sum)) = pair.filter(|(_, sum)| sum.len() == 64) else {
            let problem = format!("has a malformed line {}: a checksum and a file name are expected", i + 1);
            return Err(DataError::Sums { file: list_name, problem });
        };
        sums.insert(file, sum);
    }
    for (file, bytes) in files {
        let Some(expected) = sums.get(file.as_str()) else {
            return Err(DataError::Sums { file: list_name, problem: format!("has no checksum for {file}") });
        };
        let found = sha256(bytes);
        if !found.eq_ignore_ascii_case(expected) {
            let file = name(&folder.join(file));
            return Err(DataError::Checksum { file, algorithm: "SHA-256", found, expected: (*expected).to_owned() });
        }
    }
    Ok(())
}

/// Files of CIFAR-10 in an official archive by name, in whatever folder. The whole archive is read, as its checksum comes
/// last; nothing is written.
fn archive_files(archive: impl Read, file: &str) -> Result<BTreeMap<String, Vec<u8>>, DataError> {
    read_archive(archive, file, |file| CIFAR10_FILES.contains(&file).then_some(FILE_BYTES))
}

/// Files of a gzipped tar archive by name, in whatever folder: those for which `limit` gives a greatest size. `place` is its
/// name in errors. The whole archive is read, as its checksum comes last; nothing is written.
///
/// # Errors
/// It is truncated, corrupt or too large, or has a file that is too large or appears twice.
pub fn read_archive(
    archive: impl Read,
    place: &str,
    limit: impl Fn(&str) -> Option<u64>,
) -> Result<BTreeMap<String, Vec<u8>>, DataError> {
    let error = |problem: String| DataError::Archive { file: place.into(), problem };
    let mut archive = tar::Archive::new(Bounded { from: GzDecoder::new(archive), left: ARCHIVE_BYTES });
    let mut files = BTreeMap::new();
    for entry in archive.entries().map_err(|e| error(e.to_string()))? {
        let mut entry = entry.map_err(|e| error(plain(&e)))?;
        let full = entry.path().map_err(|e| error(plain(&e)))?.into_owned();
        let Some(file) = full.file_name().and_then(|f| f.to_str()).map(str::to_owned) else { continue };
        let Some(most) = limit(&file).filter(|_| entry.header().entry_type().is_file()) else { continue };
        let size = entry.size();
        if size > most {
            return Err(error(format!("{file} claims {size} bytes, but at most {most} are allowed")));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|e| error(format!("{} in {file}", plain(&e))))?;
        if bytes.len() as u64 != size {
            return Err(error(format!("{file} ends after {} of {size} bytes", bytes.len())));
        }
        if files.insert(file.clone(), bytes).is_some() {
            return Err(error(format!("it contains {file} twice")));
        }
    }
    let mut rest = archive.into_inner();
    io::copy(&mut rest, &mut io::sink()).map_err(|e| error(plain(&e)))?;
    Ok(files)
}

/// Reader that fails beyond a number of bytes.
struct Bounded<R> {
    from: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| io::Error::other(format!("it unpacks to more than {ARCHIVE_BYTES} bytes")))?;
        Ok(count)
    }
}

/// Message of an error's root cause, without its wrappers.
fn plain(error: &io::Error) -> String {
    let mut root: &dyn std::error::Error = error;
    while let Some(source) = root.source() {
        root = source;
    }
    root.to_string()
}

/// Data set of some files; `place` is their folder or archive, for errors.
pub(super) fn assemble(files: &BTreeMap<String, Vec<u8>>, place: &str) -> Result<Dataset, DataError> {
    let in_place = |file: &str| name(&Path::new(place).join(file));
    let read = |file: &str, images: &mut Images| {
        let bytes = files.get(file).ok_or_else(|| DataError::Missing { place: place.into(), file: file.into() })?;
        read_records(bytes, &in_place(file), images)
    };
    let mut train = Images::with_capacity(TRAIN_FILES.len() * FILE_RECORDS);
    for file in TRAIN_FILES {
        read(file, &mut train)?;
    }
    let mut test = Images::with_capacity(FILE_RECORDS);
    read(TEST_FILE, &mut test)?;
    let classes = match files.get(CLASSES_FILE) {
        Some(bytes) => read_classes(bytes, &in_place(CLASSES_FILE))?,
        None => CIFAR10_CLASSES.map(str::to_owned).into(),
    };
    Ok(Dataset { name: CIFAR10.into(), classes, train, test })
}

fn open(path: &Path) -> Result<File, DataError> {
    File::open(path).map_err(|source| DataError::Read { file: name(path), source })
}

/// Bytes of a file, at most `most`.
fn read_bounded(path: &Path, most: u64) -> Result<Vec<u8>, DataError> {
    let mut bytes = Vec::new();
    open(path)?.take(most).read_to_end(&mut bytes).map_err(|source| DataError::Read { file: name(path), source })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{PIXELS, RECORD, cifar::sums_of};
    use flate2::{Compression, write::GzEncoder};

    type Files = BTreeMap<String, Vec<u8>>;

    /// CIFAR-10's files with two records in each.
    fn files() -> Files {
        let data = Dataset::textures(0, 12, 0);
        let mut files: Files = TRAIN_FILES
            .iter()
            .chain([&TEST_FILE])
            .enumerate()
            .map(|(file, name)| {
                let record = |i: usize| [&[data.train.labels[i] as u8], data.train.image(i)].concat();
                ((*name).to_owned(), [record(2 * file), record(2 * file + 1)].concat())
            })
            .collect();
        files.insert(CLASSES_FILE.into(), b"a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n".into());
        files
    }

    fn write(folder: &Path, files: &Files) {
        fs::create_dir_all(folder).unwrap();
        for (file, bytes) in files {
            fs::write(folder.join(file), bytes).unwrap();
        }
    }

    fn entry(archive: &mut tar::Builder<impl Write>, path: &str, bytes: &[u8]) {
        let mut header = tar::Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        archive.append_data(&mut header, path, bytes).unwrap();
    }

    fn archive(path: &Path, entries: &[(&str, &[u8])]) {
        let gz = GzEncoder::new(File::create(path).unwrap(), Compression::fast());
        let mut archive = tar::Builder::new(gz);
        for (file, bytes) in entries {
            entry(&mut archive, file, bytes);
        }
        archive.into_inner().unwrap().finish().unwrap();
    }

    fn official(path: &Path) {
        let files = files();
        let named: Vec<(String, &[u8])> =
            files.iter().map(|(f, b)| (format!("{CIFAR10_FOLDER}/{f}"), &b[..])).collect();
        archive(path, &named.iter().map(|(f, b)| (f.as_str(), *b)).collect::<Vec<_>>());
    }

    fn problem(path: &Path) -> String {
        Dataset::open(path).unwrap_err().to_string()
    }

    #[test]
    fn every_form_opens_as_the_same_data() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("mine").join(CIFAR10_FOLDER);
        write(&folder, &files());
        let data = Dataset::open(&folder).unwrap();
        assert_eq!((data.train.len(), data.test.len(), data.classes[9].as_str()), (10, 2, "j"));
        assert_eq!(data.train, Dataset::textures(0, 10, 0).train);
        assert_eq!(data.train.image(9).len(), PIXELS);
        assert_eq!(Dataset::open(dir.path().join("mine")).unwrap(), data);

        let file = dir.path().join("cifar-10-binary.tar.gz");
        official(&file);
        assert_eq!(Dataset::open(&file).unwrap(), data);

        let packed = dir.path().join("some/where/packed.bin");
        assert_eq!(write_packed(&data, &packed).unwrap(), fs::metadata(&packed).unwrap().len());
        assert_eq!(Dataset::open(&packed).unwrap(), data);
        assert!(write_packed(&data, &packed).unwrap_err().to_string().ends_with("already exists; move it away first"));

        fs::remove_file(folder.join(CLASSES_FILE)).unwrap();
        assert_eq!(Dataset::open(&folder).unwrap().classes, CIFAR10_CLASSES, "the names are known anyway");
        assert_eq!(Dataset::open(TEXTURES).unwrap().train.len(), TEXTURES_TRAIN);
    }

    #[test]
    fn a_folder_that_is_not_right_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let refusal = |change: &dyn Fn(&mut Files)| {
            let folder = dir.path().join("folder");
            let _ = fs::remove_dir_all(&folder);
            let mut files = files();
            change(&mut files);
            write(&folder, &files);
            problem(&folder).replace(&name(dir.path()), "")
        };
        let at = |file: &str, change: fn(&mut Vec<u8>)| {
            let file = file.to_owned();
            refusal(&move |files: &mut Files| change(files.get_mut(&file).unwrap()))
        };
        let missing = refusal(&|files| drop(files.remove("data_batch_4.bin")));
        assert_eq!(missing, "/folder has no data_batch_4.bin");
        assert_eq!(refusal(&|files| drop(files.remove(TEST_FILE))), "/folder has no test_batch.bin");
        let records = "which is not a whole number, from 1 to 10000, of 3073-byte records";
        let short = at("data_batch_2.bin", |bytes| bytes.truncate(6145));
        assert_eq!(short, format!("/folder/data_batch_2.bin has 6145 bytes, {records}"));
        assert_eq!(at(TEST_FILE, Vec::clear), format!("/folder/test_batch.bin has 0 bytes, {records}"));
        let long = at(TEST_FILE, |bytes| bytes.resize(10_001 * RECORD, 0));
        assert_eq!(long, format!("/folder/test_batch.bin has 30733073 bytes, {records}"));
        let label = at("data_batch_5.bin", |bytes| bytes[RECORD] = 200);
        let expected = "record 1 of /folder/data_batch_5.bin (at byte 3073) has label 200, but labels go from 0 to 9";
        assert_eq!(label, expected);
        let classes = at(CLASSES_FILE, |bytes| bytes.truncate(6));
        assert_eq!(classes, "/folder/batches.meta.txt names 3 classes, but CIFAR-10 has 10");
    }

    #[test]
    fn checksums_beside_the_files_are_heeded() {
        let dir = tempfile::tempdir().unwrap();
        let refusal = |list: &str| {
            fs::write(dir.path().join(SUMS), list).unwrap();
            problem(dir.path()).replace(&name(dir.path()), "")
        };
        write(dir.path(), &files());
        let list = sums_of(&files());
        fs::write(dir.path().join(SUMS), list.replace("  ", " *").to_uppercase().replace(".BIN", ".bin")).unwrap();
        assert!(problem(dir.path()).contains("has no checksum for batches.meta.txt"), "names are taken as they are");
        fs::write(dir.path().join(SUMS), &list).unwrap();
        assert_eq!(Dataset::open(dir.path()).unwrap().train.len(), 10);
        assert_eq!(refusal("nonsense"), "/SHA256SUMS has a malformed line 1: a checksum and a file name are expected");
        let without: String = list.lines().filter(|l| !l.contains(TEST_FILE)).map(|l| format!("{l}\n")).collect();
        assert_eq!(refusal(&without), "/SHA256SUMS has no checksum for test_batch.bin");
        let found = sha256(&files()[CLASSES_FILE]);
        let other = "0".repeat(64);
        let expected = format!("/batches.meta.txt has SHA-256 {found}, but must have {other}");
        assert_eq!(refusal(&list.replace(&found, &other)), expected);
    }

    #[test]
    fn a_path_without_data_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let forms = "expected a cifar-10-batches-bin folder, cifar-10-binary.tar.gz, a folder of pictures \
                     (train/CLASS/*.jpg), a packed subset or the word textures";
        let refusal = |path: &Path| problem(path).replace(&name(dir.path()), "").replace(forms, "FORMS");
        assert_eq!(refusal(&dir.path().join("none")), "cannot read /none: No such file or directory (os error 2)");
        assert_eq!(refusal(dir.path()), " is a folder without CIFAR-10's files or pictures; FORMS");
        let file = dir.path().join("file");
        for (bytes, kind) in [(&b""[..], "an empty file"), (b"PK", "a file of an unknown kind")] {
            fs::write(&file, bytes).unwrap();
            assert_eq!(refusal(&file), format!("/file is {kind}; FORMS"));
        }
        fs::write(&file, &Dataset::textures(0, 2, 1).to_packed().unwrap()[..5000]).unwrap();
        assert!(
            refusal(&file).starts_with("the packed subset /file has 5000 bytes, but 2 training and 1 test images take")
        );
    }

    #[test]
    fn an_archive_that_is_not_right_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.tar.gz");
        let refusal = || problem(&file).replace(&name(dir.path()), "");
        official(&file);
        let whole = fs::read(&file).unwrap();
        let broken = "the archive /a.tar.gz is truncated or corrupt: ";
        for length in [2, 30, whole.len() / 2, whole.len() - 9, whole.len() - 1] {
            fs::write(&file, &whole[..length]).unwrap();
            assert!(refusal().starts_with(broken), "{length}: {}", refusal());
        }
        for at in [12, whole.len() / 3, whole.len() - 6] {
            let mut bytes = whole.clone();
            bytes[at] ^= 0x55;
            fs::write(&file, bytes).unwrap();
            assert!(refusal().starts_with(broken), "{at}: {}", refusal());
        }

        archive(&file, &[("cifar-10-batches-py/data_batch_1", b"x")]);
        assert_eq!(refusal(), "/a.tar.gz has no data_batch_1.bin");
        archive(&file, &[("a/test_batch.bin", b"x"), ("b/test_batch.bin", b"x")]);
        assert_eq!(refusal(), format!("{broken}it contains test_batch.bin twice"));
        archive(&file, &[("test_batch.bin", &vec![0; FILE_RECORDS * RECORD + 1])]);
        let most = format!("{broken}test_batch.bin claims 30730001 bytes, but at most 30730000 are allowed");
        assert_eq!(refusal(), most);
    }

    #[test]
    fn an_archive_cannot_grow_without_end() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("bomb.tar.gz");
        let mut gz = GzEncoder::new(File::create(&file).unwrap(), Compression::fast());
        let mut header = tar::Header::new_gnu();
        header.set_path("README").unwrap();
        header.set_size(ARCHIVE_BYTES);
        header.set_cksum();
        gz.write_all(header.as_bytes()).unwrap();
        io::copy(&mut io::repeat(0).take(ARCHIVE_BYTES), &mut gz).unwrap();
        gz.finish().unwrap();
        assert!(fs::metadata(&file).unwrap().len() < ARCHIVE_BYTES / 100);
        let expected = "bomb.tar.gz is truncated or corrupt: it unpacks to more than 268435456 bytes";
        assert!(problem(&file).ends_with(expected), "{}", problem(&file));
    }
}
