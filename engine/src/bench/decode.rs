//! Rate at which pictures are prepared for a network.

use super::DecodeBenchmark;
use crate::data::{DataError, Normalisation, PictureLoader, Pictures, stage_times, threads};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::{fs, path::Path, sync::Arc, time::Instant};

/// Number of pictures generated where no data is given.
const GENERATED: usize = 64;
/// Their size, about the mean of ImageNet's.
const GENERATED_SIZE: [u16; 2] = [500, 375];
/// Least size of the first of them, which decides the JPEG quality of all; about the mean of ImageNet's.
const GENERATED_BYTES: usize = 108_000;
/// Pictures of a minibatch.
const BATCH: usize = 16;
/// Pictures whose stages are timed one by one.
const TIMED: usize = 200;

/// Times the preparation of pictures for training: `threads` threads read, decode, crop, resize and colour-jitter the pictures
/// of the folder `data`, or generated ones, for at least `seconds`.
///
/// # Errors
/// There are no pictures, or none can be read.
pub fn decode_benchmark(
    data: Option<&Path>,
    image_size: usize,
    threads_asked: usize,
    seconds: f64,
) -> Result<DecodeBenchmark, DataError> {
    let temporary =
        tempfile::tempdir().map_err(|source| DataError::Write { file: "a temporary folder".into(), source })?;
    if data.is_none() {
        generate(temporary.path())?;
    }
    let pictures = Pictures::open(data.unwrap_or(temporary.path()))?;
    let set = pictures.train;
    let (stages, pixels, bytes) = stage_times(&set, TIMED, image_size)?;
    let batch = BATCH.min(set.len());
    // A small set is repeated.
    let indices = (0..set.len().max(BATCH)).map(|i| i % set.len()).collect();
    let sizes = (image_size, batch);
    let mut loader = PictureLoader::new(Arc::clone(&set), indices, sizes, 0, Normalisation::IMAGENET, threads_asked)?;
    // Fill the queue first, so that as many minibatches are ready when the clock starts as when it stops.
    for _ in 0..4 {
        loader.next_batch()?;
    }
    let (began, mut images) = (Instant::now(), 0);
    while began.elapsed().as_secs_f64() < seconds {
        images += loader.next_batch()?.batch.batch_size;
    }
    let seconds = began.elapsed().as_secs_f64();
    let cores = threads_asked.min(threads());
    let images_per_second = images as f64 / seconds;
    Ok(DecodeBenchmark {
        generated: data.is_none(),
        pictures: set.len(),
        mean_pixels: pixels,
        mean_bytes: bytes,
        image_size,
        threads: threads_asked,
        cores,
        images,
        seconds,
        images_per_second,
        images_per_second_per_core: images_per_second / cores as f64,
        stages,
    })
}

/// Writes pictures that compress about as badly as photographs.
fn generate(folder: &Path) -> Result<(), DataError> {
    let class = folder.join("train").join("generated");
    let write = |source| DataError::Write { file: class.display().to_string(), source };
    fs::create_dir_all(&class).map_err(write)?;
    let picture = |i: usize| {
        let [width, height] = GENERATED_SIZE.map(usize::from);
        rough(width, height, &mut ChaCha8Rng::seed_from_u64(i as u64))
    };
    let first = picture(0);
    let quality = (75..100).find(|&quality| jpeg(&first, quality).len() >= GENERATED_BYTES).unwrap_or(100);
    for i in 0..GENERATED {
        fs::write(class.join(format!("{i}.jpg")), jpeg(&picture(i), quality)).map_err(write)?;
    }
    Ok(())
}

/// Picture of the generated size as most cameras encode it, with chroma at half the resolution.
fn jpeg(pixels: &[u8], quality: u8) -> Vec<u8> {
    let ([width, height], mut bytes) = (GENERATED_SIZE, Vec::new());
    let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, quality);
    encoder.set_sampling_factor(jpeg_encoder::SamplingFactor::F_2_2);
    encoder.encode(pixels, width, height, jpeg_encoder::ColorType::Rgb).expect("pixels of that size");
    bytes
}

/// Noise on every scale, stronger at coarser ones, its colours correlated with brightness; RGB, row by row.
fn rough(width: usize, height: usize, rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut planes = [vec![128.0f32; width * height], vec![0.0; width * height], vec![0.0; width * height]];
    for (plane, strength) in planes.iter_mut().zip([1.0f32, 0.4, 0.4]) {
        for cell in [128usize, 64, 32, 16, 8, 4, 2] {
            let columns = width / cell + 2;
            let amplitude = strength * 8.0 * (cell as f32).powf(0.45);
            let lattice: Vec<f32> =
                (0..columns * (height / cell + 2)).map(|_| amplitude * rng.random_range(-1.0..1.0f32)).collect();
            for (y, row) in plane.chunks_exact_mut(width).enumerate() {
                let (top, down) = (y / cell * columns, (y % cell) as f32 / cell as f32);
                for (x, value) in row.iter_mut().enumerate() {
                    let (at, right) = (top + x / cell, (x % cell) as f32 / cell as f32);
                    let across = |at: usize| lattice[at] + (lattice[at + 1] - lattice[at]) * right;
                    *value += across(at) + (across(at + columns) - across(at)) * down;
                }
            }
        }
    }
    let [grey, warm, green] = planes;
    let pixel = |((grey, warm), green): ((&f32, &f32), &f32)| [grey + warm, grey + green, grey - warm].map(|v| v as u8);
    grey.iter().zip(&warm).zip(&green).flat_map(pixel).collect()
}
