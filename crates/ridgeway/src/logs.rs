//! `kubectl logs`: the control plane asks the nodes.

use std::sync::Arc;

use ridgeway_apiserver::{LogQuery, LogSource};
use ridgeway_cluster::{Reason, Status};
use ridgeway_nodes::Nodes;
use tokio::sync::mpsc;

/// The nodes as a log source.
pub(crate) struct NodeLogs(pub(crate) Arc<Nodes>);

impl LogSource for NodeLogs {
    fn logs(&self, query: &LogQuery) -> Result<mpsc::Receiver<String>, Status> {
        let lines = self
            .0
            .logs(&query.namespace, &query.pod, &query.container, query.previous)
            .ok_or_else(|| missing(query))?;
        let skip = query.tail.map_or(0, |tail| lines.len().saturating_sub(tail));
        let (sender, receiver) = mpsc::channel(lines.len().max(1));
        for line in lines.into_iter().skip(skip) {
            let text = if query.timestamps {
                format!("{} {}\n", line.time, line.text)
            } else {
                format!("{}\n", line.text)
            };
            // The channel holds all of them.
            let _ = sender.try_send(text);
        }
        if query.follow {
            // A simulated container writes nothing more; the stream stays open until the client leaves.
            tokio::spawn(async move { sender.closed().await });
        }
        Ok(receiver)
    }
}

/// Says why there is no log, in the words that kubectl users know.
fn missing(query: &LogQuery) -> Status {
    if query.previous {
        return Status::new(
            Reason::BadRequest,
            format!(
                "previous terminated container {:?} in pod {:?} not found",
                query.container, query.pod
            ),
        );
    }
    Status::not_found("", "pods/log", &query.pod)
}
