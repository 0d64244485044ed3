//! The worker's interface to the browser: messages, files of the page, turns, the adapter.

use darts_app::messages::Message;
use js_sys::{Function, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{DedicatedWorkerGlobalScope, Response};

/// Scope of this worker.
pub fn scope() -> DedicatedWorkerGlobalScope {
    js_sys::global().unchecked_into()
}

/// Sends a message to the page.
pub fn send(message: &Message) {
    let sent =
        serde_wasm_bindgen::to_value(message).map_err(JsValue::from).and_then(|value| scope().post_message(&value));
    if let Err(error) = sent {
        web_sys::console::error_1(&error);
    }
}

/// Fetches a file beside the page.
///
/// # Errors
/// A clause that says why there is none.
pub async fn fetched(file: &str) -> Result<Vec<u8>, String> {
    let reason = |error: JsValue| match error.dyn_into::<js_sys::Error>() {
        Ok(error) => format!("{file} cannot be fetched ({})", String::from(error.message())),
        Err(_) => format!("{file} cannot be fetched"),
    };
    let response: Response =
        JsFuture::from(scope().fetch_with_str(file)).await.map_err(reason)?.dyn_into().map_err(reason)?;
    let kind = response.headers().get("content-type").ok().flatten().unwrap_or_default();
    // A server of single-page applications answers with the page itself where there is no file.
    if response.status() == 404 || kind.starts_with("text/html") {
        return Err(format!("{file} is missing"));
    }
    if !response.ok() {
        return Err(format!("{file} cannot be fetched (status {})", response.status()));
    }
    let buffer = JsFuture::from(response.array_buffer().map_err(reason)?).await.map_err(reason)?;
    Ok(Uint8Array::new(&buffer).to_vec())
}

/// Lets the worker receive pending messages.
pub async fn breathe() {
    let turn = Promise::new(&mut |resolve, _| {
        let set_timeout = Reflect::get(&js_sys::global(), &"setTimeout".into()).map(JsCast::unchecked_into::<Function>);
        if let Ok(set_timeout) = set_timeout {
            let _ = set_timeout.call1(&JsValue::NULL, &resolve);
        }
    });
    let _ = JsFuture::from(turn).await;
}

/// Properties of the adapter that only the browser knows.
#[derive(Default)]
pub struct AdapterInfo {
    /// Name, or maker and family.
    pub name: Option<String>,
    /// Whether it is a software adapter.
    pub software: bool,
}

/// Asks the browser for its adapter; none where WebGPU has none.
pub async fn adapter_info() -> Option<AdapterInfo> {
    let get = |object: &JsValue, key: &str| Reflect::get(object, &key.into()).ok();
    let gpu = get(&get(&js_sys::global(), "navigator")?, "gpu")?;
    let request: Function = get(&gpu, "requestAdapter")?.dyn_into().ok()?;
    let adapter = JsFuture::from(Promise::resolve(&request.call0(&gpu).ok()?)).await.ok()?;
    let info = get(&adapter, "info")?;
    let text = |key| get(&info, key).and_then(|value| value.as_string()).filter(|text| !text.is_empty());
    let architecture = text("architecture");
    let software = get(&info, "isFallbackAdapter").is_some_and(|value| value.is_truthy())
        || architecture.as_deref() == Some("swiftshader");
    // Browsers that keep the device's name to themselves still report its maker and family.
    let made: Vec<String> = text("vendor").into_iter().chain(architecture).collect();
    let name = text("description").or_else(|| (!made.is_empty()).then(|| made.join(" ")));
    Some(AdapterInfo { name, software })
}
