//! Where images may come from.

use eai_api::assignment::Workload;
use eai_core::image::ImageRef;

use super::{Reason, Refusal, Terms, refuse};

/// The image is named by digest and lies under a registry that the owner allows.
pub(super) fn image(workload: &Workload, terms: Terms) -> Result<(), Refusal> {
    let image: ImageRef = match workload.image.parse() {
        Ok(image) => image,
        Err(error) => return refuse(Reason::BadImage, format!("image: {error}")),
    };
    // What is pulled is what was parsed: a text that reads back differently could hide a second meaning.
    if image.to_string() != workload.image {
        return refuse(Reason::BadImage, "image: not in its plain form");
    }
    let allowed = &terms.config.limits.registries;
    if !allowed.iter().any(|prefix| image.is_under(prefix)) {
        let allowed = if allowed.is_empty() { "none".to_owned() } else { allowed.join(", ") };
        return refuse(
            Reason::RegistryNotAllowed,
            format!(
                "image: {}/{} isn't under a registry that the owner allows ({allowed})",
                image.registry(),
                image.repository()
            ),
        );
    }
    Ok(())
}
