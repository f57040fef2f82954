//! Receipts that are in step with their batch, and receipts that aren't.
#![allow(clippy::unwrap_used, clippy::panic)]

use alloy::{
    primitives::{Address as Raw, FixedBytes, U256},
    sol_types::{SolError as _, SolEvent},
};

use super::*;

const ESCROW: Raw = Raw::repeat_byte(0xee);
const ONE: LeaseId = LeaseId([1; 32]);
const TWO: LeaseId = LeaseId([2; 32]);

fn events(logs: Vec<Log>) -> Result<Events, LedgerError> {
    let logs: Vec<_> =
        logs.into_iter().map(|log| alloy::rpc::types::Log { inner: log, ..Default::default() }).collect();
    let json = serde_json::json!({
        "transactionHash": FixedBytes::<32>::repeat_byte(9), "transactionIndex": "0x0", "blockHash": FixedBytes::<32>::ZERO,
        "blockNumber": "0x5", "from": Raw::ZERO, "to": ESCROW, "cumulativeGasUsed": "0x1", "gasUsed": "0x1",
        "contractAddress": null, "logs": logs, "status": "0x1", "effectiveGasPrice": "0x1", "type": "0x2",
        "logsBloom": format!("0x{}", "00".repeat(256)),
    });
    Events::of(&serde_json::from_value(json).unwrap(), convert::from_address(ESCROW))
}

fn log(event: &impl SolEvent) -> Log {
    Log { address: ESCROW, data: event.encode_log_data() }
}

fn skipped(lease: LeaseId) -> Log {
    log(&IEscrow::SettleSkipped { leaseId: lease.into(), reason: IEscrow::NothingToSettle::SELECTOR.into() })
}

fn settled(lease: LeaseId, paid: u64) -> Log {
    log(&IEscrow::Settled {
        leaseId: lease.into(),
        provider: Raw::ZERO,
        amount: U256::from(1),
        cumulativePaid: U256::from(paid),
        cumulativeUsageMs: U256::MAX,
    })
}

fn closed(lease: LeaseId, paid: u64, refunded: u64) -> Log {
    log(&IEscrow::LeaseClosed { leaseId: lease.into(), paid: U256::from(paid), refunded: U256::from(refunded) })
}

#[test]
fn settlements_are_read_in_step() {
    let logs =
        vec![settled(ONE, 5), skipped(TWO), settled(TWO, 7), closed(TWO, 7, 3), closed(ONE, 5, 0), settled(ONE, 9)];
    let mut events = events(logs).unwrap();
    assert_eq!((events.tx, events.block), (TxHash([9; 32]), 5));
    let mut next = |lease, is_final| {
        events.settled(lease, is_final).unwrap().map(|payment| (payment.paid.wei(), payment.refunded.map(Amount::wei)))
    };
    assert_eq!(next(ONE, false), Ok((5, None)));
    assert_eq!(next(TWO, true), Err(Refusal::NothingToSettle));
    assert_eq!(next(TWO, true), Ok((7, Some(3))));
    assert_eq!(next(ONE, true), Ok((5, Some(0))));
    assert_eq!(next(ONE, false), Ok((9, None)));
}

#[test]
fn a_final_voucher_by_a_retired_key_pays_and_leaves_the_lease_open() {
    let mut events = events(vec![settled(ONE, 5), settled(TWO, 7), closed(TWO, 7, 3)]).unwrap();
    let payment = events.settled(ONE, true).unwrap().unwrap();
    assert_eq!((payment.paid.wei(), payment.refunded), (5, None));
    assert!(events.settled(TWO, true).unwrap().unwrap().refunded.is_some());
}

#[test]
fn anything_out_of_step_is_an_error() {
    let read = |logs: Vec<Log>, is_final| events(logs).unwrap().settled(ONE, is_final);
    assert!(read(vec![], false).is_err());
    assert!(read(vec![], true).is_err());
    assert!(read(vec![settled(TWO, 1)], false).is_err());
    assert!(read(vec![skipped(TWO)], false).is_err());
    assert!(read(vec![closed(TWO, 1, 0)], true).is_err());
    assert!(read(vec![settled(TWO, 1), closed(ONE, 1, 0)], true).is_err());
    assert!(read(vec![closed(ONE, 1, 0)], false).is_err());
    assert!(events(vec![skipped(ONE)]).unwrap().opened(ONE).is_err());
    assert!(events(vec![skipped(ONE)]).unwrap().topped_up(ONE).is_err());
}

#[test]
fn other_contracts_events_are_passed_over_and_unknown_ones_of_ours_are_not() {
    let stranger = Log { address: Raw::ZERO, ..settled(TWO, 1) };
    assert!(events(vec![stranger, skipped(ONE)]).unwrap().settled(ONE, false).unwrap().is_err());
    let strange = Log { address: ESCROW, data: alloy::primitives::LogData::new_unchecked(vec![], vec![].into()) };
    assert!(events(vec![strange]).is_err());
}

#[test]
fn openings_and_top_ups_give_the_hold_or_the_reason() {
    let reason = IEscrow::CapExceeded::SELECTOR.into();
    let logs = vec![
        log(&IEscrow::OpenSkipped { leaseId: ONE.into(), reason }),
        log(&IEscrow::LeaseToppedUp { leaseId: TWO.into(), amount: U256::from(1), hold: U256::from(4) }),
        log(&IEscrow::TopUpSkipped { leaseId: TWO.into(), reason }),
    ];
    let mut events = events(logs).unwrap();
    assert_eq!(events.opened(ONE).unwrap(), Err(Refusal::CapExceeded));
    assert_eq!(events.topped_up(TWO).unwrap(), Ok(Amount::from_wei(4)));
    assert_eq!(events.topped_up(TWO).unwrap(), Err(Refusal::CapExceeded));
}
