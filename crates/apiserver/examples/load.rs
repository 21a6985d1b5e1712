//! How fast is the API? `load [SECONDS [CONNECTIONS]]`: creates ConfigMaps over HTTP/1.1 on a SQLite store with its ledger,
//! then lists them and tells 50 watchers. Build it with `--release`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ridgeway_apiserver::{
    Authenticator, ControlPlane, Parts, SystemRandomness, TokenSigner, bind, bootstrap, controllers, router, serve,
};
use ridgeway_cluster::{Identity, SystemClock};
use ridgeway_krm::KindTable;
use ridgeway_ledger::Ledger;
use ridgeway_store::SqliteStore;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let argument = |n: usize, default: u64| std::env::args().nth(n).and_then(|a| a.parse().ok()).unwrap_or(default);
    let (seconds, connections) = (argument(1, 5), argument(2, 4));
    let directory = tempfile::tempdir()?;
    let plane = ControlPlane::open(Parts {
        store: Arc::new(SqliteStore::open(directory.path().join("store.db"))?),
        ledger: Some(Ledger::open(
            directory.path().join("ledger"),
            ridgeway_ledger::Options::default(),
        )?),
        kinds: KindTable::builtin(),
        clock: Arc::new(SystemClock),
        randomness: Arc::new(SystemRandomness),
    })
    .await?;
    bootstrap(&plane).await?;
    tokio::spawn(controllers::run(
        plane.clone(),
        controllers::Options::default(),
        std::future::pending(),
    ));
    let authenticator = Arc::new(Authenticator::new(plane.clone(), TokenSigner::generate()));
    authenticator.add_token("t", Identity::user("load", &["system:masters"], ""));
    let listener = bind("127.0.0.1:0".parse()?).await?;
    let address = listener.local_addr()?;
    tokio::spawn(serve(
        listener,
        router(plane.clone(), authenticator),
        None,
        std::future::pending(),
    ));

    let serial = Arc::new(AtomicU64::new(0));
    let until = Instant::now() + Duration::from_secs(seconds);
    let workers: Vec<_> = (0..connections)
        .map(|_| {
            let serial = serial.clone();
            tokio::spawn(async move {
                let mut client = Client::connect(address).await?;
                let mut took = Vec::new();
                while Instant::now() < until {
                    let n = serial.fetch_add(1, Ordering::Relaxed);
                    let body = format!(
                        r#"{{"apiVersion":"v1","kind":"ConfigMap","metadata":{{"name":"c{n}"}},"data":{{"key":"value {n}"}}}}"#
                    );
                    let started = Instant::now();
                    client.call("POST", MAPS, &body).await?;
                    took.push(started.elapsed());
                }
                Ok::<_, Failure>(took)
            })
        })
        .collect();
    let mut all = Vec::new();
    for worker in workers {
        all.extend(worker.await??);
    }
    all.sort_unstable();
    let at = |share: f64| all[((all.len() - 1) as f64 * share) as usize];
    println!(
        "create: {:.0}/s, p50 {:?}, p99 {:?}",
        all.len() as f64 / seconds as f64,
        at(0.5),
        at(0.99)
    );

    let mut client = Client::connect(address).await?;
    let started = Instant::now();
    let bytes = client.call("GET", &format!("{MAPS}?limit=1000"), "").await?;
    println!("list 1000: {:?}, {} KB", started.elapsed(), bytes / 1024);

    let cluster = plane.admin();
    let gvk = ridgeway_krm::Gvk::new("", "v1", "ConfigMap");
    let revision = plane.revision().to_string();
    let mut watches = Vec::new();
    for _ in 0..50 {
        watches.push(cluster.watch(&gvk, None, &Default::default(), &revision).await?);
    }
    let started = Instant::now();
    client.call("POST", MAPS, r#"{"metadata":{"name":"seen"}}"#).await?;
    for watch in &mut watches {
        watch.recv().await;
    }
    println!("50 watchers told: {:?}", started.elapsed());
    Ok(())
}

/// A keep-alive connection that knows just enough HTTP.
struct Client {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Client {
    async fn connect(address: std::net::SocketAddr) -> Result<Client, Failure> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Client {
            stream,
            buffer: Vec::new(),
        })
    }

    /// Sends a request and reads its answer; says how long the body was.
    async fn call(&mut self, method: &str, path: &str, body: &str) -> Result<usize, Failure> {
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer t\r\ncontent-type: application/json\r\n\
             user-agent: load/1\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        );
        self.stream.write_all(head.as_bytes()).await?;
        self.buffer.clear();
        loop {
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return Err("the server hung up".into());
            }
            let Some(end) = self.buffer.windows(4).position(|w| w == b"\r\n\r\n") else {
                continue;
            };
            let head = std::str::from_utf8(&self.buffer[..end])?;
            if !head.starts_with("HTTP/1.1 2") {
                return Err(head.to_owned().into());
            }
            let length: usize = head
                .lines()
                .find_map(|line| {
                    line.to_ascii_lowercase()
                        .strip_prefix("content-length: ")
                        .map(str::to_owned)
                })
                .ok_or("an answer without length")?
                .parse()?;
            while self.buffer.len() < end + 4 + length {
                if self.stream.read_buf(&mut self.buffer).await? == 0 {
                    return Err("the server hung up".into());
                }
            }
            return Ok(length);
        }
    }
}
