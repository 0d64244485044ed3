//! The network in one line, with its sizes: the supernet or the language model.

use super::page;
use darts_app::{
    describe::{grouped, recurrent_counts, recurrent_size, supernet_counts, supernet_size},
    messages::DataChoice,
};
use darts_engine::space::is_reduction;
use leptos::prelude::*;

/// Limit of the words over which the language model is drawn.
const MAX_DRAWN_WORDS: usize = 6;

#[component]
pub fn Supernet() -> impl IntoView {
    let page = page();
    move || match page.task.get().of_text() {
        false => view! { <CellStack /> }.into_any(),
        true => view! { <LanguageModel /> }.into_any(),
    }
}

/// The language model, unrolled over some words.
#[component]
fn LanguageModel() -> impl IntoView {
    let page = page();
    // Units and words of the run that is shown, or of the settings.
    let size = Memo::new(move |_| {
        let of_run = page.run.with(recurrent_size);
        of_run.unwrap_or_else(|| page.settings.with(|settings| (settings.units, settings.bptt)))
    });
    let facts = move || {
        let (units, bptt) = size.get();
        let text = page.text_name.get().map(|name| format!(" of {name}")).unwrap_or_default();
        match page.run.with(recurrent_counts) {
            Some(facts) => facts + &text,
            None => format!("{units} units, gradients through {bptt} words"),
        }
    };
    let steps = move || {
        (0..size.get().1.min(MAX_DRAWN_WORDS))
            .map(|_| view! { <span class="block" title="The recurrent cell, at each word in turn">"C"</span> })
            .collect_view()
    };
    view! {
        <figure class="supernet">
            <div class="stack" role="img" aria-label=move || format!("The language model: word vectors, the cell at each of {} words, scores of the next word", size.get().1)>
                <span class="part">"words"</span>
                <span class="part" title="A vector for each word of the vocabulary">"vectors"</span>
                {steps}
                <span class="part">"\u{2026}"</span>
                <span class="part" title="The same vectors score every word of the vocabulary">"next word"</span>
            </div>
            <figcaption>"The language model: " <span id="facts">{facts}</span></figcaption>
        </figure>
    }
}

/// The stack of cells of the supernet: stem, cells, classifier.
#[component]
fn CellStack() -> impl IntoView {
    let page = page();
    // Cells and channels of the run that is shown, or of the settings.
    let size = Memo::new(move |_| {
        let of_run = page.run.with(supernet_size);
        of_run.unwrap_or_else(|| page.settings.with(|settings| (settings.cells, settings.channels)))
    });
    let cells = move || size.get().0;
    let shapes = move || {
        let (cells, channels) = size.get();
        let reductions = (0..cells).filter(|&cell| is_reduction(cell, cells)).count();
        format!(
            "from 32\u{d7}32 pixels to {0}\u{d7}{0} pixels in {1} channels",
            32usize >> reductions,
            (channels * 4) << reductions
        )
    };
    let facts = move || {
        let Some((weights, images)) = page.run.with(supernet_counts) else { return shapes() };
        let kind = match page.images.get().map(|images| images.data) {
            Some(DataChoice::Textures) => "generated textures",
            Some(DataChoice::Cifar10) => "CIFAR-10 images",
            None => "images",
        };
        format!("{} weights, {} {kind}", grouped(weights), grouped(images))
    };
    let blocks = move || {
        let cells = cells();
        (0..cells)
            .map(|cell| match is_reduction(cell, cells) {
                true => view! { <span class="block reduce" title="Reduction cell">"R"</span> },
                false => view! { <span class="block" title="Normal cell">"N"</span> },
            })
            .collect_view()
    };
    view! {
        <figure class="supernet">
            <div class="stack" role="img" aria-label=move || format!("The supernet: stem, {} cells, classifier; {}", cells(), shapes())
                title=shapes
            >
                <span class="part" title="32 by 32 pixels in three colours">"image"</span>
                <span class="part" title="A 3 by 3 convolution">"stem"</span>
                {blocks}
                <span class="part" title="Mean over the pixels, then a linear layer">"10 classes"</span>
            </div>
            <figcaption>"The supernet: " <span id="facts">{facts}</span></figcaption>
        </figure>
    }
}
