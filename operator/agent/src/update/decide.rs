//! Whether an offered agent is taken, and what becomes of one that was. Pure.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use eai_api::member_report::{UpdateAttempt, UpdateOffer, UpdateResult};
use eai_core::{
    image::ImageRef,
    release::{MOST_PAYLOAD, MOST_SIGNATURE, ReleaseError, ReleaseKey, is_newer, verify},
};
use semver::Version;

/// What the owner lets in.
pub struct Rules<'a> {
    /// The key that releases are signed with.
    pub key: &'a ReleaseKey,
    /// Registries, or paths in them, from which images may come beside where this agent's own came from.
    pub registries: &'a [String],
}

/// This agent and its Deployment.
#[derive(Clone, Debug)]
pub struct State {
    /// The image that this agent runs.
    pub image: ImageRef,
    /// Its version.
    pub version: Version,
    /// The image that the Deployment asks for.
    pub wanted: String,
    /// What this agent asked for last, and from which image.
    pub started: Option<(String, String)>,
    /// Whether Kubernetes gave the Deployment's present state up.
    pub gave_up: bool,
    /// Digests that never got ready here.
    pub failed: Vec<String>,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, and what is said of the last offer.
    Rest(Option<UpdateAttempt>),
    /// The new agent is on its way.
    Wait(UpdateAttempt),
    /// The Deployment is to ask for that image.
    Start {
        /// The image.
        image: ImageRef,
        /// Its version.
        version: Version,
        /// What is said.
        attempt: UpdateAttempt,
    },
    /// The Deployment is to ask for this agent's own image again.
    RollBack {
        /// What is said.
        attempt: UpdateAttempt,
    },
}

/// Why an offer isn't taken.
#[derive(Debug, thiserror::Error)]
enum Refusal {
    #[error("the offered image can't be read")]
    BadImage,
    #[error("payload or signature isn't base64, or too long")]
    BadEncoding,
    #[error(transparent)]
    Release(#[from] ReleaseError),
    #[error("version {0} isn't newer than this agent's {1}; its owner goes back by hand (helm rollback)")]
    NotNewer(Version, Version),
    #[error(
        "the image is from {0}; this agent's own is from {1}, and its owner allows no other (update.registries in the \
         chart's values)"
    )]
    OtherRepository(String, String),
}

impl Refusal {
    const fn reason(&self) -> &'static str {
        match self {
            Self::BadImage => "BadImage",
            Self::BadEncoding => "BadEncoding",
            Self::Release(ReleaseError::BadSignature) => "BadSignature",
            Self::Release(ReleaseError::WrongDigest { .. }) => "WrongDigest",
            Self::Release(ReleaseError::WrongVersion { .. }) => "WrongVersion",
            Self::Release(ReleaseError::WrongType) => "WrongType",
            Self::Release(ReleaseError::Malformed | ReleaseError::TooLong(_)) => "BadPayload",
            Self::NotNewer(..) => "NotNewer",
            Self::OtherRepository(..) => "OtherRepository",
        }
    }
}

/// What to do with `offer` in `state`.
pub fn decide(state: &State, offer: Option<&UpdateOffer>, rules: &Rules<'_>) -> Step {
    if state.wanted != state.image.to_string() {
        return under_way(state, offer);
    }
    let Some(offer) = offer else { return Step::Rest(None) };
    let digest = offer.image.parse::<ImageRef>().map(|image| image.digest().to_string()).unwrap_or_default();
    if digest == state.image.digest().to_string() {
        return Step::Rest(None);
    }
    if state.failed.contains(&digest) {
        return Step::Rest(Some(rolled_back(digest, Some(offer))));
    }
    match judge(state, offer, rules) {
        Ok((image, version)) => Step::Start { image, version, attempt: updating(digest, Some(offer)) },
        Err(refusal) => Step::Rest(Some(UpdateAttempt {
            release: offer.release.clone(),
            digest,
            result: UpdateResult::Refused,
            reason: refusal.reason().to_owned(),
            message: refusal.to_string().chars().take(512).collect(),
        })),
    }
}

/// The Deployment asks for another image than this agent's. Where the agent did that itself it sees it through; what its
/// owner did is left alone.
fn under_way(state: &State, offer: Option<&UpdateOffer>) -> Step {
    let own = state.image.to_string();
    let ours = state.started.as_ref().is_some_and(|(to, from)| *to == state.wanted && *from == own);
    let digest = state.wanted.parse::<ImageRef>().map(|image| image.digest().to_string());
    match (ours, digest) {
        (true, Ok(digest)) if state.gave_up => Step::RollBack { attempt: rolled_back(digest, offer) },
        (true, Ok(digest)) => Step::Wait(updating(digest, offer)),
        _ => Step::Rest(None),
    }
}

fn judge(state: &State, offer: &UpdateOffer, rules: &Rules<'_>) -> Result<(ImageRef, Version), Refusal> {
    let image: ImageRef = offer.image.parse().map_err(|_| Refusal::BadImage)?;
    let payload = decoded(&offer.signature.payload, MOST_PAYLOAD)?;
    let signature = decoded(&offer.signature.signature, MOST_SIGNATURE)?;
    let version = verify(rules.key, &image, &offer.version, &payload, &signature)?;
    if !is_newer(&version, &state.version) {
        return Err(Refusal::NotNewer(version, state.version.clone()));
    }
    let same = (image.registry(), image.repository()) == (state.image.registry(), state.image.repository());
    if !same && !rules.registries.iter().any(|prefix| image.is_under(prefix)) {
        let name = |image: &ImageRef| format!("{}/{}", image.registry(), image.repository());
        return Err(Refusal::OtherRepository(name(&image), name(&state.image)));
    }
    Ok((image, version))
}

fn decoded(text: &str, most: usize) -> Result<Vec<u8>, Refusal> {
    if text.len() > most.saturating_mul(2) {
        return Err(Refusal::BadEncoding);
    }
    STANDARD.decode(text).map_err(|_| Refusal::BadEncoding)
}

/// The release in which an image is offered, if it still is.
fn release(offer: Option<&UpdateOffer>, digest: &str) -> String {
    offer.filter(|offer| offer.image.ends_with(digest)).map(|offer| offer.release.clone()).unwrap_or_default()
}

fn updating(digest: String, offer: Option<&UpdateOffer>) -> UpdateAttempt {
    UpdateAttempt {
        release: release(offer, &digest),
        digest,
        result: UpdateResult::Updating,
        reason: "Starting".to_owned(),
        message: "the new agent is being started; this one goes on until it is ready".to_owned(),
    }
}

fn rolled_back(digest: String, offer: Option<&UpdateOffer>) -> UpdateAttempt {
    UpdateAttempt {
        release: release(offer, &digest),
        digest,
        result: UpdateResult::RolledBack,
        reason: "NeverReady".to_owned(),
        message:
            "the new agent didn't get ready in time, so this one stays; its owner sees why in the events of its pod \
                  and tries it again with helm upgrade"
                .to_owned(),
    }
}
