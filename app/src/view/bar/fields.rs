//! Fields of the settings.

use super::super::page;
use crate::page::Page;
use darts_app::{
    describe::sentence,
    settings::{IntegerSetting, RateSetting, Settings},
};
use darts_engine::config::Order;
use leptos::prelude::*;

/// Name of an order in the fields that choose one.
pub const fn order_name(order: Order) -> &'static str {
    match order {
        Order::First => "first",
        Order::Second => "second",
    }
}

/// The order of that name.
pub fn order_from_name(name: &str) -> Order {
    if name == "second" { Order::Second } else { Order::First }
}

/// Reads the value typed for a setting; reports an invalid one and restores the old value.
fn apply_input(page: Page, key: &'static str, input: &web_sys::HtmlInputElement, old: String) {
    let mut settings = page.settings.get_untracked();
    match settings.set(key, &input.value()) {
        Ok(()) => {
            page.notices.set(Vec::new());
            page.settings.set(settings);
        }
        Err(problem) => {
            input.set_value(&old);
            page.report_error(sentence(&problem));
        }
    }
}

/// A choice among options, which are its children.
#[component]
pub fn ChoiceField(
    id: &'static str,
    label: &'static str,
    /// Explanation of the field.
    #[prop(optional)]
    hint: Option<&'static str>,
    /// Explanation of the option that is chosen.
    #[prop(optional, into)]
    value_hint: Option<Signal<&'static str>>,
    #[prop(into)] value: Signal<&'static str>,
    change: impl Fn(String) + Send + 'static,
    children: Children,
) -> impl IntoView {
    view! {
        <label class="field" title=hint>
            <span>{label}</span>
            <select
                id=id
                prop:value=move || value.get()
                title=value_hint.map(|hint| move || hint.get())
                on:change=move |event| change(event_target_value(&event))
            >
                {children()}
            </select>
        </label>
    }
}

/// A whole-number setting and the label of its field.
#[derive(Clone, Copy)]
pub struct NumberSpec {
    label: &'static str,
    hint: &'static str,
    setting: IntegerSetting,
    get: fn(&Settings) -> u64,
}

impl NumberSpec {
    pub const fn new(
        label: &'static str,
        hint: &'static str,
        setting: IntegerSetting,
        get: fn(&Settings) -> u64,
    ) -> Self {
        Self { label, hint, setting, get }
    }
}

#[component]
pub fn NumberField(spec: NumberSpec) -> impl IntoView {
    let page = page();
    let settings = page.settings;
    let NumberSpec { label, hint, setting, get } = spec;
    let change = move |event| {
        apply_input(page, setting.key, &event_target(&event), settings.with_untracked(get).to_string());
    };
    view! {
        <label class="field number" title=hint>
            <span>{label}</span>
            <input
                id=setting.key
                type="number"
                inputmode="numeric"
                min=setting.min.to_string()
                max=setting.max.to_string()
                prop:value=move || settings.with(get).to_string()
                on:change=change
            />
        </label>
    }
}

#[component]
pub fn CheckField(
    id: &'static str,
    label: &'static str,
    hint: &'static str,
    #[prop(into)] checked: Signal<bool>,
    change: impl Fn(bool) + Send + 'static,
    #[prop(optional, into)] disabled: Signal<bool>,
) -> impl IntoView {
    view! {
        <label class="field check" title=hint>
            <span>{label}</span>
            <input
                id=id
                type="checkbox"
                disabled=disabled
                prop:checked=checked
                on:change=move |event| change(event_target_checked(&event))
            />
        </label>
    }
}

/// A learning rate, which can also be changed while a search runs.
#[component]
pub fn RateField(
    label: &'static str,
    hint: &'static str,
    #[prop(into)] setting: Signal<RateSetting>,
    #[prop(into)] value: Signal<f64>,
    /// Changes the running search.
    change: impl Fn(f64) + Send + Sync + 'static,
    /// Whether a search runs.
    #[prop(into)]
    live: Signal<bool>,
) -> impl IntoView {
    let page = page();
    let key = setting.get_untracked().key;
    let list = format!("{key}-offered");
    // Text being typed stays while other values change.
    let value = Memo::new(move |_| value.get());
    let changed = move |event| {
        let input: web_sys::HtmlInputElement = event_target(&event);
        let old = value.get_untracked().to_string();
        if !live.get_untracked() {
            return apply_input(page, key, &input, old);
        }
        match setting.get_untracked().parse(&input.value()) {
            Ok(value) => change(value),
            Err(problem) => {
                input.set_value(&old);
                page.report_error(sentence(&problem));
            }
        }
    };
    view! {
        <label class="field rate" title=hint>
            <span>{label}</span>
            <input
                id=key
                type="text"
                inputmode="decimal"
                list=list.clone()
                prop:value=move || value.get().to_string()
                on:change=changed
            />
            <datalist id=list>
                {move || setting.get().offered.iter().map(|value| view! { <option value=value.to_string()></option> }).collect_view()}
            </datalist>
        </label>
    }
}
