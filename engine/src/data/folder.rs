//! Folders of pictures: `train/CLASS/*` to train on and `val/CLASS/*` to test on, as ImageNet is usually laid out.

use super::{CHANNELS, DataError, Dataset, Images, Unreadable, pipeline};
use std::{
    ffi::OsString,
    fs, io,
    num::NonZero,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Folder of the pictures to train on.
const TRAIN: &str = "train";
/// Folder of the pictures to test on.
const VAL: &str = "val";
/// Filename extensions of pictures, in any case.
const ENDS: [&str; 3] = ["jpg", "jpeg", "png"];

/// Folder of pictures of any size, which are read when they are needed.
#[derive(Clone, Debug)]
pub struct Pictures {
    /// Name of the folder.
    pub name: String,
    /// Classes: the folders in `train`, in ascending order.
    pub classes: Vec<String>,
    /// Pictures to train on.
    pub train: Arc<PictureSet>,
    /// Pictures to test on; none without a folder `val`.
    pub test: Arc<PictureSet>,
}

/// Labelled pictures of one folder.
#[derive(Clone, Debug)]
pub struct PictureSet {
    folder: PathBuf,
    classes: Vec<OsString>,
    /// Class and file, sorted by class, then by name.
    files: Vec<(u16, OsString)>,
}

impl PictureSet {
    /// Number of pictures.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether there are no pictures.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Folder that holds the class folders.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Class of picture `i`.
    ///
    /// # Panics
    /// There is no picture `i`.
    pub fn label(&self, i: usize) -> u16 {
        self.files[i].0
    }

    /// Path of picture `i`.
    ///
    /// # Panics
    /// There is no picture `i`.
    pub fn path(&self, i: usize) -> PathBuf {
        let (class, file) = &self.files[i];
        self.folder.join(&self.classes[usize::from(*class)]).join(file)
    }

    /// Subset of the pictures at `indices`.
    ///
    /// # Panics
    /// An index is beyond the pictures.
    pub fn only(&self, indices: &[usize]) -> Self {
        Self { files: indices.iter().map(|&i| self.files[i].clone()).collect(), ..self.clone() }
    }

    /// Pictures in the folders `classes` of `folder`.
    fn scan(folder: &Path, classes: &[OsString]) -> Result<Self, DataError> {
        let mut files = Vec::new();
        for (class, name) in (0..).zip(classes) {
            let place = folder.join(name);
            let mut found: Vec<OsString> = Vec::new();
            for (file, _) in entries(&place)? {
                let end = Path::new(&file).extension().and_then(|end| end.to_str());
                if end.is_some_and(|end| ENDS.iter().any(|known| end.eq_ignore_ascii_case(known))) {
                    found.push(file);
                }
            }
            if found.is_empty() {
                return Err(DataError::NoPictures { place: place.display().to_string() });
            }
            found.sort_unstable();
            files.extend(found.into_iter().map(|file| (class, file)));
        }
        Ok(Self { folder: folder.to_owned(), classes: classes.to_vec(), files })
    }
}

impl Pictures {
    /// Whether a folder looks like a folder of pictures.
    pub(super) fn is_there(folder: &Path) -> bool {
        folder.join(TRAIN).is_dir()
    }

    /// Lists the pictures of a folder without reading them: the `.jpg`, `.jpeg` and `.png` files in the folders of `train`
    /// and `val`. Everything else and hidden files are ignored.
    ///
    /// # Errors
    /// There are no classes, a class has no pictures, or a class in `val` is not in `train`; the message names the place.
    pub fn open(folder: impl AsRef<Path>) -> Result<Self, DataError> {
        let folder = folder.as_ref();
        let (train, val) = (folder.join(TRAIN), folder.join(VAL));
        if folder.is_dir() && !train.is_dir() {
            return Err(DataError::Missing { place: folder.display().to_string(), file: format!("folder {TRAIN}") });
        }
        let classes = class_folders(&train)?;
        let place = || train.display().to_string();
        match classes.len() {
            0 => return Err(DataError::NoClasses { place: place() }),
            many if many > usize::from(u16::MAX) => {
                return Err(DataError::TooManyClasses { place: place(), found: many });
            }
            _ => {}
        }
        let test_classes = if val.exists() { class_folders(&val)? } else { Vec::new() };
        if val.exists() && test_classes.is_empty() {
            return Err(DataError::NoClasses { place: val.display().to_string() });
        }
        if let Some(class) = test_classes.iter().find(|class| classes.binary_search(class).is_err()) {
            let (place, train) = (val.join(class).display().to_string(), place());
            return Err(DataError::NotTrained { place, train });
        }
        let train = PictureSet::scan(&train, &classes)?;
        // Labels are numbered by the classes in `train`.
        let mut test = PictureSet::scan(&val, &test_classes)?;
        for (label, _) in &mut test.files {
            let class = classes.binary_search(&test_classes[usize::from(*label)]).expect("a class that is trained");
            *label = class as u16;
        }
        test.classes.clone_from(&classes);
        Ok(Self {
            name: folder_name(folder),
            classes: classes.iter().map(|class| class.to_string_lossy().into_owned()).collect(),
            train: Arc::new(train),
            test: Arc::new(test),
        })
    }

    /// Reads the central square of all pictures at `side` by `side` pixels. Pictures that cannot be read are passed to
    /// `report` and left out.
    ///
    /// # Errors
    /// No picture of a set can be read.
    pub fn read(&self, side: usize, report: &mut dyn FnMut(Unreadable)) -> Result<Dataset, DataError> {
        let mut read = |set: &Arc<PictureSet>| {
            let mut images = Images { channels: CHANNELS, height: side, width: side, ..Images::default() };
            for (picture, outcome) in pipeline::squares(set.clone(), side, threads()) {
                match outcome {
                    Ok(pixels) => {
                        images.labels.push(set.label(picture));
                        images.pixels.extend(pixels);
                    }
                    Err(unreadable) => report(unreadable),
                }
            }
            match images.is_empty() && !set.is_empty() {
                true => Err(DataError::AllUnreadable { place: set.folder().display().to_string() }),
                false => Ok(images),
            }
        };
        let (train, test) = (read(&self.train)?, read(&self.test)?);
        Ok(Dataset { name: self.name.clone(), classes: self.classes.clone(), train, test })
    }
}

/// Number of threads that the machine runs at once.
pub fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get)
}

/// Name of a folder, even if its path does not end in it.
fn folder_name(folder: &Path) -> String {
    let whole = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    whole.file_name().unwrap_or(whole.as_os_str()).to_string_lossy().into_owned()
}

/// Class folders in a folder, in ascending order.
fn class_folders(place: &Path) -> Result<Vec<OsString>, DataError> {
    let is_folder = |(name, kind): &(OsString, fs::FileType)| match kind.is_symlink() {
        true => place.join(name).is_dir(),
        false => kind.is_dir(),
    };
    let mut classes: Vec<OsString> = entries(place)?.into_iter().filter(is_folder).map(|(name, _)| name).collect();
    classes.sort_unstable();
    Ok(classes)
}

/// Entries of a folder that are not hidden.
fn entries(place: &Path) -> Result<Vec<(OsString, fs::FileType)>, DataError> {
    let read = || {
        let entries = fs::read_dir(place)?.map(|entry| {
            let entry = entry?;
            Ok((entry.file_name(), entry.file_type()?))
        });
        entries.filter(|entry| !entry.as_ref().is_ok_and(|(name, _)| is_hidden(name))).collect::<io::Result<_>>()
    };
    read().map_err(|source| DataError::Read { file: place.display().to_string(), source })
}

fn is_hidden(name: &OsString) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use jpeg_encoder::{ColorType, Encoder};

    /// Writes a picture of one colour.
    pub fn write(path: &Path, size: [u16; 2], colour: [u8; 3]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let pixels = colour.repeat(usize::from(size[0]) * usize::from(size[1]));
        let mut bytes = Vec::new();
        Encoder::new(&mut bytes, 95).encode(&pixels, size[0], size[1], ColorType::Rgb).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Two classes, of red and of blue pictures, the second with a single one to test on.
    fn folder(dir: &Path) {
        for i in 0..3 {
            write(&dir.join(format!("train/b red/{i}.JPEG")), [40, 50], [250, 0, 0]);
            write(&dir.join(format!("train/a blue/{i}.jpg")), [64, 48], [0, 0, 250]);
        }
        write(&dir.join("val/b red/x.jpeg"), [32, 32], [250, 0, 0]);
    }

    #[test]
    fn folders_are_classes_in_order() {
        let dir = tempfile::tempdir().unwrap();
        folder(dir.path());
        fs::write(dir.path().join("train/a blue/notes.txt"), "no picture").unwrap();
        fs::write(dir.path().join("train/.DS_Store"), "hidden").unwrap();
        fs::create_dir(dir.path().join("train/.hidden")).unwrap();
        let pictures = Pictures::open(dir.path()).unwrap();
        assert_eq!(pictures.classes, ["a blue", "b red"]);
        assert_eq!((pictures.train.len(), pictures.test.len(), pictures.test.label(0)), (6, 1, 1));
        assert_eq!(pictures.train.path(4), dir.path().join("train/b red/1.JPEG"));
        assert_eq!(pictures.test.path(0), dir.path().join("val/b red/x.jpeg"));
        assert_eq!(pictures.train.only(&[4, 0]).path(1), dir.path().join("train/a blue/0.jpg"));

        let data = Dataset::open(dir.path()).unwrap();
        assert_eq!(
            (&data.classes, &data.train.labels[..], &data.test.labels[..]),
            (&pictures.classes, &[0, 0, 0, 1, 1, 1][..], &[1][..])
        );
        assert_eq!((data.train.height, data.train.width, data.train.pixels.len()), (32, 32, 6 * 3 * 1024));
        let middle = |image: &[u8]| [image[500], image[1524], image[2548]].map(|v| v > 200);
        assert_eq!([0, 5].map(|i| middle(data.train.image(i))), [[false, false, true], [true, false, false]]);
        let larger = Dataset::open_at(dir.path(), 48, &mut |_| panic!("all can be read")).unwrap();
        assert_eq!(larger.test.pixels.len(), 3 * 48 * 48);

        fs::write(dir.path().join("train/a blue/1.jpg"), "broken").unwrap();
        let broken = dir.path().join("train/a blue/1.jpg").display().to_string();
        let error = Dataset::open(dir.path()).unwrap_err().to_string();
        assert_eq!(error, format!("{broken} is neither JPEG nor PNG"));
        let mut reported = Vec::new();
        let rest = Dataset::open_at(dir.path(), 32, &mut |one| reported.push(one.picture)).unwrap();
        assert_eq!((rest.train.len(), reported), (5, vec![broken]));
        fs::remove_dir_all(dir.path().join("val")).unwrap();
        assert!(Pictures::open(dir.path()).unwrap().test.is_empty());
    }

    #[test]
    fn folders_that_are_not_right_name_the_place() {
        let dir = tempfile::tempdir().unwrap();
        let refusal = |change: &dyn Fn(&Path)| {
            let folder = dir.path().join("d");
            let _ = fs::remove_dir_all(&folder);
            self::folder(&folder);
            change(&folder);
            Pictures::open(&folder).unwrap_err().to_string().replace(&dir.path().display().to_string(), "")
        };
        assert_eq!(refusal(&|d| fs::remove_dir_all(d.join("train")).unwrap()), "/d has no folder train");
        let gone = refusal(&|d| fs::remove_dir_all(d).unwrap());
        assert!(gone.starts_with("cannot read /d/train: "), "{gone}");
        let empty = |d: &Path| {
            fs::remove_dir_all(d.join("train")).unwrap();
            fs::create_dir(d.join("train")).unwrap();
        };
        assert_eq!(refusal(&empty), "/d/train has no class folders");
        let none = "has no pictures (.jpg, .jpeg or .png)";
        assert_eq!(refusal(&|d| fs::create_dir(d.join("train/c")).unwrap()), format!("/d/train/c {none}"));
        assert_eq!(refusal(&|d| fs::create_dir(d.join("val/a blue")).unwrap()), format!("/d/val/a blue {none}"));
        let unknown = refusal(&|d| write(&d.join("val/c/1.jpg"), [8, 8], [0; 3]));
        assert_eq!(unknown, "/d/val/c is a class that /d/train does not have");
        assert_eq!(refusal(&|d| fs::remove_dir_all(d.join("val/b red")).unwrap()), "/d/val has no class folders");
    }
}
