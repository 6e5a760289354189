//! Start, supervise, stop: the only place that knows every stage.

pub mod compile;
