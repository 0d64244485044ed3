//! The guided tour: five places, one after the other.

use super::page;
use leptos::{html, prelude::*};

/// Selector, title and text of each step.
const STEPS: [(&str, &str, &str); 5] = [
    (
        "#play",
        "Start a search",
        "Press start: a network with all candidate ops on every edge learns from small pictures, here in your browser. \
         To see a recorded run, drop its events.jsonl on the page.",
    ),
    (
        ".cell .alphas",
        "Read the heatmap",
        "A row is an edge, a column an op. The darker a square, the greater the op\u{2019}s weight on that edge. All start alike; \
         then the search decides row by row. Rings mark the ops that the derived cell keeps now.",
    ),
    (
        ".cell .graph",
        "See the cell take shape",
        "The graph shows the derived cell: the strongest edges of each node with their strongest ops. Switch to Relaxed to see \
         all ops on all edges. Point at anything to highlight it everywhere; click an edge to select it.",
    ),
    (
        "#shares",
        "Watch for collapse",
        "An op that only passes its input on has nothing to learn, so it wins early. If its thick line leaves the others \
         behind, the search will soon keep little else. Try it: select an edge of a convolutional cell and lower its skip.",
    ),
    (
        "#time",
        "Go back in time",
        "The page remembers the whole run. Drag along the bar, or replay it; ticks mark changes of the derived cells. Further \
         down, compare the cells with published ones. The address of the page brings it all back.",
    ),
];

#[component]
pub fn Tour() -> impl IntoView {
    let page = page();
    let next: NodeRef<html::Button> = NodeRef::new();
    let at = move || page.tour.get().and_then(|i| STEPS.get(i).map(|step| (i, *step)));
    // Marks the place and scrolls to it.
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
