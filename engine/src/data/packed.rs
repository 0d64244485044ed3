//! Packed subset, one file for a page to fetch: a header, training and test images as CIFAR-10 records, and a checksum.
//!
//! ```text
//! "DARTSIMG"  version: u32  name  classes: u8, that many names  train: u32  test: u32  records ...  CRC-32: u32
//! ```
//!
//! Numbers are little-endian; a name is its length as one byte, then UTF-8. The checksum covers all bytes before it.

use super::{CHANNELS, DataError, Dataset, Images, PIXELS, RECORD, SIDE};

/// First bytes of a packed subset.
pub(super) const MAGIC: &[u8; 8] = b"DARTSIMG";
/// Only format version.
const VERSION: u32 = 1;
/// Largest packed file in bytes: no subset of CIFAR-10 is larger.
#[cfg(not(target_arch = "wasm32"))]
pub(super) const MAX_BYTES: u64 = 60_000 * RECORD as u64 + 65_536;

impl Dataset {
    /// Reads a packed subset.
    ///
    /// # Errors
    /// The bytes are not a packed subset.
    pub fn from_packed(bytes: &[u8]) -> Result<Self, DataError> {
        unpack(bytes, "fetched")
    }

    /// Bytes of a packed file of this data.
    ///
    /// # Errors
    /// A name is longer than 255 bytes, there are more than 255 classes, or images are not 3x32x32.
    pub fn to_packed(&self) -> Result<Vec<u8>, DataError> {
        let error = |problem: &str| DataError::Packed { file: self.name.clone(), problem: problem.into() };
        for images in [&self.train, &self.test] {
            if (images.channels, images.height, images.width) != (CHANNELS, SIDE, SIDE) {
                return Err(error("can hold only images of 3x32x32 bytes"));
            }
        }
        let length =
            |n: usize| u8::try_from(n).map_err(|_| error("can hold only names and class lists up to 255 long"));
        let count = |n: usize| u32::try_from(n).map_err(|_| error("can hold no more than 4294967295 images"));
        let mut out = MAGIC.to_vec();
        out.extend(VERSION.to_le_bytes());
        out.push(length(self.name.len())?);
        out.extend(self.name.bytes());
        out.push(length(self.classes.len())?);
        for class in &self.classes {
            out.push(length(class.len())?);
            out.extend(class.bytes());
        }
        out.extend(count(self.train.len())?.to_le_bytes());
        out.extend(count(self.test.len())?.to_le_bytes());
        for images in [&self.train, &self.test] {
            for (&label, pixels) in images.labels.iter().zip(images.pixels.chunks_exact(PIXELS)) {
                out.push(u8::try_from(label).expect("a label of at most 255 classes"));
                out.extend_from_slice(pixels);
            }
        }
        out.extend(crc32fast::hash(&out).to_le_bytes());
        Ok(out)
    }
}

/// Reads a packed subset; `file` is its name in errors.
pub(super) fn unpack(bytes: &[u8], file: &str) -> Result<Dataset, DataError> {
    let error = |problem: String| DataError::Packed { file: file.into(), problem };
    if !bytes.starts_with(MAGIC) {
        return Err(error("does not begin with DARTSIMG".into()));
    }
    let mut rest = Reader { bytes, at: MAGIC.len() };
    let cut = || error(format!("is truncated: its {} bytes end within the header", bytes.len()));
    let version = rest.number().ok_or_else(cut)?;
    if version != VERSION {
        return Err(error(format!("has version {version}, but only version {VERSION} is supported")));
    }
    let text = |name: Vec<u8>| String::from_utf8(name).map_err(|_| error("has a name that is not UTF-8".into()));
    let name = text(rest.name().ok_or_else(cut)?)?;
    let classes = rest.byte().ok_or_else(cut)?;
    if classes == 0 {
        return Err(error("names no classes".into()));
    }
    let classes = (0..classes).map(|_| text(rest.name().ok_or_else(cut)?)).collect::<Result<Vec<_>, _>>()?;
    let [train, test] = [rest.number().ok_or_else(cut)?, rest.number().ok_or_else(cut)?];
    // Counts are checked against the number of bytes before anything of their size is allocated.
    let wanted = (u64::from(train) + u64::from(test)) * RECORD as u64 + rest.at as u64 + 4;
    if wanted != bytes.len() as u64 {
        let found = bytes.len();
        return Err(error(format!("has {found} bytes, but {train} training and {test} test images take {wanted}")));
    }
    let (body, sum) = bytes.split_at(bytes.len() - 4);
    if crc32fast::hash(body).to_le_bytes() != *sum {
        return Err(error("is corrupt: its checksum does not match".into()));
    }
    let mut images = |count: u32| {
        let mut images = Images::with_capacity(count as usize);
        let start = rest.at;
        rest.at += count as usize * RECORD;
        push_records(&bytes[start..rest.at], file, start, classes.len(), &mut images).map(|()| images)
    };
    let (train, test) = (images(train)?, images(test)?);
    Ok(Dataset { name, classes, train, test })
}

/// Adds whole records, the first of them at byte `start` of `file`.
pub(super) fn push_records(
    bytes: &[u8],
    file: &str,
    start: usize,
    classes: usize,
    images: &mut Images,
) -> Result<(), DataError> {
    for (record, data) in bytes.chunks_exact(RECORD).enumerate() {
        let label = data[0];
        if usize::from(label) >= classes {
            let offset = start + record * RECORD;
            return Err(DataError::Label { file: file.into(), record, offset, label, last: classes - 1 });
        }
        images.labels.push(u16::from(label));
        images.pixels.extend_from_slice(&data[1..]);
    }
    Ok(())
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn take(&mut self, count: usize) -> Option<&[u8]> {
        let taken = self.bytes.get(self.at..self.at + count)?;
        self.at += count;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1).map(|b| b[0])
    }

    fn number(&mut self) -> Option<u32> {
        self.take(4).map(|b| u32::from_le_bytes(b.try_into().expect("four bytes")))
    }

    fn name(&mut self) -> Option<Vec<u8>> {
        let length = self.byte()?;
        self.take(usize::from(length)).map(<[u8]>::to_vec)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(bytes: &[u8]) -> String {
        Dataset::from_packed(bytes).unwrap_err().to_string()
    }

    #[test]
    fn a_packed_subset_reads_back_the_same() {
        let data = Dataset::textures(4, 30, 10);
        let bytes = data.to_packed().unwrap();
        assert!(bytes.len() > 40 * RECORD && bytes.len() < 40 * RECORD + 200);
        assert_eq!(Dataset::from_packed(&bytes).unwrap(), data);
    }

    #[test]
    fn an_invalid_file_is_refused() {
        let data = Dataset::textures(4, 3, 1);
        let good = data.to_packed().unwrap();
        assert_eq!(problem(b"<!DOCTYPE html>"), "the packed subset fetched does not begin with DARTSIMG");
        assert_eq!(problem(&good[..11]), "the packed subset fetched is truncated: its 11 bytes end within the header");
        assert!(problem(&good[..40]).contains("end within the header"));
        let short = good.len() - 5;
        let expected = format!("has {short} bytes, but 3 training and 1 test images take {}", good.len());
        assert!(problem(&good[..short]).ends_with(&expected));

        let mut changed = good.clone();
        changed[8] = 9;
        assert!(problem(&changed).ends_with("has version 9, but only version 1 is supported"));
        let mut changed = good.clone();
        let middle = good.len() / 2;
        changed[middle] ^= 1;
        assert!(problem(&changed).ends_with("is corrupt: its checksum does not match"));

        let mut changed = good.clone();
        changed[MAGIC.len() + 5] = 255;
        assert!(problem(&changed).ends_with("has a name that is not UTF-8"));

        // A count beyond all memory is refused without allocating it.
        let counts = good.len() - 4 - 4 * RECORD - 8;
        let mut changed = good.clone();
        changed[counts..counts + 4].fill(255);
        assert!(problem(&changed).contains("4294967295 training"));

        let mut changed = good[..good.len() - 4].to_vec();
        let offset = counts + 8 + 2 * RECORD;
        changed[offset] = 10;
        changed.extend(crc32fast::hash(&changed).to_le_bytes());
        let expected = format!("record 2 of fetched (at byte {offset}) has label 10, but labels go from 0 to 9");
        assert_eq!(problem(&changed), expected);
    }

    #[test]
    fn only_what_fits_is_packed() {
        let mut data = Dataset::textures(4, 3, 1);
        data.classes[0] = "x".repeat(256);
        assert!(data.to_packed().unwrap_err().to_string().ends_with("up to 255 long"));
        let mut data = Dataset::textures(4, 3, 1);
        data.test.width = 16;
        assert!(data.to_packed().unwrap_err().to_string().contains("3x32x32"));
    }
}
