//! The chain, as the hub or the caller names it.

use eai_chain::{Account, Endpoint, Key, Reader};

use crate::{
    arguments::ChainArguments,
    error::{Error, Result},
    hub::{Hub, Info},
};

/// What is known of the hub and where the chain is.
pub struct Chain {
    /// What the hub says of itself.
    pub info: Info,
    endpoint: Endpoint,
}

impl Chain {
    /// From the hub's ConfigMap, and from flags where they are given.
    pub async fn of(hub: &Hub, arguments: &ChainArguments) -> Result<Self> {
        let info = hub.info().await?;
        let rpc_url = arguments.rpc_url.clone().unwrap_or_else(|| info.rpc_url.clone());
        if rpc_url.is_empty() {
            let why = "the hub names no public RPC endpoint; give one of your own with --rpc-url or EAI_RPC_URL";
            return Err(Error::Usage(why.to_owned()));
        }
        // The contract is the hub's word unless the caller, who knows where the money should go, says otherwise.
        let escrow = arguments.escrow.unwrap_or(info.escrow);
        let endpoint = Endpoint::new(rpc_url, info.chain_id, escrow);
        Ok(Self { info, endpoint })
    }

    /// The chain, to read.
    pub fn reader(&self) -> Result<Reader> {
        Ok(Reader::new(self.endpoint.clone())?)
    }

    /// The caller's own account.
    pub fn account(&self, arguments: &ChainArguments) -> Result<Account> {
        Ok(Account::new(self.endpoint.clone(), arguments.key()?)?)
    }
}

impl ChainArguments {
    /// The caller's key.
    pub fn key(&self) -> Result<Key> {
        let path = self.key_file.as_ref().ok_or_else(|| {
            Error::Usage("this needs your key on the chain: give its file with --key-file or EAI_KEY_FILE".to_owned())
        })?;
        Ok(Key::load(path)?)
    }
}
