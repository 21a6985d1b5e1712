//! The serving certificate is renewed in time, without a restart.

use std::sync::Arc;
use std::time::Duration;

use ridgeway_apiserver::pki::Pki;
use ridgeway_cluster::Clock;
use tokio::sync::watch;

/// How often the certificate is looked at; it is renewed weeks before its end.
pub(crate) const DAILY: Duration = Duration::from_secs(24 * 60 * 60);

/// Looks at the certificate from time to time, until told to stop.
pub(crate) async fn keep(pki: Pki, clock: Arc<dyn Clock>, every: Duration, mut stopping: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            _ = stopping.wait_for(|stop| *stop) => return,
            () = tokio::time::sleep(every) => {}
        }
        match pki.renew(clock.now()) {
            Ok(()) => tracing::debug!("the serving certificate is good for a while"),
            Err(error) => {
                tracing::error!(%error, "the serving certificate could not be renewed; it is tried again in a day")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// A clock that is set by hand.
    struct Set(Mutex<jiff::Timestamp>);

    impl Clock for Set {
        fn now(&self) -> jiff::Timestamp {
            *self.0.lock().unwrap()
        }
    }

    #[tokio::test]
    async fn the_certificate_is_renewed_while_the_platform_runs() {
        let folder = tempfile::tempdir().unwrap();
        let start: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let clock = Arc::new(Set(Mutex::new(start)));
        let pki = Pki::open(folder.path(), start).unwrap();
        let read = || std::fs::read_to_string(folder.path().join("serving.crt")).unwrap();
        let first = read();
        let (stop, stopping) = watch::channel(false);
        let task = tokio::spawn(keep(pki, clock.clone(), Duration::from_millis(5), stopping));
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(read(), first, "it is still good");
        *clock.0.lock().unwrap() = "2026-12-20T00:00:00Z".parse().unwrap();
        for _ in 0..200 {
            if read() != first {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        assert_ne!(read(), first);
        stop.send_replace(true);
        task.await.unwrap();
    }
}
