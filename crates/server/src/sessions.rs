//! Sessions of people who signed in, and the limit on attempts.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use ridgeway_cluster::{Clock, Identity};

/// How long a session lasts without use.
const IDLE: Duration = Duration::from_secs(12 * 3600);
/// How long it lasts at most, however much it is used.
const LIFE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Attempts within [`WINDOW`] before an address has to wait.
const ATTEMPTS: usize = 5;
/// The window of the limit.
const WINDOW: Duration = Duration::from_secs(60);

/// Somebody who signed in.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) identity: Identity,
    pub(crate) csrf: String,
    expires: Timestamp,
    ends: Timestamp,
}

/// Running sessions, by the digest of their token.
pub(crate) struct Sessions {
    clock: Arc<dyn Clock>,
    running: Mutex<HashMap<[u8; 32], Session>>,
    attempts: Mutex<HashMap<IpAddr, Vec<Timestamp>>>,
}

/// Whose attempts are counted together: one IPv4 address, or one IPv6 network of a customer.
fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::from((v6.to_bits() >> 64 << 64).to_be_bytes()),
        v4 => v4,
    }
}

fn random() -> String {
    let mut bytes = [0u8; 32];
    getrandom::fill(&mut bytes).expect("the operating system's random generator works, or nothing here is safe");
    URL_SAFE_NO_PAD.encode(bytes)
}

fn digest(token: &str) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, token.as_bytes());
    let mut out = [0u8; 32];
    out.copy_from_slice(digest.as_ref());
    out
}

impl Sessions {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Sessions {
        Sessions {
            clock,
            running: Mutex::default(),
            attempts: Mutex::default(),
        }
    }

    /// Starts a session; gives its token, which only the cookie holds.
    pub(crate) fn start(&self, identity: Identity) -> (String, Session) {
        let token = random();
        let session = Session {
            identity,
            csrf: random(),
            expires: self.after(IDLE),
            ends: self.after(LIFE),
        };
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        running.retain(|_, session| session.expires > now);
        running.insert(digest(&token), session.clone());
        (token, session)
    }

    /// The session of a token; using it prolongs it.
    pub(crate) fn find(&self, token: &str) -> Option<Session> {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let session = running.get_mut(&digest(token))?;
        if session.expires <= self.clock.now() {
            running.remove(&digest(token));
            return None;
        }
        session.expires = self.after(IDLE).min(session.ends);
        Some(session.clone())
    }

    /// Ends a session.
    pub(crate) fn end(&self, token: &str) {
        self.running
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&digest(token));
    }

    /// Counts an attempt to sign in; the seconds to wait when there were too many.
    pub(crate) fn attempt(&self, address: IpAddr) -> Result<(), u64> {
        let address = counted(address);
        let now = self.clock.now();
        let mut attempts = self.attempts.lock().unwrap_or_else(PoisonError::into_inner);
        let since = now.checked_sub(WINDOW).unwrap_or(now);
        attempts.retain(|_, times| times.last().is_some_and(|last| *last > since));
        let times = attempts.entry(address).or_default();
        times.retain(|time| *time > since);
        if times.len() >= ATTEMPTS {
            let wait = times[0].duration_since(since).as_secs().max(1);
            return Err(wait.unsigned_abs());
        }
        times.push(now);
        Ok(())
    }

    /// Forgets the attempts of an address after it signed in.
    pub(crate) fn forgive(&self, address: IpAddr) {
        self.attempts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&counted(address));
    }

    fn after(&self, time: Duration) -> Timestamp {
        let now = self.clock.now();
        now.checked_add(time).unwrap_or(now)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    struct At(Mutex<Timestamp>);

    impl Clock for At {
        fn now(&self) -> Timestamp {
            *self.0.lock().unwrap()
        }
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(1_700_000_000 + seconds).unwrap()
    }

    #[test]
    fn sessions_end_when_idle_or_signed_out() {
        let clock = Arc::new(At(Mutex::new(at(0))));
        let sessions = Sessions::new(clock.clone());
        let (token, session) = sessions.start(Identity::user("admin", &[], "test"));
        assert_eq!(sessions.find(&token).unwrap().csrf, session.csrf);
        *clock.0.lock().unwrap() = at(11 * 3600);
        assert!(sessions.find(&token).is_some());
        *clock.0.lock().unwrap() = at(22 * 3600);
        assert!(sessions.find(&token).is_some(), "its use prolonged it");
        *clock.0.lock().unwrap() = at(35 * 3600);
        assert!(sessions.find(&token).is_none());
        let (token, _) = sessions.start(Identity::user("admin", &[], "test"));
        for hour in 35..35 + 7 * 24 {
            *clock.0.lock().unwrap() = at(hour * 3600);
            assert!(sessions.find(&token).is_some(), "after {hour} h");
        }
        *clock.0.lock().unwrap() = at((35 + 7 * 24) * 3600);
        assert!(sessions.find(&token).is_none(), "no use prolongs it for ever");
        let (token, _) = sessions.start(Identity::user("admin", &[], "test"));
        sessions.end(&token);
        assert!(sessions.find(&token).is_none());
    }

    #[test]
    fn the_sixth_attempt_waits() {
        let clock = Arc::new(At(Mutex::new(at(0))));
        let sessions = Sessions::new(clock.clone());
        let address = IpAddr::from(Ipv4Addr::LOCALHOST);
        for _ in 0..ATTEMPTS {
            sessions.attempt(address).unwrap();
        }
        assert!(sessions.attempt(address).is_err());
        assert!(
            sessions.attempt(IpAddr::from(Ipv4Addr::new(127, 0, 0, 2))).is_ok(),
            "others do not wait"
        );
        for (one, other, together) in [
            ("2001:db8::1", "2001:db8::ffff:1", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
            ("::ffff:192.0.2.1", "192.0.2.1", true),
        ] {
            let [one, other] = [one, other].map(|text| counted(text.parse().unwrap()));
            assert_eq!(one == other, together, "{one} {other}");
        }
        *clock.0.lock().unwrap() = at(61);
        assert!(sessions.attempt(address).is_ok());
    }
}
