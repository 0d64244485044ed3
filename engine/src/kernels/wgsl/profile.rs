//! Counting and timing launches.

#[cfg(not(target_arch = "wasm32"))]
use crate::profile::{KernelFigures, TimedBy};
use cubecl::logging::{LaunchObservation, LaunchObserver};
#[cfg(not(target_arch = "wasm32"))]
use cubecl::{
    config::{TypeNameFormatLevel, type_name_format},
    logging::{ProfileDuration, TimingMethod, TimingRequest},
};
use std::{
    cell::Cell,
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

/// Shader texts and the files that each is made of, while they are kept.
type Sources = BTreeMap<String, Vec<&'static str>>;

static SOURCES: Mutex<Option<Sources>> = Mutex::new(None);

fn sources() -> MutexGuard<'static, Option<Sources>> {
    SOURCES.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Starts keeping the text of every shader launched.
pub fn start_sources() {
    *sources() = Some(Sources::new());
}

/// Stops, and returns the distinct texts, each with the names of its files.
pub fn end_sources() -> BTreeMap<String, Vec<&'static str>> {
    sources().take().unwrap_or_default()
}

/// Keeps a text, if texts are kept.
pub(super) fn keep_source(text: impl FnOnce() -> String, files: &[&'static str]) {
    if let Some(sources) = sources().as_mut() {
        sources.insert(text(), files.to_vec());
    }
}

/// Counts every launch of the process, whatever its source, while this lives.
pub(crate) struct Count {
    launches: Arc<Counter>,
    _watching: LaunchObservation,
}

#[derive(Default)]
struct Counter(AtomicU64);

impl LaunchObserver for Counter {
    fn launched(&self, _kernel: &'static str) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    pub fn new() -> Self {
        let launches = Arc::new(Counter::default());
        Self { launches: launches.clone(), _watching: LaunchObservation::new(launches) }
    }

    pub fn launches(&self) -> u64 {
        self.launches.0.load(Ordering::Relaxed)
    }
}

thread_local! {
    /// Name and bytes of this crate's next launch, while launches are timed.
    static NEXT: Cell<Option<(String, u64)>> = const { Cell::new(None) };
}

static TIMING: AtomicBool = AtomicBool::new(false);

/// Notes what is launched next, if launches are timed.
pub(super) fn name_next(name: impl FnOnce() -> String, bytes: u64) {
    if TIMING.load(Ordering::Relaxed) {
        NEXT.set(Some((name(), bytes)));
    }
}

/// Times every launch of the process by itself, while this lives: by the device's timestamps where it has them,
/// otherwise by the clock, waiting for the work. All launches together take longer than without.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) struct Profile {
    timer: Arc<Timer>,
    _watching: LaunchObservation,
}

#[cfg(not(target_arch = "wasm32"))]
#[derive(Default)]
struct Timer(Mutex<Timings>);

#[cfg(not(target_arch = "wasm32"))]
#[derive(Default)]
struct Timings {
    current: Option<(String, u64)>,
    done: Vec<(String, Option<u64>, ProfileDuration)>,
}

#[cfg(not(target_arch = "wasm32"))]
impl Timer {
    fn timings(&self) -> MutexGuard<'_, Timings> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl LaunchObserver for Timer {
    fn launched(&self, _kernel: &'static str) {
        self.timings().current = NEXT.take();
    }

    fn timing(&self) -> TimingRequest {
        TimingRequest::Deferred
    }

    fn profiled(&self, kernel: &'static str, profile: ProfileDuration) {
        let mut timings = self.timings();
        let (name, bytes) = match timings.current.take() {
            Some((name, bytes)) => (name, Some(bytes)),
            None => (format!("Burn: {}", type_name_format(kernel, TypeNameFormatLevel::Short)), None),
        };
        timings.done.push((name, bytes, profile));
    }
}

#[cfg(not(target_arch = "wasm32"))]
impl Profile {
    pub fn new() -> Self {
        TIMING.store(true, Ordering::Relaxed);
        let timer = Arc::new(Timer::default());
        Self { timer: timer.clone(), _watching: LaunchObservation::new(timer) }
    }

    /// Time of each kernel, the slowest first, and how it was measured.
    pub async fn end(self) -> (Vec<KernelFigures>, TimedBy) {
        TIMING.store(false, Ordering::Relaxed);
        let done = std::mem::take(&mut self.timer.timings().done);
        let device = done.iter().all(|(.., profile)| profile.timing_method() == TimingMethod::Device);
        let mut kernels: BTreeMap<String, KernelFigures> = BTreeMap::new();
        for (name, bytes, profile) in done {
            let seconds = profile.resolve().await.map_or(0.0, |ticks| ticks.duration().as_secs_f64());
            let kernel =
                kernels.entry(name.clone()).or_insert(KernelFigures { name, launches: 0, ms: 0.0, bytes: None });
            kernel.launches += 1;
            kernel.ms += seconds * 1e3;
            if let Some(bytes) = bytes {
                *kernel.bytes.get_or_insert(0) += bytes;
            }
        }
        let mut kernels: Vec<KernelFigures> = kernels.into_values().collect();
        kernels.sort_by(|a, b| b.ms.total_cmp(&a.ms));
        (kernels, if device { TimedBy::DeviceTimestamps } else { TimedBy::WallClock })
    }
}
