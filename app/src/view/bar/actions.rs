//! Actions beyond the search: opening a file, copying a share link, the tour.

use super::super::{
    page,
    parts::{FileField, Menu},
};
use crate::{browser, page::FilePurpose};
use leptos::{html, prelude::*};
use wasm_bindgen_futures::spawn_local;

#[component]
pub fn Actions() -> impl IntoView {
    let page = page();
    let file: NodeRef<html::Input> = NodeRef::new();
    let copied = RwSignal::new(false);
    let copy = move |with_cells: bool| {
        let link = page.share_link(with_cells);
        spawn_local(async move {
            if browser::copy_text(&link).await.is_truthy() {
                copied.set(true);
                set_timeout(move || copied.set(false), std::time::Duration::from_secs(2));
            } else {
                page.inform(format!("The browser does not allow copying; here is the link: {link}"));
            }
        });
    };
    view! {
        <div class="actions">
            <button type="button" class="button" id="open" title="Show a recorded run (events.jsonl) or cells from a file; you can also drop the file on the page"
                on:click=move |_| file.get_untracked().into_iter().for_each(|input| input.click())
            >
                "Open\u{2026}"
            </button>
            <FileField id="open-file" label="A recorded run or a file of cells" accept=".jsonl,.json,.py,.txt" purpose=FilePurpose::Show node=file />
            <Menu label="Link" hint="An address that restores this view">
                <button type="button" id="copy-link" on:click=move |_| copy(false)>"Copy a link to these settings"</button>
                <button type="button" id="copy-cells" disabled=move || page.genotype.with(Option::is_none) on:click=move |_| copy(true)>
                    "Copy a link to these cells"
                </button>
            </Menu>
            <button type="button" class="button" id="start-tour" on:click=move |_| page.tour.set(Some(0))>"Tour"</button>
            <span class="hidden" role="status">{move || copied.get().then_some("Link copied")}</span>
            <span class="copied" aria-hidden="true" class:shown=move || copied.get()>"copied"</span>
        </div>
    }
}
