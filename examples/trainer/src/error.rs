//! The one error of the program: what went wrong and what the caller can do about it.

use crate::{data, output, safetensors, score, settings};

/// Why a job ended without its outputs.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An environment variable is missing or malformed: correct the job's `env`.
    #[error(transparent)]
    Settings(#[from] settings::Error),
    /// The embedded data set doesn't parse: the binary is damaged, build the image again.
    #[error(transparent)]
    Data(#[from] data::Error),
    /// The output folder can't be written: mount a writable volume there, or set `EAI_OUTPUT_DIR`.
    #[error(transparent)]
    Output(#[from] output::Error),
    /// A model that was written can't be read back.
    #[error(transparent)]
    Safetensors(#[from] safetensors::Error),
    /// The scores can't be signed: correct the secret.
    #[error(transparent)]
    Score(#[from] score::Error),
    /// The model read back from its file isn't the model that was trained: run the job again on another member.
    #[error(
        "the model read back from {file} gets {reread} of the held-out images right and the trained one {trained}: the file is damaged, run the job again"
    )]
    ModelDiffers {
        /// The file's name.
        file: &'static str,
        /// Right answers of the trained model.
        trained: usize,
        /// Right answers of the model read back.
        reread: usize,
    },
    /// Two passes over the same stream gave different results: the hardware can't be trusted.
    #[error(
        "pass {pass} over the same images gave other features than the first: this machine computes wrongly, run the job on another member"
    )]
    Unrepeatable {
        /// The pass that differed, counted from 1.
        pass: u64,
    },
    /// The progress lines can't be written.
    #[error("standard output can't be written: {0}")]
    Log(#[from] std::io::Error),
    /// The job was asked to stop (SIGTERM or SIGINT) before it was done.
    #[error("stopped on request after {done}; nothing was written")]
    Stopped {
        /// How far it got, in words.
        done: String,
    },
}
