//! Who can pay: the escrow's own checks, in its own order.

use eai_chain::Authorization;
use eai_core::money::Amount;

use super::*;
use crate::aijob::words::Unfunded;

fn till(funds: Funds) -> Till {
    let mut till = Till::new(NOW);
    till.fill(payer(), namespace(), funds);
    till
}

fn check(funds: Funds, rate: &str, hold: &str) -> Result<(), Unfunded> {
    till(funds).check(payer(), namespace(), eai(rate), eai(hold))
}

#[test]
fn every_reason_names_its_amounts() {
    let rich = Funds { free: eai("5"), grant: grant() };
    assert_eq!(check(rich, "36", "5"), Ok(()));
    assert_eq!(check(rich, "36", "6"), Err(Unfunded::Balance { needed: eai("6"), free: eai("5") }));
    let none = Funds { free: eai("5"), grant: Authorization::default() };
    assert_eq!(check(none, "36", "1"), Err(Unfunded::NotAuthorised));
    let over = Funds { free: eai("5"), grant: Authorization { expiry: NOW, ..grant() } };
    assert_eq!(check(over, "36", "1"), Err(Unfunded::Expired));
    assert_eq!(check(rich, "37", "1"), Err(Unfunded::Rate { asked: eai("37"), allowed: eai("36") }));
    let capped = Funds { free: eai("5"), grant: Authorization { cap: eai("3"), used: eai("1"), ..grant() } };
    assert_eq!(check(capped, "36", "2.5"), Err(Unfunded::Cap { needed: eai("2.5"), left: eai("2") }));
}

#[test]
fn what_is_drawn_is_gone_for_the_rest_of_the_pass() {
    let capped = Authorization { cap: eai("3"), ..grant() };
    let mut till = till(Funds { free: eai("100"), grant: capped });
    assert_eq!(till.draw(payer(), namespace(), eai("1"), eai("2")), Ok(()));
    let refused = till.draw(payer(), namespace(), eai("1"), eai("2"));
    assert_eq!(refused, Err(Unfunded::Cap { needed: eai("2"), left: eai("1") }));
    assert_eq!(till.draw(payer(), namespace(), eai("1"), eai("1")), Ok(()), "what was refused wasn't taken");
}

#[test]
fn one_account_pays_for_all_its_namespaces() {
    let other = NamespaceId::of(HubId([1; 32]), "other");
    let mut till = till(Funds { free: eai("3"), grant: grant() });
    till.fill(payer(), other, Funds { free: eai("3"), grant: grant() });
    till.set_aside(payer(), namespace(), eai("2"));
    let refused = till.check(payer(), other, eai("1"), eai("2"));
    assert_eq!(refused, Err(Unfunded::Balance { needed: eai("2"), free: eai("1") }));
    assert!(!till.knows(Address([3; 20]), other));
}

#[test]
fn a_stranger_has_authorised_nothing() {
    let nobody = Till::new(NOW).check(payer(), namespace(), Amount::ZERO, Amount::ZERO);
    assert_eq!(nobody, Err(Unfunded::NotAuthorised));
}
