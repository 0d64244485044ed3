//! Decoding, cropping, resizing and colour jitter of a picture of any size.

use super::CHANNELS;
use fast_image_resize::{
    FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer,
    images::{Image, ImageRef},
};
use rand::{RngExt, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use std::{cell::Cell, io::Cursor, panic::catch_unwind};
use zune_jpeg::{
    JpegDecoder,
    zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions},
};

/// Most pixels of a picture that is decoded: many times those of a camera.
const MAX_PIXELS: usize = 100_000_000;
/// Attempts to place a crop of random area and shape before the centre is taken.
const CROP_TRIES: usize = 10;

thread_local! {
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside a picture decoder. If that panics, the picture is reported as unreadable, so a panic hook
/// need not print anything.
pub fn is_decoding() -> bool {
    DECODING.get()
}

/// Decoded picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pub width: usize,
    pub height: usize,
    /// Red, green and blue of each pixel, row by row.
    pub pixels: Vec<u8>,
}

impl Picture {
    /// Decodes a JPEG or a PNG, recognised by its content; grey becomes RGB, and transparency is dropped.
    ///
    /// # Errors
    /// The bytes cannot be decoded; the problem, as a predicate.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let decode = match bytes {
            [0xff, 0xd8, ..] => Self::decode_jpeg,
            [0x89, b'P', b'N', b'G', ..] => Self::decode_png,
            [] => return Err("is empty".into()),
            _ => return Err("is neither JPEG nor PNG".into()),
        };
        // A panic of a decoder on a broken file must not end the thread.
        DECODING.set(true);
        let decoded = catch_unwind(|| decode(bytes));
        DECODING.set(false);
        let picture = decoded.unwrap_or_else(|_| Err("is not a readable picture: the decoder panics".into()))?;
        if picture.width * picture.height == 0 { Err("has no pixels".into()) } else { Ok(picture) }
    }

    fn decode_jpeg(bytes: &[u8]) -> Result<Self, String> {
        // Strict, as otherwise the missing part of a truncated picture is filled with grey.
        let options = DecoderOptions::new_fast().set_strict_mode(true).jpeg_set_out_colorspace(ColorSpace::RGB);
        let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
        let broken = |problem: &dyn std::fmt::Display| format!("is not a readable JPEG: {}", one_line(problem));
        decoder.decode_headers().map_err(|e| broken(&e))?;
        let info = decoder.info().ok_or_else(|| broken(&"it has no header"))?;
        let (width, height) = (usize::from(info.width), usize::from(info.height));
        check_size(width, height)?;
        let pixels = decoder.decode().map_err(|e| broken(&e))?;
        if pixels.len() != width * height * CHANNELS {
            return Err(broken(&format!("{} bytes do not make {width}x{height} pixels", pixels.len())));
        }
        Ok(Self { width, height, pixels })
    }

    fn decode_png(bytes: &[u8]) -> Result<Self, String> {
        let broken = |e: png::DecodingError| format!("is not a readable PNG: {}", one_line(&e));
        let mut decoder = png::Decoder::new(Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info().map_err(broken)?;
        let (width, height) = (reader.info().width as usize, reader.info().height as usize);
        check_size(width, height)?;
        let size = reader.output_buffer_size().ok_or("is a PNG too large to be read")?;
        let mut raw = vec![0; size];
        let frame = reader.next_frame(&mut raw).map_err(broken)?;
        raw.truncate(frame.buffer_size());
        let pixels = match frame.color_type {
            png::ColorType::Rgb => raw,
            png::ColorType::Rgba => raw.chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect(),
            png::ColorType::Grayscale => raw.iter().flat_map(|&v| [v; CHANNELS]).collect(),
            png::ColorType::GrayscaleAlpha => raw.chunks_exact(2).flat_map(|p| [p[0]; CHANNELS]).collect(),
            png::ColorType::Indexed => return Err("is a PNG whose palette was not resolved".into()),
        };
        Ok(Self { width, height, pixels })
    }

    /// Part of the picture at `side` by `side` pixels, [3, side, side], resized by a triangle filter that averages when
    /// shrinking, as Pillow's bilinear one does.
    pub fn show(&self, part: Part, side: usize, mirror: bool, resizer: &mut Resizer) -> Vec<u8> {
        let Self { width, height, pixels } = self;
        let source = ImageRef::new(*width as u32, *height as u32, pixels, PixelType::U8x3).expect("pixels of its size");
        let mut shown = Image::new(side as u32, side as u32, PixelType::U8x3);
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).crop(
            part.left,
            part.top,
            part.width,
            part.height,
        );
        resizer.resize(&source, &mut shown, &options).expect("a part of the picture");
        let mut planes = vec![0; CHANNELS * side * side];
        let (red, rest) = planes.split_at_mut(side * side);
        let (green, blue) = rest.split_at_mut(side * side);
        for (y, row) in shown.buffer().chunks_exact(CHANNELS * side).enumerate() {
            for (x, pixel) in row.chunks_exact(CHANNELS).enumerate() {
                let at = y * side + if mirror { side - 1 - x } else { x };
                (red[at], green[at], blue[at]) = (pixel[0], pixel[1], pixel[2]);
            }
        }
        planes
    }
}

/// Pixels [3, side, side] of the central square of a JPEG or PNG picture.
///
/// # Errors
/// The bytes cannot be decoded; the problem, as a predicate.
///
/// # Panics
/// `side` is 0.
pub fn read_picture(bytes: &[u8], side: usize) -> Result<Vec<u8>, String> {
    let picture = Picture::decode(bytes)?;
    Ok(picture.show(Part::centre(&picture, 1.0), side, false, &mut Resizer::new()))
}

fn check_size(width: usize, height: usize) -> Result<(), String> {
    match width * height {
        pixels if pixels > MAX_PIXELS => {
            Err(format!("is {width}x{height}, but at most {MAX_PIXELS} pixels are allowed"))
        }
        _ => Ok(()),
    }
}

fn one_line(problem: &dyn std::fmt::Display) -> String {
    problem.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Rectangle of a picture, in pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part {
    left: f64,
    top: f64,
    width: f64,
    height: f64,
}

impl Part {
    /// Central square whose side is `share` of the picture's shorter side.
    pub fn centre(picture: &Picture, share: f64) -> Self {
        let (width, height) = (picture.width as f64, picture.height as f64);
        let side = width.min(height) * share;
        Self { left: (width - side) / 2.0, top: (height - side) / 2.0, width: side, height: side }
    }

    /// Random part of 8% to 100% of the picture's area, three quarters to four thirds as wide as high (Inception's crop, as
    /// torchvision draws it).
    pub fn random(picture: &Picture, rng: &mut ChaCha8Rng) -> Self {
        let (width, height) = (picture.width as f64, picture.height as f64);
        for _ in 0..CROP_TRIES {
            let area = width * height * rng.random_range(0.08..=1.0f64);
            let shape = rng.random_range((0.75f64).ln()..=(4.0f64 / 3.0).ln()).exp();
            let (w, h) = ((area * shape).sqrt().round(), (area / shape).sqrt().round());
            let (x, y) = (rng.random::<f64>(), rng.random::<f64>());
            if w >= 1.0 && h >= 1.0 && w <= width && h <= height {
                let (left, top) = ((x * (width - w + 1.0)).floor(), (y * (height - h + 1.0)).floor());
                return Self { left: left.min(width - w), top: top.min(height - h), width: w, height: h };
            }
        }
        let w = width.min((height * 4.0 / 3.0).round());
        let h = height.min((width / 0.75).round());
        Self { left: ((width - w) / 2.0).floor(), top: ((height - h) / 2.0).floor(), width: w, height: h }
    }
}

/// Ranges of colour jitter.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Jitter {
    /// Brightness is multiplied by a factor from 1 minus this to 1 plus this.
    pub brightness: f32,
    /// Likewise the distance to the mean grey.
    pub contrast: f32,
    /// Likewise the distance of each pixel to its grey.
    pub saturation: f32,
    /// Greatest shift of hues, as a share of the colour circle.
    pub hue: f32,
}

impl Jitter {
    /// Ranges of the authors for ImageNet.
    pub const PAPER: Self = Self { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.2 };

    /// Varies an image [3, pixels] in the four ways, in a random order.
    pub fn apply(&self, image: &mut [u8], rng: &mut ChaCha8Rng) {
        let mut ways = [0, 1, 2, 3];
        ways.shuffle(rng);
        let mut about = |from: f32, by: f32| from + by * rng.random_range(-1.0..=1.0f32);
        let (brightness, contrast) = (about(1.0, self.brightness), about(1.0, self.contrast));
        let (saturation, hue) = (about(1.0, self.saturation), about(0.0, self.hue));
        let mut values: Vec<f32> = image.iter().map(|&v| f32::from(v)).collect();
        let (red, rest) = values.split_at_mut(image.len() / CHANNELS);
        let (green, blue) = rest.split_at_mut(image.len() / CHANNELS);
        for way in ways {
            match way {
                0 => [&mut *red, green, blue].into_iter().flatten().for_each(|v| *v = held(*v * brightness)),
                1 => {
                    let sum: f64 = red
                        .chunks(256)
                        .zip(green.chunks(256))
                        .zip(blue.chunks(256))
                        .map(|((r, g), b)| {
                            let greys = r.iter().zip(g).zip(b).map(|((&r, &g), &b)| grey(r, g, b));
                            f64::from(greys.sum::<f32>())
                        })
                        .sum();
                    let mean = (sum / red.len() as f64).round() as f32;
                    let further = |v: &mut f32| *v = held(mean + (*v - mean) * contrast);
                    [&mut *red, green, blue].into_iter().flatten().for_each(further);
                }
                2 => {
                    for ((r, g), b) in red.iter_mut().zip(&mut *green).zip(&mut *blue) {
                        let grey = grey(*r, *g, *b);
                        let further = |v: f32| held(grey + (v - grey) * saturation);
                        (*r, *g, *b) = (further(*r), further(*g), further(*b));
                    }
                }
                _ => {
                    for ((r, g), b) in red.iter_mut().zip(&mut *green).zip(&mut *blue) {
                        (*r, *g, *b) = turned(*r, *g, *b, 6.0 * hue);
                    }
                }
            }
        }
        // The cast saturates at 0 and 255.
        image.iter_mut().zip(&values).for_each(|(byte, &value)| *byte = (value + 0.5) as u8);
    }
}

fn held(value: f32) -> f32 {
    value.clamp(0.0, 255.0)
}

/// Luma (ITU-R 601).
fn grey(r: f32, g: f32, b: f32) -> f32 {
    0.299 * r + 0.587 * g + 0.114 * b
}

/// Colour whose hue is turned by `sixths` of the circle; value and saturation stay.
fn turned(r: f32, g: f32, b: f32, sixths: f32) -> (f32, f32, f32) {
    let most = r.max(g).max(b);
    let range = most - r.min(g).min(b);
    // Grey has no hue: its range of 0 cancels any scale.
    let scale = if range > 0.0 { 1.0 / range } else { 0.0 };
    let hue = if most == r {
        (g - b) * scale
    } else if most == g {
        (b - r) * scale + 2.0
    } else {
        (r - g) * scale + 4.0
    };
    let wrapped = |v: f32| {
        let v = if v < 0.0 { v + 6.0 } else { v };
        if v >= 6.0 { v - 6.0 } else { v }
    };
    let hue = wrapped(wrapped(hue) + sixths);
    let channel = |n: f32| {
        let k = wrapped(n + hue);
        most - range * k.min(4.0 - k).clamp(0.0, 1.0)
    };
    (channel(5.0), channel(3.0), channel(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    fn jpeg(width: u16, height: u16, pixels: &[u8], color: jpeg_encoder::ColorType) -> Vec<u8> {
        let mut bytes = Vec::new();
        jpeg_encoder::Encoder::new(&mut bytes, 95).encode(pixels, width, height, color).unwrap();
        bytes
    }

    fn png(width: u32, height: u32, pixels: &[u8], color: png::ColorType) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_color(color);
        if color == png::ColorType::Indexed {
            encoder.set_palette(&[255, 0, 0, 0, 0, 255][..]);
        }
        encoder.write_header().unwrap().write_image_data(pixels).unwrap();
        bytes
    }

    fn shown(picture: &Picture, part: Part, side: usize, mirror: bool) -> Vec<u8> {
        picture.show(part, side, mirror, &mut Resizer::new())
    }

    #[test]
    fn every_form_becomes_rgb() {
        let decode = |bytes: &[u8]| Picture::decode(bytes).unwrap();
        let rgb = [10, 20, 30, 200, 100, 50];
        let expected = Picture { width: 2, height: 1, pixels: rgb.into() };
        assert_eq!(decode(&png(2, 1, &rgb, png::ColorType::Rgb)), expected);
        assert_eq!(decode(&png(2, 1, &[10, 20, 30, 0, 200, 100, 50, 9], png::ColorType::Rgba)), expected);
        let grey = decode(&png(1, 2, &[7, 9], png::ColorType::Grayscale));
        assert_eq!((grey.width, grey.height, &grey.pixels[..]), (1, 2, &[7, 7, 7, 9, 9, 9][..]));
        assert_eq!(decode(&png(1, 1, &[7, 1], png::ColorType::GrayscaleAlpha)).pixels, [7; 3]);
        assert_eq!(decode(&png(2, 1, &[1, 0], png::ColorType::Indexed)).pixels, [0, 0, 255, 255, 0, 0]);
        for (pixels, color) in [
            ([90, 140, 200].repeat(64), jpeg_encoder::ColorType::Rgb),
            (vec![120; 64], jpeg_encoder::ColorType::Luma),
            ([165, 115, 55, 0].repeat(64), jpeg_encoder::ColorType::Cmyk),
        ] {
            let picture = decode(&jpeg(8, 8, &pixels, color));
            let expected = if color == jpeg_encoder::ColorType::Luma { [120; 3] } else { [90, 140, 200] };
            let near = |(found, expected): (&u8, &u8)| found.abs_diff(*expected) < 4;
            assert!(picture.pixels.iter().zip(expected.repeat(64).iter()).all(near), "{:?}", &picture.pixels[..3]);
        }
    }

    #[test]
    fn an_invalid_picture_is_refused() {
        let refusal = |bytes: &[u8]| Picture::decode(bytes).unwrap_err();
        assert_eq!(refusal(b""), "is empty");
        assert_eq!(refusal(b"GIF89a"), "is neither JPEG nor PNG");
        let pixels: Vec<u8> = (0..64 * 64 * 3).map(|i| (i * i % 251) as u8).collect();
        let whole = jpeg(64, 64, &pixels, jpeg_encoder::ColorType::Rgb);
        assert!(Picture::decode(&whole).is_ok());
        for cut in [3, 100, whole.len() / 2] {
            assert!(refusal(&whole[..cut]).starts_with("is not a readable JPEG: "), "{}", refusal(&whole[..cut]));
        }
        let whole = png(64, 64, &pixels, png::ColorType::Rgb);
        for cut in [9, whole.len() / 2] {
            assert!(refusal(&whole[..cut]).starts_with("is not a readable PNG: "), "{}", refusal(&whole[..cut]));
        }
        // Only the header claims this size.
        let mut large = png(1, 1, &[0], png::ColorType::Grayscale);
        for side in [16, 20] {
            large[side..side + 4].copy_from_slice(&20_000u32.to_be_bytes());
        }
        let sum = crc32fast::hash(&large[12..29]);
        large[29..33].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(refusal(&large), "is 20000x20000, but at most 100000000 pixels are allowed");
    }

    #[test]
    fn parts_show_what_they_should() {
        // Red is the column, green the row.
        let pixels: Vec<u8> = (0..60u8).flat_map(|y| (0..80u8).flat_map(move |x| [x, y, 7])).collect();
        let picture = Picture { width: 80, height: 60, pixels };
        let part = Part::centre(&picture, 0.5);
        assert_eq!(part, Part { left: 25.0, top: 15.0, width: 30.0, height: 30.0 });
        let plain = shown(&picture, part, 30, false);
        assert_eq!((plain[0], plain[29], plain[900], plain[1799], plain[1800]), (25, 54, 15, 44, 7));
        let mirrored = shown(&picture, part, 30, true);
        assert_eq!((mirrored[0], mirrored[29], mirrored[900]), (54, 25, 15));
        let half = shown(&picture, part, 15, false);
        assert!(half[0].abs_diff(25) <= 1 && half[14].abs_diff(54) <= 1 && half[2 * 225 + 7] == 7);

        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (mut areas, mut shapes) = (Vec::new(), Vec::new());
        for _ in 0..2000 {
            let Part { left, top, width, height } = Part::random(&picture, &mut rng);
            assert!(left >= 0.0 && top >= 0.0 && left + width <= 80.0 && top + height <= 60.0);
            areas.push(width * height / 4800.0);
            shapes.push(width / height);
        }
        let range =
            |values: &[f64]| values.iter().fold((f64::MAX, f64::MIN), |(least, most), &v| (least.min(v), most.max(v)));
        let ((least, most), (narrow, wide)) = (range(&areas), range(&shapes));
        assert!((0.07..0.10).contains(&least) && most > 0.95, "{least} {most}");
        assert!((0.72..0.80).contains(&narrow) && (1.25..1.38).contains(&wide), "{narrow} {wide}");
        // No part of such a shape fits, so the centre is taken.
        let line = Picture { width: 1000, height: 1, pixels: vec![0; 3000] };
        let part = Part::random(&line, &mut rng);
        assert!(part.height == 1.0 && part.width <= 2.0);
    }

    #[test]
    fn colours_move_as_they_should() {
        let still = Jitter { brightness: 0.0, contrast: 0.0, saturation: 0.0, hue: 0.0 };
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let image: Vec<u8> = (0..3 * 256).map(|i| (i * 37 % 256) as u8).collect();
        let varied = |jitter: Jitter, image: &[u8], rng: &mut ChaCha8Rng| {
            let mut image = image.to_vec();
            jitter.apply(&mut image, rng);
            image
        };
        let near = |a: &[u8], b: &[u8]| a.iter().zip(b).all(|(a, b)| a.abs_diff(*b) <= 1);
        assert!(near(&varied(still, &image, &mut rng), &image));
        let grey = [&[50u8; 4][..], &[50; 4], &[50; 4]].concat();
        let colour = Jitter { saturation: 0.9, hue: 0.5, ..still };
        assert_eq!(varied(colour, &grey, &mut rng), grey, "grey has no colour to vary");
        assert_eq!(varied(Jitter { contrast: 0.9, ..still }, &grey, &mut rng), grey, "nor contrast");
        assert_ne!(varied(Jitter { brightness: 0.9, ..still }, &grey, &mut rng), grey);
        assert_ne!(varied(Jitter::PAPER, &image, &mut rng), varied(Jitter::PAPER, &image, &mut rng));

        // A third of the circle makes red green and green blue.
        let (r, g, b) = turned(200.0, 50.0, 80.0, 2.0);
        assert!((r - 80.0).abs() < 1e-3 && (g - 200.0).abs() < 1e-3 && (b - 50.0).abs() < 1e-3, "{r} {g} {b}");
        for colour in [(0.0, 0.0, 0.0), (255.0, 255.0, 0.0), (3.0, 250.0, 9.0), (9.0, 2.0, 128.0), (9.0, 128.0, 9.0)] {
            let there = turned(colour.0, colour.1, colour.2, 1.1);
            let back = turned(there.0, there.1, there.2, -1.1);
            let distance = (back.0 - colour.0).abs() + (back.1 - colour.1).abs() + (back.2 - colour.2).abs();
            assert!(distance < 1e-2, "{colour:?} {there:?} {back:?}");
        }
    }
}
