//! The settings of the next search, or those of the run shown.

use super::{
    super::{page, parts::FileField},
    fields::{CheckField, ChoiceField, NumberField, NumberSpec},
    interventions::LiveSettings,
};
use crate::page::{FilePurpose, RunSource};
use darts_app::{
    cells::Task,
    describe::{capitalised, run_settings},
    messages::{DataChoice, TextChoice},
    settings::{IntegerSetting, Settings},
};
use leptos::{html, prelude::*};

const IMAGE_NUMBERS: [NumberSpec; 6] = [
    NumberSpec::new(
        "How many",
        "Training images; half of them train the weights, half the alphas",
        IntegerSetting::IMAGES,
        |s| s.images as u64,
    ),
    NumberSpec::new(
        "Channels",
        "Channels of the first cell; each reduction doubles them",
        IntegerSetting::CHANNELS,
        |s| s.channels as u64,
    ),
    NumberSpec::new(
        "Layers",
        "Cells of the supernet; those at one third and two thirds are reduction cells",
        IntegerSetting::CELLS,
        |s| s.cells as u64,
    ),
    NumberSpec::new("Batch", "Images in a minibatch", IntegerSetting::BATCH, |s| s.batch as u64),
    NumberSpec::new("Epochs", "Passes over the train split", IntegerSetting::EPOCHS, |s| s.epochs as u64),
    NumberSpec::new(
        "Seed",
        "Fixes the initial weights and alphas, the split, the order and the augmentation",
        IntegerSetting::SEED,
        |s| s.seed,
    ),
];

const TEXT_NUMBERS: [NumberSpec; 6] = [
    NumberSpec::new(
        "Words",
        "Maximum size of the vocabulary; all rarer words become one",
        IntegerSetting::WORDS,
        |s| s.words as u64,
    ),
    NumberSpec::new("Units", "The length of word vectors and of the state", IntegerSetting::UNITS, |s| s.units as u64),
    NumberSpec::new("Back", "Words that gradients flow back through", IntegerSetting::BPTT, |s| s.bptt as u64),
    NumberSpec::new(
        "Columns",
        "Columns that the text is cut into, which form a minibatch",
        IntegerSetting::COLUMNS,
        |s| s.batch as u64,
    ),
    NumberSpec::new("Epochs", "Passes over the training text", IntegerSetting::EPOCHS, |s| s.epochs as u64),
    NumberSpec::new("Seed", "Fixes the initial weights and alphas, and the dropout", IntegerSetting::SEED, |s| s.seed),
];

#[component]
pub fn SettingsForm() -> impl IntoView {
    let page = page();
    let settings = page.settings;
    let fixed = move || page.phase.get().is_live();
    let own = move || page.source.get() == RunSource::Worker;
    let task = Memo::new(move |_| settings.with(|settings| settings.task));
    let change_task = move |name: String| {
        if let Some(task) = Task::named(&name) {
            page.reset();
            page.switch_task(task);
        }
    };
    let offered = Task::all()
        .filter(|task| Settings::offers(*task))
        .map(|task| view! { <option value=task.name()>{capitalised(task.name())}</option> })
        .collect_view();
    view! {
        <form class="settings" aria-label="Settings" on:submit=|event| event.prevent_default()>
            <Show when=move || !own()><RunSettings /></Show>
            <fieldset disabled=fixed hidden=move || !own() title=move || fixed().then_some("Reset to change these")>
                <legend class="hidden">"Settings of the search"</legend>
                <ChoiceField
                    id="task"
                    label="Cells"
                    hint="Cells of a network for images, or the cell of a language model"
                    value=move || task.get().name()
                    change=change_task
                >
                    {offered}
                </ChoiceField>
                {move || match task.get() {
                    task if task.of_text() => view! { <TextSettings task=task /> }.into_any(),
                    task => view! { <ImageSettings task=task /> }.into_any(),
                }}
            </fieldset>
            <LiveSettings />
        </form>
    }
}

#[component]
fn Presets(task: Task) -> impl IntoView {
    let settings = page().settings;
    let preset = move || settings.get().preset().map_or("", |preset| preset.name);
    let chosen = preset();
    let choose = move |name: String| {
        if let Some(preset) = Settings::presets(task).iter().find(|preset| preset.name == name) {
            settings.update(|settings| *settings = settings.with_preset(preset));
        }
    };
    view! {
        <ChoiceField
            id="preset"
            label="Preset"
            value_hint=Signal::derive(move || settings.get().preset().map_or("Your own settings", |preset| preset.hint))
            value=preset
            change=choose
        >
            <option value="" disabled hidden>"Custom"</option>
            {Settings::presets(task)
                .iter()
                .map(|preset| view! { <option value=preset.name selected=preset.name == chosen>{preset.name}</option> })
                .collect_view()}
        </ChoiceField>
    }
}

#[component]
fn ImageSettings(task: Task) -> impl IntoView {
    let settings = page().settings;
    let choose_data = move |name: String| {
        if let Some(data) = DataChoice::from_name(&name) {
            settings.update(|settings| settings.data = data);
        }
    };
    view! {
        <Presets task=task />
        <ChoiceField id="data" label="Images" value=move || settings.get().data.name() change=choose_data>
            <option value="cifar10">"CIFAR-10"</option>
            <option value="textures">"Generated textures"</option>
        </ChoiceField>
        {IMAGE_NUMBERS.map(|spec| view! { <NumberField spec=spec /> })}
        <CheckField
            id="measure-curvature"
            label="Curvature"
            hint="Measure after each epoch how sharply the validation loss bends along the alphas; costs ten more passes"
            checked=move || settings.get().curvature
            change=move |curvature| settings.update(|settings| settings.curvature = curvature)
        />
    }
}

#[component]
fn TextSettings(task: Task) -> impl IntoView {
    let page = page();
    let settings = page.settings;
    let file: NodeRef<html::Input> = NodeRef::new();
    let own = move || page.own_text.get().unwrap_or("A file of your own\u{2026}".into());
    let choose_text = move |name: String| {
        let Some(text) = TextChoice::from_name(&name) else { return };
        settings.update(|settings| settings.text = text);
        if text == TextChoice::Own && page.own_text.with_untracked(Option::is_none) {
            file.get_untracked().into_iter().for_each(|input| input.click());
        }
    };
    view! {
        <Presets task=task />
        <ChoiceField id="text" label="Text" value=move || settings.get().text.name() change=choose_text>
            <option value="book">"The Moonstone"</option>
            <option value="own">{own}</option>
        </ChoiceField>
        <FileField id="text-file" label="A text for the search" accept=".txt,text/plain" purpose=FilePurpose::Learn node=file />
        {TEXT_NUMBERS.map(|spec| view! { <NumberField spec=spec /> })}
        <CheckField
            id="dropout"
            label="Dropout"
            hint="Use the dropout of the paper: 0.2 of the word vectors\u{2019} components, 0.75 of the cell\u{2019}s input and output, 0.25 of its states"
            checked=move || settings.get().dropout
            change=move |dropout| settings.update(|settings| settings.dropout = dropout)
        />
    }
}

/// The settings of a recorded or command-line run.
#[component]
fn RunSettings() -> impl IntoView {
    let page = page();
    let name = move || match page.source.get() {
        RunSource::Recording { name, .. } => name,
        _ => "Command-line search".into(),
    };
    let facts = move || page.run.with(run_settings);
    view! { <p class="of-run" id="of-run"><b>{name}</b> " " {facts}</p> }
}
