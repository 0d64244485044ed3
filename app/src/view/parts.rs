//! Small parts that many views have: choices, buttons, menus, words with an explanation.

use super::page;
use crate::{browser, page::FilePurpose};
use leptos::{html, prelude::*};
use wasm_bindgen_futures::spawn_local;

/// A choice among a few options, all visible.
#[component]
pub fn Choice<T: Copy + PartialEq + Send + Sync + 'static>(
    name: &'static str,
    legend: &'static str,
    value: RwSignal<T>,
    /// Value, label and tooltip.
    offered: Vec<(T, &'static str, &'static str)>,
) -> impl IntoView {
    view! {
        <fieldset class="choice">
            <legend class="hidden">{legend}</legend>
            {offered
                .into_iter()
                .map(|(one, label, hint)| {
                    view! {
                        <label title=hint>
                            <input
                                type="radio"
                                name=name
                                prop:checked=move || value.get() == one
                                on:change=move |_| value.set(one)
                            />
                            <span>{label}</span>
                        </label>
                    }
                })
                .collect_view()}
        </fieldset>
    }
}

/// A round button with an icon, which is its children.
#[component]
pub fn IconButton(
    id: &'static str,
    class: &'static str,
    #[prop(into)] label: Signal<&'static str>,
    #[prop(into)] hint: Signal<&'static str>,
    #[prop(optional, into)] disabled: Signal<bool>,
    press: impl Fn() + Send + 'static,
    children: Children,
) -> impl IntoView {
    view! {
        <button type="button" id=id class=class aria-label=label title=hint disabled=disabled on:click=move |_| press()>
            <svg viewBox="0 0 24 24" aria-hidden="true">{children()}</svg>
        </button>
    }
}

/// A triangle to play, or two bars to pause.
#[component]
pub fn PlayIcon(#[prop(into)] playing: Signal<bool>) -> impl IntoView {
    let shape = move || if playing.get() { "M7 5h3.6v14H7zM13.4 5H17v14h-3.6z" } else { "M8 4.6 19 12 8 19.4z" };
    view! { <path d=shape class="icon" /> }
}

/// A button that opens a list of buttons; it closes when one is pressed or the focus goes elsewhere.
#[component]
pub fn Menu(label: &'static str, hint: &'static str, children: Children) -> impl IntoView {
    let node: NodeRef<html::Details> = NodeRef::new();
    let close = move || {
        if let Some(node) = node.get_untracked() {
            let _ = node.remove_attribute("open");
        }
    };
    let leave = move |event: leptos::ev::FocusEvent| {
        use wasm_bindgen::JsCast;
        let inside = event
            .related_target()
            .and_then(|target| target.dyn_into::<web_sys::Node>().ok())
            .zip(node.get_untracked())
            .is_some_and(|(target, node)| node.contains(Some(&target)));
        if !inside {
            close();
        }
    };
    view! {
        <details
            class="menu"
            node_ref=node
            on:focusout=leave
            on:keydown=move |event| {
                if event.key() == "Escape" {
                    close();
                }
            }
        >
            <summary title=hint>{label}</summary>
            <div class="menu-list" on:click=move |_| close()>{children()}</div>
        </details>
    }
}

/// A hidden file field; a button or a choice elsewhere clicks on `node`.
#[component]
pub fn FileField(
    id: &'static str,
    label: &'static str,
    accept: &'static str,
    purpose: FilePurpose,
    node: NodeRef<html::Input>,
) -> impl IntoView {
    let page = page();
    view! {
        <input
            type="file"
            class="hidden"
            tabindex="-1"
            id=id
            aria-label=label
            accept=accept
            node_ref=node
            on:change=move |event| {
                let input: web_sys::HtmlInputElement = event_target(&event);
                if let Some(file) = input.files().and_then(|files| files.get(0)) {
                    page.open_file(&file, purpose);
                }
                input.set_value("");
            }
        />
    }
}

/// Saves a picture of the page in both forms; `selector` finds it.
#[component]
pub fn SavePicture(#[prop(into)] what: String, selector: String, file: String) -> impl IntoView {
    let find = StoredValue::new(move || document().query_selector(&selector).ok().flatten());
    let file = StoredValue::new(file);
    let [svg, png] = ["SVG", "PNG"].map(|form| format!("{what} as {form}"));
    view! {
        <button
            type="button"
            on:click=move |_| {
                if let Some(svg) = find.with_value(|find| find()) {
                    browser::save_text(&format!("{}.svg", file.get_value()), "image/svg+xml", &browser::picture_text(&svg));
                }
            }
        >
            {svg}
        </button>
        <button
            type="button"
            on:click=move |_| {
                if let Some(svg) = find.with_value(|find| find()) {
                    spawn_local(async move {
                        if let Err(error) = browser::save_png(&format!("{}.png", file.get_value()), &svg).await {
                            web_sys::console::warn_1(&error);
                        }
                    });
                }
            }
        >
            {png}
        </button>
    }
}

/// Glossary: technical terms, each with its meaning here.
const GLOSSARY: [(&str, &str); 15] = [
    ("alphas", "Numbers that the search learns, one for each op on each edge. They decide the architecture."),
    ("softmax", "Turns the alphas of an edge into positive weights that add up to one."),
    ("edge", "Leads from a state of the cell to a later node, and applies its op on the way."),
    ("node", "Adds up the outputs of its edges."),
    (
        "derived cell",
        "The result: each node keeps its strongest edges (two, or one in a recurrent cell), and each edge its strongest op.",
    ),
    ("supernet", "The network that is trained during the search, with all ops on all edges at once."),
    ("valid split", "Images that train only the alphas, never the weights."),
    ("validation text", "Sentences that train only the alphas, never the weights."),
    (
        "perplexity",
        "The number of equally likely words among which the next one would be as hard to guess. Lower is better.",
    ),
    ("temperature", "Divides the network\u{2019}s scores before a word is drawn: values below 1 favour likely words."),
    (
        "skip",
        "Passes its input on unchanged. It has no weights to learn, so early in a search it is the easiest op to rely on.",
    ),
    (
        "collapse",
        "The search ends with mostly skip connections. Such cells perform badly; this is the best-known weakness of DARTS.",
    ),
    (
        "entropy",
        "Measures how undecided an edge is: highest when all ops have the same weight, 0 when one op has it all.",
    ),
    (
        "curvature",
        "How sharply the validation loss bends along the alphas: the largest eigenvalue of its Hessian. In a sharp \
         valley, the derived cell performs much worse than the mixture that was trained.",
    ),
    ("multiply-accumulates", "Products that convolutions and linear layers compute and add up for one image."),
];

/// A term with its explanation, on hover and on keyboard focus.
#[component]
pub fn Term(word: &'static str) -> impl IntoView {
    let text = GLOSSARY.iter().find(|(known, _)| *known == word).map_or("", |(_, text)| text);
    view! {
        <span class="term" tabindex="0">
            {word}
            <span class="tip" role="tooltip">{text}</span>
        </span>
    }
}
