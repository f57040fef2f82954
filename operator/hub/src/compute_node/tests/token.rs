use eai_api::compute_node::SealedToken;
use eai_core::seal::Sealed;
use k8s_openapi::{apimachinery::pkg::apis::meta::v1::Time, jiff::SignedDuration};

use super::{super::token::*, now};

fn token(expires_in: i64) -> SealedToken {
    let sealed = Sealed { encapsulated_key: String::new(), ciphertext: String::new() };
    SealedToken { sealed, expires_at: Time(now() + SignedDuration::from_secs(expires_in)) }
}

#[test]
fn a_member_without_a_token_gets_one() {
    assert!(wanted(None, false, None, now()));
}

#[test]
fn a_token_that_lasts_is_kept() {
    assert!(!wanted(Some(&token(1)), false, None, now()));
}

#[test]
fn an_expired_token_is_replaced_only_while_the_agent_is_away() {
    assert!(wanted(Some(&token(0)), false, None, now()));
    assert!(!wanted(Some(&token(-1000)), true, None, now()), "an agent that is there renews its own");
}

#[test]
fn an_agent_invited_again_gets_a_token_that_is_newer_than_the_invite() {
    let minted = now() + SignedDuration::from_secs(1800 - LIFETIME_SECONDS);
    let (before, after) = (minted - SignedDuration::from_secs(1), minted + SignedDuration::from_secs(1));
    assert!(wanted(Some(&token(1800)), false, Some(after), now()));
    assert!(!wanted(Some(&token(1800)), false, Some(before), now()), "the token was made after the invite");
    assert!(!wanted(Some(&token(1800)), true, Some(after), now()));
}
