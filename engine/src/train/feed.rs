//! Sources of minibatches for a training run and its tests: images in memory, or pictures read during the run.

use crate::config::TrainConfig;
use crate::data::{Augment, DataError, Dataset, Drawn, Images, Loader, Normalisation, Position, evaluation, split};
#[cfg(not(target_arch = "wasm32"))]
use crate::data::{PictureLoader, PictureSet, Pictures, evaluation_of};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::sync::Arc;

/// Endless minibatches to train on.
pub(super) enum Feed {
    Images(Loader, usize),
    #[cfg(not(target_arch = "wasm32"))]
    Pictures(PictureLoader, usize),
}

impl Feed {
    /// Minibatches and tests of a run on images in memory.
    pub fn of_images(config: &TrainConfig, data: &Dataset) -> Result<(Self, Tests), DataError> {
        let (train, held_out) = train_split(config, data.train.len())?;
        let (images, normalisation) = (Arc::new(data.train.clone()), data.normalisation());
        let tests = match config.train_portion < 1.0 {
            true => Tests::Images { images: images.clone(), chosen: held_out, normalisation },
            false => Tests::of_images(data.test.clone(), normalisation),
        };
        let augment = Augment { cutout: config.cutout, ..Augment::PAPER };
        let count = train.len();
        let loader = Loader::new(images, train, config.batch_size, order_seed(config), augment, normalisation)?;
        Ok((Self::Images(loader, count), tests))
    }

    /// Minibatches and tests of a run on pictures.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn of_pictures(config: &TrainConfig, pictures: &Pictures, threads: usize) -> Result<(Self, Tests), DataError> {
        let side = config.image_size.expect("a checked configuration has the size of its pictures");
        let (train, held_out) = train_split(config, pictures.train.len())?;
        let tests = match config.train_portion < 1.0 {
            true => Tests::Pictures { set: Arc::new(pictures.train.only(&held_out)), side, threads },
            false => Tests::of_pictures(pictures, side, threads),
        };
        let (count, sizes) = (train.len(), (side, config.batch_size));
        let (seed, normalisation) = (order_seed(config), Normalisation::IMAGENET);
        let loader = PictureLoader::new(pictures.train.clone(), train, sizes, seed, normalisation, threads)?;
        Ok((Self::Pictures(loader, count), tests))
    }

    /// Number of images trained on.
    pub fn images(&self) -> usize {
        match self {
            Self::Images(_, count) => *count,
            #[cfg(not(target_arch = "wasm32"))]
            Self::Pictures(_, count) => *count,
        }
    }

    /// Number of minibatches in a pass over the images.
    pub fn steps_per_epoch(&self) -> usize {
        match self {
            Self::Images(loader, _) => loader.steps_per_epoch(),
            #[cfg(not(target_arch = "wasm32"))]
            Self::Pictures(loader, _) => loader.steps_per_epoch(),
        }
    }

    /// Position of the next minibatch.
    pub fn position(&self) -> Position {
        match self {
            Self::Images(loader, _) => loader.position(),
            #[cfg(not(target_arch = "wasm32"))]
            Self::Pictures(loader, _) => loader.position(),
        }
    }

    /// Continues from `position`.
    pub fn seek(&mut self, position: Position) {
        match self {
            Self::Images(loader, _) => loader.seek(position),
            #[cfg(not(target_arch = "wasm32"))]
            Self::Pictures(loader, _) => loader.seek(position),
        }
    }

    /// Returns the next minibatch, augmented and normalised.
    ///
    /// # Errors
    /// A hundred random pictures cannot be read.
    pub fn next_batch(&mut self) -> Result<Drawn, DataError> {
        match self {
            Self::Images(loader, _) => Ok(Drawn { batch: loader.next_batch(), unreadable: Vec::new() }),
            #[cfg(not(target_arch = "wasm32"))]
            Self::Pictures(loader, _) => loader.next_batch(),
        }
    }
}

/// Images to test on.
pub(super) enum Tests {
    Images {
        images: Arc<Images>,
        chosen: Vec<usize>,
        normalisation: Normalisation,
    },
    #[cfg(not(target_arch = "wasm32"))]
    Pictures {
        set: Arc<PictureSet>,
        side: usize,
        threads: usize,
    },
}

impl Tests {
    pub fn of_images(images: Images, normalisation: Normalisation) -> Self {
        Self::Images { chosen: (0..images.len()).collect(), images: Arc::new(images), normalisation }
    }

    #[cfg(not(target_arch = "wasm32"))]
    pub fn of_pictures(pictures: &Pictures, side: usize, threads: usize) -> Self {
        Self::Pictures { set: pictures.test.clone(), side, threads }
    }

    pub fn len(&self) -> usize {
        match self {
            Self::Images { chosen, .. } => chosen.len(),
            #[cfg(not(target_arch = "wasm32"))]
            Self::Pictures { set, .. } => set.len(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether the top-5 error is counted too.
    pub fn of_five(&self) -> bool {
        !matches!(self, Self::Images { .. })
    }

    /// Every image once, without augmentation, in minibatches of `batch_size`.
    pub fn batches(&self, batch_size: usize) -> Box<dyn Iterator<Item = Drawn> + '_> {
        match self {
            Self::Images { images, chosen, normalisation } => {
                let batches = evaluation(images, chosen, batch_size, *normalisation);
                Box::new(batches.map(|batch| Drawn { batch, unreadable: Vec::new() }))
            }
            #[cfg(not(target_arch = "wasm32"))]
            Self::Pictures { set, side, threads } => {
                Box::new(evaluation_of(set, (*side, batch_size), Normalisation::IMAGENET, *threads))
            }
        }
    }
}

/// Indices of the images to train on, and of those held out.
fn train_split(config: &TrainConfig, available: usize) -> Result<(Vec<usize>, Vec<usize>), DataError> {
    split(available, config.train_images.unwrap_or(available), config.train_portion, config.seed)
}

/// Seed that shuffles and augments the images. Of the seed's streams, 0 draws the weights, and 3 the drop-path masks.
fn order_seed(config: &TrainConfig) -> u64 {
    let mut seeds = ChaCha8Rng::seed_from_u64(config.seed);
    seeds.set_stream(2);
    seeds.next_u64()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(drawn: impl Iterator<Item = Drawn>) -> Vec<i32> {
        let mut labels: Vec<i32> = drawn.flat_map(|drawn| drawn.batch.labels).collect();
        labels.sort_unstable();
        labels
    }

    /// Images with a label of its own for each.
    fn data() -> Dataset {
        let mut data = Dataset::textures(0, 40, 10);
        data.train.labels = (0..40).collect();
        data.test.labels = (100..110).collect();
        data
    }

    #[test]
    fn images_held_out_are_tested_in_place_of_the_test_images() {
        let data = data();
        let whole = TrainConfig { batch_size: 8, ..TrainConfig::default() };
        let (mut feed, tests) = Feed::of_images(&whole, &data).unwrap();
        assert_eq!((feed.images(), feed.steps_per_epoch()), (40, 5));
        let trained: Vec<Drawn> = (0..5).map(|_| feed.next_batch().unwrap()).collect();
        assert_eq!(labels(trained.into_iter()), (0..40).collect::<Vec<_>>());
        assert_eq!(labels(tests.batches(3)), (100..110).collect::<Vec<_>>());

        let half = TrainConfig { train_portion: 0.6, ..whole };
        let (mut feed, tests) = Feed::of_images(&half, &data).unwrap();
        assert_eq!((feed.images(), tests.len()), (24, 16));
        let trained: Vec<Drawn> = (0..3).map(|_| feed.next_batch().unwrap()).collect();
        let (trained, tested) = (labels(trained.into_iter()), labels(tests.batches(5)));
        let mut all = [trained, tested.clone()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..40).collect::<Vec<_>>(), "both splits together are all training images");
        let (_, same) = Feed::of_images(&half, &data).unwrap();
        assert_eq!(labels(same.batches(16)), tested);
    }
}
