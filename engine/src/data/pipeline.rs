//! Pipeline of threads that read, decode, crop and vary pictures ahead of the training loop.
//!
//! A minibatch depends only on the seed and its position: each picture's random numbers start at their own position of the
//! stream, and pictures are assembled in order, whichever thread finishes first.

use super::{
    Batch, CHANNELS, DataError, Drawn, Normalisation, PictureSet, Position, Unreadable,
    loader::Table,
    picture::{Jitter, Part, Picture},
};
use crate::profile::DecodeStages;
use fast_image_resize::Resizer;
use rand::{RngExt, SeedableRng, seq::SliceRandom};
use rand_chacha::ChaCha8Rng;
use std::{
    collections::{HashMap, VecDeque},
    fs::File,
    io::Read,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{self, Receiver, Sender, SyncSender},
    },
    thread,
    time::Instant,
};

/// Largest file that is read as a picture, in bytes.
const FILE_BYTES: u64 = 256 << 20;
/// Minibatches prepared ahead.
const READY: usize = 2;
/// Random pictures tried in place of one that cannot be read.
const TRIES: usize = 100;
/// Share of a picture's shorter side that tests see: 224 of 256 pixels.
const TEST_SHARE: f64 = 224.0 / 256.0;

/// View of a picture.
#[derive(Clone, Debug)]
enum View {
    /// Random part, mirrored or not, with colour jitter. Another picture replaces one that cannot be read.
    Varied(Box<ChaCha8Rng>, Arc<Vec<usize>>),
    /// Central square, of a share of the shorter side.
    Middle(f64),
}

/// Picture to prepare.
#[derive(Debug)]
struct Job {
    picture: usize,
    view: View,
}

/// Result of a job: label and pixels [3, side, side] if a picture could be read, and the pictures that could not.
#[derive(Debug, Default)]
struct Shown {
    image: Option<(u16, Vec<u8>)>,
    unreadable: Vec<Unreadable>,
}

/// Endless minibatches of pictures: every pass shuffles them anew and varies each at random, as the authors do for
/// ImageNet: a random crop, mirrored or not, in jittered colours.
///
/// A minibatch depends only on the seed and its [`Position`], not on the number of threads. Pictures that do not fill a last
/// minibatch are left out of the pass.
pub struct PictureLoader {
    set: Arc<PictureSet>,
    indices: Arc<Vec<usize>>,
    side: usize,
    batch_size: usize,
    seed: u64,
    normalisation: Normalisation,
    threads: usize,
    position: Position,
    /// Threads at work, from `position`.
    ready: Option<Receiver<Drawn>>,
}

impl PictureLoader {
    /// Minibatches of the pictures at `indices`, cropped to `side` by `side` pixels by `threads` threads.
    ///
    /// # Errors
    /// `batch_size` is 0 or more than the number of indices.
    ///
    /// # Panics
    /// An index is beyond the pictures.
    pub fn new(
        set: Arc<PictureSet>,
        indices: Vec<usize>,
        (side, batch_size): (usize, usize),
        seed: u64,
        normalisation: Normalisation,
        threads: usize,
    ) -> Result<Self, DataError> {
        if batch_size == 0 || batch_size > indices.len() {
            return Err(DataError::BatchSize { batch_size, images: indices.len() });
        }
        assert!(indices.iter().all(|&i| i < set.len()), "an index is beyond the pictures");
        let (indices, position) = (Arc::new(indices), Position::default());
        Ok(Self { set, indices, side, batch_size, seed, normalisation, threads, position, ready: None })
    }

    /// Number of minibatches in a pass over the pictures.
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
        self.ready = None;
    }

    /// Returns the next minibatch, augmented and normalised.
    ///
    /// # Errors
    /// A hundred random pictures cannot be read.
    pub fn next_batch(&mut self) -> Result<Drawn, DataError> {
        let steps = self.steps_per_epoch();
        if self.position.offset >= steps {
            self.position = Position { pass: self.position.pass + 1, offset: 0 };
        }
        let drawn = match &self.ready {
            Some(ready) => ready,
            None => self.ready.insert(self.start()),
        };
        // The threads stop only once the receiver is gone.
        let drawn = drawn.recv().expect("threads that never stop");
        if drawn.batch.batch_size < self.batch_size {
            return Err(DataError::AllUnreadable { place: self.set.folder().display().to_string() });
        }
        self.position.offset += 1;
        Ok(drawn)
    }

    fn start(&self) -> Receiver<Drawn> {
        let Self { batch_size, seed, position, .. } = *self;
        let (indices, steps) = (self.indices.clone(), self.steps_per_epoch());
        let plan = (position.pass..).flat_map(move |pass| {
            let mut order = indices.to_vec();
            order.shuffle(&mut rng(seed, pass, 0));
            let indices = indices.clone();
            let from = if pass == position.pass { position.offset } else { 0 };
            (from..steps).map(move |offset| {
                let job = |i: usize| {
                    let mut rng = rng(seed, pass, 1);
                    // The starting points of two pictures are further apart than the numbers that one takes, even with
                    // others tried in its place.
                    rng.set_word_pos((i as u128) << 16);
                    Job { picture: order[i], view: View::Varied(Box::new(rng), indices.clone()) }
                };
                (offset * batch_size..(offset + 1) * batch_size).map(job).collect()
            })
        });
        minibatches(self.set.clone(), plan, self.side, self.normalisation, self.threads)
    }
}

/// Random numbers of a pass: kind 0 shuffles the pictures, kind 1 augments them.
fn rng(seed: u64, pass: u64, kind: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(2 * pass + kind);
    rng
}

/// Normalised minibatches of all pictures in order: the central square of each, 224 of 256 pixels of its shorter side, at
/// `side` by `side`. Pictures that cannot be read are left out, and the last minibatch may be smaller.
///
/// # Panics
/// `batch_size` is 0.
pub fn evaluation_of(
    set: &Arc<PictureSet>,
    (side, batch_size): (usize, usize),
    normalisation: Normalisation,
    threads: usize,
) -> impl Iterator<Item = Drawn> + use<> {
    let count = set.len();
    assert!(batch_size > 0, "a minibatch has images");
    let plan = (0..count.div_ceil(batch_size)).map(move |i| {
        let job = |picture| Job { picture, view: View::Middle(TEST_SHARE) };
        (i * batch_size..count.min((i + 1) * batch_size)).map(job).collect()
    });
    minibatches(set.clone(), plan, side, normalisation, threads).into_iter()
}

/// Every picture in order with the pixels [3, side, side] of its central square.
pub(super) fn squares(
    set: Arc<PictureSet>,
    side: usize,
    threads: usize,
) -> impl Iterator<Item = (usize, Result<Vec<u8>, Unreadable>)> {
    let count = set.len();
    let plan = (0..count).map(|picture| vec![Job { picture, view: View::Middle(1.0) }]);
    let (give, take) = mpsc::sync_channel(READY);
    thread::spawn(move || {
        put_together(set, plan, side, threads, &give, |mut shown: Vec<Shown>| {
            let mut shown = shown.pop().expect("one job");
            shown.image.take().map(|(_, pixels)| pixels).ok_or_else(|| shown.unreadable.pop().expect("a reason"))
        });
    });
    take.into_iter().enumerate()
}

/// Mean time of the stages on a single thread for the first `count` pictures, varied as in training, with the mean pixels and
/// bytes of a picture.
///
/// # Errors
/// A picture cannot be read.
pub(crate) fn stage_times(set: &PictureSet, count: usize, side: usize) -> Result<(DecodeStages, f64, f64), DataError> {
    let mut worker = Worker { side, resizer: Resizer::new(), bytes: Vec::new() };
    let (mut stages, mut pixels, mut bytes) = (DecodeStages::default(), 0.0, 0.0);
    let mut rng = rng(0, 0, 1);
    for i in 0..count {
        let picture = i % set.len();
        let began = Instant::now();
        let read = worker.read(set, picture);
        let read = read
            .map_err(|problem| DataError::Unreadable { picture: set.path(picture).display().to_string(), problem })?;
        let decoded = Instant::now();
        let part = Part::random(&read, &mut rng);
        let mut shown = read.show(part, side, rng.random_bool(0.5), &mut worker.resizer);
        let resized = Instant::now();
        Jitter::PAPER.apply(&mut shown, &mut rng);
        let ms = |from: Instant, to: Instant| 1e3 * (to - from).as_secs_f64() / count as f64;
        stages.decode_ms += ms(began, decoded);
        stages.resize_ms += ms(decoded, resized);
        stages.colour_ms += ms(resized, Instant::now());
        pixels += (read.width * read.height) as f64 / count as f64;
        bytes += worker.bytes.len() as f64 / count as f64;
    }
    Ok((stages, pixels, bytes))
}

/// Starts threads that make the minibatches of a plan.
fn minibatches(
    set: Arc<PictureSet>,
    plan: impl Iterator<Item = Vec<Job>> + Send + 'static,
    side: usize,
    normalisation: Normalisation,
    threads: usize,
) -> Receiver<Drawn> {
    let (give, take) = mpsc::sync_channel(READY);
    let table = Table::new(&normalisation);
    thread::spawn(move || {
        put_together(set, plan, side, threads, &give, |shown| {
            let mut images = Vec::with_capacity(shown.len() * CHANNELS * side * side);
            let (mut labels, mut unreadable) = (Vec::with_capacity(shown.len()), Vec::new());
            for one in shown {
                unreadable.extend(one.unreadable);
                let Some((label, pixels)) = one.image else { continue };
                labels.push(i32::from(label));
                for (plane, values) in pixels.chunks_exact(side * side).zip(&table.0) {
                    images.extend(plane.iter().map(|&pixel| values[usize::from(pixel)]));
                }
            }
            let batch_size = labels.len();
            let batch = Batch { images, labels, batch_size, channels: CHANNELS, height: side, width: side };
            Drawn { batch, unreadable }
        });
    });
    take
}

/// Distributes the jobs of a plan to threads and sends what `of` makes of each group, in order. The number of groups in
/// flight is bounded, and it ends when the receiver is gone.
fn put_together<T>(
    set: Arc<PictureSet>,
    mut plan: impl Iterator<Item = Vec<Job>>,
    side: usize,
    threads: usize,
    give: &SyncSender<T>,
    of: impl Fn(Vec<Shown>) -> T,
) {
    let (jobs, waiting) = mpsc::channel();
    let (done, results) = mpsc::channel();
    let waiting = Arc::new(Mutex::new(waiting));
    for _ in 0..threads.max(1) {
        let (set, waiting, done) = (set.clone(), waiting.clone(), done.clone());
        thread::spawn(move || work(&set, side, &waiting, &done));
    }
    drop(done);
    let mut under_way: VecDeque<(u64, usize)> = VecDeque::new();
    let mut early: HashMap<u64, Shown> = HashMap::new();
    let (mut next, mut pictures) = (0, 0);
    loop {
        // Enough work for every thread while one group is assembled.
        while under_way.len() < 2 || pictures < 2 * threads {
            let Some(group) = plan.next() else { break };
            under_way.push_back((next, group.len()));
            pictures += group.len();
            for job in group {
                if jobs.send((next, job)).is_err() {
                    return;
                }
                next += 1;
            }
        }
        let Some((first, count)) = under_way.pop_front() else { return };
        pictures -= count;
        let mut shown = Vec::with_capacity(count);
        for number in first..first + count as u64 {
            while !early.contains_key(&number) {
                let Ok((number, result)) = results.recv() else { return };
                early.insert(number, result);
            }
            shown.extend(early.remove(&number));
        }
        if give.send(of(shown)).is_err() {
            return;
        }
    }
}

/// Works on jobs until there are none.
fn work(set: &PictureSet, side: usize, waiting: &Mutex<Receiver<(u64, Job)>>, done: &Sender<(u64, Shown)>) {
    let mut worker = Worker { side, resizer: Resizer::new(), bytes: Vec::new() };
    loop {
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, job)) = job else { return };
        if done.send((number, worker.show(set, job))).is_err() {
            return;
        }
    }
}

/// Buffers of a thread.
struct Worker {
    side: usize,
    resizer: Resizer,
    bytes: Vec<u8>,
}

impl Worker {
    fn show(&mut self, set: &PictureSet, Job { mut picture, mut view }: Job) -> Shown {
        let mut shown = Shown::default();
        for _ in 0..TRIES {
            match self.read(set, picture) {
                Ok(read) => {
                    let pixels = match &mut view {
                        View::Middle(share) => {
                            read.show(Part::centre(&read, *share), self.side, false, &mut self.resizer)
                        }
                        View::Varied(rng, _) => self.vary(&read, rng),
                    };
                    shown.image = Some((set.label(picture), pixels));
                    break;
                }
                Err(problem) => {
                    let picture = set.path(picture).display().to_string();
                    shown.unreadable.push(Unreadable { picture, problem });
                }
            }
            let View::Varied(rng, others) = &mut view else { break };
            picture = others[rng.random_range(0..others.len())];
        }
        shown
    }

    fn vary(&mut self, picture: &Picture, rng: &mut ChaCha8Rng) -> Vec<u8> {
        let part = Part::random(picture, rng);
        let mirror = rng.random_bool(0.5);
        let mut pixels = picture.show(part, self.side, mirror, &mut self.resizer);
        Jitter::PAPER.apply(&mut pixels, rng);
        pixels
    }

    fn read(&mut self, set: &PictureSet, picture: usize) -> Result<Picture, String> {
        self.bytes.clear();
        let cannot = |error: std::io::Error| format!("cannot be read: {error}");
        let file = File::open(set.path(picture)).map_err(cannot)?;
        file.take(FILE_BYTES + 1).read_to_end(&mut self.bytes).map_err(cannot)?;
        if self.bytes.len() as u64 > FILE_BYTES {
            return Err(format!("has more than {FILE_BYTES} bytes"));
        }
        Picture::decode(&self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Pictures, folder::tests::write};
    use std::{fs, path::Path};

    /// Twelve pictures, each of a colour and a class of its own.
    fn pictures(dir: &Path) -> Arc<PictureSet> {
        for i in 0..12u8 {
            let (width, height) = (40 + 5 * u16::from(i), 90 - 4 * u16::from(i));
            write(&dir.join(format!("train/{i:02}/a.jpg")), [width, height], [20 * i, 255 - 20 * i, 128]);
        }
        Pictures::open(dir).unwrap().train
    }

    fn loader(set: &Arc<PictureSet>, threads: usize) -> PictureLoader {
        PictureLoader::new(set.clone(), (0..11).collect(), (32, 4), 5, Normalisation::IMAGENET, threads).unwrap()
    }

    #[test]
    fn minibatches_depend_on_the_seed_and_the_position_alone() {
        let dir = tempfile::tempdir().unwrap();
        let set = pictures(dir.path());
        let mut one = loader(&set, 1);
        let expected: Vec<Drawn> = (0..7).map(|_| one.next_batch().unwrap()).collect();
        assert_eq!((one.steps_per_epoch(), one.position()), (2, Position { pass: 3, offset: 1 }));
        let mut labels = [&expected[0].batch.labels[..], &expected[1].batch.labels].concat();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!((labels.len(), labels[7] < 11), (8, true), "each at most once a pass, and only those chosen");
        assert_ne!(expected[0].batch.labels, expected[2].batch.labels, "another order");
        for threads in [2, 7] {
            let mut many = loader(&set, threads);
            assert!(expected.iter().all(|drawn| *drawn == many.next_batch().unwrap()), "{threads} threads");
        }
        let mut later = loader(&set, 3);
        later.seek(Position { pass: 1, offset: 1 });
        assert_eq!(later.next_batch().unwrap(), expected[3]);
        later.seek(Position { pass: 2, offset: 2 });
        assert_eq!(later.next_batch().unwrap(), expected[6]);
        let size = PictureLoader::new(set, vec![0], (32, 2), 0, Normalisation::IMAGENET, 1).err().unwrap();
        assert_eq!(size.to_string(), "a minibatch must have from 1 to 1 images, not 2");
    }

    #[test]
    fn an_unreadable_picture_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let set = pictures(dir.path());
        let broken: Vec<String> = [3, 8].map(|i| set.path(i).display().to_string()).into();
        for file in &broken {
            let whole = fs::read(file).unwrap();
            fs::write(file, &whole[..whole.len() / 2]).unwrap();
        }
        let drawn = |threads| {
            let mut loader = loader(&set, threads);
            (0..6).map(|_| loader.next_batch().unwrap()).collect::<Vec<_>>()
        };
        let expected = drawn(1);
        assert_eq!(drawn(4), expected);
        let reported: Vec<&Unreadable> = expected.iter().flat_map(|drawn| &drawn.unreadable).collect();
        assert!(reported.len() > 2 && reported.iter().all(|one| broken.contains(&one.picture)), "{reported:?}");
        assert!(reported[0].problem.starts_with("is not a readable JPEG: "), "{reported:?}");
        for drawn in &expected {
            assert_eq!(drawn.batch.labels.len(), 4);
            assert!(!drawn.batch.labels.iter().any(|label| [3, 8].contains(label)));
        }

        let tested: Vec<Drawn> = evaluation_of(&set, (32, 5), Normalisation::IMAGENET, 3).collect();
        let labels: Vec<Vec<i32>> = tested.iter().map(|drawn| drawn.batch.labels.clone()).collect();
        assert_eq!(labels, [vec![0, 1, 2, 4], vec![5, 6, 7, 9], vec![10, 11]]);
        let reported: Vec<&String> =
            tested.iter().flat_map(|drawn| &drawn.unreadable).map(|one| &one.picture).collect();
        assert_eq!(reported, [&broken[0], &broken[1]]);
        // The centre of a picture of one colour is that colour.
        let value = |batch: &Batch, plane: usize| batch.images[plane * 1024 + 500];
        let expected = |byte: f32, channel: usize| {
            (byte / 255.0 - Normalisation::IMAGENET.mean[channel]) / Normalisation::IMAGENET.std[channel]
        };
        for (plane, byte) in [(0, 40.0), (1, 215.0), (2, 128.0)] {
            assert!((value(&tested[0].batch, 2 * 3 + plane) - expected(byte, plane)).abs() < 0.05);
        }

        for i in 0..12 {
            fs::remove_file(set.path(i)).unwrap();
        }
        let error = loader(&set, 2).next_batch().unwrap_err().to_string();
        assert_eq!(error, format!("none of the pictures in {} can be read", set.folder().display()));
    }
}
