//! What `browser.js` does for the page.

use wasm_bindgen::prelude::*;

#[wasm_bindgen(raw_module = "./browser.js")]
extern "C" {
    /// A reader of the pieces of a file or of what an address answers.
    #[wasm_bindgen(catch, js_name = openPieces)]
    pub async fn open_pieces(source: &JsValue) -> Result<JsValue, JsValue>;
    /// The next piece as bytes, undefined after the last.
    #[wasm_bindgen(catch, js_name = nextPiece)]
    pub async fn next_piece(reader: &JsValue) -> Result<JsValue, JsValue>;
    pub async fn breathe();
    pub fn listen(
        address: &str,
        told: &Closure<dyn FnMut(String)>,
        state: &Closure<dyn FnMut(String)>,
        refused: &Closure<dyn FnMut(String)>,
        lost: &Closure<dyn FnMut()>,
    );
    /// What is wrong, if anything.
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
    /// Keeps a search: its description, its checkpoint, its log since the checkpoint before, and the text that it learns
    /// from where that is somebody's own and not kept yet.
    #[wasm_bindgen(catch)]
    pub async fn keep(
        about: &str,
        checkpoint: &web_sys::js_sys::Uint8Array,
        lines: &str,
        fresh: bool,
        text: Option<web_sys::js_sys::Uint8Array>,
    ) -> Result<(), JsValue>;
    /// What is kept, undefined where nothing is.
    #[wasm_bindgen(catch)]
    pub async fn kept() -> Result<JsValue, JsValue>;
    #[wasm_bindgen(catch, js_name = forgetKept)]
    pub async fn forget_kept() -> Result<(), JsValue>;
}

/// What a thrown value says.
pub fn reason(error: &JsValue) -> String {
    match error.dyn_ref::<web_sys::js_sys::Error>() {
        Some(error) => String::from(error.message()),
        None => error.as_string().unwrap_or_else(|| "no reason given".into()),
    }
}
