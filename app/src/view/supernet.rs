//! The stack of cells that the settings make.

use super::page;
use darts_engine::space::is_reduction;
use leptos::prelude::*;

/// The supernet in one line: stem, cells, classifier.
#[component]
pub fn Supernet() -> impl IntoView {
    let page = page();
    let cells = move || page.setup.with(|setup| setup.cells);
    let sizes = move || {
        let (cells, channels) = page.setup.with(|setup| (setup.cells, setup.channels));
        let reductions = (0..cells).filter(|&cell| is_reduction(cell, cells)).count();
        format!(
            "{}\u{d7}{} pixels, {} channels at the end",
            32 >> reductions,
            32 >> reductions,
            (channels * 4) << reductions
        )
    };
    let parameters = move || {
        page.run.with(|run| {
            run.started.as_ref().map(|started| format!("{:.2} million weights, ", started.parameters as f64 / 1e6))
        })
    };
    view! {
        <figure class="supernet">
            <div class="stack" role="img" aria-label=move || format!("The supernet: stem, {} cells, classifier", cells())>
                <span class="part" title="32 by 32 pixels in three colours">"image"</span>
                <span class="part" title="A 3 by 3 convolution">"stem"</span>
                {move || {
                    let cells = cells();
                    (0..cells)
                        .map(|cell| match is_reduction(cell, cells) {
                            true => view! { <span class="block reduce" title="Reduction cell">"R"</span> },
                            false => view! { <span class="block" title="Normal cell">"N"</span> },
                        })
                        .collect_view()
                }}
                <span class="part" title="Mean over the pixels, then a linear layer">"10 classes"</span>
            </div>
            <figcaption>"The network being searched: " {parameters} {sizes} "."</figcaption>
        </figure>
    }
}
