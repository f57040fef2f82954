#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn an_amount_comes_back_from_its_word(wei in any::<u128>()) {
        prop_assert_eq!(amount(to_word(Amount::from_wei(wei))).unwrap(), Amount::from_wei(wei));
    }

    #[test]
    fn a_word_that_doesnt_fit_is_an_error_and_never_cut(high in 1_u128.., low in any::<u128>()) {
        let word = (U256::from(high) << 128) | U256::from(low);
        prop_assert!(matches!(amount(word), Err(LedgerError::BadAnswer(_))));
    }

    #[test]
    fn an_address_comes_back(bytes in any::<[u8; 20]>()) {
        prop_assert_eq!(from_address(to_address(Address(bytes))), Address(bytes));
    }
}

#[test]
fn the_edges() {
    assert_eq!(amount(U256::from(u128::MAX)).unwrap(), Amount::MAX);
    assert!(amount(U256::from(u128::MAX) + U256::from(1)).is_err());
    assert!(amount(U256::MAX).is_err());
    assert_eq!(amount(U256::ZERO).unwrap(), Amount::ZERO);
}
