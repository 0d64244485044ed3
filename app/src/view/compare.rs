//! Cells side by side in the same drawing, with their differences marked.

use super::{
    graph::Still,
    page,
    parts::{FileField, Menu, SavePicture},
};
use crate::page::{FilePurpose, Page, RunSource};
use darts_app::{
    cells::{Cells, Kind, Task},
    describe::network_cost,
    import::parse_cells,
    names::{cell_title, short_name},
    share_link::{ComparedCells, MAX_COMPARED, published_title},
};
use darts_engine::space::REPORTED_CIFAR10;
use leptos::{html, prelude::*};
use wasm_bindgen::JsCast;

/// The largest seed drawn for random cells.
const SEEDS: f64 = 1e5;

fn random_cells() -> ComparedCells {
    ComparedCells::Random((web_sys::js_sys::Math::random() * SEEDS) as u64)
}

/// Adds the published cells of that name.
fn add_published(page: Page, name: &str) {
    ComparedCells::parse(name).into_iter().for_each(|cells| page.compare(cells));
}

/// Title of the cells shown.
fn own_title(page: Page) -> String {
    match page.source.get() {
        RunSource::Recording { name, .. } => name,
        _ if page.moment.with(Option::is_some) => "This search".into(),
        _ => "Cells of this address".into(),
    }
}

/// The compared cells of the task shown.
fn compared(page: Page) -> Vec<(Cells, ComparedCells)> {
    let task = page.task.get();
    page.compared.get().into_iter().filter_map(move |compared| Some((compared.cells(task)?, compared))).collect()
}

#[component]
pub fn Compare() -> impl IntoView {
    let page = page();
    // The first column has the run's cells, or the first of the others without a run.
    let own = page.genotype;
    let reference = Memo::new(move |_| {
        own.get().or_else(|| page.compared.with(|all| all.iter().find_map(|cells| cells.cells(page.task.get()))))
    });
    let full = move || page.compared.with(|compared| compared.len() >= MAX_COMPARED);
    view! {
        <section class="compare" id="compare" aria-labelledby="compare-title">
            <header class="section-head">
                <h2 id="compare-title">"Compare cells"</h2>
                <p class="caption">
                    "Pale: the same op on the same edge as in the first column. Outlined: different. The order of nodes matters."
                </p>
                <AddCells full=full />
            </header>
            <div class="columns">
                <Show when=move || own.with(Option::is_some)>
                    <Column title=move || own_title(page) genotype=own reference=reference compared=None />
                </Show>
                <For
                    each=move || compared(page)
                    key=|(cells, compared)| format!("{}{:?}", compared.title(), cells.code())
                    let:pair
                >
                    {
                        let (cells, compared) = pair;
                        let (title, genotype) = (compared.title(), Some(cells));
                        let genotype = Memo::new(move |_| genotype.clone());
                        view! { <Column title=move || title.clone() genotype=genotype reference=reference compared=Some(compared) /> }
                    }
                </For>
                <Show when=move || own.with(Option::is_some) && page.compared.with(Vec::is_empty)>
                    <Suggestions />
                </Show>
                <Show when=move || own.with(Option::is_none) && page.compared.with(Vec::is_empty)>
                    <p class="caption empty">
                        "Add published or random cells; the cells of a search or a recorded run join them."
                    </p>
                </Show>
            </div>
        </section>
    }
}

/// Suggestions of cells to compare with, while there are none.
#[component]
fn Suggestions() -> impl IntoView {
    let page = page();
    let published = move || {
        let names = page.task.get().published().filter(|name| name.starts_with("DARTS"));
        let button = |name: &'static str| {
            let press = move |_| add_published(page, name);
            view! { <button type="button" class="button" on:click=press>{published_title(name).to_owned()}</button> }
        };
        names.map(button).collect_view()
    };
    view! {
        <div class="empty beside">
            <p class="caption">"Compare these cells with published or random ones."</p>
            <p class="buttons">
                {published}
                <button type="button" class="button" on:click=move |_| page.compare(random_cells())>"Random cells"</button>
            </p>
        </div>
    }
}

/// The paper's report of these cells.
fn reported(compared: Option<&ComparedCells>, task: Task) -> Option<String> {
    let Some(ComparedCells::Published(name)) = compared.filter(|_| task == Task::CONVOLUTIONAL) else { return None };
    let row = REPORTED_CIFAR10.iter().find(|row| row.cell == Some(name))?;
    let deviation = row.deviation.map(|deviation| format!(" \u{b1} {deviation}")).unwrap_or_default();
    Some(format!(
        "{}: {}{deviation}% test error on CIFAR-10 and {} GPU days of search, according to the paper.",
        row.network, row.test_error, row.gpu_days
    ))
}

/// The number of ops that differ from the reference, unless these are the same cells.
fn differences(genotype: &Cells, reference: &Cells) -> Option<String> {
    if genotype == reference {
        return None;
    }
    let count = |kind: Kind| {
        let (kept, of) = (genotype.kept(kind), reference.kept(kind));
        let differ = kept.iter().filter(|one| !of.contains(one)).count();
        format!("{differ} of {}", kept.len())
    };
    let counts: Vec<String> = genotype.task().kinds().into_iter().map(count).collect();
    Some(format!("{} ops differ.", counts.join(" and ")))
}

/// Cells with their pictures; `compared` is `None` for those of the run.
#[component]
fn Column(
    #[prop(into)] title: Signal<String>,
    genotype: Memo<Option<Cells>>,
    reference: Memo<Option<Cells>>,
    compared: Option<ComparedCells>,
) -> impl IntoView {
    let page = page();
    let task = page.task.get_untracked();
    let report = reported(compared.as_ref(), task);
    let differences = move || differences(&genotype.get()?, &reference.get()?);
    let cost = move || genotype.with(|genotype| genotype.as_ref().map(network_cost));
    let code = move || genotype.with(|genotype| genotype.as_ref().and_then(Cells::code));
    // The names of saved files have letters only.
    let file: String =
        title.get_untracked().chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let suffix = compared.as_ref().and_then(ComparedCells::code).unwrap_or_default().replace('.', "-");
    let id = format!("still-{file}-{suffix}");
    let tools = view! { <ColumnTools task=task id=id.clone() file=file compared=compared /> };
    let kinds = task.kinds();
    let single = kinds.len() == 1;
    let stills = kinds
        .into_iter()
        .map(|kind| {
            let caption = (!single).then(|| short_name(kind));
            view! {
                <figure>
                    {caption.map(|caption| view! { <figcaption>{caption}</figcaption> })}
                    <Still kind=kind genotype=genotype reference=reference title=title.get_untracked() />
                </figure>
            }
        })
        .collect_view();
    view! {
        <article class="card compared" id=id>
            <header class="card-head">
                <h3>{title}</h3>
                {tools}
            </header>
            {stills}
            <p class="caption">{differences} " " {cost} " " {report}</p>
            <p class="code"><code>{code}</code></p>
        </article>
    }
}

/// Saves the pictures of a column; shows or removes its cells where they are not those of the run.
#[component]
fn ColumnTools(task: Task, id: String, file: String, compared: Option<ComparedCells>) -> impl IntoView {
    let page = page();
    let kinds = task.kinds();
    let single = kinds.len() == 1;
    let pictures = kinds
        .into_iter()
        .enumerate()
        .map(|(i, kind)| {
            let what = if single { "Cell".to_owned() } else { cell_title(kind) };
            let selector = format!("#{id} figure:nth-of-type({}) svg", i + 1);
            view! { <SavePicture what=what selector=selector file=format!("{file}-{}", kind.name()) /> }
        })
        .collect_view();
    let show = compared.clone().map(|compared| {
        let press = move |_| compared.cells(task).into_iter().for_each(|cells| page.show_cells(cells));
        view! { <button type="button" on:click=press>"Show them above"</button> }
    });
    let remove = compared.map(|compared| {
        let press = move |_| page.compared.update(|all| all.retain(|cells| *cells != compared));
        view! { <button type="button" class="dismiss" aria-label="Remove" on:click=press>"\u{d7}"</button> }
    });
    view! {
        <div class="tools">
            <Menu label="Save" hint="Save these pictures">{pictures} {show}</Menu>
            {remove}
        </div>
    }
}

/// Adds cells: published, random, from a file, or pasted.
#[component]
fn AddCells(#[prop(into)] full: Signal<bool>) -> impl IntoView {
    let page = page();
    let file: NodeRef<html::Input> = NodeRef::new();
    let add = move |event: leptos::ev::Event| {
        let value = event_target_value(&event);
        if let Some(select) = event.target().and_then(|target| target.dyn_into::<web_sys::HtmlSelectElement>().ok()) {
            select.set_value("");
        }
        match value.as_str() {
            "random" => page.compare(random_cells()),
            "recorded" => file.get_untracked().into_iter().for_each(|input| input.click()),
            name => add_published(page, name),
        }
    };
    view! {
        <div class="tools">
            <select id="add-cells" aria-label="Add cells" disabled=full on:change=add>
                <option value="">"Add\u{2026}"</option>
                {move || {
                    let names = page.task.get().published();
                    names.map(|name| view! { <option value=name>{published_title(name).to_owned()}</option> }).collect_view()
                }}
                <option value="random">"Random cells"</option>
                <option value="recorded">"A recorded run or a file\u{2026}"</option>
            </select>
            <FileField
                id="add-file"
                label="A recorded run or a file of cells to compare"
                accept=".jsonl,.json,.py,.txt"
                purpose=FilePurpose::Compare
                node=file
            />
            <PasteCells full=full />
        </div>
    }
}

/// Adds or shows cells that are pasted.
#[component]
fn PasteCells(full: Signal<bool>) -> impl IntoView {
    let page = page();
    let pasted: NodeRef<html::Textarea> = NodeRef::new();
    let problem = RwSignal::new(None::<String>);
    let read = move |show: bool| {
        let Some(area) = pasted.get_untracked() else { return };
        match parse_cells(&area.value(), page.task.get_untracked()) {
            Ok(cells) if !show && cells.task() != page.task.get_untracked() => {
                problem.set(Some("These are cells of another search space; show them above instead.".into()));
            }
            Ok(cells) => {
                area.set_value("");
                problem.set(None);
                if show { page.show_cells(cells) } else { page.compare(ComparedCells::Given(cells)) }
            }
            Err(text) => problem.set(Some(text)),
        }
    };
    view! {
        <details class="menu paste">
            <summary title="From a share code, an address, JSON or Python">"Paste"</summary>
            <div class="menu-list">
                <label for="pasted">"A share code, an address of this page, JSON, or Python"</label>
                <textarea id="pasted" node_ref=pasted rows="5" spellcheck="false" placeholder="Genotype(normal=[('sep_conv_3x3', 0), \u{2026}"></textarea>
                <p class="problem" role="status">{problem}</p>
                <button type="button" id="paste-compare" disabled=full on:click=move |_| read(false)>"Compare"</button>
                <button type="button" id="paste-show" on:click=move |_| read(true)>"Show above"</button>
            </div>
        </details>
    }
}
