//! HTTP server of the page.
//!
//! ```text
//! GET  /               the page, whose head says where the run is
//! GET  /FILE           a file of the page, compressed if that form exists and the browser accepts it
//! GET  /events         a running search: its log as server-sent events, from the start or after Last-Event-ID
//! POST /control        a `Control` as JSON, for a running search
//! GET  /events.jsonl   the log of a recorded run
//! ```
//!
//! Requests by a host name that is not this machine's, or from pages of other origins, are refused: a foreign page must
//! neither read a run nor stop it.

use crate::output::Outcome;
use darts_engine::intervention::Control;
use std::{
    collections::VecDeque,
    fs::{self, File},
    io::{self, BufRead, BufReader, Read, Write},
    net::{IpAddr, SocketAddr, ToSocketAddrs},
    path::{Component, Path, PathBuf},
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};
use tiny_http::{Header, Method, Request, Response, Server};

/// Maximum bytes of a command.
const MAX_CONTROL: u64 = 4096;
/// Maximum number of listeners and answers at a time.
const MAX_THREADS: usize = 64;
/// Interval at which a listener reads the log.
pub const LOOK: Duration = Duration::from_millis(40);

/// Data served beside the page.
pub enum Served {
    /// No data: the page searches by itself.
    Page,
    /// The log of a finished run.
    Recording { log: PathBuf, name: String },
    /// The log of a running search.
    Search { log: PathBuf, state: Mutex<State>, news: Condvar },
}

/// Requests to a search, and its state.
#[derive(Default)]
pub struct State {
    pub asked: VecDeque<Control>,
    pub holding: bool,
    /// Single steps requested.
    pub owed: usize,
    pub refused: Vec<String>,
    /// Whether the log is the search's own: a resumed search first discards the lines after its checkpoint.
    pub begun: bool,
    pub over: bool,
    pub listeners: usize,
}

/// Page that is served.
pub struct Site {
    page: PathBuf,
    pub served: Served,
    pub bound: SocketAddr,
}

/// Locks a mutex, even one whose holder panicked.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Listens, and answers on its own threads.
pub fn serve(address: &str, page: PathBuf, served: Served) -> Outcome<Arc<Site>> {
    let problem = |error: &dyn std::fmt::Display| format!("cannot listen at {address}: {error}");
    let mut resolved = address.to_socket_addrs().map_err(|error| problem(&error))?;
    let resolved = resolved.next().ok_or_else(|| problem(&"not an address"))?;
    let server = Server::http(resolved).map_err(|error| problem(&error))?;
    let bound = server.server_addr().to_ip().ok_or_else(|| problem(&"not an address"))?;
    let site = Arc::new(Site { page, served, bound });
    let answering = site.clone();
    let threads = Arc::new(());
    thread::spawn(move || {
        while let Ok(request) = server.recv() {
            if Arc::strong_count(&threads) > MAX_THREADS {
                let _ = request.respond(text(503, "too many listeners"));
                continue;
            }
            let (site, busy) = (answering.clone(), threads.clone());
            thread::spawn(move || {
                // The client may be gone, which does not matter.
                let _ = site.answer(request);
                drop(busy);
            });
        }
    });
    Ok(site)
}

type Answer = Response<Box<dyn Read + Send>>;

fn header(name: &str, value: &str) -> Header {
    Header::from_bytes(name, value).expect("headers are plain text")
}

/// Compressed forms of a file, the smallest first: content encoding and file extension.
const PACKED: [(&str, &str); 2] = [("br", "br"), ("gzip", "gz")];

/// Headers of every answer.
const ALWAYS: [(&str, &str); 5] = [
    ("Cache-Control", "no-cache"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Content-Security-Policy", "frame-ancestors 'none'"),
];

fn answer(status: u16, kind: &str, bytes: Box<dyn Read + Send>, length: Option<usize>) -> Answer {
    let headers =
        ALWAYS.iter().map(|(name, value)| header(name, value)).chain([header("Content-Type", kind)]).collect();
    // With a known length, the page can show progress.
    Response::new(status.into(), headers, bytes, length, None).with_chunked_threshold(usize::MAX)
}

fn text(status: u16, text: &str) -> Answer {
    let bytes = text.as_bytes().to_vec();
    let length = bytes.len();
    answer(status, "text/plain; charset=utf-8", Box::new(io::Cursor::new(bytes)), Some(length))
}

impl Site {
    fn answer(&self, mut request: Request) -> io::Result<()> {
        let header = |name: &'static str| {
            let found = request.headers().iter().find(|header| header.field.equiv(name));
            found.map(|header| header.value.as_str().to_owned())
        };
        let (host, origin) = (header("Host").unwrap_or_default(), header("Origin"));
        if !self.is_ours(&host) {
            return request.respond(text(403, "this page answers only to the name of its own machine"));
        }
        if origin.is_some_and(|origin| origin != format!("http://{host}")) {
            return request.respond(text(403, "this page does not answer pages of other origins"));
        }
        let path = request.url().split(['?', '#']).next().unwrap_or_default().to_owned();
        match (request.method(), path.as_str(), &self.served) {
            (Method::Post, "/control", Served::Search { state, news, .. }) => {
                let json = header("Content-Type").is_some_and(|kind| kind.starts_with("application/json"));
                let mut body = Vec::new();
                request.as_reader().take(MAX_CONTROL + 1).read_to_end(&mut body)?;
                let control = match serde_json::from_slice::<Control>(&body) {
                    _ if !json => Err("a command is JSON, with its content type".to_owned()),
                    _ if body.len() as u64 > MAX_CONTROL => Err("longer than any command".to_owned()),
                    parsed => parsed.map_err(|error| format!("not a command: {error}")),
                };
                match control {
                    Ok(control) => {
                        lock(state).asked.push_back(control);
                        news.notify_all();
                        request.respond(text(200, ""))
                    }
                    Err(problem) => request.respond(text(400, &problem)),
                }
            }
            (Method::Get, "/events", Served::Search { log, state, .. }) => {
                let after = header("Last-Event-ID").and_then(|id| id.parse().ok()).unwrap_or(0);
                lock(state).listeners += 1;
                let heard = stream_events(log, state, after, request.into_writer());
                lock(state).listeners -= 1;
                heard
            }
            (Method::Get, "/events.jsonl", Served::Recording { log, .. }) => match File::open(log) {
                Ok(file) => {
                    let length = file.metadata().ok().and_then(|about| usize::try_from(about.len()).ok());
                    request.respond(answer(200, "application/jsonl", Box::new(file), length))
                }
                Err(error) => request.respond(text(404, &format!("the log cannot be read: {error}"))),
            },
            (Method::Get | Method::Head, path, _) => {
                let found = self.file(path, &header("Accept-Encoding").unwrap_or_default());
                request.respond(found)
            }
            _ => request.respond(text(405, "neither a page nor a command")),
        }
    }

    /// Whether a request names this machine as its host; refusing other names prevents DNS rebinding.
    fn is_ours(&self, host: &str) -> bool {
        let port = format!(":{}", self.bound.port());
        let name = host.strip_suffix(&port).unwrap_or(if self.bound.port() == 80 { host } else { "" });
        let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let number = name.parse::<IpAddr>();
        name == "localhost" || number.is_ok_and(|ip| ip.is_loopback() || !self.bound.ip().is_loopback())
    }

    /// A file of the page, never one outside its folder, in the smallest form that the browser accepts.
    fn file(&self, path: &str, accepted: &str) -> Answer {
        let missing = || text(404, "no such file");
        let relative = Path::new(path.trim_start_matches('/'));
        if path.contains(['%', '\\', '\0']) || !relative.components().all(|part| matches!(part, Component::Normal(_))) {
            return missing();
        }
        if path == "/" || path == "/index.html" {
            let Ok(page) = fs::read_to_string(self.page.join("index.html")) else { return missing() };
            let page = page.replacen("<head>", &format!("<head>{}", self.metadata()), 1).into_bytes();
            let length = page.len();
            return answer(200, "text/html; charset=utf-8", Box::new(io::Cursor::new(page)), Some(length));
        }
        let kind = match relative.extension().and_then(|extension| extension.to_str()) {
            Some("css") => "text/css; charset=utf-8",
            Some("js") => "text/javascript; charset=utf-8",
            Some("json") => "application/json",
            Some("svg") => "image/svg+xml",
            Some("txt") => "text/plain; charset=utf-8",
            Some("wasm") => "application/wasm",
            _ => "application/octet-stream",
        };
        let file = self.page.join(relative);
        let Some((whole, length)) = opened(&file) else { return missing() };
        let packed = PACKED.iter().filter(|(coding, _)| accepts(accepted, coding)).find_map(|(coding, ending)| {
            let (packed, length) = opened(Path::new(&format!("{}.{ending}", file.display())))?;
            Some((coding, packed, length))
        });
        let varies = header("Vary", "Accept-Encoding");
        match packed {
            Some((coding, packed, size)) => answer(200, kind, Box::new(packed), Some(size))
                .with_header(header("Content-Encoding", coding))
                // For progress, which is counted in uncompressed bytes.
                .with_header(header("X-Unpacked-Length", &length.to_string())),
            None => answer(200, kind, Box::new(whole), Some(length)),
        }
        .with_header(varies)
    }

    /// Description of the run for the head of the page.
    fn metadata(&self) -> String {
        match &self.served {
            Served::Page => String::new(),
            Served::Search { .. } => {
                r#"<meta name="darts-events" content="events"><meta name="darts-control" content="control">"#.into()
            }
            Served::Recording { name, .. } => {
                let name = name.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
                format!(
                    r#"<meta name="darts-recording" content="events.jsonl"><meta name="darts-name" content="{name}">"#
                )
            }
        }
    }
}

/// A file and its length; `None` if it is not a file.
fn opened(file: &Path) -> Option<(File, usize)> {
    let opened = File::open(file).ok()?;
    let about = opened.metadata().ok().filter(|about| about.is_file())?;
    Some((opened, usize::try_from(about.len()).ok()?))
}

/// Whether an `Accept-Encoding` names a coding, and does not refuse it.
fn accepts(accepted: &str, coding: &str) -> bool {
    accepted.split(',').any(|one| {
        let mut parts = one.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
        named && !parts.any(|part| part.strip_prefix("q=").is_some_and(|q| q.parse() == Ok(0.0)))
    })
}

/// Sends the lines of a log as server-sent events, as they come, until the search is over.
fn stream_events(log: &Path, state: &Mutex<State>, after: usize, mut out: impl Write) -> io::Result<()> {
    out.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n")?;
    for (name, value) in ALWAYS {
        write!(out, "{name}: {value}\r\n")?;
    }
    out.write_all(b"\r\nretry: 1000\n\n")?;
    let (mut reader, mut line, mut number) = (None, Vec::new(), 0);
    let (mut state_sent, mut refusals_sent, mut quiet) = (None, lock(state).refused.len(), Instant::now());
    loop {
        let (begun, over, holding, refused) = {
            let state = lock(state);
            let refused = state.refused[refusals_sent..].to_vec();
            (state.begun, state.over, state.holding && state.owed == 0, refused)
        };
        if reader.is_none() && (begun || over) {
            reader = File::open(log).ok().map(BufReader::new);
        }
        if let Some(reader) = &mut reader {
            // An incomplete line waits in `line` for its rest.
            while reader.read_until(b'\n', &mut line)? > 0 && line.ends_with(b"\n") {
                number += 1;
                if number > after {
                    write!(out, "id: {number}\ndata: ")?;
                    out.write_all(&line)?;
                    out.write_all(b"\n")?;
                    quiet = Instant::now();
                }
                line.clear();
            }
        }
        if state_sent != Some(holding) {
            write!(out, "event: state\ndata: {}\n\n", if holding { "holding" } else { "stepping" })?;
            state_sent = Some(holding);
        }
        refusals_sent += refused.len();
        for reason in refused {
            write!(out, "event: refused\ndata: {}\n\n", reason.replace(['\r', '\n'], " "))?;
        }
        if over {
            out.write_all(b"event: end\ndata: over\n\n")?;
            return out.flush();
        }
        // A comment now and then shows whether the client is still there.
        if quiet.elapsed() > Duration::from_secs(5) {
            out.write_all(b": still here\n\n")?;
            quiet = Instant::now();
        }
        out.flush()?;
        thread::sleep(LOOK);
    }
}
