//! The program behind the example jobs: real work on a real, public data set, small enough to carry inside the binary.
//!
//! | subcommand | what it does | what it writes |
//! |---|---|---|
//! | `train` | trains a small neural network on handwritten digits | `model.safetensors`, `metrics.json` |
//! | `search` | picks that network's settings by k-fold cross-validation, on every core it is given | `search.json` |
//! | `filter` | streams the images through fixed-point FIR filters and classifies what comes out | `features.safetensors`, `metrics.json` |
//! | `score` | trains, scores the held-out images by class, and signs the scores with a secret | `scores.json`, `scores.json.hmac` |
//!
//! Everything is computed on the CPU, whichever accelerator the container was given, and the program says so: on a
//! machine without such hardware it proves that the job was scheduled onto the resource, metered and paid, no more.

// Counts here are numbers of images, epochs and tensor sizes, all far below 2^24, so f32 holds them exactly.
#![allow(clippy::cast_precision_loss)]

pub mod accelerator;
pub mod adam;
pub mod data;
mod error;
pub mod features;
pub mod filter;
pub mod fir;
pub mod folds;
pub mod mlp;
pub mod model;
pub mod output;
pub mod pacing;
pub mod rng;
pub mod safetensors;
pub mod score;
pub mod search;
pub mod settings;
pub mod stop;
pub mod train;
pub mod trainer;

pub use error::Error;
