use super::{DataError, Images, Normalisation};
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};
use std::{fmt, sync::Arc};

/// Augmentation of training images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Augment {
    /// Black pixels added on every side before a random crop of the image's size.
    pub crop_padding: usize,
    /// Whether half of the images are mirrored left to right.
    pub flip: bool,
    /// Side of the square cut out of each image around a random pixel (cutout); 0 cuts none.
    pub cutout: usize,
}

impl Augment {
    /// Augmentation of the paper's search on CIFAR-10.
    pub const PAPER: Self = Self { crop_padding: 4, flip: true, cutout: 0 };
    /// No augmentation.
    pub const NONE: Self = Self { crop_padding: 0, flip: false, cutout: 0 };
}

/// Minibatch of normalised images.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// Pixels [batch_size, channels, height, width].
    pub images: Vec<f32>,
    /// Class of each image.
    pub labels: Vec<i32>,
    /// Images.
    pub batch_size: usize,
    /// Colours.
    pub channels: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// Minibatch, and the pictures that could not be read for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// Minibatch.
    pub batch: Batch,
    /// Pictures that could not be read; others took their places, or the minibatch is smaller.
    pub unreadable: Vec<Unreadable>,
}

/// Picture that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// File.
    pub picture: String,
    /// Problem, as a predicate.
    pub problem: String,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.picture, self.problem)
    }
}

/// Position of a loader, from which a run resumes bit for bit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Pass over the images, from 0.
    pub pass: u64,
    /// Minibatches of that pass already taken.
    pub offset: usize,
}

impl Position {
    /// Number of minibatches before it, where a pass has `steps_per_epoch`; none if a pass has no such position.
    pub fn taken(self, steps_per_epoch: usize) -> Option<usize> {
        let passes = usize::try_from(self.pass).ok()?.checked_mul(steps_per_epoch)?;
        passes.checked_add(self.offset).filter(|_| self.offset <= steps_per_epoch)
    }
}

/// Endless minibatches: every pass shuffles the images anew and varies each at random.
///
/// A minibatch depends only on the seed and its [`Position`]. Images that do not fill a last minibatch are left out of the
/// pass, so that all minibatches have the one shape that the device's kernels are compiled for, and all batch statistics of
/// BatchNorm are over equally many images.
#[derive(Clone, Debug)]
pub struct Loader {
    images: Arc<Images>,
    indices: Vec<usize>,
    batch_size: usize,
    seed: u64,
    augment: Augment,
    table: Table,
    position: Position,
    /// `indices` in the order of the current pass.
    order: Vec<usize>,
}

impl Loader {
    /// Minibatches of the images at `indices`.
    ///
    /// # Errors
    /// `batch_size` is 0 or more than the number of indices.
    ///
    /// # Panics
    /// An index is beyond the images.
    pub fn new(
        images: Arc<Images>,
        indices: Vec<usize>,
        batch_size: usize,
        seed: u64,
        augment: Augment,
        normalisation: Normalisation,
    ) -> Result<Self, DataError> {
        if batch_size == 0 || batch_size > indices.len() {
            return Err(DataError::BatchSize { batch_size, images: indices.len() });
        }
        assert!(indices.iter().all(|&i| i < images.len()), "an index is beyond the images");
        let table = Table::new(&normalisation);
        let position = Position::default();
        let mut loader = Self { images, order: Vec::new(), indices, batch_size, seed, augment, table, position };
        loader.shuffle();
        Ok(loader)
    }

    /// Number of minibatches in a pass over the images.
    pub fn steps_per_epoch(&self) -> usize {
        self.indices.len() / self.batch_size
    }

    /// Position of the next minibatch.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Continues from `position`; an offset beyond a pass means the start of the next.
    pub fn seek(&mut self, position: Position) {
        self.position = position;
        self.shuffle();
    }

    /// Returns the next minibatch, augmented and normalised.
    pub fn next_batch(&mut self) -> Batch {
        if self.position.offset >= self.steps_per_epoch() {
            self.position = Position { pass: self.position.pass + 1, offset: 0 };
            self.shuffle();
        }
        let mut rng = self.rng(1);
        // The starting points of two minibatches are far more random numbers apart than one takes.
        rng.set_word_pos((self.position.offset as u128) << 32);
        let start = self.position.offset * self.batch_size;
        let chosen = &self.order[start..start + self.batch_size];
        let padding = u32::try_from(self.augment.crop_padding).expect("a padding of pixels");
        let mut batch = batch(&self.images, chosen, &self.table, || View {
            // Drawn whether used or not, so that one augmentation does not change the numbers of another.
            down: rng.random_range(0..=2 * padding) as isize - padding as isize,
            right: rng.random_range(0..=2 * padding) as isize - padding as isize,
            mirror: rng.random_bool(0.5) && self.augment.flip,
        });
        cut_out(&mut batch, self.augment.cutout, &mut rng);
        self.position.offset += 1;
        batch
    }

    fn shuffle(&mut self) {
        self.order.clone_from(&self.indices);
        let mut rng = self.rng(0);
        self.order.shuffle(&mut rng);
    }

    /// Random numbers of the current pass: kind 0 shuffles the images, kind 1 augments them.
    fn rng(&self, kind: u64) -> ChaCha8Rng {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(2 * self.position.pass + kind);
        rng
    }
}

/// Normalised minibatches of the images at `indices` in that order, without augmentation. The last one may be smaller, as
/// every image counts once.
///
/// # Panics
/// `batch_size` is 0, or an index is beyond the images.
pub fn evaluation(
    images: &Images,
    indices: &[usize],
    batch_size: usize,
    normalisation: Normalisation,
) -> impl ExactSizeIterator<Item = Batch> {
    assert!(batch_size > 0, "a minibatch has images");
    let table = Table::new(&normalisation);
    indices.chunks(batch_size).map(move |chosen| batch(images, chosen, &table, View::default))
}

/// View of an image: a shift and a mirroring.
#[derive(Default)]
struct View {
    /// Rows that the view is moved down.
    down: isize,
    /// Columns that the view is moved right.
    right: isize,
    /// Whether left and right are swapped.
    mirror: bool,
}

/// Normalised value of each byte, for each channel.
#[derive(Clone, Debug)]
pub(super) struct Table(pub(super) Vec<[f32; 256]>);

impl Table {
    pub(super) fn new(normalisation: &Normalisation) -> Self {
        let row = |(&mean, &std): (&f32, &f32)| std::array::from_fn(|v| (v as f32 / 255.0 - mean) / std);
        Self(normalisation.mean.iter().zip(&normalisation.std).map(row).collect())
    }
}

fn batch(images: &Images, chosen: &[usize], table: &Table, mut view: impl FnMut() -> View) -> Batch {
    let Images { channels, height, width, .. } = *images;
    let mut pixels = Vec::with_capacity(chosen.len() * channels * height * width);
    for &i in chosen {
        let View { down, right, mirror } = view();
        let planes = images.image(i).chunks_exact(height * width);
        for (plane, values) in planes.zip(&table.0) {
            // Pixels outside the image are black before normalisation.
            let black = values[0];
            for y in 0..height {
                let row = y.checked_add_signed(down).filter(|&y| y < height);
                let row = row.map(|y| &plane[y * width..(y + 1) * width]);
                pixels.extend((0..width).map(|x| {
                    let x = if mirror { width - 1 - x } else { x };
                    let pixel = row.and_then(|row| row.get(x.checked_add_signed(right)?));
                    pixel.map_or(black, |&pixel| values[usize::from(pixel)])
                }));
            }
        }
    }
    let labels = chosen.iter().map(|&i| i32::from(images.labels[i])).collect();
    Batch { images: pixels, labels, batch_size: chosen.len(), channels, height, width }
}

/// Sets a square of `side` pixels to the mean colour, which is 0, in each image (cutout). Its centre is a random pixel, so
/// part of it may lie outside.
fn cut_out(batch: &mut Batch, side: usize, rng: &mut ChaCha8Rng) {
    if side == 0 {
        return;
    }
    let &mut Batch { channels, height, width, .. } = batch;
    let (before, after) = (side / 2, side - side / 2);
    for image in batch.images.chunks_exact_mut(channels * height * width) {
        let (y, x) = (rng.random_range(0..height), rng.random_range(0..width));
        let columns = x.saturating_sub(before)..width.min(x + after);
        for plane in image.chunks_exact_mut(height * width) {
            for row in y.saturating_sub(before)..height.min(y + after) {
                plane[row * width..][columns.clone()].fill(0.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Dataset, PIXELS};

    fn images() -> Arc<Images> {
        Arc::new(Dataset::textures(0, 40, 0).train)
    }

    fn loader(batch_size: usize, augment: Augment) -> Loader {
        let indices = (0..35).collect();
        Loader::new(images(), indices, batch_size, 9, augment, Normalisation::CIFAR10).unwrap()
    }

    #[test]
    fn a_pass_gives_each_image_at_most_once_and_the_next_another_order() {
        // A label of its own for each image.
        let numbered = Images { labels: (0..40).collect(), ..(*images()).clone() };
        let mut loader =
            Loader::new(Arc::new(numbered), (0..35).collect(), 8, 9, Augment::NONE, Normalisation::CIFAR10).unwrap();
        assert_eq!(loader.steps_per_epoch(), 4);
        let mut pass = || -> Vec<i32> { (0..4).flat_map(|_| loader.next_batch().labels).collect() };
        let (first, second) = (pass(), pass());
        assert_ne!(first, second);
        for mut labels in [first, second] {
            labels.sort_unstable();
            labels.dedup();
            assert_eq!(labels.len(), 32);
            assert!(labels[31] < 35, "only the indices given");
        }
        assert_eq!(loader.position(), Position { pass: 1, offset: 4 });
    }

    #[test]
    fn a_loader_goes_on_from_a_position_bit_for_bit() {
        let mut whole = loader(8, Augment::PAPER);
        let batches: Vec<Batch> = (0..10).map(|_| whole.next_batch()).collect();
        assert_ne!(batches[0], batches[4], "another pass");
        let mut position = Position::default();
        for (i, expected) in batches.iter().enumerate() {
            let mut resumed = loader(8, Augment::PAPER);
            resumed.seek(position);
            assert_eq!(position.taken(resumed.steps_per_epoch()), Some(i));
            assert_eq!(&resumed.next_batch(), expected, "minibatch {i}");
            let written = serde_json::to_string(&resumed.position()).unwrap();
            position = serde_json::from_str(&written).unwrap();
        }
    }

    #[test]
    fn pixels_are_normalised() {
        let batch = loader(35, Augment::NONE).next_batch();
        assert_eq!((batch.batch_size, batch.channels, batch.height, batch.width), (35, 3, 32, 32));
        assert_eq!(batch.images.len(), 35 * PIXELS);
        let images = images();
        let same = |i: usize| {
            images.image(i).iter().zip(&batch.images).enumerate().all(|(at, (&byte, &value))| {
                let channel = at / 1024;
                let expected = (f64::from(byte) / 255.0 - f64::from(Normalisation::CIFAR10.mean[channel]))
                    / f64::from(Normalisation::CIFAR10.std[channel]);
                (f64::from(value) - expected).abs() < 1e-5
            })
        };
        assert_eq!((0..35).filter(|&i| same(i)).count(), 1, "the first image is one of those, unchanged");
    }

    #[test]
    fn crops_and_mirror_images_show_what_they_should() {
        // One image whose pixel at (y, x) is 1 + y * 4 + x, in each channel.
        let one =
            Images { channels: 3, height: 4, width: 4, pixels: (0..48).map(|i| 1 + i % 16).collect(), labels: vec![0] };
        let identity = Normalisation { mean: [0.0; 3], std: [1.0 / 255.0; 3] };
        let augment = Augment { crop_padding: 1, flip: true, cutout: 0 };
        let mut loader = Loader::new(Arc::new(one), vec![0], 1, 0, augment, identity).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..400 {
            let batch = loader.next_batch();
            let found: Vec<i32> = batch.images.iter().map(|v| v.round() as i32).collect();
            assert_eq!(found[..16], found[16..32], "all channels move together");
            let view = (-1..=1).flat_map(|down| (-1..=1).flat_map(move |right| [(down, right, 0), (down, right, 1)]));
            let shows = |&(down, right, mirror): &(i32, i32, i32)| {
                (0..16).all(|at| {
                    let (y, x) = (at / 4, if mirror == 1 { 3 - at % 4 } else { at % 4 });
                    let (y, x) = (y + down, x + right);
                    let inside = (0..4).contains(&y) && (0..4).contains(&x);
                    found[at as usize] == if inside { 1 + y * 4 + x } else { 0 }
                })
            };
            seen.insert(view.clone().find(shows).expect("a crop of the padded image"));
        }
        assert_eq!(seen.len(), 18, "every crop, mirrored and not");
    }

    #[test]
    fn a_square_is_cut_out_and_all_else_stays() {
        let plain = loader(35, Augment::PAPER).next_batch();
        let cut = loader(35, Augment { cutout: 6, ..Augment::PAPER }).next_batch();
        let mut sizes = std::collections::BTreeSet::new();
        for (before, after) in plain.images.chunks(1024).zip(cut.images.chunks(1024)) {
            let gone: Vec<usize> = (0..1024).filter(|&at| before[at] != after[at]).collect();
            assert!(gone.iter().all(|&at| after[at] == 0.0));
            let rows = gone.iter().map(|at| at / 32).collect::<std::collections::BTreeSet<_>>().len();
            let columns = gone.iter().map(|at| at % 32).collect::<std::collections::BTreeSet<_>>().len();
            assert_eq!(gone.len(), rows * columns, "a rectangle");
            assert!((3..=6).contains(&rows) && (3..=6).contains(&columns));
            sizes.insert((rows, columns));
        }
        assert!(sizes.contains(&(6, 6)) && sizes.len() > 1, "whole, and cut by the border: {sizes:?}");
        assert_eq!(cut.labels, plain.labels);
    }

    #[test]
    fn evaluation_shows_every_image_once_unchanged() {
        let images = images();
        let all: Vec<usize> = (0..images.len()).collect();
        let batches: Vec<Batch> = evaluation(&images, &all, 16, Normalisation::CIFAR10).collect();
        assert_eq!(batches.iter().map(|b| b.batch_size).collect::<Vec<_>>(), [16, 16, 8]);
        let labels: Vec<i32> = batches.iter().flat_map(|b| b.labels.clone()).collect();
        assert_eq!(labels, images.labels.iter().map(|&l| i32::from(l)).collect::<Vec<_>>());
        let expected = (f32::from(images.image(39)[PIXELS - 1]) / 255.0 - 0.446_531_24) / 0.261_587_68;
        assert_eq!(batches[2].images[8 * PIXELS - 1], expected);
    }

    #[test]
    fn minibatches_need_enough_images() {
        for batch_size in [0, 36] {
            let indices = (0..35).collect();
            let error =
                Loader::new(images(), indices, batch_size, 0, Augment::NONE, Normalisation::CIFAR10).unwrap_err();
            assert_eq!(error.to_string(), format!("a minibatch must have from 1 to 35 images, not {batch_size}"));
        }
    }
}
