//! The stack of cells that the settings make.

use super::{grouped, page};
use darts_app::{cells::Task, messages::DataChoice, run::Plan};
use darts_engine::space::is_reduction;
use leptos::prelude::*;

/// The supernet in one line: stem, cells, classifier.
#[component]
pub fn Supernet() -> impl IntoView {
    let page = page();
    move || match page.task.get() {
        Task::Convolutional => view! { <OfImages /> }.into_any(),
        Task::Recurrent => view! { <OfText /> }.into_any(),
    }
}

/// That of a language model, unrolled over some words.
#[component]
fn OfText() -> impl IntoView {
    let page = page();
    let plan = Memo::new(move |_| {
        let of_run = page.run.with(|run| match &run.started.as_ref()?.plan {
            Plan::Text { config, .. } => Some((config.hidden, config.bptt)),
            Plan::Images { .. } => None,
        });
        of_run.unwrap_or_else(|| page.settings.with(|settings| (settings.units, settings.bptt)))
    });
    let facts = move || {
        let (units, bptt) = plan.get();
        let of_run = page.run.with(|run| {
            let started = run.started.as_ref()?;
            let Plan::Text { vocabulary, train_words, valid_words, .. } = started.plan else { return None };
            let (weights, words) = (grouped(started.parameters), grouped(train_words + valid_words));
            Some(format!("{weights} weights, {} distinct of {words} words", grouped(vocabulary)))
        });
        let text = page.text_name.get().map(|name| format!(" of {name}")).unwrap_or_default();
        match of_run {
            Some(facts) => facts + &text,
            None => format!("{units} units, gradients through {bptt} words"),
        }
    };
    let steps = move || {
        (0..plan.get().1.min(6))
            .map(|_| view! { <span class="block" title="The recurrent cell, at one word after the other">"C"</span> })
            .collect_view()
    };
    view! {
        <figure class="supernet">
            <div class="stack" role="img" aria-label=move || format!("The language model: word vectors, the cell at each of {} words, scores of the next word", plan.get().1)>
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

#[component]
fn OfImages() -> impl IntoView {
    let page = page();
    // Those of the run that is shown, or of the settings.
    let plan = Memo::new(move |_| {
        let of_run = page.run.with(|run| match &run.started.as_ref()?.plan {
            Plan::Images { config, .. } => Some((config.layers, config.init_channels)),
            Plan::Text { .. } => None,
        });
        of_run.unwrap_or_else(|| page.settings.with(|settings| (settings.cells, settings.channels)))
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
            let Plan::Images { weight_images, alpha_images, .. } = started.plan else { return None };
            Some((started.parameters, weight_images + alpha_images))
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
