//! The page's state, which all views share, and everything that changes it.

mod address;
mod control;
mod events;
mod files;
mod interventions;
mod race;
mod recorded;
mod rehearsal;
mod saved_search;
mod served;
mod state;
mod timeline;
mod worker;

pub use state::{BenchState, EngineState, FilePurpose, Images, Notice, Phase, RunSource};

use darts_app::{
    cells::{Cells, Kind, Task},
    messages::Activity,
    race::Race,
    run::{Moment, Run},
    saved_search::SavedSearch,
    settings::Settings,
    share_link::{CellView, ComparedCells, HeatView, MAX_COMPARED, ShareLink},
};
use darts_engine::intervention::Intervention;
use leptos::prelude::*;
use wasm_bindgen::{JsCast, closure::Closure};

/// State of the page, which the views read.
#[derive(Clone, Copy)]
pub struct Page {
    /// The settings of the top bar.
    pub settings: RwSignal<Settings>,
    /// The task of the run shown, or of the settings if there is none.
    pub task: Memo<Task>,
    /// Name of the user's own text for the next search.
    pub own_text: RwSignal<Option<String>>,
    /// Name of the text that the current search learns from.
    pub text_name: RwSignal<Option<String>>,
    pub run: RwSignal<Run>,
    /// Notifies the curves of changes of the run: a frame after the pictures are drawn, so that neither frame is long.
    pub curves_due: RwSignal<()>,
    pub phase: RwSignal<Phase>,
    pub engine: RwSignal<EngineState>,
    pub activity: RwSignal<Option<Activity>>,
    pub images: RwSignal<Option<Images>>,
    pub notices: RwSignal<Vec<Notice>>,
    pub source: RwSignal<RunSource>,
    pub cell_view: RwSignal<CellView>,
    pub heat_view: RwSignal<HeatView>,
    /// The edge pointed at: kind of cell and row of its alphas.
    pub hovered: RwSignal<Option<(Kind, usize)>>,
    /// The edge selected by a click.
    pub chosen: RwSignal<Option<(Kind, usize)>>,
    /// The one of these that all views highlight.
    pub edge: Memo<Option<(Kind, usize)>>,
    /// The op pointed at.
    pub op: RwSignal<Option<usize>>,
    /// The moment shown, in steps done; `None` is the latest.
    pub cursor: RwSignal<Option<usize>>,
    /// Whether the run plays from moment to moment.
    pub playing: RwSignal<bool>,
    /// Interventions tried out on the pictures only.
    pub what_if: RwSignal<Vec<Intervention>>,
    /// The moment that the pictures show.
    pub moment: Memo<Option<Moment>>,
    /// The cells drawn.
    pub genotype: Memo<Option<Cells>>,
    /// Cells from the address.
    pub given: RwSignal<Option<Cells>>,
    /// Networks trained from scratch, side by side.
    pub race: RwSignal<Option<Race>>,
    /// The saved search, which can be resumed.
    pub saved_search: RwSignal<Option<SavedSearch>>,
    /// Cells compared with those of the run.
    pub compared: RwSignal<Vec<ComparedCells>>,
    /// The step of the guided tour.
    pub tour: RwSignal<Option<usize>>,
    /// Whether the address asks for the benchmark.
    pub shows_benchmark: bool,
    pub bench: RwSignal<BenchState>,
    /// Whether the page is so narrow that cells are drawn top to bottom.
    pub narrow: RwSignal<bool>,
    /// Whether the address had no settings.
    bare_address: bool,
}

/// Milliseconds since the page was opened.
fn clock() -> f64 {
    window().performance().map_or(0.0, |performance| performance.now())
}

/// Reason that this browser offers no WebGPU, or `None` if it does.
fn no_gpu() -> Option<&'static str> {
    if web_sys::js_sys::Reflect::has(&window().navigator(), &"gpu".into()).unwrap_or(false) {
        return None;
    }
    Some(match window().is_secure_context() {
        true => "This browser does not offer WebGPU.",
        false => "Browsers offer WebGPU only to pages served over HTTPS or from localhost.",
    })
}

impl Page {
    /// The page at its address, with its worker, or with the run that its server offers.
    pub fn new() -> Self {
        let page = Self::from_fragment(&window().location().hash().unwrap_or_default());
        page.redraw_curves_after_run();
        page.watch_width();
        page.sync_address();
        page.accept_dropped_files();
        page.rehearse_when_idle();
        page.open_served();
        if page.source.get_untracked() == RunSource::Worker {
            page.find_saved_search();
        }
        if page.source.get_untracked() != RunSource::Served {
            match no_gpu() {
                None => page.connect(),
                Some(_) => page.engine.set(EngineState::Waiting),
            }
        }
        page
    }

    /// The state that a fragment describes, before anything happens.
    fn from_fragment(fragment: &str) -> Self {
        let (ShareLink { mut settings, view }, problems) = ShareLink::from_fragment(fragment);
        // The CPU is slow, so it begins with a small search.
        if no_gpu().is_some() && settings == Settings::default() {
            settings = settings.with_preset(&Settings::presets(settings.task)[0]);
        }
        let notices =
            problems.into_iter().map(|text| Notice { text: text + " The default is used.", error: true }).collect();
        let run = RwSignal::new(Run::default());
        let cursor = RwSignal::new(view.at);
        let what_if = RwSignal::new(Vec::new());
        let given = RwSignal::new(view.cell);
        let (hovered, chosen) = (RwSignal::new(None), RwSignal::new(None));
        let moment = Memo::new(move |_| what_if.with(|what_if| run.with(|run| run.moment(cursor.get(), what_if))));
        let settings = RwSignal::new(settings);
        Self {
            settings,
            task: Memo::new(move |_| run.with(Run::task).unwrap_or_else(|| settings.with(|settings| settings.task))),
            own_text: RwSignal::new(None),
            text_name: RwSignal::new(None),
            run,
            curves_due: RwSignal::new(()),
            phase: RwSignal::new(Phase::Idle),
            engine: RwSignal::new(EngineState::Loading { received: 0.0, total: None }),
            activity: RwSignal::new(None),
            images: RwSignal::new(None),
            notices: RwSignal::new(notices),
            source: RwSignal::new(RunSource::Worker),
            cell_view: RwSignal::new(view.cells),
            heat_view: RwSignal::new(view.heat),
            hovered,
            chosen,
            edge: Memo::new(move |_| hovered.get().or(chosen.get())),
            op: RwSignal::new(None),
            cursor,
            playing: RwSignal::new(false),
            what_if,
            moment,
            genotype: Memo::new(move |_| {
                moment.with(|moment| moment.as_ref().map(|moment| moment.genotype.clone())).or_else(|| given.get())
            }),
            given,
            race: RwSignal::new(None),
            saved_search: RwSignal::new(None),
            compared: RwSignal::new(view.compared),
            tour: RwSignal::new(None),
            shows_benchmark: window().location().search().is_ok_and(|query| query == "?bench"),
            bench: RwSignal::new(BenchState::Idle),
            narrow: RwSignal::new(false),
            bare_address: fragment.trim_start_matches('#').is_empty(),
        }
    }

    fn watch_width(self) {
        let Ok(Some(query)) = window().match_media("(max-width: 640px)") else { return };
        self.narrow.set(query.matches());
        let watched = query.clone();
        let changed = Closure::<dyn FnMut()>::new(move || self.narrow.set(watched.matches()));
        query.set_onchange(Some(changed.as_ref().unchecked_ref()));
        changed.forget();
    }

    /// Shows an error above the pictures.
    pub fn report_error(self, text: String) {
        self.add_notice(Notice { text, error: true });
    }

    /// Shows a message above the pictures.
    pub fn inform(self, text: String) {
        self.add_notice(Notice { text, error: false });
    }

    fn add_notice(self, notice: Notice) {
        self.notices.update(|notices| {
            if !notices.contains(&notice) {
                notices.push(notice);
            }
        });
    }

    /// Selects an edge, or deselects it.
    pub fn choose(self, kind: Kind, row: usize) {
        self.chosen.update(|chosen| *chosen = Some((kind, row)).filter(|new| *chosen != Some(*new)));
    }

    /// The edge of a kind of cell that is pointed at or selected.
    pub fn edge_of(self, kind: Kind) -> Option<usize> {
        self.edge.get().filter(|(of, _)| *of == kind).map(|(_, row)| row)
    }

    /// Adds cells to those compared with the run's.
    pub fn compare(self, cells: ComparedCells) {
        self.compared.update(|compared| {
            if compared.len() < MAX_COMPARED && !compared.contains(&cells) {
                compared.push(cells);
            }
        });
    }

    /// Shows cells without a run.
    pub fn show_cells(self, cells: Cells) {
        self.reset();
        self.switch_task(cells.task());
        self.given.set(Some(cells));
    }

    /// Switches the settings to a task; the seed stays.
    pub fn switch_task(self, task: Task) {
        self.settings.update(|settings| {
            if settings.task != task {
                *settings = Settings { seed: settings.seed, ..Settings::for_task(task) };
            }
        });
    }
}
