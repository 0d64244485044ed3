//! The page: small, so that it paints at once. The engine runs in its own Web Worker (`worker`); this module draws its
//! results.

mod browser;
mod page;
mod view;

fn main() {
    darts_app::construct();
    console_error_panic_hook::set_once();
    if let Some(boot) = leptos::prelude::document().get_element_by_id("boot") {
        boot.remove();
    }
    leptos::mount::mount_to_body(view::App);
}
