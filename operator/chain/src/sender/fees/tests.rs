use proptest::prelude::*;

use super::*;

proptest! {
    /// Nodes take a transaction in the place of another only if both its fees are a tenth higher.
    #[test]
    fn raised_fees_replace_and_keep_up(max_fee in 0..u128::MAX / 4, priority in 0..u128::MAX / 4, usual in 0..u128::MAX / 4) {
        let old = Fees { max_fee, priority };
        let usual = Fees { max_fee: usual, priority: usual / 2 };
        let new = old.raised(usual);
        prop_assert!(new.max_fee > max_fee && new.max_fee - max_fee >= max_fee / 10);
        prop_assert!(new.priority > priority && new.priority - priority >= priority / 10);
        prop_assert!(new.max_fee >= usual.max_fee && new.priority >= usual.priority);
    }
}

#[test]
fn a_fee_at_the_limit_doesnt_wrap() {
    let most = Fees { max_fee: u128::MAX, priority: u128::MAX };
    assert_eq!(most.raised(most), most);
}
