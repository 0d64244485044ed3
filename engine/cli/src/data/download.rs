//! Downloads: files from the network, with their checksums.

use darts_engine::data::{DataError, TextError, make_folder, without_path};
use md5::Digest;
use std::{
    fs,
    io::{self, Read, Write},
    path::Path,
    time::Duration,
};

/// Maximum bytes of a download; the larger of the two sources has 170 million.
const DOWNLOAD_BYTES: u64 = 256 << 20;

/// Error of a fetch. Each message is one sentence that names the file or the address.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The address does not answer with a file.
    #[error("cannot fetch {url}: {problem}")]
    Fetch { url: String, problem: String },
    /// A picture of the mirror has an unexpected form.
    #[error("{file} {problem}")]
    Picture {
        file: String,
        /// Fault, as a predicate.
        problem: String,
    },
    /// The text is not WikiText-2.
    #[error("{file} has {found} {what}, but WikiText-2 has {expected}")]
    Words {
        /// The file, or the folder.
        file: String,
        found: usize,
        /// Things counted.
        what: &'static str,
        expected: usize,
    },
    /// Images are unusable, or files cannot be read or written.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The text is unusable.
    #[error(transparent)]
    Text(#[from] TextError),
}

/// Progress of a fetch.
#[derive(Debug)]
pub enum FetchEvent<'a> {
    /// A download begins.
    Download {
        /// Its address.
        url: &'a str,
        /// Its bytes, if the server reports them.
        bytes: Option<u64>,
    },
    /// That many more bytes have arrived.
    Received(u64),
    /// The official site cannot be reached, and the mirror is used.
    Mirror(&'a FetchError),
    /// All has arrived and the checksum matches; the files are being written.
    Unpack,
}

/// Fails unless a checksum is the expected one.
pub fn same_sum(file: &str, algorithm: &'static str, found: String, expected: &str) -> Result<(), FetchError> {
    match found == expected {
        true => Ok(()),
        false => Err(DataError::Checksum { file: file.into(), algorithm, found, expected: expected.into() }.into()),
    }
}

/// Streams `url` into `file` and compares its checksum.
pub fn download<D: Digest>(
    url: &str,
    expected: &str,
    algorithm: &'static str,
    file: &Path,
    on: &mut dyn FnMut(FetchEvent),
) -> Result<(), FetchError> {
    let mut digest = D::new();
    receive(url, file, &mut |bytes| digest.update(bytes), on)?;
    same_sum(url, algorithm, hex(&digest.finalize()), expected)
}

/// Streams `url` into `file`; `hear` receives its bytes.
pub fn receive(
    url: &str,
    file: &Path,
    hear: &mut dyn FnMut(&[u8]),
    on: &mut dyn FnMut(FetchEvent),
) -> Result<(), FetchError> {
    let failed = |problem: String| FetchError::Fetch { url: url.into(), problem };
    let tls = ureq::tls::TlsConfig::builder().root_certs(ureq::tls::RootCerts::PlatformVerifier).build();
    let agent = ureq::Agent::config_builder()
        .tls_config(tls)
        .timeout_connect(Some(Duration::from_secs(20)))
        .timeout_recv_response(Some(Duration::from_secs(60)))
        .timeout_recv_body(Some(Duration::from_secs(2 * 3600)))
        .build()
        .new_agent();
    let response = agent.get(url).call().map_err(|e| match e {
        ureq::Error::Io(e) => failed(e.to_string()),
        ureq::Error::StatusCode(code) => failed(format!("the server answers with status {code}")),
        other => failed(other.to_string()),
    })?;
    let bytes = response.body().content_length();
    on(FetchEvent::Download { url, bytes });
    let mut body = response.into_body().into_reader().take(DOWNLOAD_BYTES);
    let write = |source| DataError::Write { file: file.display().to_string(), source };
    let mut to = fs::File::create(file).map_err(write)?;
    let mut buffer = vec![0; 1 << 16];
    let mut received = 0;
    loop {
        let count = match body.read(&mut buffer) {
            Ok(count) => count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) => return Err(failed(format!("it broke off after {received} bytes: {e}"))),
        };
        if count == 0 {
            break;
        }
        hear(&buffer[..count]);
        to.write_all(&buffer[..count]).map_err(write)?;
        received += count as u64;
        on(FetchEvent::Received(count as u64));
    }
    if bytes.is_some_and(|bytes| received < bytes) {
        return Err(failed(format!("it broke off after {received} bytes")));
    }
    Ok(())
}

/// Bytes in hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Folder within `out` for an incomplete download, created if missing, and emptied and removed again if `fetch` fails.
pub fn within<T>(out: &Path, fetch: impl FnOnce(&Path) -> Result<T, FetchError>) -> Result<T, FetchError> {
    let fresh = !out.exists();
    // An unwritable folder is refused before minutes of download.
    make_folder(out)?;
    let cannot_write = |error| DataError::Write { file: out.display().to_string(), source: without_path(error) };
    let work = tempfile::Builder::new().prefix(".darts-").tempdir_in(out).map_err(cannot_write)?;
    let fetched = fetch(work.path());
    drop(work);
    if fetched.is_err() && fresh {
        // Removes the folder only if it is empty.
        let _ = fs::remove_dir(out);
    }
    fetched
}
