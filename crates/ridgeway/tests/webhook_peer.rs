//! The webhook before a real kube-apiserver: the manifests apply, the words arrive, mutations land, failures are as said.
//!
//! Needs the peers `etcd` and `kube-apiserver` (`cargo xtask peers etcd kube-apiserver`); skipped without them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall stop")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use ridgeway_testkit::kube::{As, Kube};

const WITHOUT_LIMITS: &str = "Policy Violation: Container 'app' must have resource limits defined. Please add CPU and \
                              memory limits to comply with cluster policies.";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Where a peer's program lies, in the version that its `go.mod` pins.
fn peer(name: &str) -> Result<PathBuf, String> {
    let cache = std::env::var_os("RIDGEWAY_PEERS").map_or_else(
        || Path::new(&std::env::var_os("HOME").unwrap_or_default()).join(".cache/ridgeway/peers"),
        PathBuf::from,
    );
    let text = fs::read_to_string(root().join("tests/peers").join(name).join("go.mod")).unwrap();
    let package = text.lines().find_map(|line| line.strip_prefix("tool ")).unwrap().trim();
    let required = text.lines().filter_map(|line| {
        let mut words = line.trim().trim_start_matches("require ").split_whitespace();
        let (module, version) = (words.next()?, words.next()?);
        (package.starts_with(module) && version.starts_with('v')).then_some((module.len(), version))
    });
    let program = cache.join(format!("{name}-{}", required.max().unwrap().1)).join(name);
    if program.exists() {
        Ok(program)
    } else {
        Err(format!(
            "skipped: peer {name} absent; `cargo xtask peers {name}` builds it"
        ))
    }
}

/// A process that does not outlive the test. Peers take a minute to end by themselves.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(command: &mut Command, log: &Path) -> Process {
    let log = fs::File::create(log).unwrap();
    Process(command.stdin(Stdio::null()).stderr(log).spawn().unwrap())
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn until<T>(what: &str, within: u64, mut attempt: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match attempt() {
            Ok(found) => return found,
            Err(why) if begun.elapsed() > Duration::from_secs(within) => panic!("{what} never came about: {why}"),
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}

/// A real control plane on loopback: etcd and kube-apiserver.
struct Cluster {
    kube: Kube,
    kubeconfig: PathBuf,
    audit: PathBuf,
    _apiserver: Process,
    _etcd: Process,
}

impl Cluster {
    fn start(folder: &Path, etcd: &Path, apiserver: &Path, keys: &Path) -> Cluster {
        let (clients, peers) = (free_port(), free_port());
        let (client_url, peer_url) = (
            format!("http://127.0.0.1:{clients}"),
            format!("http://127.0.0.1:{peers}"),
        );
        let etcd = start(
            Command::new(etcd)
                .arg("--data-dir")
                .arg(folder.join("etcd"))
                .args([
                    "--listen-client-urls",
                    &client_url,
                    "--advertise-client-urls",
                    &client_url,
                ])
                .args([
                    "--listen-peer-urls",
                    &peer_url,
                    "--initial-advertise-peer-urls",
                    &peer_url,
                ])
                .args(["--initial-cluster", &format!("default={peer_url}")])
                .args(["--log-level", "error", "--unsafe-no-fsync"])
                .stdout(Stdio::null()),
            &folder.join("etcd.log"),
        );
        let write = |name: &str, text: &str| {
            let path = folder.join(name);
            fs::write(&path, text).unwrap();
            path
        };
        let tokens = write("tokens.csv", "bench-token,bench,1,\"system:masters\"\n");
        let audit_policy = write(
            "audit.yaml",
            "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived]\nrules:\n- level: Metadata\n  resources: [{group: '', resources: [pods, configmaps]}]\n- level: None\n",
        );
        let audit = folder.join("audit.log");
        let port = free_port();
        let certs = folder.join("apiserver");
        let flag = |name: &str, path: &Path| format!("--{name}={}", path.display());
        let server = start(
            Command::new(apiserver)
                .arg(format!("--etcd-servers={client_url}"))
                .arg(flag("cert-dir", &certs))
                .args(["--bind-address=127.0.0.1", "--service-cluster-ip-range=10.0.0.0/24"])
                .arg(format!("--secure-port={port}"))
                .args([
                    "--authorization-mode=RBAC",
                    "--allow-privileged",
                    "--endpoint-reconciler-type=none",
                ])
                .arg("--service-account-issuer=https://kubernetes.default.svc")
                .arg(flag("service-account-key-file", &keys.join("tls.crt")))
                .arg(flag("service-account-signing-key-file", &keys.join("tls.key")))
                .arg(flag("token-auth-file", &tokens))
                // Without a controller manager there are no accounts for Pods.
                .arg("--disable-admission-plugins=ServiceAccount")
                .arg(flag("audit-policy-file", &audit_policy))
                .arg(flag("audit-log-path", &audit))
                .stdout(Stdio::null()),
            &folder.join("apiserver.log"),
        );
        let made = certs.join("apiserver.crt");
        // The file holds the server's certificate, then its authority's.
        let authority = until("the API server's certificate", 60, || {
            let text = fs::read_to_string(&made).map_err(|e| e.to_string())?;
            let (_, last) = text
                .rsplit_once("-----BEGIN CERTIFICATE-----")
                .ok_or("no certificate")?;
            last.contains("-----END CERTIFICATE-----")
                .then(|| format!("-----BEGIN CERTIFICATE-----{last}"))
                .ok_or("half a certificate".to_owned())
        });
        let data = {
            use base64::Engine;
            base64::engine::general_purpose::STANDARD.encode(authority)
        };
        let kubeconfig = write(
            "kubeconfig",
            &format!(
                "apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters:\n- name: c\n  cluster: {{server: 'https://127.0.0.1:{port}', certificate-authority-data: {data}}}\ncontexts:\n- name: c\n  context: {{cluster: c, user: u}}\nusers:\n- name: u\n  user: {{token: bench-token}}\n"
            ),
        );
        let kube = Kube::new(&kubeconfig).unwrap();
        let log = folder.join("apiserver.log");
        until("the API server", 120, || {
            kube.request(As::Admin, "GET", "/readyz", None).map_err(|e| {
                let log = fs::read_to_string(&log).unwrap_or_default();
                format!("{e:#}; its log ends with {}", log.lines().last().unwrap_or_default())
            })?;
            // The first namespace is made by a loop of its own.
            kube.request(As::Admin, "GET", "/api/v1/namespaces/default", None)
                .map_err(|e| format!("{e:#}"))
        });
        Cluster {
            kube,
            kubeconfig,
            audit,
            _apiserver: server,
            _etcd: etcd,
        }
    }

    fn apply(&self, manifest: &str) -> Result<(), String> {
        // kubectl takes a text that begins with a brace for JSON.
        let docs = ridgeway_doc::parse_yaml(manifest).unwrap();
        let texts: Vec<String> = docs.iter().map(|doc| doc.root().to_yaml()).collect();
        let manifest = &texts.join("---\n");
        self.kube.apply(As::Admin, manifest).map_err(|e| format!("{e:#}"))
    }

    /// Applies until it is refused; a webhook configuration takes a moment until it counts.
    fn refused(&self, what: &str, manifest: &str) -> String {
        until(what, 60, || match self.apply(manifest) {
            Err(why) if why.contains("denied the request") => Ok(why),
            Err(why) => Err(why),
            Ok(()) => {
                let object = ridgeway_doc::parse_yaml(manifest).unwrap().remove(0);
                let text = |path: &[&str]| object.root().str_at(path).unwrap_or_default().to_owned();
                let namespace = match &*text(&["metadata", "namespace"]) {
                    "" => "default".to_owned(),
                    namespace => namespace.to_owned(),
                };
                let resource = format!("{}s", text(&["kind"]).to_lowercase());
                let _ = self.kube.delete(&resource, &namespace, &text(&["metadata", "name"]));
                Err("it was let in".into())
            }
        })
    }
}

/// `ridgeway webhook serve`, and where it listens.
fn webhook(folder: &Path, name: &str, args: &[&str]) -> (Process, String) {
    let mut process = start(
        Command::new(env!("CARGO_BIN_EXE_ridgeway"))
            .args(["webhook", "serve", "--listen", "127.0.0.1:0", "--budget", "20000"])
            .args(args)
            .stdout(Stdio::piped()),
        &folder.join(format!("{name}.log")),
    );
    let stdout = process.0.stdout.take().unwrap();
    let mut address = String::new();
    for line in BufReader::new(stdout).lines().map_while(Result::ok) {
        if let Some(found) = line.trim().strip_prefix("webhook ") {
            address = found.trim().to_owned();
        }
        if line.trim().starts_with("ready") {
            break;
        }
    }
    assert!(
        address.starts_with("https://"),
        "{}",
        fs::read_to_string(folder.join(format!("{name}.log"))).unwrap_or_default()
    );
    (process, address)
}

const FURTHER: &str = "
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: add-origin}
spec:
  rules:
    - name: label
      match: {any: [{resources: {kinds: [ConfigMap]}}]}
      mutate: {patchStrategicMerge: {metadata: {labels: {+(origin): ridgeway}}}}
---
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: production-is-described}
spec:
  validationFailureAction: Enforce
  rules:
    - name: described
      match: {any: [{resources: {kinds: [ConfigMap], namespaceSelector: {matchLabels: {stage: production}}}}]}
      validate: {message: say what it is for, pattern: {metadata: {annotations: {for: '?*'}}}}
---
apiVersion: kyverno.io/v1
kind: ClusterPolicy
metadata: {name: secret-names}
spec:
  validationFailureAction: Enforce
  failurePolicy: Ignore
  rules:
    - name: prefixed
      match: {any: [{resources: {kinds: [Secret]}}]}
      validate: {message: names begin with app-, pattern: {metadata: {name: 'app-*'}}}
";

const GOOD_POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: good, namespace: default}
spec:
  containers:
    - name: app
      image: nginx
      securityContext: {runAsNonRoot: true, allowPrivilegeEscalation: false}
      resources: {limits: {cpu: 100m, memory: 64Mi}, requests: {cpu: 100m, memory: 64Mi}}
";

/// A policy that lets no object of a kind be made. Deleting stays open: what was let in before the policy counted is
/// removed by the test, and would otherwise stay and never be sent again.
fn names(kind: &str) -> String {
    format!(
        "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {{name: no-{}}}\nspec:\n  validationFailureAction: Enforce\n  rules:\n    - name: none\n      match: {{any: [{{resources: {{kinds: [{kind}], operations: [CREATE, UPDATE]}}}}]}}\n      validate: {{message: none of these, deny: {{}}}}\n",
        kind.to_lowercase()
    )
}

#[test]
fn a_real_api_server_asks() {
    let (etcd, apiserver) = match (peer("etcd"), peer("kube-apiserver")) {
        (Ok(etcd), Ok(apiserver)) => (etcd, apiserver),
        (etcd, apiserver) => {
            for absent in [etcd, apiserver].into_iter().filter_map(Result::err) {
                println!("{absent}");
            }
            return;
        }
    };
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let at = |name: &str| folder.join(name).display().to_string();
    fs::create_dir(folder.join("further")).unwrap();
    fs::write(folder.join("further/further.yaml"), FURTHER).unwrap();
    let demo = root()
        .join("examples/demo/platform/cluster/policies")
        .display()
        .to_string();
    let (further, certs) = (at("further"), at("certs"));
    let policies = ["--policies", &demo, "--policies", &further, "--cert-dir", &certs];
    // Makes the certificates too; the serving key is as good as any for service accounts.
    let manifests = |url: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_ridgeway"))
            .args(["webhook", "manifests", "--url", url])
            .args(policies)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    manifests("https://127.0.0.1:1");
    let cluster = Cluster::start(folder, &etcd, &apiserver, &folder.join("certs"));
    let config = cluster.kubeconfig.display().to_string();
    let args = [&policies[..], &["--kubeconfig", &config]].concat();
    let (hook, address) = webhook(folder, "webhook", &args);
    cluster.apply(&manifests(&address)).unwrap();

    // The words.
    let pod = fs::read_to_string(root().join("examples/try/pod-without-limits.yaml")).unwrap();
    let said = cluster.refused("the refusal of a Pod without limits", &pod);
    let webhook_says = "admission webhook \"fail.validate.webhook.ridgeway.dev\" denied the request: ";
    assert!(said.contains(&format!("{webhook_says}{WITHOUT_LIMITS}")), "{said}");
    for place in [
        "(policy require-resource-limits, rule require-limits, at spec.containers[0].resources",
        "(policy require-non-root, rule run-as-non-root, at spec.containers[0].securityContext",
    ] {
        assert!(said.contains(place), "{said}");
    }
    // What is right goes through.
    cluster.apply(GOOD_POD).unwrap();
    assert!(cluster.kube.get("pods", "default", "good").unwrap().is_some());
    // A mutation lands.
    let map = "{apiVersion: v1, kind: ConfigMap, metadata: {name: NAME, namespace: NAMESPACE}, data: {a: b}}";
    let map = |name: &str, namespace: &str| map.replace("NAMESPACE", namespace).replace("NAME", name);
    cluster.apply(&map("plain", "default")).unwrap();
    let stored = cluster.kube.get("configmaps", "default", "plain").unwrap().unwrap();
    assert_eq!(stored["metadata"]["labels"]["origin"], "ridgeway", "{stored}");
    // Labels of the namespace are read from the cluster; the mutating call refuses by itself.
    let namespace = "{apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {stage: production}}}";
    cluster.apply(namespace).unwrap();
    let said = cluster.apply(&map("plain", "shop")).unwrap_err();
    assert!(
        said.contains("fail.mutate.webhook.ridgeway.dev") && said.contains("policy production-is-described"),
        "{said}"
    );
    // The audit log says which rules judged.
    let audit = until("the audit log's entry", 30, || {
        let text = fs::read_to_string(&cluster.audit).map_err(|e| e.to_string())?;
        let found = text
            .lines()
            .find(|line| line.contains("fail.validate.webhook.ridgeway.dev/refused-by"));
        found.map(str::to_owned).ok_or_else(|| "no annotation".to_owned())
    });
    assert!(audit.contains("require-resource-limits/require-limits"), "{audit}");

    // A webhook that keeps its configurations by itself: a policy that comes later widens them.
    fs::create_dir(folder.join("kept")).unwrap();
    fs::write(
        folder.join("kept/a.yaml"),
        names("Endpoints").replace("none of these", "no endpoints by hand"),
    )
    .unwrap();
    let (kept, kept_certs) = (at("kept"), at("kept-certs"));
    let kept_args = [
        "--policies",
        &kept,
        "--cert-dir",
        &kept_certs,
        "--name",
        "kept",
        "--kubeconfig",
        &config,
        "--register",
    ];
    let (_kept, _) = webhook(folder, "kept", &kept_args);
    until("the registration", 60, || {
        let found = cluster.kube.get(
            "validatingwebhookconfigurations.admissionregistration.k8s.io",
            "",
            "kept",
        );
        let found = found.map_err(|e| format!("{e:#}"))?.ok_or("it is not there")?;
        found["webhooks"]
            .to_string()
            .contains("\"endpoints\"")
            .then_some(())
            .ok_or(found.to_string())
    });
    fs::write(folder.join("kept/b.yaml"), names("PodTemplate")).unwrap();
    let template = "{apiVersion: v1, kind: PodTemplate, metadata: {name: t, namespace: default}, template: {spec: {containers: [{name: a, image: b}]}}}";
    let said = cluster.refused("the refusal by a policy that came later", template);
    assert!(
        said.contains("none of these") && said.contains("(policy no-podtemplate, rule none)"),
        "{said}"
    );

    // Once it is gone, each policy fails as it says.
    let secret = "{apiVersion: v1, kind: Secret, metadata: {name: plain, namespace: default}}";
    let said = cluster.apply(secret).unwrap_err();
    assert!(said.contains("ignore.validate.webhook.ridgeway.dev"), "{said}");
    drop(hook);
    cluster.apply(secret).unwrap();
    let said = cluster.apply(&GOOD_POD.replace("good", "later")).unwrap_err();
    assert!(
        said.contains("failed calling webhook \"fail.validate.webhook.ridgeway.dev\""),
        "{said}"
    );
}
