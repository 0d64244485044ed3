use super::{CHANNELS, Dataset, Images, SIDE};
use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Name of the generated data, and the word that opens it.
pub const TEXTURES: &str = "textures";
/// Training images that the word `textures` stands for.
pub const TEXTURES_TRAIN: usize = 2_000;
/// Test images that the word `textures` stands for.
pub const TEXTURES_TEST: usize = 500;

/// Classes; a mirror image is of the same class, since minibatches are mirrored.
const CLASSES: [&str; 10] = [
    "horizontal stripes",
    "vertical stripes",
    "diagonal stripes",
    "checkers",
    "rings",
    "zigzags",
    "bricks",
    "dots",
    "blobs",
    "gradient",
];

impl Dataset {
    /// Generated images of ten kinds of texture in random colours, scales and places, with noise: for the page without
    /// data, and for tests. The same seed gives the same images on every machine.
    pub fn textures(seed: u64, train: usize, test: usize) -> Self {
        let images = |count: usize, stream: u64| {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            rng.set_stream(stream);
            let mut images = Images::with_capacity(count);
            for i in 0..count {
                let class = i % CLASSES.len();
                images.labels.push(class as u16);
                draw(class, &mut rng, &mut images.pixels);
            }
            images
        };
        Self {
            name: TEXTURES.into(),
            classes: CLASSES.map(str::to_owned).into(),
            train: images(train, 0),
            test: images(test, 1),
        }
    }
}

/// Appends an image of `class`. Uses only arithmetic that gives the same bits on every machine.
fn draw(class: usize, rng: &mut impl Rng, pixels: &mut Vec<u8>) {
    let texture = Texture::random(class, rng);
    let first: [f32; CHANNELS] = std::array::from_fn(|_| rng.random_range(20.0..235.0));
    // The second colour is far from the first in at least one channel.
    let contrast = rng.random_range(0..CHANNELS);
    let second: [f32; CHANNELS] = std::array::from_fn(|channel| match channel == contrast {
        true if first[channel] < 128.0 => rng.random_range(first[channel] + 80.0..255.0),
        true => rng.random_range(0.0..first[channel] - 80.0),
        false => rng.random_range(20.0..235.0),
    });
    let noise = rng.random_range(4.0..24.0);
    for channel in 0..CHANNELS {
        for y in 0..SIDE {
            for x in 0..SIDE {
                let share = texture.at(x as f32, y as f32);
                let value = first[channel] + (second[channel] - first[channel]) * share;
                // The cast saturates at 0 and 255.
                pixels.push((value + noise * rng.random_range(-1.0..1.0)) as u8);
            }
        }
    }
}

/// Random parameters of a texture.
struct Texture {
    class: usize,
    /// Pixels from one stripe to the next.
    period: f32,
    /// Origin of the texture.
    origin: (f32, f32),
    /// 1 or -1.
    side: f32,
    /// Centres of blobs.
    blobs: [(f32, f32); 5],
}

impl Texture {
    fn random(class: usize, rng: &mut impl Rng) -> Self {
        let side = SIDE as f32;
        Self {
            class,
            period: rng.random_range(5.0..11.0),
            origin: (rng.random_range(0.0..side), rng.random_range(0.0..side)),
            side: if rng.random_bool(0.5) { 1.0 } else { -1.0 },
            blobs: std::array::from_fn(|_| (rng.random_range(0.0..side), rng.random_range(0.0..side))),
        }
    }

    /// Share of the second colour at a pixel, from 0 to 1.
    fn at(&self, x: f32, y: f32) -> f32 {
        let (u, v) = (x - self.origin.0, y - self.origin.1);
        let wave = |t: f32| soft(triangle(t / self.period));
        match self.class {
            0 => wave(v),
            1 => wave(u),
            2 => wave(0.7 * (u + self.side * v)),
            3 => soft(0.5 + 2.0 * (triangle(0.5 * u / self.period) - 0.5) * (triangle(0.5 * v / self.period) - 0.5)),
            4 => wave((u * u + v * v).sqrt()),
            5 => wave(v + self.period * triangle(u / (2.0 * self.period))),
            6 => {
                let row = (v / self.period).floor();
                let joint = u + self.period * (row - 2.0 * (row / 2.0).floor());
                let mortar = |t: f32, period: f32| if t - period * (t / period).floor() < 1.5 { 1.0 } else { 0.0 };
                f32::max(mortar(v, self.period), mortar(joint, 2.0 * self.period))
            }
            7 => {
                let (du, dv) = (triangle(u / self.period) - 1.0, triangle(v / self.period) - 1.0);
                if du * du + dv * dv < 0.3 { 1.0 } else { 0.0 }
            }
            8 => self.blobs.iter().fold(0.0, |most, &(cx, cy)| {
                let far = ((x - cx) * (x - cx) + (y - cy) * (y - cy)) / (self.period * self.period);
                f32::max(most, 1.0 - far)
            }),
            _ => {
                let along = (self.origin.0 - 16.0) * (x - 16.0) + (self.origin.1 - 16.0) * (y - 16.0);
                let length = f32::max(1.0, (self.origin.0 - 16.0).abs() + (self.origin.1 - 16.0).abs());
                (0.5 + along / (32.0 * length)).clamp(0.0, 1.0)
            }
        }
    }
}

/// Triangle wave of period 1 from 0 to 1 and back.
fn triangle(t: f32) -> f32 {
    1.0 - (2.0 * (t - t.floor()) - 1.0).abs()
}

/// Steepens the middle of a wave.
fn soft(t: f32) -> f32 {
    (2.5 * (t - 0.5) + 0.5).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_images() {
        let data = Dataset::textures(7, 20, 10);
        assert_eq!(data, Dataset::textures(7, 20, 10));
        assert_ne!(data.train, Dataset::textures(8, 20, 10).train);
        assert_ne!(data.train.image(0), data.test.image(0));
        assert_eq!(data.train.class_counts(10), [2; 10]);
        // A machine that draws other images would train on other data.
        assert_eq!(crc32fast::hash(&data.train.pixels), 1_572_446_548);
    }

    /// Mean differences of neighbours in six directions and distances, the features of this classifier.
    fn features(image: &[u8]) -> Vec<f32> {
        let steps: [(usize, usize); 8] = [(0, 1), (1, 0), (1, 1), (0, 3), (3, 0), (0, 5), (5, 0), (4, 4)];
        let mut spread: Vec<f32> = Vec::new();
        for (dy, dx) in steps {
            let mut sum = 0.0;
            for plane in image.chunks_exact(1024) {
                for y in 0..32 - dy {
                    for x in 0..32 - dx {
                        sum += (f32::from(plane[32 * y + x]) - f32::from(plane[32 * (y + dy) + x + dx])).abs();
                    }
                }
            }
            spread.push(sum / ((32 - dy) * (32 - dx)) as f32);
        }
        let total: f32 = spread.iter().sum();
        spread.iter().map(|s| s / total).collect()
    }

    #[test]
    fn classes_can_be_distinguished() {
        let data = Dataset::textures(0, 500, 200);
        let known: Vec<(u16, Vec<f32>)> =
            (0..500).map(|i| (data.train.labels[i], features(data.train.image(i)))).collect();
        let distance = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>();
        let right = (0..200).filter(|&i| {
            let seen = features(data.test.image(i));
            let nearest = known.iter().min_by(|a, b| distance(&a.1, &seen).total_cmp(&distance(&b.1, &seen))).unwrap();
            nearest.0 == data.test.labels[i]
        });
        let right = right.count();
        assert!(right > 120, "{right} of 200 right, where chance is 20");
    }
}
