//! Functions of `browser.js`.

use wasm_bindgen::prelude::*;

#[wasm_bindgen(raw_module = "./browser.js")]
extern "C" {
    /// A reader of the pieces of a file or of a response.
    #[wasm_bindgen(catch, js_name = openPieces)]
    pub async fn open_pieces(source: &JsValue) -> Result<JsValue, JsValue>;
    /// The next piece as bytes, undefined after the last.
    #[wasm_bindgen(catch, js_name = nextPiece)]
    pub async fn next_piece(reader: &JsValue) -> Result<JsValue, JsValue>;
    pub async fn breathe();
    pub fn listen(
        address: &str,
        on_event: &Closure<dyn FnMut(String)>,
        on_state: &Closure<dyn FnMut(String)>,
        on_refusal: &Closure<dyn FnMut(String)>,
        on_loss: &Closure<dyn FnMut()>,
    );
    /// The problem, if there is one.
    pub async fn send(address: &str, body: &str) -> JsValue;
    #[wasm_bindgen(js_name = copyText)]
    pub async fn copy_text(text: &str) -> JsValue;
    #[wasm_bindgen(js_name = saveText)]
    pub fn save_text(name: &str, kind: &str, text: &str);
    #[wasm_bindgen(js_name = pictureText)]
    pub fn picture_text(svg: &web_sys::Element) -> String;
    #[wasm_bindgen(catch, js_name = savePng)]
    pub async fn save_png(name: &str, svg: &web_sys::Element) -> Result<(), JsValue>;
    #[wasm_bindgen(js_name = canFilm)]
    pub fn can_film() -> bool;
    #[wasm_bindgen(catch, js_name = saveFilm)]
    pub async fn save_film(
        name: &str,
        selector: &str,
        moments: usize,
        seek: &Closure<dyn FnMut(usize) -> String>,
    ) -> Result<(), JsValue>;
}

#[wasm_bindgen(raw_module = "./browser.js")]
extern "C" {
    /// Saves a search: its manifest, its checkpoint, its log since the last checkpoint, and the user's own text unless it is
    /// saved already; `fresh` deletes the data of any other search.
    #[wasm_bindgen(catch, js_name = saveSearch)]
    pub async fn save_search(
        manifest: &str,
        checkpoint: &web_sys::js_sys::Uint8Array,
        lines: &str,
        fresh: bool,
        text: Option<web_sys::js_sys::Uint8Array>,
    ) -> Result<(), JsValue>;
    /// The saved search, or undefined.
    #[wasm_bindgen(catch, js_name = savedSearch)]
    pub async fn saved_search() -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_name = deleteSavedSearch)]
    pub async fn delete_saved_search() -> Result<(), JsValue>;
}

/// Message of a thrown value.
pub fn reason(error: &JsValue) -> String {
    match error.dyn_ref::<web_sys::js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => error.as_string().unwrap_or_else(|| "no reason given".into()),
    }
}
