use eai_core::address::Address;

use super::{super::offers::*, *};

fn assessed(report: &MemberReportSpec) -> Offers {
    let (node, _) = node("home-1");
    assess(report, "home-1", &node.spec, domain(), u64::try_from(NOW).unwrap())
}

#[test]
fn a_signed_offer_of_the_owner_counts() {
    let offers = assessed(&report());
    assert!(offers.refused.is_empty(), "{offers:?}");
    assert_eq!(offers.prices.len(), 1);
    assert_eq!(offers.prices[0].class, "nvidia.com/gpu");
    assert_eq!(offers.prices[0].rate, amount("1.5"));
}

#[test]
fn terms_changed_after_signing_are_refused() {
    let change: [fn(&mut OfferReport); 4] =
        [|o| o.rate = Amount::from_wei(1), |o| o.class = "cpu".to_owned(), |o| o.nonce = 1, |o| o.valid_until += 1];
    for change in change {
        let mut report = report();
        change(&mut report.offers[0]);
        let offers = assessed(&report);
        assert!(offers.prices.is_empty());
        assert!(matches!(offers.refused[0].reason, RefusedReason::Signature(_)), "{offers:?}");
    }
}

#[test]
fn an_offer_for_another_member_chain_or_escrow_is_refused() {
    let (node, _) = node("home-1");
    let now = u64::try_from(NOW).unwrap();
    assert!(assess(&report(), "home-2", &node.spec, domain(), now).prices.is_empty());
    let elsewhere = Domain { chain_id: 1, ..domain() };
    assert!(assess(&report(), "home-1", &node.spec, elsewhere, now).prices.is_empty());
    let elsewhere = Domain { escrow: Address([8; 20]), ..domain() };
    assert!(assess(&report(), "home-1", &node.spec, elsewhere, now).prices.is_empty());
}

#[test]
fn an_offer_that_pays_another_is_refused_and_says_whom() {
    let mut report = report();
    report.offers[0].provider = Address([9; 20]);
    let offers = assessed(&report);
    assert!(offers.prices.is_empty());
    let words = offers.refused[0].to_string();
    assert!(words.contains(&Address([9; 20]).to_string()) && words.contains(&owner().address().to_string()), "{words}");
}

#[test]
fn an_offer_ends_with_its_last_second() {
    let (node, _) = node("home-1");
    let until = report().offers[0].valid_until;
    assert_eq!(assess(&report(), "home-1", &node.spec, domain(), until - 1).prices.len(), 1);
    let expired = assess(&report(), "home-1", &node.spec, domain(), until);
    assert_eq!(expired.refused[0].reason, RefusedReason::Expired);
}

#[test]
fn of_two_offers_for_a_class_the_cheaper_counts() {
    for rates in [["2", "1"], ["1", "2"]] {
        let offers = rates.map(|rate| offer("cpu", rate)).to_vec();
        let offers = assessed(&MemberReportSpec { offers, ..report() });
        assert_eq!(offers.prices.iter().map(|p| p.rate).collect::<Vec<_>>(), [amount("1")]);
    }
}

#[test]
fn the_summary_adds_up_nodes_and_never_believes_more_free_than_there_are() {
    assert_eq!(summary(&report()), "nvidia.com/gpu 3/4, xilinx.com/fpga 1/1");
}

#[test]
fn a_member_without_accelerators_shows_its_cores() {
    let nodes = vec![NodeReport { free_cpu_millis: 3550, ..NodeReport::default() }; 2];
    assert_eq!(summary(&MemberReportSpec { nodes, ..MemberReportSpec::default() }), "cpu 7.1 free");
    assert_eq!(summary(&MemberReportSpec::default()), "cpu 0.0 free");
}
