//! Which offers are good, and which of them is used.

use super::*;

#[test]
fn an_offer_that_the_chain_refused_isnt_used_again() {
    let (node, report) = member("home", 1, "36");
    let offers = Offers::new(DOMAIN);
    let good = offers.of(&node, &report, NOW);
    assert_eq!(good.len(), 1);
    offers.refuse(&good[0]);
    assert!(offers.of(&node, &report, NOW).is_empty());
    let mut renewed = report.clone();
    renewed.spec.offers = vec![signed("home", "nvidia.com/gpu", "35", &owner())];
    assert_eq!(offers.of(&node, &renewed, NOW).len(), 1);
}

#[test]
fn the_cheapest_is_the_price_and_any_at_least_as_dear_covers_a_claim() {
    let (node, mut report) = member("home", 1, "36");
    report.spec.offers.push(signed("home", "nvidia.com/gpu", "30", &owner()));
    let offers = Offers::new(DOMAIN);
    let good = offers.of(&node, &report, NOW);
    assert_eq!(Offers::best(&good, &Class("nvidia.com/gpu".to_owned())).unwrap().offer.rate, eai("30"));
    assert!(Offers::best(&good, &Class::cpu()).is_none());
    let covering = |rate| offers.covering(&node, &report, "nvidia.com/gpu", eai(rate), NOW).map(|o| o.offer.rate);
    assert_eq!((covering("33"), covering("36"), covering("37")), (Some(eai("36")), Some(eai("36")), None));
}
