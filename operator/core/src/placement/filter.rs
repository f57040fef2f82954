//! Whether a member takes a job at all, and if not, why.

use super::{
    fit::fit,
    model::{Member, Offered, Request},
    refusal::Refusal,
};
use crate::class::Class;

/// The member's offer for `class`, the request's, and the accelerators that would be left; or why it doesn't take the job at
/// `now` (Unix seconds).
pub(super) fn filter(member: &Member, request: &Request, class: &Class, now: u64) -> Result<(Offered, u64), Refusal> {
    if let Some(why) = &member.closed {
        return Err(Refusal::Closed(why.clone()));
    }
    constraints(member, request)?;
    if request.internet && !member.internet {
        return Err(Refusal::NoInternet);
    }
    if !request.internet && !member.sandbox {
        return Err(Refusal::NoSandbox);
    }
    let assured = member.assurance(request.internet);
    if assured < request.least_assurance {
        return Err(Refusal::Assurance { has: assured, wanted: request.least_assurance });
    }
    if member.trust < request.least_trust {
        return Err(Refusal::Trust { has: member.trust, wanted: request.least_trust });
    }
    let offer = offer(member, request, class, now)?;
    let left = fit(member, &request.gang()).map_err(Refusal::Short)?;
    Ok((offer, left))
}

fn constraints(member: &Member, request: &Request) -> Result<(), Refusal> {
    for constraint in request.constraints.iter().filter(|constraint| !constraint.allowed.is_empty()) {
        let has = member.attributes.get(constraint.attribute).map_or("", String::as_str);
        if !constraint.allowed.iter().any(|allowed| allowed == has) {
            let (attribute, wanted) = (constraint.attribute, constraint.allowed.clone());
            return Err(Refusal::Constraint { attribute, has: has.to_owned(), wanted });
        }
    }
    Ok(())
}

fn offer(member: &Member, request: &Request, class: &Class, now: u64) -> Result<Offered, Refusal> {
    let Some(offer) = member.offers.get(class).copied() else { return Err(Refusal::NotOffered(class.clone())) };
    if offer.valid_until <= now {
        return Err(Refusal::OfferExpired(class.clone()));
    }
    if offer.rate > request.max_price {
        return Err(Refusal::Price { asks: offer.rate, pays: request.max_price });
    }
    Ok(offer)
}
