//! Page served by the command line, with a running search and with a recorded one.

mod cli;

use cli::{darts, document, refusal};
use darts_engine::{event::Event, intervention::Intervention, run::Run, space::Convolutional};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    path::Path,
    process::{Child, Command, Stdio},
};
use tempfile::{TempDir, tempdir};

/// A folder with a page, and a run to come.
fn place() -> TempDir {
    let dir = tempdir().unwrap();
    fs::create_dir_all(dir.path().join("page/data")).unwrap();
    fs::write(dir.path().join("page/index.html"), "<!doctype html><html><head><title>x</title></head></html>").unwrap();
    fs::write(dir.path().join("page/worker.js"), "0").unwrap();
    fs::write(dir.path().join("page/data/cifar10.packed"), [1, 2, 3]).unwrap();
    fs::write(dir.path().join("secret"), "mine").unwrap();
    dir
}

fn search(dir: &Path, out: &str, epochs: &str) -> Command {
    let mut command = darts();
    command.current_dir(dir).args(["search", "conv", "--data", "textures", "--train-images", "8", "--batch-size", "2"]);
    command.args([
        "--init-channels",
        "2",
        "--layers",
        "3",
        "--epochs",
        epochs,
        "--report-every",
        "1",
        "--device",
        "cpu",
    ]);
    command.args(["--page", "page", "--out", out]);
    command
}

/// Serving process, which ends with the test.
struct Serving {
    child: Child,
    address: String,
}

impl Serving {
    /// Starts `darts replay` or `darts explore`, which print their address.
    fn printed(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { child, address }
    }

    /// Starts a watched search, which prints its address on standard error.
    fn search(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut error = BufReader::new(child.stderr.take().unwrap());
        let mut printed = String::new();
        let address = loop {
            let mut line = String::new();
            assert!(error.read_line(&mut line).unwrap() > 0, "no address is printed: {printed}");
            if let Some((_, rest)) = line.split_once("http://") {
                break rest.trim().trim_end_matches('/').to_owned();
            }
            printed += &line;
        };
        // Standard error must be drained, or the search blocks on it.
        std::thread::spawn(move || error.read_to_string(&mut String::new()));
        Self { child, address }
    }

    /// Sends a request and returns status and body.
    fn ask(&self, request: &str, headers: &str, body: &str) -> (u16, String) {
        let answer = self.answer(request, headers, body);
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    /// Sends a request and returns the whole answer.
    fn answer(&self, request: &str, headers: &str, body: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let length = body.len();
        write!(stream, "{request} HTTP/1.1\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    fn get(&self, path: &str) -> (u16, String) {
        self.ask(&format!("GET {path}"), &format!("Host: {}\r\n", self.address), "")
    }

    fn control(&self, body: &str) -> (u16, String) {
        let origin = format!("Host: {0}\r\nOrigin: http://{0}\r\nContent-Type: application/json\r\n", self.address);
        self.ask("POST /control", &origin, body)
    }

    /// Server-sent events after line `after`.
    fn listen(&self, after: usize) -> impl Iterator<Item = (String, String)> + use<> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET /events HTTP/1.1\r\nHost: {}\r\nLast-Event-ID: {after}\r\n\r\n", self.address).unwrap();
        let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
        std::iter::from_fn(move || {
            let mut kind = "message".to_owned();
            loop {
                let line = lines.next()?;
                if let Some(name) = line.strip_prefix("event: ") {
                    kind = name.to_owned();
                } else if let Some(data) = line.strip_prefix("data: ") {
                    return Some((kind, data.to_owned()));
                }
            }
        })
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_recurrent_search_is_watched_paused_changed_stopped_and_resumed() {
    let dir = place();
    for (part, sentences) in [("train", 60), ("valid", 30), ("test", 30)] {
        let text: String = (0..sentences).map(|i| format!("one two {} four\n", ["three", "five"][i % 2])).collect();
        fs::write(dir.path().join(format!("{part}.txt")), text).unwrap();
    }
    let mut command = darts();
    command.current_dir(dir.path()).args(["search", "recurrent", "--data", ".", "--device", "cpu", "--hidden", "3"]);
    command.args(["--batch-size", "2", "--bptt", "4", "--epochs", "100000", "--report-every", "1", "--out", "run"]);
    let serving = Serving::search(command.args(["--page", "page", "--watch", "127.0.0.1:0"]));
    let mut stream = serving.listen(0);
    let mut next = |wanted: &str| stream.by_ref().find(|(kind, _)| kind == wanted).expect("an event of that kind").1;
    let started = serde_json::from_str::<Event>(&next("message")).unwrap();
    assert!(matches!(started, Event::Started { .. }));
    assert_eq!(serving.control(r#"{"type":"pause"}"#).0, 200);
    while next("state") != "holding" {}
    let change =
        |intervention: &str| serving.control(&format!(r#"{{"type":"intervene","intervention":{intervention}}}"#)).0;
    assert_eq!(change(r#"{"change":"prune","cell":"normal","edge":3,"op":"skip_connect"}"#), 200);
    assert_eq!(next("refused"), "the search has no normal cell");
    assert_eq!(change(r#"{"change":"prune","cell":"recurrent","edge":3,"op":"cosine"}"#), 400);
    assert_eq!(change(r#"{"change":"prune","cell":"recurrent","edge":3,"op":"tanh"}"#), 200);
    let parse = |line: &str| serde_json::from_str::<Event>(line).unwrap();
    let events = std::iter::repeat_with(|| parse(&next("message")));
    let pruned = { events }.find(|event| matches!(event, Event::Intervention { .. }));
    let Some(Event::Intervention { intervention: Intervention::Prune { edge: 3, .. }, alphas, step }) = pruned else {
        panic!("{pruned:?}");
    };
    assert!(alphas.rows()[3][1] < -19.0);
    assert_eq!(change(r#"{"change":"rates","weights":2.5,"alphas":0.25}"#), 200);
    assert!(matches!(parse(&next("message")), Event::Intervention { .. }));
    assert_eq!(serving.control(r#"{"type":"step"}"#).0, 200);
    let Event::Step { step: stepped, alphas: Some(after), .. } = parse(&next("message")) else { panic!("a step") };
    assert_eq!((stepped, after.rows()[3][1]), (step, alphas.rows()[3][1]), "a pruned op stays pruned");
    assert_eq!(serving.control(r#"{"type":"stop"}"#).0, 200);
    assert!(stream.any(|(kind, line)| kind == "message" && line.contains("the search was stopped on its page")));

    // A pruned op stays pruned after resuming. The stopped process has to end first.
    drop((stream, serving));
    let mut again = darts();
    again.current_dir(dir.path()).args(["search", "recurrent", "--resume", "run", "--page", "page"]);
    let serving = Serving::search(again.args(["--watch", "127.0.0.1:0"]));
    let next = serving.listen(0).find_map(|(_, line)| match serde_json::from_str(&line) {
        Ok(Event::Step { step, alphas, .. }) if step > stepped => Some((step, alphas.unwrap())),
        _ => None,
    });
    let (step, after) = next.unwrap();
    assert_eq!((step, after.rows()[3][1]), (stepped + 1, alphas.rows()[3][1]));
}

#[test]
fn a_search_is_watched_paused_changed_and_stopped() {
    let dir = place();
    let serving = Serving::search(search(dir.path(), "run", "100000").args(["--watch", "127.0.0.1:0"]));
    let mut stream = serving.listen(0);
    let mut next = |wanted: &str| stream.by_ref().find(|(kind, _)| kind == wanted).expect("an event of that kind").1;
    let parse = |line: &str| serde_json::from_str::<Event>(line).unwrap();
    assert!(matches!(parse(&next("message")), Event::Started { .. }));
    assert!(matches!(parse(&next("message")), Event::Step { step: 0, .. }));
    assert_eq!(serving.control(r#"{"type":"pause"}"#).0, 200);
    while next("state") != "holding" {}
    // A held search reports an intervention at once.
    let prune =
        r#"{"type":"intervene","intervention":{"change":"prune","cell":"normal","edge":3,"op":"skip_connect"}}"#;
    assert_eq!(serving.control(prune).0, 200);
    let pruned =
        std::iter::repeat_with(|| parse(&next("message"))).find(|event| matches!(event, Event::Intervention { .. }));
    let Some(Event::Intervention { intervention: Intervention::Prune { edge: 3, .. }, alphas, step }) = pruned else {
        panic!("{pruned:?}");
    };
    assert!(alphas.of(0)[3][3] < -19.0);
    // Under the names of version 1.
    let wrong = r#"{"type":"steer","steering":{"change":"release","cell":"normal","edge":77}}"#;
    assert_eq!(serving.control(wrong).0, 200);
    assert_eq!(next("refused"), "a cell has edges 0 to 13, not 77");
    assert_eq!(serving.control(r#"{"type":"step"}"#).0, 200);
    let Event::Step { step: stepped, alphas: Some(after), .. } = parse(&next("message")) else { panic!("a step") };
    assert_eq!((stepped, after.of(0)[3][3]), (step, alphas.of(0)[3][3]), "a pruned op stays pruned");
    // A reconnecting listener receives only the events that it missed.
    let (kind, line) = serving.listen(2).next().unwrap();
    let missed = match parse(&line) {
        Event::Step { step, .. } => step,
        other => panic!("{kind}: {other:?}"),
    };
    assert_eq!(missed, 1);

    for (body, problem) in [
        ("", "not a command: EOF"),
        (r#"{"type":"explode"}"#, "not a command: unknown variant `explode`"),
        (r#"{"type":"intervene","intervention":{"change":"nudge"}}"#, "not a command: missing field"),
        (&" ".repeat(5000), "longer than any command"),
    ] {
        let (status, answer) = serving.control(body);
        assert!(status == 400 && answer.starts_with(problem), "{status}: {answer}");
    }
    assert_eq!(serving.control(r#"{"type":"stop"}"#).0, 200);
    // The single step may have been the last of its epoch.
    let end = std::iter::repeat_with(|| parse(&next("message"))).find(|event| !matches!(event, Event::Epoch { .. }));
    assert!(matches!(end, Some(Event::Failed { .. })), "{end:?}");
    next("end");
    let events: Vec<Event> =
        Run::<Convolutional>::open(dir.path().join("run")).unwrap().events().unwrap().map(Result::unwrap).collect();
    let Some(Event::Failed { message }) = events.last() else { panic!("{:?}", events.last()) };
    assert_eq!(message, "the search was stopped on its page");

    // The search resumes from there, and a pruned op stays pruned. The stopped process has to end first.
    drop((stream, serving));
    let last = events.iter().rev().find_map(|event| match event {
        Event::Step { step, .. } => Some(*step),
        _ => None,
    });
    let mut again = darts();
    again.current_dir(dir.path()).args([
        "search",
        "conv",
        "--resume",
        "run",
        "--page",
        "page",
        "--watch",
        "127.0.0.1:0",
    ]);
    let serving = Serving::search(&mut again);
    let next = serving.listen(0).find_map(|(_, line)| match serde_json::from_str::<Event>(&line) {
        Ok(Event::Step { step, alphas, .. }) if Some(step) > last => alphas.map(|after| (step, after)),
        _ => None,
    });
    let (step, after) = next.unwrap();
    assert_eq!((Some(step), after.of(0)[3][3]), (last.map(|last| last + 1), alphas.of(0)[3][3]));
}

#[test]
fn a_recorded_run_is_served_with_the_page_and_nothing_else() {
    let dir = place();
    assert_eq!(document(&mut search(dir.path(), "a \"<run>&", "2"))["epochs"], 2);
    let mut replay = darts();
    replay.current_dir(dir.path()).args(["replay", "a \"<run>&", "--page", "page", "--address", "127.0.0.1:0"]);
    let serving = Serving::printed(&mut replay);
    let (status, page) = serving.get("/");
    assert_eq!(status, 200);
    assert!(page.contains(r#"<head><meta name="darts-recording" content="events.jsonl">"#), "{page}");
    assert!(page.contains(r#"content="a &quot;&lt;run&gt;&amp;"><title>"#), "{page}");
    let log = fs::read_to_string(dir.path().join("a \"<run>&/events.jsonl")).unwrap();
    assert_eq!(serving.get("/events.jsonl"), (200, log));
    assert_eq!(serving.get("/worker.js"), (200, "0".into()));
    for path in [
        "/../secret",
        "/%2e%2e/secret",
        "//secret",
        "/data",
        "/none.js",
        "/..\\secret",
        "/events",
        "/data/../../secret",
    ] {
        assert_eq!(serving.get(path).0, 404, "{path}");
    }
    assert_eq!(serving.control(r#"{"type":"stop"}"#).0, 405, "a recorded run takes no commands");

    // Requests are served only for this machine's own names, and only from this page.
    let port = serving.address.rsplit(':').next().unwrap();
    for (host, origin, expected) in [
        (format!("localhost:{port}"), String::new(), 200),
        (format!("[::1]:{port}"), String::new(), 200),
        (format!("evil.example:{port}"), String::new(), 403),
        (format!("127.0.0.1.evil.example:{port}"), String::new(), 403),
        (format!("192.168.1.7:{port}"), String::new(), 403),
        ("127.0.0.1:1".to_owned(), String::new(), 403),
        (serving.address.clone(), format!("Origin: http://{}\r\n", serving.address), 200),
        (serving.address.clone(), "Origin: https://evil.example\r\n".to_owned(), 403),
        (serving.address.clone(), "Origin: null\r\n".to_owned(), 403),
    ] {
        let answer = serving.ask("GET /worker.js", &format!("Host: {host}\r\n{origin}"), "");
        assert_eq!(answer.0, expected, "{host} {origin}: {}", answer.1);
    }
    assert_eq!(serving.ask("GET /worker.js", "", "").0, 403, "a request names its host");
}

#[test]
fn the_page_alone_is_served_in_the_smallest_form_that_is_taken() {
    let dir = place();
    for (ending, bytes) in [("br", "packed well"), ("gz", "packed")] {
        fs::write(dir.path().join(format!("page/worker.js.{ending}")), bytes).unwrap();
    }
    let mut explore = darts();
    explore.current_dir(dir.path()).args(["explore", "--page", "page", "--address", "127.0.0.1:0"]);
    let serving = Serving::printed(&mut explore);
    assert!(!serving.get("/").1.contains("darts-"), "the page searches by itself");
    let asked = |path: &str, codings: &str| {
        let headers = format!("Host: {}\r\nAccept-Encoding: {codings}\r\n", serving.address);
        let answer = serving.answer(&format!("GET {path}"), &headers, "");
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let field = |name: &str| {
            let line = head.lines().find_map(|line| line.split_once(": ").filter(|(field, _)| *field == name));
            line.map(|(_, value)| value.to_owned())
        };
        assert_eq!(field("Content-Type").as_deref(), Some("text/javascript; charset=utf-8"));
        assert_eq!(field("Content-Length"), Some(body.len().to_string()));
        assert_eq!(field("Vary").as_deref(), Some("Accept-Encoding"));
        (field("Content-Encoding"), field("X-Unpacked-Length"), body.to_owned())
    };
    let packed = |coding: &str, body: &str| (Some(coding.to_owned()), Some("1".to_owned()), body.to_owned());
    let whole = || (None, None, "0".to_owned());
    assert_eq!(asked("/worker.js", "gzip, deflate, br, zstd"), packed("br", "packed well"));
    assert_eq!(asked("/worker.js", "GZIP;q=0.5, br; q=0"), packed("gzip", "packed"));
    assert_eq!(asked("/worker.js", "gzip;q=0.000, zstd"), whole());
    assert_eq!(asked("/worker.js", ""), whole());
    fs::write(dir.path().join("page/engine.js"), "0").unwrap();
    assert_eq!(asked("/engine.js", "gzip, br"), whole(), "not every file has another form");
    assert_eq!(serving.get("/events").0, 404);
    assert_eq!(serving.get("/events.jsonl").0, 404);
    assert_eq!(serving.control(r#"{"type":"stop"}"#).0, 405);
}

#[test]
fn an_impossible_page_is_refused_before_the_search_begins() {
    let dir = place();
    fs::remove_file(dir.path().join("page/index.html")).unwrap();
    let watched = |more: &[&str]| {
        let error = refusal(search(dir.path(), "run", "1").args(["--quiet"]).args(more), 1);
        assert!(!dir.path().join("run").exists());
        error
    };
    let unbuilt =
        "the page is not built: page has no index.html (build it with trunk build, or name its folder with --page)";
    assert_eq!(watched(&["--watch", "127.0.0.1:0"]), unbuilt);
    fs::write(dir.path().join("page/index.html"), "<head>").unwrap();
    assert!(watched(&["--watch", "nowhere"]).starts_with("cannot listen at nowhere: "));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert!(
        watched(&["--watch", &address]).starts_with(&format!("cannot listen at {address}: Address already in use"))
    );
    let mut replay = darts();
    replay.current_dir(dir.path()).args(["replay", "page", "--page", "page"]);
    assert_eq!(refusal(&mut replay, 1), "page holds no run: it has no config.json");
}
