//! The contracts on a chain, a payer with money and an authorisation, a hub, and a provider.

use std::{sync::Arc, time::Duration};

use alloy::{
    primitives::{self, U256, hex},
    sol_types::SolValue as _,
};
use eai_chain::{
    Account, Domain, Endpoint, EscrowLedger, HubRegistry, JobId, Key, Ledger as _, NamespaceId, OpenOutcome,
    OpenRequest, Opened, SignedVoucher, UsageRoot, Voucher, sign_offer,
};
use eai_core::{
    address::Address,
    class::Class,
    epoch::Epoch,
    metering::{MilliUnits, UsageMs},
    money::Amount,
    offer::{Offer, SignedOffer},
};
use serde_json::json;

use super::{
    anvil::{Anvil, CHAIN_ID, Mining},
    contracts,
};

/// At this rate a whole unit costs 1e15 wei a second.
pub const RATE: Amount = Amount::from_wei(3_600_000_000_000_000_000);
pub const SECOND: Amount = Amount::from_wei(1_000_000_000_000_000);
pub const UNIT: MilliUnits = MilliUnits(1000);
pub const CLOSING_WINDOW: u64 = 72 * 3600;

pub fn eai(amount: u64) -> Amount {
    Amount::from_eai(amount).unwrap()
}

pub fn key(n: u8) -> Key {
    Key::parse(&hex::encode([n; 32])).unwrap()
}

pub struct World {
    pub anvil: Anvil,
    pub endpoint: Endpoint,
    pub payer: Key,
    pub hub: Key,
    pub provider: Key,
    pub registry: Address,
    pub namespace: NamespaceId,
}

impl World {
    /// A payer with 1000 EAI in the escrow and an authorisation over 500 of them; blocks every second.
    pub async fn new() -> Self {
        Self::with(Mining::Every(1)).await
    }

    pub async fn with(mining: Mining) -> Self {
        let (payer, hub, provider) = (key(0x11), key(0x22), key(0x33));
        let anvil = Anvil::start(mining).await;
        for account in [&payer, &hub, &provider] {
            let params = json!([account.address(), "0x56bc75e2d63100000"]);
            anvil.rpc("anvil_setBalance", params).await;
        }
        let (escrow, registry) = deploy_all(&anvil, payer.address()).await;
        let mut endpoint = Endpoint::new(anvil.url(), CHAIN_ID, escrow);
        endpoint.settings.poll = Duration::from_millis(50);
        let world = Self { anvil, endpoint, payer, hub, provider, registry, namespace: NamespaceId([7; 32]) };
        let account = world.account(&world.payer);
        let expiry = world.now().await + 30 * 24 * 3600;
        world.mined(account.deposit(eai(1000))).await.unwrap();
        let authorize = account.authorize(world.hub.address(), world.namespace, eai(500), RATE, expiry);
        world.mined(authorize).await.unwrap();
        world
    }

    /// Runs an act while blocks are made as fast as needed.
    pub async fn mined<T>(&self, act: impl Future<Output = T>) -> T {
        tokio::pin!(act);
        loop {
            tokio::select! {
                done = &mut act => return done,
                () = tokio::time::sleep(Duration::from_millis(100)) => self.anvil.mine().await,
            }
        }
    }

    pub fn domain(&self) -> Domain {
        self.endpoint.domain()
    }

    pub fn ledger(&self) -> EscrowLedger {
        EscrowLedger::new(self.endpoint.clone(), self.hub.clone()).unwrap()
    }

    /// The registry, as the hub with `key` uses it.
    pub fn registry(&self, key: &Key) -> HubRegistry {
        HubRegistry::new(Arc::new(EscrowLedger::new(self.endpoint.clone(), key.clone()).unwrap()), self.registry)
    }

    pub fn account(&self, key: &Key) -> Account {
        Account::new(self.endpoint.clone(), key.clone()).unwrap()
    }

    pub async fn now(&self) -> u64 {
        self.ledger().head().await.unwrap().time
    }

    pub async fn offer(&self) -> Offer {
        Offer {
            provider: self.provider.address(),
            member: "home".to_owned(),
            class: Class("nvidia.com/gpu".to_owned()),
            rate: RATE,
            start_within: 60,
            valid_until: self.now().await + 3600,
            nonce: self.ledger().offer_nonce(self.provider.address()).await.unwrap(),
        }
    }

    pub fn sign(&self, offer: Offer) -> SignedOffer {
        sign_offer(offer, self.domain(), &self.provider).unwrap()
    }

    /// A good request for job number `n`, holding 10 EAI.
    pub async fn request(&self, n: u32) -> OpenRequest {
        OpenRequest {
            payer: self.payer.address(),
            namespace: self.namespace,
            job: JobId::of(&format!("job-{n}")),
            epoch: Epoch { generation: 1, attempt: 1 },
            rate: RATE,
            units: UNIT,
            hold: eai(10),
            open_by: self.now().await + 3600,
            offer: self.sign(self.offer().await),
        }
    }

    pub fn voucher(&self, request: &OpenRequest, amount: Amount, is_final: bool) -> SignedVoucher {
        let usage = UsageMs(u64::try_from(amount.wei() / (SECOND.wei() / 1000)).unwrap());
        let terms = request.terms(self.hub.address());
        let voucher = Voucher { terms, amount, usage, usage_root: UsageRoot::of(b"record"), is_final };
        self.ledger().sign_voucher(voucher).unwrap()
    }

    /// Opens the lease of a good request.
    pub async fn open(&self, request: &OpenRequest) -> Opened {
        let ledger = self.ledger();
        match self.mined(ledger.open(std::slice::from_ref(request))).await.unwrap().remove(0) {
            OpenOutcome::Opened(opened) => opened,
            OpenOutcome::Skipped(skipped) => panic!("{skipped:?}"),
        }
    }
}

async fn deploy_all(anvil: &Anvil, payer: Address) -> (Address, Address) {
    let deployer = anvil.rpc("eth_accounts", json!([])).await[0].as_str().unwrap().to_owned();
    let (some, supply) = (U256::from(eai(10_000).wei()), U256::from(eai(2_500_000_000).wei()));
    let genesis = vec![
        (primitives::Address::from(payer.0), some),
        (deployer.parse::<primitives::Address>().unwrap(), supply - some),
    ];
    let token = deploy(anvil, &deployer, "EAIToken", (genesis,).abi_encode_params()).await;
    let arguments = (token.parse::<primitives::Address>().unwrap(), U256::from(CLOSING_WINDOW)).abi_encode_params();
    let escrow = deploy(anvil, &deployer, "Escrow", arguments).await.parse().unwrap();
    (escrow, deploy(anvil, &deployer, "HubRegistry", Vec::new()).await.parse().unwrap())
}

pub async fn deploy(anvil: &Anvil, from: &str, name: &str, arguments: Vec<u8>) -> String {
    let data = hex::encode_prefixed([contracts::bytecode(name), arguments].concat());
    let tx = anvil.rpc("eth_sendTransaction", json!([{"from": from, "data": data}])).await;
    anvil.mine().await;
    let receipt = anvil.rpc("eth_getTransactionReceipt", json!([tx])).await;
    assert_eq!(receipt["status"], "0x1", "{name} isn't deployed");
    receipt["contractAddress"].as_str().unwrap().to_owned()
}
