//! Learned scores in the state directory: `models/TOPIC.json`, written whole or not at all by `tune --train`,
//! checked whenever rules are compiled. Missing ones are a warning, broken ones an error.

use std::io;
use std::path::{Path, PathBuf};

use crate::files::replace;
use crate::model::TopicId;
use crate::pipeline::classify::model::{LinearModel, ModelError};

/// Largest file that is read.
const BYTES_MAX: u64 = 8 << 20;

/// Why a model cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("read the model {path}: {source}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file is not what it should be.
    #[error("use the model {path}: {source}")]
    Bad {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: ModelError,
    },
}

/// Where a topic's model is.
#[must_use]
pub fn path(state_dir: &Path, topic: &TopicId) -> PathBuf {
    state_dir.join("models").join(format!("{topic}.json"))
}

/// Reads a topic's model; `None` where there is none yet.
///
/// # Errors
/// [`LoadError`] when the file cannot be read or used.
pub fn load(state_dir: &Path, topic: &TopicId) -> Result<Option<LinearModel>, LoadError> {
    let path = path(state_dir, topic);
    let read = |path: &Path| {
        if std::fs::metadata(path)?.len() > BYTES_MAX {
            return Err(io::Error::other(format!("larger than {} MiB", BYTES_MAX >> 20)));
        }
        std::fs::read_to_string(path)
    };
    let text = match read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(LoadError::Read { path, source }),
    };
    LinearModel::parse(&text, topic).map(Some).map_err(|source| LoadError::Bad { path, source })
}

/// Writes a topic's model: a reader sees the old one or the new one.
///
/// # Errors
/// When the state directory cannot be written.
pub fn save(state_dir: &Path, topic: &TopicId, model: &LinearModel) -> io::Result<PathBuf> {
    let path = path(state_dir, topic);
    std::fs::create_dir_all(state_dir.join("models"))?;
    replace(&path, model.to_text().as_bytes())?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Timestamp;
    use crate::pipeline::classify::model::Training;

    #[test]
    fn model_is_written_whole_read_back_and_refused_when_damaged() {
        let folder = tempfile::tempdir().expect("a folder");
        let topic = TopicId::new("storm").expect("a name");
        assert!(load(folder.path(), &topic).expect("nothing is wrong").is_none());
        let training = Training { topic: topic.clone(), at: Timestamp::from_seconds(1), items: 20, about: 10, f1: 0.5 };
        let model = LinearModel::new(&training, 0.1, [("tidal surge".to_owned(), 2.0)]);
        let path = save(folder.path(), &topic, &model).expect("written");
        assert_eq!(load(folder.path(), &topic).expect("reads"), Some(model));
        assert_eq!(std::fs::read_dir(folder.path().join("models")).expect("reads").count(), 1, "nothing left over");
        let text = std::fs::read_to_string(&path).expect("reads");
        std::fs::write(&path, &text[..text.len() - 9]).expect("written");
        let error = load(folder.path(), &topic).expect_err("cut short").to_string();
        assert!(error.starts_with("use the model ") && error.contains("storm.json"), "{error}");
    }
}
