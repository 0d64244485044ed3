//! Cells side by side in the same drawing, with what differs marked.

use super::{
    graph::Still,
    page,
    parts::{FileField, Menu, SavePicture},
};
use crate::page::{FilePurpose, RunSource};
use darts_app::{
    cells::{Cells, Kind, Task},
    describe::network_cost,
    import::parse_cells,
    share_link::{ComparedCells, MAX_COMPARED, published_title},
};
use darts_engine::space::REPORTED_CIFAR10;
use leptos::{html, prelude::*};
use wasm_bindgen::JsCast;

/// The largest seed drawn for random cells.
const SEEDS: f64 = 1e5;

#[component]
pub fn Compare() -> impl IntoView {
    let page = page();
    // The first column is the run's cells, or the first of the others where there is none.
    let own = page.genotype;
    let reference = Memo::new(move |_| {
        own.get().or_else(|| page.compared.with(|beside| beside.iter().find_map(|other| other.cells(page.task.get()))))
    });
    let own_title = move || match page.source.get() {
        RunSource::Recording { name, .. } => name,
        _ if page.moment.with(Option::is_some) => "This search".into(),
        _ => "Cells of this address".into(),
    };
    let full = move || page.compared.with(|beside| beside.len() >= MAX_COMPARED);
    view! {
        <section class="compare" id="compare" aria-labelledby="compare-title">
            <header class="section-head">
                <h2 id="compare-title">"Compare cells"</h2>
                <p class="caption">
                    "Pale: the same op on the same edge as in the first. Outlined: different. Order of nodes matters."
                </p>
                <Add full=Signal::derive(full) />
            </header>
            <div class="columns">
                <Show when=move || own.with(Option::is_some)>
                    <Column title=Signal::derive(own_title) genotype=own reference=reference other=None />
                </Show>
                <For
                    each=move || {
                        let task = page.task.get();
                        page.compared.get().into_iter().filter_map(move |other| Some((other.cells(task)?, other))).collect::<Vec<_>>()
                    }
                    key=|(cells, other)| format!("{}{:?}", other.title(), cells.code())
                    let:pair
                >
                    {
                        let (cells, other) = pair;
                        let genotype = Some(cells);
                        let title = other.title();
                        view! {
                            <Column
                                title=Signal::derive(move || title.clone())
                                genotype=Memo::new(move |_| genotype.clone())
                                reference=reference
                                other=Some(other)
                            />
                        }
                    }
                </For>
                <Show when=move || own.with(Option::is_some) && page.compared.with(Vec::is_empty)>
                    <Suggestions />
                </Show>
                <Show when=move || own.with(Option::is_none) && page.compared.with(Vec::is_empty)>
                    <p class="caption empty">
                        "Add published or random cells; the cells of a search or of a recorded run join them as soon as there are any."
                    </p>
                </Show>
            </div>
        </section>
    }
}

/// What may stand beside the first cells, where nothing does.
#[component]
fn Suggestions() -> impl IntoView {
    let page = page();
    let random = move || ComparedCells::Random((web_sys::js_sys::Math::random() * SEEDS) as u64);
    let published = move || {
        let names = page.task.get().published().iter().filter(|name| name.starts_with("DARTS"));
        let button = |&name: &&'static str| {
            let press = move |_| ComparedCells::parse(name).into_iter().for_each(|other| page.compare(other));
            view! { <button type="button" class="button" on:click=press>{published_title(name).to_owned()}</button> }
        };
        names.map(button).collect_view()
    };
    view! {
        <div class="empty beside">
            <p class="caption">"What did others find? Put cells of the paper beside these, or random ones."</p>
            <p class="buttons">
                {published}
                <button type="button" class="button" on:click=move |_| page.compare(random())>"Random cells"</button>
            </p>
        </div>
    }
}

/// What the paper reports of these cells.
fn reported(other: Option<&ComparedCells>, task: Task) -> Option<String> {
    let Some(ComparedCells::Published(name)) = other.filter(|_| task == Task::Convolutional) else { return None };
    let row = REPORTED_CIFAR10.iter().find(|row| row.cell == Some(name))?;
    let deviation = row.deviation.map(|deviation| format!(" \u{b1} {deviation}")).unwrap_or_default();
    Some(format!(
        "{}: {}{deviation}% test error on CIFAR-10, {} GPU days of search, as the paper reports.",
        row.network, row.test_error, row.gpu_days
    ))
}

#[component]
fn Column(
    title: Signal<String>,
    genotype: Memo<Option<Cells>>,
    reference: Memo<Option<Cells>>,
    other: Option<ComparedCells>,
) -> impl IntoView {
    let page = page();
    let report = reported(other.as_ref(), page.task.get_untracked());
    let differences = move || {
        let (genotype, reference) = (genotype.get()?, reference.get()?);
        if genotype == reference {
            return None;
        }
        let count = |kind: Kind| {
            let (kept, of) = (genotype.kept(kind), reference.kept(kind));
            let differ = kept.iter().filter(|one| !of.contains(one)).count();
            format!("{differ} of {}", kept.len())
        };
        let counts: Vec<String> = genotype.task().kinds().iter().map(|&kind| count(kind)).collect();
        Some(format!("{} ops differ.", counts.join(" and ")))
    };
    let cost = move || genotype.with(|genotype| genotype.as_ref().map(network_cost));
    let code = move || genotype.with(|genotype| genotype.as_ref().and_then(Cells::code));
    // Names of files saved need no more than letters.
    let file: String =
        title.get_untracked().chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_lowercase();
    let removable = other.clone();
    let show = other.clone();
    let id =
        format!("still-{file}-{}", other.as_ref().and_then(ComparedCells::code).unwrap_or_default().replace('.', "-"));
    let element = id.clone();
    let task = page.task.get_untracked();
    let pictures = task
        .kinds()
        .iter()
        .enumerate()
        .map(|(i, &kind)| {
            let what = match kind {
                Kind::Normal => "Normal cell",
                Kind::Reduce => "Reduction cell",
                Kind::Recurrent => "Cell",
            };
            let selector = format!("#{id} figure:nth-of-type({}) svg", i + 1);
            view! { <SavePicture what=what selector=selector file=format!("{file}-{}", kind.name()) /> }
        })
        .collect_view();
    let stills = task
        .kinds()
        .iter()
        .map(|&kind| {
            let caption = match kind {
                Kind::Normal => Some("normal"),
                Kind::Reduce => Some("reduction"),
                Kind::Recurrent => None,
            };
            view! {
                <figure>
                    {caption.map(|caption| view! { <figcaption>{caption}</figcaption> })}
                    <Still kind=kind genotype=genotype reference=reference title=title.get_untracked() />
                </figure>
            }
        })
        .collect_view();
    view! {
        <article class="card compared" id=element>
            <header class="card-head">
                <h3>{title}</h3>
                <div class="tools">
                    <Menu label="Save" hint="Keep these pictures">
                        {pictures}
                        {show.map(|other| {
                            view! {
                                <button type="button" on:click=move |_| other.cells(task).into_iter().for_each(|cells| page.show_cells(cells))>
                                    "Show them above"
                                </button>
                            }
                        })}
                    </Menu>
                    {removable.map(|other| {
                        view! {
                            <button
                                type="button"
                                class="dismiss"
                                aria-label="Remove"
                                on:click=move |_| page.compared.update(|beside| beside.retain(|one| *one != other))
                            >
                                "\u{d7}"
                            </button>
                        }
                    })}
                </div>
            </header>
            {stills}
            <p class="caption">{differences} " " {cost} " " {report}</p>
            <p class="code"><code>{code}</code></p>
        </article>
    }
}

/// What can be put beside.
#[component]
fn Add(full: Signal<bool>) -> impl IntoView {
    let page = page();
    let pasted: NodeRef<html::Textarea> = NodeRef::new();
    let file: NodeRef<html::Input> = NodeRef::new();
    let problem = RwSignal::new(None::<String>);
    let read = move |show: bool| {
        let Some(area) = pasted.get_untracked() else { return };
        match parse_cells(&area.value(), page.task.get_untracked()) {
            Ok(cells) if !show && cells.task() != page.task.get_untracked() => {
                problem.set(Some("These are cells of the other kind of search; show them above instead.".into()));
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
        <div class="tools">
            <select
                id="add-cells"
                aria-label="Add cells"
                disabled=full
                on:change=move |event| {
                    let value = event_target_value(&event);
                    if let Some(select) = event.target().and_then(|target| target.dyn_into::<web_sys::HtmlSelectElement>().ok()) {
                        select.set_value("");
                    }
                    match value.as_str() {
                        "random" => page.compare(ComparedCells::Random((web_sys::js_sys::Math::random() * SEEDS) as u64)),
                        "recorded" => file.get_untracked().into_iter().for_each(|input| input.click()),
                        name => ComparedCells::parse(name).into_iter().for_each(|other| page.compare(other)),
                    }
                }
            >
                <option value="">"Add\u{2026}"</option>
                {move || {
                    let names = page.task.get().published().iter();
                    names.map(|&name| view! { <option value=name>{published_title(name).to_owned()}</option> }).collect_view()
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
        </div>
    }
}
