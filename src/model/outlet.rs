//! Who carries an item: a publisher, by one name whatever feed or folder brought it.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::SourceId;

/// A publisher: `gazette.example`, `blogs.example/harbour`, or a name in one word.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Outlet(Arc<str>);

impl Outlet {
    /// Characters of a name.
    pub const CHARS_MAX: usize = 100;

    /// A name as somebody wrote it: one line, lower case; `None` where nothing readable is left or it is too long.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let name = text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
        let fits = name.chars().any(char::is_alphanumeric)
            && name.chars().count() <= Self::CHARS_MAX
            && !name.chars().any(char::is_control);
        fits.then(|| Self(name.into()))
    }

    /// The publisher that an item names: the same name however it is set.
    #[must_use]
    pub fn named(publisher: &str) -> Option<Self> {
        match SourceId::slug(publisher) {
            Some(slug) => Some(Self(slug.as_str().into())),
            // A name in another script has no slug.
            None => Self::new(publisher),
        }
    }

    /// A feed nobody knows more of stands for its publisher.
    #[must_use]
    pub fn of_feed(source: &SourceId) -> Self {
        Self(source.as_str().into())
    }

    /// Back from the store.
    #[must_use]
    pub fn from_stored(name: &str) -> Self {
        Self(name.into())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Outlet {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Outlets on their way back from the store: a hundred thousand stories name a few thousand, and each name is held once.
#[derive(Debug, Default)]
pub struct StoredOutlets(HashSet<Outlet>);

impl StoredOutlets {
    /// The outlet of this name.
    pub fn named(&mut self, name: &str) -> Outlet {
        if let Some(known) = self.0.get(name) {
            return known.clone();
        }
        let outlet = Outlet::from_stored(name);
        self.0.insert(outlet.clone());
        outlet
    }
}

impl fmt::Display for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl fmt::Debug for Outlet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Serialize for Outlet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_outlets_hold_each_name_once() {
        let mut stored = StoredOutlets::default();
        let [first, again, other] = ["port.example", "port.example", "Port.example"].map(|name| stored.named(name));
        assert!(Arc::ptr_eq(&first.0, &again.0));
        assert_eq!((first.as_str(), other.as_str()), ("port.example", "Port.example"));
    }

    #[test]
    fn outlet_names_are_one_however_they_are_set() {
        let named = |text| Outlet::named(text).map(|outlet| outlet.to_string());
        assert_eq!(named("The Harbour Post"), Some("the-harbour-post".to_owned()));
        assert_eq!(named("THE  HARBOUR POST"), named("The Harbour Post"));
        assert_eq!(named("Новини Порту"), Some("новини порту".to_owned()));
        assert_eq!(named(" — "), None);
        assert_eq!(Outlet::new("Gazette.Example").map(|o| o.to_string()), Some("gazette.example".to_owned()));
        assert_eq!(Outlet::new(&"x".repeat(101)), None);
    }
}
