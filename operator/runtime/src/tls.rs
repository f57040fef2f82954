//! One crypto provider for every TLS connection of a process.

/// Makes ring the process's TLS provider. Call it first in `main`; a second call changes nothing.
pub fn init() {
    // An error only says that a provider is set already, which is what is wanted.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
