//! Identity of a run's data, so that it resumes only on the same.

use super::RunError;
use crate::data::{Corpus, Dataset, Pictures, Text};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::path::Path;

/// Data of a run.
pub trait Source: Clone + PartialEq + Serialize + DeserializeOwned {
    /// Same data without its paths.
    fn without_paths(self) -> Self;

    /// Fails unless the data is that of a run, at any path.
    ///
    /// # Errors
    /// It is other data; the message names its file.
    fn check(&self, run: &Self) -> Result<(), RunError>;
}

/// Images of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataSource {
    /// Path as it was given.
    pub path: String,
    /// Name of the data, for example `CIFAR-10`.
    pub name: String,
    /// Training images found.
    pub train_images: usize,
    /// Test images found.
    pub test_images: usize,
    /// Side of the images.
    pub image_size: usize,
    /// CRC-32 of all labels and pixels; of pictures that are read during a run, of their classes and paths.
    pub crc32: u32,
}

impl DataSource {
    /// Images found at `path`.
    pub fn new(path: &Path, data: &Dataset) -> Self {
        Self {
            path: path.display().to_string(),
            name: data.name.clone(),
            train_images: data.train.len(),
            test_images: data.test.len(),
            image_size: data.train.height,
            crc32: {
                let mut sum = crc32fast::Hasher::new();
                for images in [&data.train, &data.test] {
                    images.labels.iter().for_each(|label| sum.update(&label.to_le_bytes()));
                    sum.update(&images.pixels);
                }
                sum.finalize()
            },
        }
    }

    /// Pictures in folders at `path`, read at `image_size` during a run.
    pub fn of_pictures(path: &Path, pictures: &Pictures, image_size: usize) -> Self {
        let mut sum = crc32fast::Hasher::new();
        for set in [&pictures.train, &pictures.test] {
            for i in 0..set.len() {
                let file = set.path(i);
                sum.update(file.strip_prefix(set.folder()).unwrap_or(&file).as_os_str().as_encoded_bytes());
                sum.update(&set.label(i).to_le_bytes());
            }
        }
        Self {
            path: path.display().to_string(),
            name: pictures.name.clone(),
            train_images: pictures.train.len(),
            test_images: pictures.test.len(),
            image_size,
            crc32: sum.finalize(),
        }
    }
}

impl Source for DataSource {
    fn without_paths(mut self) -> Self {
        self.path.clear();
        self
    }

    fn check(&self, run: &Self) -> Result<(), RunError> {
        let described = |of: &Self| {
            let Self { name, train_images, test_images, crc32, .. } = of;
            format!("{name}, {train_images} training and {test_images} test images of CRC-32 {crc32:08x}")
        };
        match described(self) == described(run) {
            true => Ok(()),
            false => {
                Err(RunError::OtherData { path: self.path.clone(), found: described(self), expected: described(run) })
            }
        }
    }
}

/// Text of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TextSource {
    /// File of the training text.
    pub train: String,
    /// File of the validation text.
    pub valid: String,
    /// File of the test text.
    pub test: String,
    /// Words of the training text, ends of lines included.
    pub train_words: usize,
    /// Words of the validation text.
    pub valid_words: usize,
    /// Words of the test text.
    pub test_words: usize,
    /// Distinct words.
    pub vocabulary: usize,
    /// CRC-32 of the words of each text, in their order.
    pub crc32: [u32; 3],
}

impl TextSource {
    /// Text of a corpus.
    pub fn new(corpus: &Corpus) -> Self {
        let Corpus { vocabulary, train, valid, test } = corpus;
        Self {
            train: train.file.clone(),
            valid: valid.file.clone(),
            test: test.file.clone(),
            train_words: train.tokens.len(),
            valid_words: valid.tokens.len(),
            test_words: test.tokens.len(),
            vocabulary: vocabulary.len(),
            crc32: [train, valid, test].map(|text: &Text| {
                let mut sum = crc32fast::Hasher::new();
                for &token in &text.tokens {
                    sum.update(vocabulary.words()[token as usize].as_bytes());
                    sum.update(b" ");
                }
                sum.finalize()
            }),
        }
    }
}

impl Source for TextSource {
    fn without_paths(mut self) -> Self {
        [&mut self.train, &mut self.valid, &mut self.test].into_iter().for_each(String::clear);
        self
    }

    fn check(&self, run: &Self) -> Result<(), RunError> {
        let described = |of: &Self| {
            let words = [of.train_words, of.valid_words, of.test_words];
            [0, 1, 2].map(|i| format!("a text of {} words and CRC-32 {:08x}", words[i], of.crc32[i]))
        };
        for ((path, found), expected) in
            [&self.train, &self.valid, &self.test].into_iter().zip(described(self)).zip(described(run))
        {
            if found != expected {
                return Err(RunError::OtherData { path: path.clone(), found, expected });
            }
        }
        Ok(())
    }
}
