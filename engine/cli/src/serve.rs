//! Serves the page: by itself (`darts explore`), with a running search (`darts search --watch`), or with a recorded run
//! (`darts replay`).

mod site;

use crate::output::{Outcome, Output};
use clap::Args;
use darts_engine::{
    intervention::Control,
    run::{EVENTS_FILE, space_of_run},
};
use site::{LOOK, Served, Site, State, lock, serve};
use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// Default address of the page.
const ADDRESS: &str = "127.0.0.1:8080";
/// Reason that a search reports when it is stopped on its page.
pub const STOPPED: &str = "the search was stopped on its page";
/// How long a finished search waits for its listeners to receive the end.
const LAST_WORDS: Duration = Duration::from_secs(2);

#[derive(Args)]
pub struct Explore {
    /// Address to serve the page at: a host of this machine and a port, 0 for any free one.
    #[arg(long, value_name = "ADDR", default_value = ADDRESS)]
    address: String,
    #[command(flatten)]
    page: PageFolder,
}

#[derive(Args)]
pub struct Replay {
    /// Folder of the run.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Address to serve the page at: a host of this machine and a port, 0 for any free one.
    #[arg(long, value_name = "ADDR", default_value = ADDRESS)]
    address: String,
    #[command(flatten)]
    page: PageFolder,
}

/// Folder of the built page.
#[derive(Args)]
pub struct PageFolder {
    /// Folder of the built page [default: dist, here or beside the program].
    #[arg(long, value_name = "FOLDER")]
    page: Option<PathBuf>,
}

impl PageFolder {
    /// The folder, if the page is in it.
    fn find(&self) -> Outcome<PathBuf> {
        let beside = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.join("dist")));
        let candidates = match &self.page {
            Some(named) => vec![named.clone()],
            None => [Some(PathBuf::from("dist")), beside].into_iter().flatten().collect(),
        };
        if let Some(found) = candidates.iter().find(|folder| folder.join("index.html").is_file()) {
            return Ok(found.clone());
        }
        let looked = candidates[0].display();
        Err(format!(
            "the page is not built: {looked} has no index.html (build it with trunk build, or name its folder with --page)"
        )
        .into())
    }
}

/// Flag to watch a search, with the address.
#[derive(Args)]
pub struct WatchFlags {
    /// Show the search on the page while it runs; the page can pause, stop and change it. ADDR is a host of this machine
    /// and a port [default: 127.0.0.1:8080].
    #[arg(long, value_name = "ADDR", num_args = 0..=1, default_missing_value = ADDRESS)]
    watch: Option<String>,
    #[command(flatten)]
    page: PageFolder,
}

impl WatchFlags {
    /// Serves the page for the search that writes to the folder `run`, if requested.
    ///
    /// # Errors
    /// The page is not built, or the address cannot be bound.
    pub fn start(&self, run: &Path, output: &Output) -> Outcome<Option<WatchedSearch>> {
        self.watch.as_ref().map(|address| WatchedSearch::start(address, &self.page, run, output)).transpose()
    }
}

/// Search that is watched on the page.
pub struct WatchedSearch {
    site: Arc<Site>,
}

impl WatchedSearch {
    fn start(address: &str, page: &PageFolder, run: &Path, output: &Output) -> Outcome<Self> {
        let served = Served::Search { log: run.join(EVENTS_FILE), state: Mutex::default(), news: Condvar::new() };
        let site = serve(address, page.find()?, served)?;
        output.remark(format_args!("watch it at http://{}/", site.bound));
        Ok(Self { site })
    }

    fn state(&self) -> (MutexGuard<'_, State>, &Condvar) {
        match &self.site.served {
            Served::Search { state, news, .. } => (lock(state), news),
            Served::Page | Served::Recording { .. } => unreachable!("what is watched is a search"),
        }
    }

    /// Next request from the page; `None` when the search may take its next step. Waits while the search is paused and not
    /// interrupted.
    pub fn asked(&self, interrupted: &dyn Fn() -> bool) -> Option<Control> {
        let (mut state, news) = self.state();
        state.begun = true;
        loop {
            match state.asked.pop_front() {
                Some(Control::Pause) => (state.holding, state.owed) = (true, 0),
                Some(Control::Resume) => state.holding = false,
                Some(Control::Step) => (state.holding, state.owed) = (true, state.owed + 1),
                Some(other) => return Some(other),
                None if state.holding && state.owed == 0 && !interrupted() => {
                    (state, _) = news.wait_timeout(state, LOOK).unwrap_or_else(PoisonError::into_inner);
                }
                None => {
                    state.owed = state.owed.saturating_sub(1);
                    return None;
                }
            }
        }
    }

    /// Reports a failed change to the page.
    pub fn refuse(&self, reason: String) {
        self.state().0.refused.push(reason);
    }
}

impl Drop for WatchedSearch {
    /// Waits until the end has reached the page.
    fn drop(&mut self) {
        self.state().0.over = true;
        let began = Instant::now();
        while self.state().0.listeners > 0 && began.elapsed() < LAST_WORDS {
            thread::sleep(LOOK);
        }
    }
}

/// `darts replay`: serves the page with a recorded run until it is stopped.
pub fn replay(args: &Replay, output: &Output) -> Outcome {
    space_of_run(&args.run)?;
    let folder = args.run.clone();
    let log = folder.join(EVENTS_FILE);
    File::open(&log).map_err(|error| format!("cannot read {}: {error}", log.display()))?;
    let shown = fs::canonicalize(&folder).unwrap_or(folder);
    let name = shown.file_name().map_or("run".into(), |name| name.to_string_lossy().into_owned());
    stay(serve(&args.address, args.page.find()?, Served::Recording { log, name })?, output)
}

/// `darts explore`: serves the page until it is stopped.
pub fn explore(args: &Explore, output: &Output) -> Outcome {
    stay(serve(&args.address, args.page.find()?, Served::Page)?, output)
}

/// Prints the address of a site, and serves it until the program ends.
fn stay(site: Arc<Site>, output: &Output) -> Outcome {
    let address = format!("http://{}/", site.bound);
    output.print(&serde_json::json!({ "address": address }), &address)?;
    output.remark("stop it with Ctrl-C");
    loop {
        thread::park();
    }
}
