//! The settings that can be changed while a search runs.

use super::{
    super::page,
    fields::{CheckField, ChoiceField, RateField, order_from_name, order_name},
};
use crate::page::{Page, RunSource};
use darts_app::{
    run::Course,
    settings::{RateSetting, Settings},
};
use leptos::prelude::*;

/// Whether a search runs and accepts changes.
fn is_live(page: Page) -> bool {
    page.phase.get().is_live() && page.run.with(|run| run.started.is_some())
}

/// The values of the run, or of the settings before there is one.
fn course(page: Page) -> Course {
    let Settings { weight_rate, alpha_rate, order, .. } = page.settings.get();
    let of_run = page.run.with(|run| run.started.as_ref().map(|_| run.course));
    let shows_run = page.source.get() != RunSource::Worker || !page.phase.get().is_over();
    of_run.filter(|_| shows_run).unwrap_or(Course { weight_rate, alpha_rate, order, frozen: false })
}

#[component]
pub fn LiveSettings() -> impl IntoView {
    let page = page();
    let live = Signal::derive(move || is_live(page));
    let fixed = move || page.source.get() != RunSource::Worker && !live.get();
    let recorded = move || matches!(page.source.get(), RunSource::Recording { .. });
    let course = Memo::new(move |_| course(page));
    let choose_order = move |name: String| {
        let order = order_from_name(&name);
        if live.get() { page.set_order(order) } else { page.settings.update(|settings| settings.order = order) }
    };
    view! {
        <fieldset disabled=fixed class="steered" hidden=recorded>
            <legend class="hidden">"Settings that can be changed while a search runs"</legend>
            <RateField
                label="Weight rate"
                hint="Initial learning rate of the weights (SGD; on images with momentum and a cosine schedule)"
                setting=move || Settings::weight_rate_setting(page.task.get())
                value=move || course.get().weight_rate
                change=move |weights| page.set_rates(weights, course.get_untracked().alpha_rate)
                live=live
            />
            <RateField
                label="Alpha rate"
                hint="Learning rate of the alphas (Adam)"
                setting=RateSetting::ALPHAS
                value=move || course.get().alpha_rate
                change=move |alphas| page.set_rates(course.get_untracked().weight_rate, alphas)
                live=live
            />
            <ChoiceField
                id="search-order"
                label="Order"
                hint="First order uses the current weights; second order those one step ahead, at several times the cost"
                value=move || order_name(course.get().order)
                change=choose_order
            >
                <option value="first">"First"</option>
                <option value="second">"Second"</option>
            </ChoiceField>
            <CheckField
                id="freeze"
                label="Freeze alphas"
                hint="Train only the weights, for example as a warm-up"
                checked=move || course.get().frozen
                change=move |frozen| page.freeze_alphas(frozen)
                disabled=move || !live.get()
            />
        </fieldset>
    }
}
