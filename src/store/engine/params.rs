//! The values that go into a statement's placeholders.

use super::ToSql;

/// Values for the placeholders of a statement, in their order.
pub trait Params {
    /// Hands them over.
    fn with<R>(self, take: impl FnOnce(&[&dyn ToSql]) -> R) -> R;
}

impl Params for &[&dyn ToSql] {
    fn with<R>(self, take: impl FnOnce(&[&dyn ToSql]) -> R) -> R {
        take(self)
    }
}

// An empty list says nothing of what it is a list of: only one type may do without values.
impl Params for [&(dyn ToSql + Send + Sync); 0] {
    fn with<R>(self, take: impl FnOnce(&[&dyn ToSql]) -> R) -> R {
        take(&[])
    }
}

macro_rules! of_one_type {
    ($($count:literal)*) => {$(
        impl<T: ToSql> Params for [T; $count] {
            fn with<R>(self, take: impl FnOnce(&[&dyn ToSql]) -> R) -> R {
                take(&self.each_ref().map(|value| value as &dyn ToSql))
            }
        }
    )*};
}
of_one_type!(1 2 3 4 5 6 7 8);

/// Values of different types.
macro_rules! params {
    ($($value:expr),* $(,)?) => {
        &[$(&$value as &dyn $crate::store::engine::ToSql),*] as &[&dyn $crate::store::engine::ToSql]
    };
}
pub(crate) use params;
