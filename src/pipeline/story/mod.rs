//! Same story: each item joins the story it belongs to, or opens one.
