//! An anvil process that can be stopped and started again with its state.

use std::{
    net::TcpListener,
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use serde_json::{Value, json};

pub const CHAIN_ID: u64 = 31_337;

/// When blocks come.
#[derive(Clone, Copy)]
pub enum Mining {
    /// Every so many seconds.
    Every(u32),
    /// On request only.
    Manual,
}

pub struct Anvil {
    child: Option<Child>,
    port: u16,
    mining: Mining,
    state: PathBuf,
    client: reqwest::Client,
}

/// `EAI_ANVIL`, or where npm puts it. A machine without anvil fails these tests rather than skipping them.
fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("EAI_ANVIL") {
        return path.into();
    }
    let modules = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../contracts/node_modules/@foundry-rs");
    let cache = std::env::var_os("EAI_CACHE")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cache/eai")))
        .unwrap_or_default();
    let platform =
        format!("anvil-{}-{}", std::env::consts::OS, if cfg!(target_arch = "x86_64") { "amd64" } else { "arm64" });
    let candidates = [modules.join(platform).join("bin/anvil"), cache.join("anvil"), cache.join("bin/anvil")];
    candidates
        .into_iter()
        .find(|path| path.is_file())
        .expect("these tests need anvil: set EAI_ANVIL to it, or run `npm ci` in contracts/")
}

impl Anvil {
    pub async fn start(mining: Mining) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("eai-chain-{}-{}.json", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
        let mut anvil = Self { child: None, port, mining, state: std::env::temp_dir().join(name), client };
        anvil.resume().await;
        anvil
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Stops the node as an operator would; it writes its state.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts the node from the state that it wrote.
    pub async fn resume(&mut self) {
        let mut command = Command::new(binary());
        command.args(["--port", &self.port.to_string(), "--chain-id", &CHAIN_ID.to_string(), "--quiet", "--state"]);
        command.arg(&self.state).stdout(Stdio::null());
        match self.mining {
            Mining::Every(seconds) => command.args(["--block-time", &seconds.to_string()]),
            Mining::Manual => command.arg("--no-mining"),
        };
        self.child = Some(command.spawn().unwrap());
        for _ in 0..100 {
            if self.try_rpc("eth_chainId", json!([])).await.is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("anvil doesn't answer");
    }

    async fn try_rpc(&self, method: &str, params: Value) -> Option<Value> {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string();
        let request = self.client.post(self.url()).header("content-type", "application/json").body(body);
        serde_json::from_slice(&request.send().await.ok()?.bytes().await.ok()?).ok()
    }

    /// One JSON-RPC call that must succeed.
    pub async fn rpc(&self, method: &str, params: Value) -> Value {
        let answer = self.try_rpc(method, params).await.expect("anvil answers");
        assert!(answer.get("error").is_none(), "{method}: {answer}");
        answer["result"].clone()
    }

    pub async fn mine(&self) {
        self.rpc("evm_mine", json!([])).await;
    }

    /// Lets the chain's clock jump ahead.
    pub async fn pass(&self, seconds: u64) {
        self.rpc("evm_increaseTime", json!([seconds])).await;
        self.mine().await;
    }
}

impl Drop for Anvil {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = std::fs::remove_file(&self.state);
    }
}
