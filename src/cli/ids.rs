//! Ids as people type them: whole, or any beginning that only one thing has; of alerts the number.

use std::fmt::Display;
use std::path::Path;

use super::CliError;
use crate::model::{IdError, ItemId, StoryId};
use crate::store::{AlertRecord, Store};

/// The item that is meant; of a copy its own id.
pub(super) fn item(store: &Store, text: &str) -> Result<ItemId, CliError> {
    let numbers = ItemId::beginning(text).map_err(|error| unread(&error))?;
    one(text, &store.items_between(&numbers)?, "item", "items")
}

/// The story that is meant.
pub(super) fn story(store: &Store, text: &str) -> Result<StoryId, CliError> {
    let numbers = StoryId::beginning(text).map_err(|error| unread(&error))?;
    one(text, &store.stories_between(&numbers)?, "story", "stories")
}

/// The alert that is meant.
pub(super) fn alert(store: &Store, text: &str) -> Result<AlertRecord, CliError> {
    store.alert(text)?.ok_or_else(|| {
        CliError::data(format!("find {text}: no such alert"))
            .hint("give its number or its id; `wirewatch alerts` lists them")
    })
}

/// Whether an argument that may be a file is meant for an item: it begins like one, and no file has that name.
pub(super) fn is_item(text: &str) -> bool {
    text.starts_with(ItemId::PREFIX) && !Path::new(text).exists()
}

fn one<T: Copy + Display>(text: &str, found: &[T], kind: &str, command: &str) -> Result<T, CliError> {
    match found {
        [one] => Ok(*one),
        [] => {
            Err(CliError::data(format!("find {text}: no such {kind}"))
                .hint(format!("`wirewatch {command}` lists them")))
        }
        several => {
            let names: Vec<String> = several.iter().map(ToString::to_string).collect();
            Err(CliError::usage(format!("tell which {kind} {text} is: several begin like that"))
                .hint(format!("such as {}", names.join(", "))))
        }
    }
}

fn unread(error: &IdError) -> CliError {
    CliError::usage(format!("read the id: {error}"))
}
