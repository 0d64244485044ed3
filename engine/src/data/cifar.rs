//! CIFAR-10 in its official binary form: records of a label and pixels, in six files.

use super::{
    CIFAR10_CLASSES, DataError, Dataset, Images, RECORD,
    open::{name, sha256},
    packed::push_records,
};
use std::{collections::BTreeMap, fs, path::Path};

/// Files of training images, each of 10,000 records.
pub(super) const TRAIN_FILES: [&str; 5] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
/// File of test images.
pub(super) const TEST_FILE: &str = "test_batch.bin";
/// File of class names, one per line.
pub(super) const CLASSES_FILE: &str = "batches.meta.txt";
/// Files that make up CIFAR-10 in its official binary form.
pub const CIFAR10_FILES: [&str; 7] =
    [TRAIN_FILES[0], TRAIN_FILES[1], TRAIN_FILES[2], TRAIN_FILES[3], TRAIN_FILES[4], TEST_FILE, CLASSES_FILE];
/// File of SHA-256 checksums in a fetched folder, in the format of `sha256sum`.
pub const SUMS: &str = "SHA256SUMS";
/// Folder in the official archive.
pub const CIFAR10_FOLDER: &str = "cifar-10-batches-bin";
/// Records of an official file.
pub const FILE_RECORDS: usize = 10_000;
/// Largest file that is read, in bytes.
pub(super) const FILE_BYTES: u64 = (FILE_RECORDS * RECORD) as u64;

/// Adds the records of `bytes` to `images`; `file` is their name in errors.
pub(super) fn read_records(bytes: &[u8], file: &str, images: &mut Images) -> Result<(), DataError> {
    if bytes.is_empty() || !bytes.len().is_multiple_of(RECORD) || bytes.len() as u64 > FILE_BYTES {
        return Err(DataError::Size { file: file.into(), bytes: bytes.len() as u64 });
    }
    push_records(bytes, file, 0, CIFAR10_CLASSES.len(), images)
}

/// Class names of a `batches.meta.txt`.
pub(super) fn read_classes(bytes: &[u8], file: &str) -> Result<Vec<String>, DataError> {
    let text = String::from_utf8_lossy(bytes);
    let names: Vec<String> = text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect();
    if names.len() != CIFAR10_CLASSES.len() {
        return Err(DataError::Classes { file: file.into(), found: names.len() });
    }
    Ok(names)
}

impl Dataset {
    /// Files of the official binary form, by name; all but the class names hold records.
    ///
    /// # Errors
    /// The images do not fill the six files evenly.
    fn to_files(&self, file: &str) -> Result<BTreeMap<String, Vec<u8>>, DataError> {
        self.check_whole(file)?;
        let mut files = BTreeMap::new();
        let mut add = |name: &str, images: &Images, from: usize| {
            let mut bytes = Vec::with_capacity(FILE_RECORDS * RECORD);
            for i in from..from + FILE_RECORDS {
                bytes.push(images.labels[i] as u8);
                bytes.extend_from_slice(images.image(i));
            }
            files.insert(name.to_owned(), bytes);
        };
        for (i, name) in TRAIN_FILES.iter().enumerate() {
            add(name, &self.train, i * FILE_RECORDS);
        }
        add(TEST_FILE, &self.test, 0);
        files.insert(CLASSES_FILE.into(), self.classes.iter().flat_map(|c| format!("{c}\n").into_bytes()).collect());
        Ok(files)
    }

    /// Checks that this is all of CIFAR-10: 50,000 and 10,000 images, equally many of each class.
    pub(super) fn check_whole(&self, file: &str) -> Result<(), DataError> {
        let expect = |what: String, found: usize, expected: usize| {
            if found == expected { Ok(()) } else { Err(DataError::Counts { file: file.into(), what, found, expected }) }
        };
        for (images, what, files) in [(&self.train, "training", TRAIN_FILES.len()), (&self.test, "test", 1)] {
            expect(format!("{what} images"), images.len(), files * FILE_RECORDS)?;
            for (class, found) in images.class_counts(self.classes.len()).into_iter().enumerate() {
                let what = format!("{what} images of class {class} ({})", self.classes[class]);
                expect(what, found, files * FILE_RECORDS / CIFAR10_CLASSES.len())?;
            }
        }
        Ok(())
    }
}

/// Writes all of CIFAR-10 in its official form, with checksums, to the folder `to`, which appears whole or not at all; `work` is
/// a folder beside it for files being written.
///
/// # Errors
/// The data is not all of CIFAR-10, or the folder cannot be written.
pub fn write_cifar10(data: &Dataset, work: &Path, to: &Path) -> Result<(), DataError> {
    let files = data.to_files(&name(to))?;
    let error = |source| DataError::Write { file: name(to), source };
    let made = work.join(CIFAR10_FOLDER);
    fs::create_dir(&made).map_err(error)?;
    for (file, bytes) in &files {
        fs::write(made.join(file), bytes).map_err(error)?;
    }
    fs::write(made.join(SUMS), sums_of(&files)).map_err(error)?;
    fs::rename(&made, to).map_err(error)
}

/// Checksum list of `files`.
pub(super) fn sums_of(files: &BTreeMap<String, Vec<u8>>) -> String {
    files.iter().map(|(name, bytes)| format!("{}  {name}\n", sha256(bytes))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{CIFAR10, verify};

    /// Textures in place of CIFAR-10's images.
    fn data(train: usize, test: usize) -> Dataset {
        Dataset { name: CIFAR10.into(), ..Dataset::textures(0, train, test) }
    }

    #[test]
    fn a_set_that_is_not_whole_is_not_written() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("out");
        let error = write_cifar10(&data(5, 1), dir.path(), &folder).unwrap_err().to_string();
        assert!(error.ends_with("out has 5 training images, but CIFAR-10 has 50000"), "{error}");
        let mut data = data(50_000, 10_000);
        data.test.labels[0] = 1;
        let error = write_cifar10(&data, dir.path(), &folder).unwrap_err().to_string();
        assert!(
            error.ends_with("has 999 test images of class 0 (horizontal stripes), but CIFAR-10 has 1000"),
            "{error}"
        );
        assert!(!folder.exists());

        data.test.labels[0] = 0;
        write_cifar10(&data, dir.path(), &folder).unwrap();
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
