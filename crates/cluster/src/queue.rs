//! A de-duplicating work queue, as controllers use it.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Keys waiting for a worker. A key added twice is worked once; a key added while it is worked is worked again after.
pub struct Queue<K>(Arc<Shared<K>>);

struct Shared<K> {
    state: Mutex<State<K>>,
    notify: Notify,
}

struct State<K> {
    ready: VecDeque<K>,
    waiting: HashSet<K>,
    running: HashSet<K>,
    again: HashSet<K>,
    later: BTreeMap<(Instant, u64), K>,
    serial: u64,
}

impl<K: Clone + Eq + Hash> State<K> {
    /// Takes the first key of the line.
    fn start(&mut self) -> Option<K> {
        let key = self.ready.pop_front()?;
        self.waiting.remove(&key);
        self.running.insert(key.clone());
        Some(key)
    }

    /// Puts a key in line, unless it is there already or being worked. Says whether the line has become longer.
    fn ask(&mut self, key: K) -> bool {
        if self.running.contains(&key) {
            self.again.insert(key);
            return false;
        }
        let new = self.waiting.insert(key.clone());
        if new {
            self.ready.push_back(key);
        }
        new
    }
}

impl<K> Clone for Queue<K> {
    fn clone(&self) -> Self {
        Queue(self.0.clone())
    }
}

impl<K: Clone + Eq + Hash> Default for Queue<K> {
    fn default() -> Self {
        Queue::new()
    }
}

impl<K: Clone + Eq + Hash> Queue<K> {
    /// An empty queue.
    pub fn new() -> Self {
        let state = State {
            ready: VecDeque::new(),
            waiting: HashSet::new(),
            running: HashSet::new(),
            again: HashSet::new(),
            later: BTreeMap::new(),
            serial: 0,
        };
        Queue(Arc::new(Shared {
            state: Mutex::new(state),
            notify: Notify::new(),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State<K>> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a key to be worked now.
    pub fn add(&self, key: K) {
        let added = self.lock().ask(key);
        if added {
            self.0.notify.notify_one();
        }
    }

    /// How many keys are ready to be worked.
    pub fn len(&self) -> usize {
        self.lock().ready.len()
    }

    /// Whether no key is ready to be worked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Asks for a key to be worked after a delay.
    pub fn add_after(&self, key: K, delay: Duration) {
        let mut state = self.lock();
        state.serial += 1;
        let at = (Instant::now() + delay, state.serial);
        state.later.insert(at, key);
        drop(state);
        self.0.notify.notify_one();
    }

    /// A key that can be worked at once. Call [`Queue::done`] with it afterwards.
    pub fn ready(&self) -> Option<K> {
        self.lock().start()
    }

    /// The next key to work; waits for one. Call [`Queue::done`] with it afterwards.
    pub async fn next(&self) -> K {
        loop {
            let wake = {
                let mut state = self.lock();
                let now = Instant::now();
                while let Some(entry) = state.later.first_entry()
                    && entry.key().0 <= now
                {
                    let key = entry.remove();
                    state.ask(key);
                }
                if let Some(key) = state.start() {
                    if !state.ready.is_empty() {
                        self.0.notify.notify_one();
                    }
                    return key;
                }
                state.later.first_key_value().map(|((at, _), _)| *at)
            };
            let notified = self.0.notify.notified();
            match wake {
                Some(at) => {
                    tokio::select! {
                        () = notified => {}
                        () = tokio::time::sleep_until(at) => {}
                    }
                }
                None => notified.await,
            }
        }
    }

    /// Says that a key has been worked.
    pub fn done(&self, key: &K) {
        let mut state = self.lock();
        state.running.remove(key);
        if state.again.remove(key) && state.waiting.insert(key.clone()) {
            state.ready.push_back(key.clone());
            drop(state);
            self.0.notify.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_key_is_worked_once_however_often_it_is_added() {
        let queue = Queue::new();
        queue.add("a");
        queue.add("a");
        queue.add("b");
        assert_eq!(queue.len(), 2);
        assert_eq!(queue.next().await, "a");
        queue.add("a");
        assert_eq!(queue.ready(), Some("b"));
        assert_eq!(queue.ready(), None, "`a` is being worked");
        queue.done(&"b");
        assert!(queue.is_empty(), "`a` is being worked and waits for its end");
        queue.done(&"a");
        assert_eq!(queue.next().await, "a");
        queue.done(&"a");
        assert!(
            tokio::time::timeout(Duration::from_secs(60), queue.next())
                .await
                .is_err()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_delayed_key_comes_at_its_time() {
        let queue = Queue::new();
        queue.add_after("late", Duration::from_secs(9));
        queue.add_after("soon", Duration::from_secs(5));
        assert!(
            tokio::time::timeout(Duration::from_secs(4), queue.next())
                .await
                .is_err()
        );
        let start = Instant::now();
        assert_eq!(queue.next().await, "soon");
        assert_eq!(start.elapsed().as_secs(), 1);
        assert_eq!(queue.next().await, "late");
        assert_eq!(start.elapsed().as_secs(), 5);
    }

    #[tokio::test(start_paused = true)]
    async fn a_delay_that_ends_while_the_key_is_worked_counts_as_again() {
        let queue = Queue::new();
        queue.add("a");
        assert_eq!(queue.next().await, "a");
        queue.add_after("a", Duration::from_secs(1));
        assert!(
            tokio::time::timeout(Duration::from_secs(2), queue.next())
                .await
                .is_err()
        );
        queue.done(&"a");
        assert_eq!(queue.next().await, "a");
    }

    #[tokio::test(start_paused = true)]
    async fn waiting_workers_share_what_comes() {
        let queue = Queue::new();
        let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
        for worker in 0..4 {
            let (queue, sender) = (queue.clone(), sender.clone());
            tokio::spawn(async move {
                loop {
                    let key: u32 = queue.next().await;
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    queue.done(&key);
                    sender.send((key, worker)).unwrap();
                }
            });
        }
        let start = Instant::now();
        (0..8).for_each(|key| queue.add(key));
        let mut done = Vec::new();
        for _ in 0..8 {
            done.push(receiver.recv().await.unwrap().0);
        }
        done.sort_unstable();
        assert_eq!(done, (0..8).collect::<Vec<_>>());
        assert_eq!(start.elapsed().as_secs(), 2, "four at a time");
    }
}
