//! What is read of the NodeRegistry, against the contract itself.

use alloy::{
    primitives::{self, B256, U256, hex},
    sol_types::{SolCall, SolValue as _},
};
use eai_chain::{Endpoint, LedgerError, NodeRegistry, Stakes as _};
use eai_core::{address::Address, money::Amount};
use serde_json::json;

use crate::support::{
    anvil::CHAIN_ID,
    world::{World, deploy, eai},
};

alloy::sol!("../../contracts/src/interfaces/INodeRegistry.sol");

alloy::sol! {
    function approve(address spender, uint256 value) external returns (bool);
    function transfer(address to, uint256 value) external returns (bool);
}

/// The court, which is nobody's contract here.
const COURT: Address = Address([0xc0; 20]);
const OWNER: primitives::Address = primitives::Address::repeat_byte(0x0e);

/// A registry with the accounts of a [`World`].
struct Registry {
    world: World,
    address: Address,
    stakes: NodeRegistry,
}

impl Registry {
    async fn new() -> Self {
        let world = World::new().await;
        let deployer = world.anvil.rpc("eth_accounts", json!([])).await[0].as_str().unwrap().to_owned();
        let token = world.account(&world.payer).reader().token().await.unwrap();
        let parameters = (
            primitives::Address::from(token.0),
            primitives::Address::repeat_byte(0xaa),
            primitives::Address::from(COURT.0),
            U256::ZERO,
            U256::from(3600),
            U256::from(7 * 24 * 3600),
            U256::from(eai(10).wei()),
            vec![U256::from(eai(1).wei())],
        );
        let address = deploy(&world.anvil, &deployer, "NodeRegistry", (parameters,).abi_encode_params()).await;
        let address: Address = address.parse().unwrap();
        let stakes = NodeRegistry::new(world.endpoint.clone(), address).unwrap();
        let registry = Self { world, address, stakes };
        for account in [registry.world.provider.address(), registry.world.hub.address()] {
            let all = U256::from(eai(1000).wei());
            let to = primitives::Address::from(account.0);
            registry.send(registry.world.payer.address(), token, &transferCall { to, value: all }).await;
            let spender = primitives::Address::from(address.0);
            registry.send(account, token, &approveCall { spender, value: all }).await;
        }
        registry
    }

    /// Sends as whoever it is said to be from.
    async fn send(&self, from: Address, to: Address, call: &impl SolCall) {
        let anvil = &self.world.anvil;
        anvil.rpc("anvil_impersonateAccount", json!([from])).await;
        anvil.rpc("anvil_setBalance", json!([from, "0x56bc75e2d63100000"])).await;
        let data = hex::encode_prefixed(call.abi_encode());
        let tx = anvil.rpc("eth_sendTransaction", json!([{"from": from, "to": to, "data": data}])).await;
        anvil.mine().await;
        let receipt = anvil.rpc("eth_getTransactionReceipt", json!([tx])).await;
        assert_eq!(receipt["status"], "0x1", "{receipt}");
    }

    async fn staked(&self, who: Address) -> Amount {
        self.stakes.staked(who).await.unwrap()
    }
}

fn wei(amount: u64) -> U256 {
    U256::from(eai(amount).wei())
}

#[tokio::test]
async fn what_is_staked_counts_and_what_is_on_its_way_out_or_taken_does_not() {
    let registry = Registry::new().await;
    let node = registry.world.provider.address();
    assert_eq!(registry.staked(node).await, Amount::ZERO, "nobody registered it");
    let register = INodeRegistry::registerNodeCall {
        owner: OWNER,
        form: INodeRegistry::Form::Personal,
        class: 0,
        ids: vec![B256::repeat_byte(1)],
        amount: wei(100),
    };
    registry.send(node, registry.address, &register).await;
    assert_eq!(registry.staked(node).await, eai(100));
    assert_eq!(
        registry.staked(Address(OWNER.into_array())).await,
        Amount::ZERO,
        "it stands with the node's own account"
    );
    registry.send(node, registry.address, &INodeRegistry::unbondCall { amount: wei(40) }).await;
    assert_eq!(registry.staked(node).await, eai(60));
    let who = primitives::Address::from(node.0);
    let slash = INodeRegistry::slashCall { who, amount: wei(50), rewardBps: U256::ZERO };
    registry.send(COURT, registry.address, &slash).await;
    assert_eq!(registry.staked(node).await, eai(50), "what was on its way out was taken first");
    registry.send(node, registry.address, &INodeRegistry::quitCall {}).await;
    assert_eq!(registry.staked(node).await, Amount::ZERO);
}

#[tokio::test]
async fn a_verifiers_stake_is_no_members() {
    let registry = Registry::new().await;
    let verifier = registry.world.hub.address();
    let register = INodeRegistry::registerVerifierCall { owner: OWNER, amount: wei(20) };
    registry.send(verifier, registry.address, &register).await;
    assert_eq!(registry.staked(verifier).await, Amount::ZERO);
}

#[tokio::test]
async fn a_registry_that_is_not_there_and_a_chain_that_is_away_are_told_apart() {
    let registry = Registry::new().await;
    let node = registry.world.provider.address();
    let nowhere = NodeRegistry::new(registry.world.endpoint.clone(), COURT).unwrap();
    assert!(matches!(nowhere.staked(node).await, Err(LedgerError::NoContract(COURT))));
    let escrow = registry.world.endpoint.escrow;
    let other = NodeRegistry::new(registry.world.endpoint.clone(), escrow).unwrap();
    assert!(!other.staked(node).await.unwrap_err().is_transient(), "another contract");
    let away = Endpoint::new("http://127.0.0.1:1", CHAIN_ID, escrow);
    let away = NodeRegistry::new(away, registry.address).unwrap();
    assert!(away.staked(node).await.unwrap_err().is_transient());
}
