//! The plane as kubectl sees it: the real binary against a real listener with TLS. Skipped where there is no kubectl.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use ridgeway_apiserver::{Authenticator, bind, pki, router, serve};
use ridgeway_cluster::{Clock, SystemClock};
use support::Plane;
use tokio::task::JoinHandle;

/// A served plane and a kubectl that talks to it as an administrator.
struct Kubectl {
    _plane: Plane,
    server: JoinHandle<()>,
    directory: tempfile::TempDir,
}

impl Drop for Kubectl {
    fn drop(&mut self) {
        self.server.abort();
    }
}

/// What kubectl said.
struct Said {
    ok: bool,
    out: String,
    err: String,
}

impl Kubectl {
    /// `None`, with a note on standard error, where kubectl is not installed.
    async fn start() -> Option<Kubectl> {
        if Command::new("kubectl").args(["version", "--client"]).output().is_err() {
            let _ = writeln!(
                std::io::stderr(),
                "skipped: kubectl is not on PATH; install it to run these tests"
            );
            return None;
        }
        let clock = Arc::new(SystemClock);
        let plane = Plane::at(clock.clone()).await;
        plane.run_controllers();
        let directory = tempfile::tempdir().unwrap();
        let pki = pki::Pki::open(&directory.path().join("pki"), clock.now()).unwrap();
        let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let certificate = pki
            .client_certificate("admin", &["system:masters"], clock.now())
            .unwrap();
        let config = pki.kubeconfig(&url, "admin", &pki::Credential::Certificate(certificate));
        pki::write_private(&directory.path().join("kubeconfig"), &config).unwrap();
        let authenticator = Arc::new(Authenticator::new(plane.clone(), pki.token_signer()));
        authenticator.add_token("carol-token", ridgeway_cluster::Identity::user("carol", &[], ""));
        let app = router(plane.clone(), authenticator);
        let tls = pki.server_config().unwrap();
        let server = tokio::spawn(async move {
            serve(listener, app, Some(tls), std::future::pending()).await.unwrap();
        });
        Some(Kubectl {
            _plane: plane,
            server,
            directory,
        })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("kubectl");
        command
            .args(args)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.directory.path())
            .env("KUBECONFIG", self.path("kubeconfig"));
        command
    }

    async fn run(&self, args: &[&str], input: &str) -> Said {
        let mut command = self.command(args);
        let input = input.to_owned();
        let output = tokio::task::spawn_blocking(move || {
            let mut child = command
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
            child.wait_with_output().unwrap()
        });
        let output = tokio::time::timeout(std::time::Duration::from_secs(60), output)
            .await
            .expect("kubectl ends")
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Said {
            ok: output.status.success(),
            out: text(output.stdout),
            err: text(output.stderr),
        }
    }

    /// Standard output of a command that must work.
    async fn ok(&self, args: &str) -> String {
        self.feed(args, "").await
    }

    /// The same with something on standard input.
    async fn feed(&self, args: &str, input: &str) -> String {
        let said = self.run(&args.split(' ').collect::<Vec<_>>(), input).await;
        assert!(said.ok, "kubectl {args}\n{}{}", said.out, said.err);
        said.out
    }

    /// Standard error of a command that must fail.
    async fn fails(&self, args: &str) -> String {
        let said = self.run(&args.split(' ').collect::<Vec<_>>(), "").await;
        assert!(!said.ok, "kubectl {args} should fail\n{}", said.out);
        said.err
    }
}

const OBJECTS: &str = "
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: red}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: nginx}]}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn create_get_change_delete() {
    let Some(kubectl) = Kubectl::start().await else { return };
    assert!(kubectl.ok("version").await.contains("Server Version: v1."));
    assert_eq!(kubectl.ok("create namespace shop").await, "namespace/shop created\n");
    assert_eq!(
        kubectl.ok("create configmap a --from-literal=k=v -n shop").await,
        "configmap/a created\n"
    );
    assert_eq!(
        kubectl.ok("create secret generic s --from-literal=p=x -n shop").await,
        "secret/s created\n"
    );
    assert_eq!(
        kubectl.ok("create deployment web --image=nginx -n shop").await,
        "deployment.apps/web created\n"
    );
    assert_eq!(
        kubectl.ok("create service clusterip web --tcp=80:8080 -n shop").await,
        "service/web created\n"
    );
    assert_eq!(
        kubectl.ok("create job j --image=busybox -n shop -- echo hi").await,
        "job.batch/j created\n"
    );
    assert_eq!(
        kubectl
            .ok("create cronjob c --image=busybox --schedule=@daily -n shop -- echo")
            .await,
        "cronjob.batch/c created\n"
    );
    assert_eq!(
        kubectl
            .ok("create ingress i --rule=shop.example.com/=web:80 -n shop")
            .await,
        "ingress.networking.k8s.io/i created\n"
    );
    assert_eq!(
        kubectl.ok("create quota q --hard=pods=5 -n shop").await,
        "resourcequota/q created\n"
    );
    assert_eq!(
        kubectl
            .ok("create poddisruptionbudget b --selector=app=web --min-available=1 -n shop")
            .await,
        "poddisruptionbudget.policy/b created\n"
    );
    assert_eq!(kubectl.ok("run p --image=nginx -n shop").await, "pod/p created\n");
    assert_eq!(kubectl.ok("get secret s -n shop -o jsonpath={.data.p}").await, "eA==");
    let table = kubectl.ok("get deployments,services -n shop").await;
    assert!(
        table.contains("NAME") && table.contains("deployment.apps/web") && table.contains("0/1"),
        "{table}"
    );
    assert!(
        kubectl
            .ok("describe deployment web -n shop")
            .await
            .contains("StrategyType:")
    );
    assert!(kubectl.ok("describe namespace shop").await.contains("Resource Quotas"));
    assert_eq!(
        kubectl.ok("scale deployment web --replicas=3 -n shop").await,
        "deployment.apps/web scaled\n"
    );
    assert_eq!(
        kubectl.ok("label deployment web tier=front -n shop").await,
        "deployment.apps/web labeled\n"
    );
    assert_eq!(
        kubectl.ok("annotate deployment web note=x -n shop").await,
        "deployment.apps/web annotated\n"
    );
    assert_eq!(
        kubectl.ok("set image deployment/web nginx=nginx:2 -n shop").await,
        "deployment.apps/web image updated\n"
    );
    assert_eq!(
        kubectl
            .ok("patch deployment web -n shop -p {\"spec\":{\"paused\":true}}")
            .await,
        "deployment.apps/web patched\n"
    );
    assert_eq!(
        kubectl
            .ok("get deployment -n shop -l tier=front -o jsonpath={.items[*].spec.replicas}")
            .await,
        "3"
    );
    let image = kubectl
        .ok("get deployment web -n shop -o jsonpath={.spec.template.spec.containers[*].image}")
        .await;
    assert_eq!(image, "nginx:2");
    let scale = kubectl.fails("logs p -n shop").await;
    assert!(
        scale.contains("not implemented by the embedded control plane"),
        "{scale}"
    );
    assert!(kubectl.fails("exec p -n shop -- ls").await.contains("not implemented"));
    assert!(
        kubectl
            .fails("get configmap none -n shop")
            .await
            .contains("configmaps \"none\" not found")
    );
    assert!(
        kubectl
            .fails("create namespace shop")
            .await
            .contains("namespaces \"shop\" already exists")
    );
    assert_eq!(
        kubectl.ok("delete namespace shop").await,
        "namespace \"shop\" deleted\n"
    );
    assert!(kubectl.fails("get namespace shop").await.contains("not found"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn apply_diff_edit_wait() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let file = kubectl.path("objects.yaml");
    let at = |command: &str| format!("{command} -f {}", file.display());
    std::fs::write(&file, OBJECTS).unwrap();
    assert_eq!(
        kubectl.ok(&at("apply")).await,
        "configmap/settings created\ndeployment.apps/web created\n"
    );
    assert_eq!(
        kubectl.ok(&at("apply")).await,
        "configmap/settings unchanged\ndeployment.apps/web unchanged\n"
    );
    std::fs::write(&file, OBJECTS.replace("red", "blue")).unwrap();
    let said = kubectl.run(&at("diff").split(' ').collect::<Vec<_>>(), "").await;
    assert!(
        !said.ok && said.out.contains("-  colour: red\n+  colour: blue"),
        "{}{}",
        said.out,
        said.err
    );
    assert_eq!(
        kubectl.ok(&at("apply")).await,
        "configmap/settings configured\ndeployment.apps/web unchanged\n"
    );
    assert_eq!(
        kubectl.ok(&at("apply --server-side --force-conflicts")).await,
        "configmap/settings serverside-applied\ndeployment.apps/web serverside-applied\n"
    );
    std::fs::write(&file, OBJECTS.replace("red", "green")).unwrap();
    let conflict = kubectl.fails(&at("apply --server-side --field-manager=other")).await;
    assert!(
        conflict.contains("Apply failed with 1 conflict: conflict with \"kubectl\""),
        "{conflict}"
    );
    assert!(conflict.contains(".data.colour"), "{conflict}");
    let unknown = kubectl
        .run(
            &["apply", "-f", "-"],
            "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndate: {}",
        )
        .await;
    assert!(
        !unknown.ok && unknown.err.contains("unknown field \"date\""),
        "{}",
        unknown.err
    );
    let editor = kubectl.path("editor.sh");
    std::fs::write(&editor, "#!/bin/sh\nsed -i 's/colour: blue/colour: violet/' \"$1\"\n").unwrap();
    let mut edit = kubectl.command(&["edit", "configmap", "settings"]);
    edit.env("EDITOR", format!("sh {}", editor.display()));
    let edited = tokio::task::spawn_blocking(move || edit.output().unwrap())
        .await
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&edited.stdout), "configmap/settings edited\n");
    assert_eq!(
        kubectl.ok("get configmap settings -o jsonpath={.data.colour}").await,
        "violet"
    );
    let waited = kubectl
        .ok("wait --for=jsonpath={.data.colour}=violet configmap/settings --timeout=10s")
        .await;
    assert_eq!(waited, "configmap/settings condition met\n");
    let mut deletion = kubectl.command(&["wait", "--for=delete", "configmap/settings", "--timeout=20s"]);
    let waiting = tokio::task::spawn_blocking(move || deletion.output().unwrap());
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    kubectl.ok("delete configmap settings").await;
    assert!(waiting.await.unwrap().status.success());
    // Nobody runs Deployments here; their status says that they are done.
    let status = "--subresource=status --type=merge -p {\"status\":{\"observedGeneration\":1,\"replicas\":2,\"updatedReplicas\":2,\"readyReplicas\":2,\"availableReplicas\":2}}";
    kubectl.ok(&format!("patch deployment web {status}")).await;
    let rollout = kubectl.ok("rollout status deployment web --timeout=10s").await;
    assert_eq!(rollout, "deployment \"web\" successfully rolled out\n");
    assert_eq!(
        kubectl
            .feed(
                "replace -f -",
                OBJECTS
                    .replace("replicas: 2", "replicas: 4")
                    .split("---")
                    .nth(1)
                    .unwrap()
            )
            .await,
        "deployment.apps/web replaced\n"
    );
    assert!(
        kubectl
            .fails("rollout status deployment web --timeout=1s")
            .await
            .contains("timed out")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access() {
    let Some(kubectl) = Kubectl::start().await else { return };
    assert!(kubectl.ok("auth whoami").await.contains("admin"));
    assert_eq!(kubectl.ok("auth can-i create pods").await, "yes\n");
    kubectl.ok("create serviceaccount robot").await;
    kubectl
        .ok("create role reader --verb=get,list --resource=configmaps")
        .await;
    kubectl
        .ok("create rolebinding reader --role=reader --serviceaccount=default:robot")
        .await;
    kubectl.ok("create clusterrole nodes --verb=get --resource=nodes").await;
    kubectl
        .ok("create clusterrolebinding nodes --clusterrole=nodes --user=carol")
        .await;
    assert_eq!(
        kubectl
            .ok("auth can-i get configmaps --as=system:serviceaccount:default:robot")
            .await,
        "yes\n"
    );
    let no = kubectl
        .run(
            &[
                "auth",
                "can-i",
                "delete",
                "configmaps",
                "--as=system:serviceaccount:default:robot",
            ],
            "",
        )
        .await;
    assert_eq!(no.out, "no\n");
    assert!(kubectl.ok("auth can-i --list --as=carol").await.contains("nodes"));
    let token = kubectl.ok("create token robot").await;
    let token = format!("--token={}", token.trim());
    let ca = kubectl.path("pki/ca.crt");
    let server = kubectl
        .ok("config view --minify -o jsonpath={.clusters[0].cluster.server}")
        .await;
    let as_robot = |command: &str| {
        format!(
            "{command} --kubeconfig=/dev/null --server={server} --certificate-authority={} {token}",
            ca.display()
        )
    };
    assert!(
        kubectl
            .ok(&as_robot("get configmaps"))
            .await
            .contains("kube-root-ca.crt")
    );
    let refused = kubectl.fails(&as_robot("get secrets")).await;
    assert!(
        refused.contains("User \"system:serviceaccount:default:robot\" cannot list resource \"secrets\""),
        "{refused}"
    );
    let stranger = kubectl
        .fails(&as_robot("get configmaps").replace(&token, "--token=nobody"))
        .await;
    assert!(
        stranger.contains("Unauthorized") || stranger.contains("must be logged in"),
        "{stranger}"
    );
    assert!(
        kubectl
            .ok(&as_robot("auth whoami").replace(&token, "--token=carol-token"))
            .await
            .contains("carol")
    );
}

const WIDGETS: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: widgets.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: widgets, kind: Widget, shortNames: [wd]}
  versions:
  - name: v1
    served: true
    storage: true
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size}
    schema:
      openAPIV3Schema:
        type: object
        description: A widget of the shop.
        properties:
          spec:
            type: object
            properties:
              size: {type: integer, description: How large it is.}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kinds_known_and_new() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let resources = kubectl.ok("api-resources").await;
    for kind in [
        "Pod",
        "Deployment",
        "NetworkPolicy",
        "ClusterRole",
        "CustomResourceDefinition",
    ] {
        assert!(
            resources.lines().any(|line| line.ends_with(kind)),
            "{kind} in\n{resources}"
        );
    }
    assert!(kubectl.ok("api-versions").await.lines().any(|line| line == "apps/v1"));
    assert!(
        kubectl
            .ok("explain deployment.spec.replicas")
            .await
            .contains("replicas <integer>")
    );
    let unknown = kubectl
        .run(
            &["apply", "-f", "-"],
            "apiVersion: kyverno.io/v1\nkind: ClusterPolicy\nmetadata: {name: x}",
        )
        .await;
    assert!(
        unknown
            .err
            .contains("no matches for kind \"ClusterPolicy\" in version \"kyverno.io/v1\""),
        "{}",
        unknown.err
    );
    assert_eq!(
        kubectl.feed("apply -f -", WIDGETS).await,
        "customresourcedefinition.apiextensions.k8s.io/widgets.example.com created\n"
    );
    kubectl
        .ok("wait --for=condition=Established crd/widgets.example.com --timeout=10s")
        .await;
    let widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: w}\nspec: {size: 3}";
    assert_eq!(
        kubectl.feed("apply -f -", widget).await,
        "widget.example.com/w created\n"
    );
    let table = kubectl.ok("get wd").await;
    assert!(
        table.starts_with("NAME   SIZE") && table.contains("w      3"),
        "{table}"
    );
    assert!(kubectl.ok("explain widget.spec").await.contains("How large it is."));
    let wrong = kubectl.run(&["apply", "-f", "-"], &widget.replace('3', "big")).await;
    assert!(!wrong.ok && wrong.err.contains("spec.size"), "{}", wrong.err);
    assert_eq!(
        kubectl.ok("delete crd widgets.example.com").await,
        "customresourcedefinition.apiextensions.k8s.io \"widgets.example.com\" deleted\n"
    );
    let gone = kubectl.fails("get widgets").await;
    assert!(
        gone.contains("have a resource type") || gone.contains("could not find the requested resource"),
        "{gone}"
    );
}
