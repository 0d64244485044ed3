//! Image data: CIFAR-10, the packed subset that the page loads, folders of pictures, generated textures; minibatches and
//! augmentation. Text for language models.

#[cfg(not(target_arch = "wasm32"))]
mod cifar;
#[cfg(not(target_arch = "wasm32"))]
mod folder;
mod loader;
#[cfg(not(target_arch = "wasm32"))]
mod open;
mod packed;
#[cfg(not(target_arch = "wasm32"))]
mod picture;
#[cfg(not(target_arch = "wasm32"))]
mod pipeline;
mod prose;
mod text;
mod textures;

#[cfg(not(target_arch = "wasm32"))]
pub use cifar::{CIFAR10_FILES, CIFAR10_FOLDER, FILE_RECORDS, SUMS, write_cifar10};
#[cfg(not(target_arch = "wasm32"))]
pub use folder::{PictureSet, Pictures, threads};
pub use loader::{Augment, Batch, Drawn, Loader, Position, Unreadable, evaluation};
#[cfg(not(target_arch = "wasm32"))]
pub use open::{Verified, make_folder, read_archive, verify, without_path, write_packed};
#[cfg(not(target_arch = "wasm32"))]
pub use picture::{is_decoding, read_picture};
#[cfg(all(feature = "compute", not(target_arch = "wasm32")))]
pub(crate) use pipeline::stage_times;
#[cfg(not(target_arch = "wasm32"))]
pub use pipeline::{PictureLoader, evaluation_of};
pub use prose::{UNKNOWN, readable};
pub use text::{Columns, Corpus, END_OF_SENTENCE, Text, TextError, Vocabulary, Window};
pub use textures::{TEXTURES, TEXTURES_TEST, TEXTURES_TRAIN};

use rand::{SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;

/// Name of the CIFAR-10 data sets, whole or subset.
pub const CIFAR10: &str = "CIFAR-10";
/// Classes of CIFAR-10 in the order of its labels.
pub const CIFAR10_CLASSES: [&str; 10] =
    ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

/// Colours of an image.
pub const CHANNELS: usize = 3;
/// Height and width of an image of CIFAR-10.
pub const SIDE: usize = 32;
/// Bytes of an image's pixels.
const PIXELS: usize = CHANNELS * SIDE * SIDE;
/// Bytes of a CIFAR-10 record: a label, then the pixels, one colour plane after the other.
const RECORD: usize = 1 + PIXELS;

/// Labelled images of one size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Images {
    /// Colours: 3.
    pub channels: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Pixels [images, channels, height, width]; 0 is dark.
    pub pixels: Vec<u8>,
    /// Class of each image.
    pub labels: Vec<u16>,
}

impl Images {
    /// Empty set of images of CIFAR-10's size.
    fn with_capacity(images: usize) -> Self {
        Self {
            channels: CHANNELS,
            height: SIDE,
            width: SIDE,
            pixels: Vec::with_capacity(images * PIXELS),
            labels: Vec::with_capacity(images),
        }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no images.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Pixels [channels, height, width] of image `i`.
    ///
    /// # Panics
    /// There is no image `i`.
    pub fn image(&self, i: usize) -> &[u8] {
        let size = self.channels * self.height * self.width;
        &self.pixels[i * size..(i + 1) * size]
    }

    /// Number of images of each of `classes` classes.
    pub fn class_counts(&self, classes: usize) -> Vec<usize> {
        let mut counts = vec![0; classes];
        for &label in &self.labels {
            counts[usize::from(label)] += 1;
        }
        counts
    }

    /// `count` images picked with `seed`, balanced over the classes; where `count` does not divide, the first classes have
    /// one more.
    ///
    /// # Errors
    /// A class has too few images.
    pub fn balanced(&self, count: usize, classes: usize, seed: u64) -> Result<Self, DataError> {
        let mut order: Vec<usize> = (0..self.len()).collect();
        order.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
        let mut wanted: Vec<usize> = (0..classes).map(|c| count / classes + usize::from(c < count % classes)).collect();
        let counts = self.class_counts(classes);
        if let Some(class) = (0..classes).find(|&c| counts[c] < wanted[c]) {
            return Err(DataError::TooFewOfClass { asked: count, class, wanted: wanted[class], found: counts[class] });
        }
        let mut picked = Self { pixels: Vec::new(), labels: Vec::new(), ..*self };
        for i in order {
            let left = &mut wanted[usize::from(self.labels[i])];
            if *left > 0 {
                *left -= 1;
                picked.labels.push(self.labels[i]);
                picked.pixels.extend_from_slice(self.image(i));
            }
        }
        Ok(picked)
    }
}

/// Images to train on and images to test on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dataset {
    /// Name, for example `CIFAR-10`.
    pub name: String,
    /// Names of the classes, by label.
    pub classes: Vec<String>,
    /// Images to train on.
    pub train: Images,
    /// Images to test on.
    pub test: Images,
}

impl Dataset {
    /// Normalisation of the pixels: the authors' constants for CIFAR-10, that of the training images otherwise.
    pub fn normalisation(&self) -> Normalisation {
        if self.name == CIFAR10 { Normalisation::CIFAR10 } else { Normalisation::of(&self.train) }
    }

    /// Balanced subset, picked with `seed`.
    ///
    /// # Errors
    /// A class has too few images.
    pub fn subset(&self, train: usize, test: usize, seed: u64) -> Result<Self, DataError> {
        Ok(Self {
            name: self.name.clone(),
            classes: self.classes.clone(),
            train: self.train.balanced(train, self.classes.len(), seed)?,
            test: self.test.balanced(test, self.classes.len(), seed)?,
        })
    }
}

/// Mean and standard deviation of each colour, of pixels from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Normalisation {
    /// Means of red, green and blue.
    pub mean: [f32; CHANNELS],
    /// Standard deviations of red, green and blue.
    pub std: [f32; CHANNELS],
}

impl Normalisation {
    /// Normalisation of the paper's authors for CIFAR-10.
    pub const CIFAR10: Self =
        Self { mean: [0.491_399_68, 0.482_158_27, 0.446_531_24], std: [0.247_032_33, 0.243_484_99, 0.261_587_68] };

    /// Normalisation of the paper's authors for ImageNet, used for all pictures in folders.
    pub const IMAGENET: Self = Self { mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225] };

    /// Normalisation of some images; mean 0 and deviation 1 if there are none.
    pub fn of(images: &Images) -> Self {
        let mut normalisation = Self { mean: [0.0; CHANNELS], std: [1.0; CHANNELS] };
        if images.is_empty() {
            return normalisation;
        }
        let plane = images.height * images.width;
        for channel in 0..CHANNELS {
            // A histogram makes the sums exact.
            let mut histogram = [0u64; 256];
            for image in images.pixels.chunks_exact(CHANNELS * plane) {
                for &pixel in &image[channel * plane..(channel + 1) * plane] {
                    histogram[usize::from(pixel)] += 1;
                }
            }
            let mean_of = |f: &dyn Fn(f64) -> f64| {
                let sum: f64 = histogram.iter().zip(0u8..).map(|(&n, v)| n as f64 * f(f64::from(v) / 255.0)).sum();
                sum / (images.len() * plane) as f64
            };
            let mean = mean_of(&|v| v);
            let variance = mean_of(&|v| (v - mean) * (v - mean));
            normalisation.mean[channel] = mean as f32;
            if variance > 0.0 {
                normalisation.std[channel] = variance.sqrt() as f32;
            }
        }
        normalisation
    }
}

/// Indices of the train and the valid split: `images` of `available`, shuffled with `seed`, the share `portion` of them
/// (rounded down) in the train split.
///
/// # Errors
/// More images requested than available.
pub fn split(available: usize, images: usize, portion: f64, seed: u64) -> Result<(Vec<usize>, Vec<usize>), DataError> {
    if images > available {
        return Err(DataError::TooFewImages { asked: images, available });
    }
    let mut weights: Vec<usize> = (0..available).collect();
    weights.shuffle(&mut ChaCha8Rng::seed_from_u64(seed));
    weights.truncate(images);
    let alphas = weights.split_off(((images as f64 * portion).floor() as usize).min(images));
    Ok((weights, alphas))
}

/// Data that cannot be read or written. Each message is one sentence that names the file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// A file or folder cannot be read.
    #[error("cannot read {file}: {source}")]
    Read {
        /// Its path.
        file: String,
        /// Error of the system.
        source: std::io::Error,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {file}: {source}")]
    Write {
        /// Its path.
        file: String,
        /// Error of the system.
        source: std::io::Error,
    },
    /// The file to be written exists.
    #[error("{file} already exists; move it away first")]
    Exists {
        /// Its path.
        file: String,
    },
    /// A path without data in a known form.
    #[error(
        "{file} is {problem}; expected a cifar-10-batches-bin folder, cifar-10-binary.tar.gz, a folder of pictures \
         (train/CLASS/*.jpg), a packed subset or the word textures"
    )]
    Unknown {
        /// The path.
        file: String,
        /// Kind of path that was found.
        problem: &'static str,
    },
    /// A folder or archive lacks a file.
    #[error("{place} has no {file}")]
    Missing {
        /// The folder or archive.
        place: String,
        /// The file.
        file: String,
    },
    /// An archive that cannot be unpacked.
    #[error("the archive {file} is truncated or corrupt: {problem}")]
    Archive {
        /// Its path.
        file: String,
        /// Problem, with the entry.
        problem: String,
    },
    /// A file that does not consist of whole records.
    #[error("{file} has {bytes} bytes, which is not a whole number, from 1 to 10000, of {RECORD}-byte records")]
    Size {
        /// The file.
        file: String,
        /// Its bytes.
        bytes: u64,
    },
    /// A label out of range.
    #[error("record {record} of {file} (at byte {offset}) has label {label}, but labels go from 0 to {last}")]
    Label {
        /// The file.
        file: String,
        /// The record, from 0.
        record: usize,
        /// Byte at which the record starts in the file.
        offset: usize,
        /// The label.
        label: u8,
        /// Greatest label allowed.
        last: usize,
    },
    /// A folder without class folders.
    #[error("{place} has no class folders")]
    NoClasses {
        /// The folder.
        place: String,
    },
    /// A class without pictures.
    #[error("{place} has no pictures (.jpg, .jpeg or .png)")]
    NoPictures {
        /// The folder of the class.
        place: String,
    },
    /// A class in the test set that is not in the training set.
    #[error("{place} is a class that {train} does not have")]
    NotTrained {
        /// The folder of the class.
        place: String,
        /// The folder of the classes that are trained.
        train: String,
    },
    /// More classes than labels can number.
    #[error("{place} has {found} classes, but at most {} are supported", u16::MAX)]
    TooManyClasses {
        /// The folder.
        place: String,
        /// Its classes.
        found: usize,
    },
    /// A picture that cannot be read.
    #[error("{picture} {problem}")]
    Unreadable {
        /// The picture.
        picture: String,
        /// Problem, as a predicate.
        problem: String,
    },
    /// Pictures of which none, or none of a hundred random ones, can be read.
    #[error("none of the pictures in {place} can be read")]
    AllUnreadable {
        /// Folder of the pictures.
        place: String,
    },
    /// A size requested for images of a fixed size.
    #[error(
        "image-size is {side}, but {file} has images of {SIDE}x{SIDE} pixels; only pictures in folders are resized"
    )]
    Resized {
        /// The data.
        file: String,
        /// Size requested.
        side: usize,
    },
    /// Another number of class names than ten.
    #[error("{file} names {found} classes, but CIFAR-10 has 10")]
    Classes {
        /// The file.
        file: String,
        /// Names found.
        found: usize,
    },
    /// A packed subset that cannot be read.
    #[error("the packed subset {file} {problem}")]
    Packed {
        /// The file.
        file: String,
        /// Problem, as a predicate.
        problem: String,
    },
    /// Bytes with another checksum than expected.
    #[error("{file} has {algorithm} {found}, but must have {expected}")]
    Checksum {
        /// The file or address.
        file: String,
        /// Name of the checksum.
        algorithm: &'static str,
        /// Checksum of the bytes.
        found: String,
        /// Checksum expected.
        expected: String,
    },
    /// A list of checksums that cannot be read or lacks a file.
    #[error("{file} {problem}")]
    Sums {
        /// The list.
        file: String,
        /// Problem, as a predicate.
        problem: String,
    },
    /// A set that is not all of CIFAR-10.
    #[error("{file} has {found} {what}, but CIFAR-10 has {expected}")]
    Counts {
        /// The folder or archive.
        file: String,
        /// Kind of images counted.
        what: String,
        /// Number found.
        found: usize,
        /// Number expected.
        expected: usize,
    },
    /// More images requested than available.
    #[error("{asked} images were requested, but the data has {available}")]
    TooFewImages {
        /// Images requested.
        asked: usize,
        /// Images available.
        available: usize,
    },
    /// More images of a class requested than available.
    #[error("{asked} balanced images need {wanted} of class {class}, but the data has {found}")]
    TooFewOfClass {
        /// Images requested.
        asked: usize,
        /// The class.
        class: usize,
        /// Images of the class needed.
        wanted: usize,
        /// Images of the class available.
        found: usize,
    },
    /// A size of minibatches that the images cannot fill.
    #[error("a minibatch must have from 1 to {images} images, not {batch_size}")]
    BatchSize {
        /// Images of a minibatch.
        batch_size: usize,
        /// Images available.
        images: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_are_disjoint_and_repeatable() {
        let (weights, alphas) = split(100, 51, 0.5, 3).unwrap();
        assert_eq!((weights.len(), alphas.len()), (25, 26));
        let mut all: Vec<usize> = weights.iter().chain(&alphas).copied().collect();
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 51);
        assert!(all[50] > 51, "images come from everywhere");
        assert_eq!(split(100, 51, 0.5, 3).unwrap(), (weights.clone(), alphas));
        assert_ne!(split(100, 51, 0.5, 4).unwrap().0, weights);
        let error = split(100, 101, 0.5, 0).unwrap_err().to_string();
        assert_eq!(error, "101 images were requested, but the data has 100");
    }

    #[test]
    fn normalisation_is_that_of_the_images() {
        let mut images = Images::with_capacity(2);
        for (label, value) in [(0u16, 0u8), (1, 255)] {
            images.labels.push(label);
            images.pixels.extend([value; PIXELS / 3].iter().chain(&[51; PIXELS / 3]).chain(&[value / 5; PIXELS / 3]));
        }
        let found = Normalisation::of(&images);
        assert_eq!(found.mean, [0.5, 0.2, 0.1]);
        assert_eq!(found.std, [0.5, 1.0, 0.1], "a constant colour is left as it is");

        let mut data = Dataset {
            name: "mine".into(),
            classes: vec!["dark".into(), "light".into()],
            train: images,
            test: Images::with_capacity(0),
        };
        assert_eq!(data.normalisation(), found);
        data.name = CIFAR10.into();
        assert_eq!(data.normalisation(), Normalisation::CIFAR10);
    }

    #[test]
    fn subsets_are_balanced() {
        let data = Dataset::textures(1, 100, 40);
        let subset = data.subset(33, 20, 5).unwrap();
        assert_eq!(subset.train.class_counts(10), [4, 4, 4, 3, 3, 3, 3, 3, 3, 3]);
        assert_eq!(subset.test.class_counts(10), [2; 10]);
        assert_eq!(subset.train.pixels.len(), 33 * PIXELS);
        for i in 0..subset.train.len() {
            let same = |j: usize| {
                data.train.labels[j] == subset.train.labels[i] && data.train.image(j) == subset.train.image(i)
            };
            assert!((0..100).any(same), "image {i} keeps its label");
        }
        let error = data.subset(101, 20, 5).unwrap_err().to_string();
        assert_eq!(error, "101 balanced images need 11 of class 0, but the data has 10");
    }
}
