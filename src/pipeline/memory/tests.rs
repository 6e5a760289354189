//! Properties of the whole memory.
