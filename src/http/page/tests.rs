//! Templates against their models.
