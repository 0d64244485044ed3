//! Losses, accuracies, op shares and the entropy of the edges over the steps of the search.

mod cards;
mod columns;
mod plot;
mod pointer;

pub use plot::{Line, Plot};

use super::page;
use cards::{AccuracyCard, CurvatureCard, EntropyCard, LossCard, PerplexityCard, SharesCard};
use darts_app::cells::Task;
use leptos::prelude::*;

#[component]
pub fn Curves(task: Task) -> impl IntoView {
    let page = page();
    let at = RwSignal::new(None::<f64>);
    let curved = Memo::new(move |_| page.run.with(|run| run.epochs.iter().any(|epoch| epoch.curvature.is_some())));
    view! {
        <div class="curves">
            <LossCard task=task at=at />
            {match task.of_text() {
                false => view! { <AccuracyCard at=at /> }.into_any(),
                true => view! { <PerplexityCard at=at /> }.into_any(),
            }}
            <SharesCard task=task at=at />
            <EntropyCard task=task at=at />
            {move || curved.get().then(|| view! { <CurvatureCard at=at /> })}
        </div>
    }
}
