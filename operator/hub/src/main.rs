//! `eai-operator`.

fn main() {}
