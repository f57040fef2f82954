//! The few JSON-RPC calls that are needed, with errors that say what to do.

pub mod fault;

use alloy::{
    eips::{BlockId, BlockNumberOrTag},
    primitives::{self, B256, Bytes, TxKind, U64},
    providers::{Provider as _, RootProvider, utils::Eip1559Estimation},
    rpc::{
        client::RpcClient,
        types::{Block, Filter, Log, TransactionReceipt, TransactionRequest},
    },
    sol_types::SolCall,
};
use eai_core::address::Address;
use tokio::sync::OnceCell;

use crate::{convert, endpoint::Endpoint, error::LedgerError, lease::Head};
use fault::SendFault;

/// One node.
pub struct Rpc {
    provider: RootProvider,
    endpoint: Endpoint,
    checked: OnceCell<()>,
}

impl Rpc {
    /// Prepares a connection. Nothing is sent yet, and the node may be away.
    pub fn new(endpoint: Endpoint) -> Result<Self, LedgerError> {
        // The parser's error would quote the URL, which may hold an access key.
        let url: reqwest::Url =
            endpoint.rpc_url.parse().map_err(|_| LedgerError::BadRequest("the RPC URL can't be read".to_owned()))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(LedgerError::BadRequest("the RPC URL must begin with http:// or https://".to_owned()));
        }
        // An error only says that a provider is set already, which is what is wanted.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut client = reqwest::Client::builder().timeout(endpoint.settings.request_timeout);
        if url.scheme() == "http" {
            // Plain HTTP, within a cluster, must also work from an image without certificate authorities.
            client = client.tls_certs_only([]);
        }
        let client = client.build().map_err(|e| LedgerError::BadRequest(format!("can't prepare HTTPS: {e}")))?;
        let provider = RootProvider::new(RpcClient::new_http_with_client(client, url));
        Ok(Self { provider, endpoint, checked: OnceCell::new() })
    }

    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Succeeds once the node has shown that it is on the right chain and that the Escrow is there.
    pub async fn ready(&self) -> Result<(), LedgerError> {
        self.checked.get_or_try_init(|| self.check()).await.copied()
    }

    async fn check(&self) -> Result<(), LedgerError> {
        let found = self.provider.get_chain_id().await.map_err(fault::ledger_error)?;
        if found != self.endpoint.chain_id {
            return Err(LedgerError::WrongChain { expected: self.endpoint.chain_id, found });
        }
        let escrow = self.endpoint.escrow;
        let code = self.provider.get_code_at(convert::to_address(escrow)).await.map_err(fault::ledger_error)?;
        if code.is_empty() { Err(LedgerError::NoContract(escrow)) } else { Ok(()) }
    }

    /// The latest block's number and time.
    pub async fn head(&self) -> Result<Head, LedgerError> {
        let block = self.block(BlockNumberOrTag::Latest).await?;
        Ok(Head { number: block.header.number, time: block.header.timestamp })
    }

    /// The time of block `number`, in Unix seconds.
    pub async fn block_time(&self, number: u64) -> Result<u64, LedgerError> {
        Ok(self.block(BlockNumberOrTag::Number(number)).await?.header.timestamp)
    }

    async fn block(&self, number: BlockNumberOrTag) -> Result<Block, LedgerError> {
        let block = self.provider.get_block_by_number(number).await.map_err(fault::ledger_error)?;
        block.ok_or_else(|| LedgerError::Unreachable(format!("it doesn't have block {number} yet")))
    }

    /// Asks a contract at the latest block.
    pub async fn call<C: SolCall>(&self, to: Address, call: &C) -> Result<C::Return, LedgerError> {
        self.call_at(to, call, BlockId::latest()).await
    }

    /// Asks a contract at `block`.
    pub async fn call_at<C: SolCall>(&self, to: Address, call: &C, block: BlockId) -> Result<C::Return, LedgerError> {
        self.ready().await?;
        let request = request(to, call.abi_encode().into());
        let answer = self.provider.call(request).block(block).await.map_err(fault::ledger_error)?;
        if answer.is_empty() {
            // What an address without code answers: the chain was started afresh, or the address is wrong.
            return Err(LedgerError::NoContract(to));
        }
        C::abi_decode_returns(&answer)
            .map_err(|_| LedgerError::BadAnswer(format!("{to} doesn't speak {}", C::SIGNATURE)))
    }

    /// Plays a call by `from` at `block` and returns why it fails; `None` if it doesn't.
    pub async fn replay(&self, from: Address, to: Address, input: Bytes, block: u64) -> Option<LedgerError> {
        let request = request(to, input).from(convert::to_address(from));
        self.provider.call(request).block(block.into()).await.err().map(fault::ledger_error)
    }

    /// The next nonce of `account` as of block `number`.
    pub async fn nonce_at(&self, account: Address, number: u64) -> Result<u64, LedgerError> {
        let count = self.provider.get_transaction_count(convert::to_address(account));
        count.block_id(number.into()).await.map_err(fault::ledger_error)
    }

    /// The next nonce of `account` as of the latest block.
    pub async fn nonce(&self, account: Address) -> Result<u64, LedgerError> {
        self.provider.get_transaction_count(convert::to_address(account)).await.map_err(fault::ledger_error)
    }

    /// What `account` has of the chain's own coin, in wei.
    pub async fn coin_balance(&self, account: Address) -> Result<u128, LedgerError> {
        let balance = self.provider.get_balance(convert::to_address(account)).await.map_err(fault::ledger_error)?;
        Ok(u128::try_from(balance).unwrap_or(u128::MAX))
    }

    /// The gas that a call by `from` needs now. Fails with the contract's reason if it would revert.
    pub async fn estimate_gas(&self, from: Address, to: Address, input: Bytes) -> Result<u64, LedgerError> {
        let request = request(to, input).from(convert::to_address(from));
        self.provider.estimate_gas(request).await.map_err(fault::ledger_error)
    }

    /// Fees that get a transaction into one of the next blocks.
    pub async fn fees(&self) -> Result<Eip1559Estimation, LedgerError> {
        self.provider.estimate_eip1559_fees().await.map_err(fault::ledger_error)
    }

    /// Hands a signed transaction to the node.
    pub async fn send(&self, raw: &[u8]) -> Result<B256, SendFault> {
        let raw = primitives::hex::encode_prefixed(raw);
        self.provider.client().request("eth_sendRawTransaction", (raw,)).await.map_err(SendFault::from)
    }

    /// The receipt of a transaction; `None` while it is in no block.
    pub async fn receipt(&self, tx: B256) -> Result<Option<TransactionReceipt>, LedgerError> {
        self.provider.get_transaction_receipt(tx).await.map_err(fault::ledger_error)
    }

    /// The number of the latest block.
    pub async fn height(&self) -> Result<u64, LedgerError> {
        let number: Result<U64, _> = self.provider.client().request_noparams("eth_blockNumber").await;
        number.map(|n| n.to()).map_err(fault::ledger_error)
    }

    /// All of the Escrow's logs that match `filter`, oldest first. Nodes bound what one answer may hold, so a range that
    /// is refused is asked for in halves.
    pub async fn logs(&self, filter: Filter) -> Result<Vec<Log>, LedgerError> {
        self.ready().await?;
        let last = self.height().await?;
        self.logs_in(filter, self.endpoint.settings.first_block, last).await
    }

    /// Those of the blocks `first` to `last`.
    pub async fn logs_in(&self, filter: Filter, first: u64, last: u64) -> Result<Vec<Log>, LedgerError> {
        self.ready().await?;
        let filter = filter.address(convert::to_address(self.endpoint.escrow));
        let mut ranges = vec![(first, last)];
        let mut logs = Vec::new();
        while let Some((from, to)) = ranges.pop() {
            match self.provider.get_logs(&filter.clone().from_block(from).to_block(to)).await {
                Ok(found) => logs.extend(found),
                Err(error) if from < to && fault::is_answer(&error) => {
                    let middle = from + (to - from) / 2;
                    ranges.extend([(middle + 1, to), (from, middle)]);
                }
                Err(error) => return Err(fault::ledger_error(error)),
            }
        }
        Ok(logs)
    }
}

fn request(to: Address, input: Bytes) -> TransactionRequest {
    TransactionRequest { to: Some(TxKind::Call(convert::to_address(to))), ..Default::default() }.input(input.into())
}
