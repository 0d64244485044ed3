//! The guided tour: five places, one after the other.

use super::page;
use leptos::{html, prelude::*};

/// Where each step leads, its title, and what it says.
const STEPS: [(&str, &str, &str); 5] = [
    (
        "#play",
        "Start a search",
        "Press start: a network that has all candidate ops on every edge begins to learn from small pictures, here in your browser. \
         Drop the events.jsonl of a run onto the page to see one that was done before.",
    ),
    (
        ".cell .alphas",
        "Read the heatmap",
        "A row is an edge, a column an op. The darker, the more the op counts on that edge. All begin alike; learning makes \
         some rows decide. Ringed ops are those that would be kept now.",
    ),
    (
        ".cell .graph",
        "See the cell take shape",
        "The same as a graph: the strongest edges of each node with their strongest ops. Switch to Relaxed for all edges with \
         all their ops. Point at anything and it lights up everywhere; click an edge to keep it chosen.",
    ),
    (
        "#shares",
        "Watch for collapse",
        "What passes its input on has nothing to learn, so it wins early. When the thick line runs away from the others, the \
         search is about to keep little else. Try it: choose an edge of a convolutional cell and lower its skip.",
    ),
    (
        "#time",
        "Go back in time",
        "Every moment stays. Drag along the bar, or play the run; ticks stand where the derived cells changed. Below the pictures \
         the cells can be compared with published ones, and the address brings all of it back.",
    ),
];

#[component]
pub fn Tour() -> impl IntoView {
    let page = page();
    let next: NodeRef<html::Button> = NodeRef::new();
    let at = move || page.tour.get().and_then(|i| STEPS.get(i).map(|step| (i, *step)));
    // The place is marked and brought into view.
    Effect::new(move || {
        let found = |selector: &str| document().query_selector(selector).ok().flatten();
        if let Some(old) = found(".toured") {
            let _ = old.class_list().remove_1("toured");
        }
        if let Some((_, (selector, ..))) = at()
            && let Some(element) = found(selector)
        {
            let _ = element.class_list().add_1("toured");
            element.scroll_into_view_with_bool(true);
            window().scroll_by_with_x_and_y(0.0, -120.0);
        }
        if let Some(button) = next.get() {
            let _ = button.focus();
        }
    });
    view! {
        <Show when=move || at().is_some()>
            <section
                class="tour"
                id="tour"
                role="dialog"
                aria-label="Guided tour"
                on:keydown=move |event| {
                    if event.key() == "Escape" {
                        page.tour.set(None);
                    }
                }
            >
                <p class="tour-count">{move || at().map(|(i, _)| format!("{} of {}", i + 1, STEPS.len()))}</p>
                <h2>{move || at().map(|(_, (_, title, _))| title)}</h2>
                <p aria-live="polite">{move || at().map(|(_, (.., text))| text)}</p>
                <div class="tour-buttons">
                    <button type="button" class="link" on:click=move |_| page.tour.set(None)>"Close"</button>
                    <button
                        type="button"
                        class="button"
                        disabled=move || at().is_some_and(|(i, _)| i == 0)
                        on:click=move |_| page.tour.update(|at| *at = at.map(|i| i.saturating_sub(1)))
                    >
                        "Back"
                    </button>
                    <button
                        type="button"
                        class="button strong"
                        id="tour-next"
                        node_ref=next
                        on:click=move |_| page.tour.update(|at| *at = at.map(|i| i + 1).filter(|&i| i < STEPS.len()))
                    >
                        {move || if at().is_some_and(|(i, _)| i + 1 == STEPS.len()) { "Done" } else { "Next" }}
                    </button>
                </div>
            </section>
        </Show>
    }
}
