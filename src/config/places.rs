//! Values that name something outside the config: ids, URLs, address ranges, files and secret files.
//! Each is checked where it stands; what they hold is read by the stage that uses them, never here.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use url::Url;

use super::found::{Fault, Found};
use super::problem::ProblemKind;
use super::section::Section;
use super::users::{USERS_BYTES_MAX, read_users};
use crate::deliver::secret::Secret;
use crate::model::{IdError, Lang};
use crate::net::Cidr;

/// Bytes of a secret file; more is not a secret but the wrong file.
const SECRET_BYTES_MAX: u64 = 4096;

impl Section<'_> {
    /// A name, from the key or its default.
    pub fn id<T>(&self, key: &'static str, make: impl Fn(&str) -> Result<T, IdError>) -> Option<T> {
        self.get(key, |found| found.id(&make))
    }

    /// A file that must be there.
    pub fn file(&self, key: &'static str) -> Option<PathBuf> {
        let path = self.path(key)?;
        let place = self.written(key)?;
        if let Err(fault) = regular_file(&path, ProblemKind::File) {
            self.fault(key, &place, fault);
        }
        Some(path)
    }

    /// A file that must be there and must not be readable by everybody (promise P9).
    pub fn secret_file(&self, key: &'static str) -> Option<PathBuf> {
        let path = self.path(key)?;
        let place = self.written(key)?;
        if let Err(fault) = secret_file(&path) {
            self.fault(key, &place, fault);
        }
        Some(path)
    }
}

impl Section<'_> {
    /// A file with people who may log in; where it is not there yet, nobody may.
    pub fn users_file(&self, key: &'static str) -> Option<PathBuf> {
        let path = self.path(key)?;
        let place = self.written(key)?;
        if path.symlink_metadata().is_ok() {
            let read = private_file(&path).and_then(|meta| {
                if meta.len() > USERS_BYTES_MAX {
                    return Err(Fault::new(ProblemKind::Secret, "names a file that is too long", "more than 256 KiB"));
                }
                let unread = |error: std::io::Error| {
                    Fault::new(ProblemKind::Secret, "names a file that cannot be read", error.to_string())
                };
                let text = std::fs::read_to_string(&path).map_err(unread)?;
                read_users(&text).map_err(|fault| {
                    Fault::new(ProblemKind::Secret, "names a file with a line that is none", fault.to_string())
                        .hint("`wirewatch users add NAME` writes them")
                })
            });
            if let Err(fault) = read {
                self.fault(key, &place, fault);
            }
        }
        Some(path)
    }

    /// A secret file that must hold a signing secret as well.
    pub fn signing_secret(&self, key: &'static str) -> Option<PathBuf> {
        let path = self.secret_file(key)?;
        if secret_file(&path).is_ok()
            && let Err(error) = Secret::from_file(&path)
            && let Some(place) = self.written(key)
        {
            self.fault(
                key,
                &place,
                Fault::new(ProblemKind::Secret, "names a file that holds no secret", error.to_string()),
            );
        }
        Some(path)
    }
}

impl Found<'_> {
    pub fn id<T>(&self, make: impl Fn(&str) -> Result<T, IdError>) -> Result<T, Fault> {
        make(self.text()?).map_err(|_| {
            Fault::new(ProblemKind::Value, "must be a name", "not a name").hint("1 to 64 of a-z, 0-9, `-`, `_` and `.`")
        })
    }

    pub fn lang(&self) -> Result<Lang, Fault> {
        Lang::from_tag(self.text()?).ok_or_else(|| {
            Fault::new(ProblemKind::Value, "must be a language code such as \"en\"", "not a language code")
        })
    }

    pub fn cidr(&self) -> Result<Cidr, Fault> {
        Cidr::parse(self.text()?).map_err(|_| {
            Fault::new(ProblemKind::Value, "must hold address ranges", "not an address range")
                .hint("such as \"10.0.0.0/8\", \"fd00::/8\" or \"127.0.0.1\"")
        })
    }

    /// An `http` or `https` URL with a host.
    pub fn url(&self) -> Result<Url, Fault> {
        let must = "must be an http or https URL";
        let text = self.text()?;
        let url = Url::parse(text).map_err(|error| {
            let fault = Fault::new(ProblemKind::Value, must, error.to_string());
            match error {
                url::ParseError::RelativeUrlWithoutBase => fault.hint("it starts with https://"),
                _ => fault,
            }
        })?;
        match url.scheme() {
            "http" | "https" => Ok(url),
            scheme => Err(Fault::new(ProblemKind::Value, must, format!("`{scheme}:` is not fetched"))),
        }
    }
}

fn regular_file(path: &Path, kind: ProblemKind) -> Result<std::fs::Metadata, Fault> {
    let must = "must name a file that can be read";
    let shown = path.display();
    match std::fs::metadata(path) {
        Ok(meta) if meta.is_file() => Ok(meta),
        Ok(_) => Err(Fault::new(kind, must, format!("{shown} is not a regular file"))),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Err(Fault::new(kind, must, format!("{shown} is not there"))
                .hint("paths are relative to the folder of the file they stand in"))
        }
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
            Err(Fault::new(kind, must, format!("{shown}: no permission"))
                .hint("the service has a user of its own: under systemd give it secrets by LoadCredential"))
        }
        Err(error) => Err(Fault::new(kind, must, format!("{shown}: {error}"))),
    }
}

/// A regular file that not everybody can read.
fn private_file(path: &Path) -> Result<std::fs::Metadata, Fault> {
    let meta = regular_file(path, ProblemKind::Secret)?;
    if meta.permissions().mode() & 0o007 != 0 {
        let why = format!("mode {:o}", meta.permissions().mode() & 0o777);
        let fault = Fault::new(ProblemKind::Secret, "names a file that everybody can read", why);
        return Err(fault.hint(format!("chmod 600 {}", path.display())));
    }
    Ok(meta)
}

fn secret_file(path: &Path) -> Result<(), Fault> {
    let meta = private_file(path)?;
    if meta.len() == 0 || meta.len() > SECRET_BYTES_MAX {
        let why = format!("{} bytes", meta.len());
        return Err(Fault::new(ProblemKind::Secret, "names a file that holds no secret", why)
            .hint("`wirewatch init` writes one to start from"));
    }
    Ok(())
}
