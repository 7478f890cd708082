//! What memory mappings cost.
