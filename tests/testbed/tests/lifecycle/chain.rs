//! The chain mines every two seconds and never in between, and keeps what it mined.

use std::process::Command;

use eai_testbed::{CHAIN_RPC, Service, Testbed};

pub fn keeps_its_blocks_over_restarts(testbed: &Testbed) {
    let cast = |arguments: &[&str]| {
        let output =
            Command::new(&testbed.tools().cast).args(arguments).env("ETH_RPC_URL", CHAIN_RPC).output().unwrap();
        assert!(output.status.success(), "cast {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().trim_matches('"').to_owned()
    };
    let number = |text: String| text.parse::<u128>().unwrap();
    assert_eq!(cast(&["chain-id"]), "31337");
    let accounts: Vec<String> = serde_json::from_str(&cast(&["rpc", "eth_accounts"])).unwrap();
    let (from, to) = (&accounts[0], &accounts[1]);
    let before = number(cast(&["balance", to]));
    let send = format!(r#"{{"from":"{from}","to":"{to}","value":"0x7b"}}"#);
    let transaction = cast(&["rpc", "eth_sendTransaction", &send]);
    assert_eq!(cast(&["rpc", "eth_getTransactionReceipt", &transaction]), "null", "it must wait for the next block");
    let block = number(cast(&["receipt", &transaction, "blockNumber"]));
    let time = |block: u128| number(cast(&["block", &block.to_string(), "--field", "timestamp"]));
    assert_eq!(time(block) - time(block - 1), 2);

    testbed.restart(Service::Chain).unwrap();
    assert!(number(cast(&["block-number"])) >= block);
    assert_eq!(number(cast(&["balance", to])), before + 0x7b);

    std::thread::sleep(std::time::Duration::from_secs(3)); // the state is written every second
    let height = number(cast(&["block-number"]));
    testbed.kill(Service::Chain).unwrap();
    testbed.start(Service::Chain).unwrap();
    assert!(number(cast(&["block-number"])) + 1 >= height, "at most the last second is lost");
    assert_eq!(number(cast(&["receipt", &transaction, "blockNumber"])), block);
}
