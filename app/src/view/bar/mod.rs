//! The top bar: name, transport, figures, actions, settings.

mod actions;
mod fields;
mod figures;
mod interventions;
mod settings;
mod status;
mod transport;

pub use fields::{ChoiceField, order_from_name, order_name};

use actions::Actions;
use figures::Figures;
use leptos::prelude::*;
use settings::SettingsForm;
use transport::Transport;

#[component]
pub fn TopBar() -> impl IntoView {
    view! {
        <header class="bar">
            <div class="bar-top">
                <div class="brand">
                    <h1>"DARTS"</h1>
                    <p>"A network\u{2019}s architecture, learned by gradient descent"</p>
                </div>
                <Transport />
                <Figures />
                <Actions />
            </div>
            <SettingsForm />
        </header>
    }
}
