//! Same text: exact copies by hash, near copies by sketch, both as sightings of the first item.
