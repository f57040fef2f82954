//! Nodes' answers, as nodes word them.
#![allow(clippy::unwrap_used, clippy::panic)]

use alloy::sol_types::SolError as _;

use super::*;
use crate::bindings::{IEscrow, IToken};

fn answer(code: i64, message: &str, data: Option<&[u8]>) -> TransportError {
    let data = data.map(|data| format!(r#","data":"{}""#, hex::encode_prefixed(data))).unwrap_or_default();
    let json = format!(r#"{{"code":{code},"message":"{message}"{data}}}"#);
    RpcError::ErrorResp(serde_json::from_str(&json).unwrap())
}

#[test]
fn a_transactions_refusal_is_told_apart_whatever_the_node() {
    let known = ["already known", "transaction already imported", "AlreadyKnown: already known"];
    for words in known {
        assert!(matches!(SendFault::from(answer(-32000, words, None)), SendFault::Known), "{words}");
    }
    for words in ["nonce too low", "nonce too low: next nonce 7, tx nonce 5"] {
        assert!(matches!(SendFault::from(answer(-32003, words, None)), SendFault::NonceUsed), "{words}");
    }
    let cheap = [
        "replacement transaction underpriced",
        "transaction underpriced: tip needed 1, tip permitted 0",
        "max fee per gas less than block base fee: address 0x1, maxFeePerGas: 1, baseFee: 7",
    ];
    for words in cheap {
        assert!(matches!(SendFault::from(answer(-32000, words, None)), SendFault::Underpriced), "{words}");
    }
    for words in ["insufficient funds for gas * price + value: balance 0", "Insufficient funds for gas * price + value"]
    {
        assert!(matches!(SendFault::from(answer(-32003, words, None)), SendFault::NoGasMoney), "{words}");
    }
    let other = SendFault::from(answer(-32000, "exceeds block gas limit", None));
    assert!(matches!(other, SendFault::Other(LedgerError::Rejected(words)) if words == "exceeds block gas limit"));
}

#[test]
fn a_busy_node_is_tried_again_and_a_closed_one_isnt() {
    assert!(ledger_error(answer(-32005, "limit exceeded", None)).is_transient());
    assert!(ledger_error(answer(429, "slow down", None)).is_transient());
    for status in [500, 502, 503, 429, 408] {
        assert!(ledger_error(TransportErrorKind::http_error(status, "s3cret".to_owned())).is_transient(), "{status}");
    }
    for status in [301, 400, 401, 403, 404] {
        let error = ledger_error(TransportErrorKind::http_error(status, "s3cret".to_owned()));
        assert!(!error.is_transient(), "{status}");
        assert!(error.to_string().contains(&status.to_string()) && !error.to_string().contains("s3cret"));
    }
}

#[test]
fn revert_data_is_read_in_its_own_language() {
    let revert = |data: Vec<u8>| ledger_error(answer(3, "execution reverted", Some(&data)));
    let escrow = revert(IEscrow::BadExpiry {}.abi_encode());
    assert!(matches!(escrow, LedgerError::Refused(Refusal::BadExpiry)));
    let sender = alloy::primitives::Address::repeat_byte(7);
    let token = IToken::ERC20InsufficientBalance {
        sender,
        balance: U256::from(1_500_000_000_000_000_000_u64),
        needed: U256::MAX,
    };
    let words = revert(token.abi_encode()).to_string();
    assert!(words.contains("has 1.5 EAI"), "{words}");
    let text = Revert { reason: "no".to_owned() };
    assert!(matches!(revert(text.abi_encode()), LedgerError::Rejected(words) if words == "no"));
    assert!(matches!(revert(vec![1, 2, 3, 4, 5]), LedgerError::Rejected(words) if words.contains("0x0102030405")));
    assert!(matches!(revert(vec![]), LedgerError::Rejected(_)));
    assert!(matches!(ledger_error(answer(3, "execution reverted", None)), LedgerError::Rejected(_)));
}
