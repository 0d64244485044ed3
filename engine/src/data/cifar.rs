use super::{CIFAR10_CLASSES, DataError, Images, RECORD, packed::push_records};

/// Files of training images, each of 10,000 records.
pub(super) const TRAIN_FILES: [&str; 5] =
    ["data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin", "data_batch_4.bin", "data_batch_5.bin"];
/// The file of test images.
pub(super) const TEST_FILE: &str = "test_batch.bin";
/// The file of class names, one a line.
pub(super) const CLASSES_FILE: &str = "batches.meta.txt";
/// Files that make up CIFAR-10 in its official binary form.
pub const CIFAR10_FILES: [&str; 7] =
    [TRAIN_FILES[0], TRAIN_FILES[1], TRAIN_FILES[2], TRAIN_FILES[3], TRAIN_FILES[4], TEST_FILE, CLASSES_FILE];
/// The file of SHA-256 checksums that a fetched folder has, as `sha256sum` writes it.
pub const SUMS: &str = "SHA256SUMS";
/// The folder that the official archive holds.
pub(super) const FOLDER: &str = "cifar-10-batches-bin";
/// Records of an official file.
pub(super) const FILE_RECORDS: usize = 10_000;
/// Bytes that a file may have at most: none is read any further.
pub(super) const FILE_BYTES: u64 = (FILE_RECORDS * RECORD) as u64;

/// Adds the records of `bytes` to `images`; `file` is what errors call it.
pub(super) fn read_records(bytes: &[u8], file: &str, images: &mut Images) -> Result<(), DataError> {
    if bytes.is_empty() || !bytes.len().is_multiple_of(RECORD) || bytes.len() as u64 > FILE_BYTES {
        return Err(DataError::Size { file: file.into(), bytes: bytes.len() as u64 });
    }
    push_records(bytes, file, 0, CIFAR10_CLASSES.len(), images)
}

/// The class names of a `batches.meta.txt`.
pub(super) fn read_classes(bytes: &[u8], file: &str) -> Result<Vec<String>, DataError> {
    let text = String::from_utf8_lossy(bytes);
    let names: Vec<String> = text.lines().map(str::trim).filter(|l| !l.is_empty()).map(str::to_owned).collect();
    if names.len() != CIFAR10_CLASSES.len() {
        return Err(DataError::Classes { file: file.into(), found: names.len() });
    }
    Ok(names)
}
