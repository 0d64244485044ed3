//! The stack of cells that the settings make.

use super::{grouped, page};
use darts_app::messages::DataChoice;
use darts_engine::space::is_reduction;
use leptos::prelude::*;

/// The supernet in one line: stem, cells, classifier.
#[component]
pub fn Supernet() -> impl IntoView {
    let page = page();
    // Those of the run that is shown, or of the settings.
    let plan = Memo::new(move |_| {
        let of_run = page
            .run
            .with(|run| run.started.as_ref().map(|started| (started.config.layers, started.config.init_channels)));
        of_run.unwrap_or_else(|| page.setup.with(|setup| (setup.cells, setup.channels)))
    });
    let cells = move || plan.get().0;
    let sizes = move || {
        let (cells, channels) = plan.get();
        let reductions = (0..cells).filter(|&cell| is_reduction(cell, cells)).count();
        format!(
            "from 32\u{d7}32 pixels to {0}\u{d7}{0} pixels in {1} channels",
            32usize >> reductions,
            (channels * 4) << reductions
        )
    };
    let facts = move || {
        let Some((weights, used)) = page.run.with(|run| {
            let started = run.started.as_ref()?;
            Some((started.parameters, started.weight_images + started.alpha_images))
        }) else {
            return sizes();
        };
        let kind = match page.images.get().map(|images| images.data) {
            Some(DataChoice::Textures) => "generated textures",
            Some(DataChoice::Cifar10) => "CIFAR-10 images",
            None => "images",
        };
        format!("{} weights, {} {kind}", grouped(weights), grouped(used))
    };
    view! {
        <figure class="supernet">
            <div class="stack" role="img" aria-label=move || format!("The supernet: stem, {} cells, classifier; {}", cells(), sizes())
                title=sizes
            >
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
            <figcaption>"The supernet: " <span id="facts">{facts}</span></figcaption>
        </figure>
    }
}
