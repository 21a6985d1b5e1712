//! A journal: lines of text in numbered files, the newest of them up to a bound. What is written down beside a ledger to
//! work with, not to prove anything: nothing is synced, and what does not fit in time is left out and counted.
//!
//! Must not know: what the lines mean, but for its own: `{"missed":3}` says that so many were left out there.
//!
//! [`Journal::offer`] never waits: it hands the making of the line to a thread, or says no. Each file ends with a whole
//! line, except where the machine or the process stopped in the middle of one; [`read`] leaves that one out, and opening
//! the journal again cuts it off.

use std::collections::VecDeque;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::error::LedgerError;

/// Lines that wait for the thread at most. Each holds what it is made of.
const WAITING: usize = 1024;
/// How long the thread rests after having written all there is: one waking for many lines, none for each.
const REST: Duration = Duration::from_millis(20);
/// In how many files the bound is divided; the oldest goes as a whole.
const FILES: u64 = 8;
const ENDING: &str = ".jsonl";

/// Makes a line, without its end; `None` when there is nothing to write after all.
type Make = Box<dyn FnOnce() -> Option<Vec<u8>> + Send>;

enum Job {
    Line(Make),
    Close,
}

/// What a journal has done so far.
#[derive(Debug, Default)]
pub struct Counts {
    written: AtomicU64,
    missed: AtomicU64,
}

impl Counts {
    /// Lines written.
    pub fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Lines left out, because too many were waiting or they could not be written.
    pub fn missed(&self) -> u64 {
        self.missed.load(Ordering::Relaxed)
    }
}

/// An open journal. Dropping it leaves the thread to write what is waiting; [`Journal::close`] waits for that.
#[derive(Debug)]
pub struct Journal {
    queue: SyncSender<Job>,
    counts: Arc<Counts>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Journal {
    /// Opens the journal of a directory, or begins one; all its files together stay below so many bytes.
    ///
    /// # Errors
    /// The directory or a file of it cannot be used.
    pub fn open(dir: &Path, bound: u64) -> Result<Journal, LedgerError> {
        let files = Files::open(dir, bound)?;
        let counts = Arc::new(Counts::default());
        let (queue, jobs) = sync_channel(WAITING);
        let thread = std::thread::Builder::new().name("journal".to_owned()).spawn({
            let counts = counts.clone();
            move || run(&jobs, files, &counts)
        });
        let thread = thread.map_err(|error| LedgerError::io("start the thread that writes", dir, &error))?;
        Ok(Journal {
            queue,
            counts,
            thread: Mutex::new(Some(thread)),
        })
    }

    /// Takes a line to be made and written later, and whether it was taken. Returns at once.
    pub fn offer(&self, make: impl FnOnce() -> Option<Vec<u8>> + Send + 'static) -> bool {
        let taken = self.queue.try_send(Job::Line(Box::new(make)));
        if let Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) = &taken {
            self.counts.missed.fetch_add(1, Ordering::Relaxed);
        }
        taken.is_ok()
    }

    /// What it has done so far.
    pub fn counts(&self) -> Arc<Counts> {
        self.counts.clone()
    }

    /// Writes what is waiting and ends; what is offered later is left out.
    pub fn close(&self) {
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread
            && self.queue.send(Job::Close).is_ok()
            && thread.join().is_err()
        {
            tracing::error!("the journal's thread broke down; its last lines may be lost");
        }
    }
}

/// Writes until the journal is closed or dropped.
fn run(jobs: &Receiver<Job>, mut files: Files, counts: &Counts) {
    let mut told = 0;
    let mut failing = false;
    let mut open = true;
    while open {
        let mut next = jobs.recv().ok();
        open = next.is_some();
        while let Some(job) = next.take() {
            let Job::Line(make) = job else {
                open = false;
                break;
            };
            if let Some(line) = make() {
                let missed = counts.missed();
                let note = (missed > told).then(|| format!("{{\"missed\":{}}}", missed - told));
                let written = match note {
                    Some(note) => files.write(note.as_bytes()).and_then(|()| files.write(&line)),
                    None => files.write(&line),
                };
                match written {
                    Ok(()) => {
                        if missed > told {
                            tracing::warn!(missed = missed - told, "lines were left out of the journal");
                        }
                        (told, failing) = (missed, false);
                        counts.written.fetch_add(1, Ordering::Relaxed);
                    }
                    Err(error) => {
                        counts.missed.fetch_add(1, Ordering::Relaxed);
                        if !std::mem::replace(&mut failing, true) {
                            tracing::error!(%error, "the journal cannot be written; nothing else stops");
                        }
                    }
                }
            }
            next = jobs.try_recv().ok();
        }
        if let Err(error) = files.flush()
            && !std::mem::replace(&mut failing, true)
        {
            tracing::error!(%error, "the journal cannot be written; nothing else stops");
        }
        if open {
            std::thread::sleep(REST);
        }
    }
    // Nobody comes after them to tell.
    if counts.missed() > told {
        let note = format!("{{\"missed\":{}}}", counts.missed() - told);
        let _ = files.write(note.as_bytes()).and_then(|()| files.flush());
    }
}

/// The file that is written to.
struct Open {
    file: BufWriter<File>,
    path: PathBuf,
}

/// The files of a journal.
struct Files {
    dir: PathBuf,
    bound: u64,
    open: Option<Open>,
    /// Number and size of each file, the oldest first; the last one is written to.
    kept: VecDeque<(u64, u64)>,
    /// The number of the newest file there was.
    last: u64,
}

impl Files {
    fn open(dir: &Path, bound: u64) -> Result<Files, LedgerError> {
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(dir)
            .map_err(|error| LedgerError::io("make", dir, &error))?;
        let mut kept = VecDeque::new();
        let numbers = numbers(dir)?;
        for number in &numbers {
            let path = path(dir, *number);
            let sized = std::fs::metadata(&path).map_err(|error| LedgerError::io("read", &path, &error))?;
            kept.push_back((*number, sized.len()));
        }
        let mut files = Files {
            dir: dir.to_owned(),
            bound,
            open: None,
            kept,
            last: numbers.last().copied().unwrap_or(0),
        };
        if let Some((number, size)) = files.kept.back_mut() {
            let path = path(dir, *number);
            *size = cut_torn(&path).map_err(|error| LedgerError::io("read", &path, &error))?;
            if *size < bound / FILES {
                let file = appending(&path).map_err(|error| LedgerError::io("open", &path, &error))?;
                files.open = Some(Open { file, path });
            }
        }
        files.make_room(0)?;
        Ok(files)
    }

    /// Removes the oldest files until there is room for so many bytes.
    fn make_room(&mut self, bytes: u64) -> Result<(), LedgerError> {
        while self.kept.iter().map(|(_, size)| size).sum::<u64>() + bytes > self.bound {
            let Some((number, _)) = self.kept.pop_front() else {
                break;
            };
            if self.kept.is_empty() {
                self.open = None;
            }
            let path = path(&self.dir, number);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(LedgerError::io("remove", &path, &error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn write(&mut self, line: &[u8]) -> Result<(), LedgerError> {
        let bytes = line.len() as u64 + 1;
        let limit = self.bound / FILES;
        if bytes > limit {
            let why = io::Error::other(format!("a line of {bytes} bytes is too long; raise the bound"));
            return Err(LedgerError::io("write to", &self.dir, &why));
        }
        let size = self.kept.back().map_or(0, |(_, size)| *size);
        if self.open.is_none() || size + bytes > limit {
            self.flush()?;
            self.make_room(limit)?;
            self.last += 1;
            let number = self.last;
            let path = path(&self.dir, number);
            let file = appending(&path).map_err(|error| LedgerError::io("open", &path, &error))?;
            self.kept.push_back((number, 0));
            self.open = Some(Open { file, path });
        }
        if let (Some(open), Some((_, size))) = (&mut self.open, self.kept.back_mut()) {
            *size += bytes;
            let written = open.file.write_all(line).and_then(|()| open.file.write_all(b"\n"));
            written.map_err(|error| LedgerError::io("write to", &open.path, &error))?;
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<(), LedgerError> {
        match &mut self.open {
            Some(open) => open
                .file
                .flush()
                .map_err(|error| LedgerError::io("write to", &open.path, &error)),
            None => Ok(()),
        }
    }
}

fn path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:08}{ENDING}"))
}

fn appending(path: &Path) -> io::Result<BufWriter<File>> {
    let file = OpenOptions::new().create(true).append(true).mode(0o600).open(path)?;
    Ok(BufWriter::with_capacity(64 << 10, file))
}

/// The numbers of a journal's files, the oldest first.
fn numbers(dir: &Path) -> Result<Vec<u64>, LedgerError> {
    let entries = std::fs::read_dir(dir).map_err(|error| LedgerError::io("read", dir, &error))?;
    let mut numbers: Vec<u64> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.strip_suffix(ENDING)?.parse().ok())
        .collect();
    numbers.sort_unstable();
    Ok(numbers)
}

/// How many bytes whole lines take.
fn whole(bytes: &[u8]) -> usize {
    bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1)
}

/// Cuts an unfinished last line off; how long the file is then.
fn cut_torn(path: &Path) -> io::Result<u64> {
    let bytes = std::fs::read(path)?;
    let whole = whole(&bytes);
    if whole < bytes.len() {
        OpenOptions::new().write(true).open(path)?.set_len(whole as u64)?;
    }
    Ok(whole as u64)
}

/// The texts of a journal's files, the oldest first, each with its path and without an unfinished last line. Needs no lock:
/// a file that is removed meanwhile is passed over.
///
/// # Errors
/// The directory or a file cannot be read.
pub fn read(dir: &Path) -> Result<impl Iterator<Item = Result<(PathBuf, String), LedgerError>>, LedgerError> {
    let paths = numbers(dir)?.into_iter().map({
        let dir = dir.to_owned();
        move |number| path(&dir, number)
    });
    Ok(paths.filter_map(|path| match std::fs::read(&path) {
        Ok(mut bytes) => {
            bytes.truncate(whole(&bytes));
            Some(Ok((path, String::from_utf8_lossy(&bytes).into_owned())))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => Some(Err(LedgerError::io("read", &path, &error))),
    }))
}

/// How many lines were left out, where a line of a journal says just that.
pub fn missed(line: &str) -> Option<u64> {
    line.strip_prefix("{\"missed\":")?.strip_suffix('}')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(dir: &Path) -> Vec<String> {
        let texts = read(dir).unwrap().map(|text| text.unwrap().1);
        texts
            .flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>())
            .collect()
    }

    fn size(dir: &Path) -> u64 {
        let files = std::fs::read_dir(dir).unwrap();
        files.map(|file| file.unwrap().metadata().unwrap().len()).sum()
    }

    #[test]
    fn the_newest_lines_are_kept_within_the_bound() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("a");
        let mut files = Files::open(&dir, 8_000).unwrap();
        for number in 0..1_000 {
            files
                .write(format!("line {number:04}, with something to fill it").as_bytes())
                .unwrap();
            if number % 100 == 0 {
                files.flush().unwrap();
                assert!(size(&dir) <= 8_000);
            }
        }
        files.flush().unwrap();
        let kept = lines(&dir);
        assert!(kept.last().unwrap().starts_with("line 0999"), "{kept:?}");
        assert!(kept.len() > 100 && kept.is_sorted(), "{}", kept.len());
        assert!(size(&dir) <= 8_000);
        // Too long a line is refused, the next one is not.
        assert!(files.write(&[b'x'; 1_000]).is_err());
        files.write(b"line 1000").unwrap();
        // A smaller bound counts at once.
        drop(files);
        let files = Files::open(&dir, 2_000).unwrap();
        assert!(size(&dir) <= 2_000 && !files.kept.is_empty());
    }

    #[test]
    fn an_unfinished_line_is_left_out_and_cut_off() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path();
        let journal = Journal::open(dir, 1 << 20).unwrap();
        assert!(journal.offer(|| Some(b"{\"a\":1}".to_vec())));
        assert!(journal.offer(|| None));
        journal.close();
        assert!(!journal.offer(|| None), "it has ended");
        let first = path(dir, 1);
        assert_eq!(std::fs::metadata(&first).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&first, "{\"a\":1}\n{\"b\":").unwrap();
        assert_eq!(lines(dir), ["{\"a\":1}"]);
        let journal = Journal::open(dir, 1 << 20).unwrap();
        journal.offer(|| Some(b"{\"c\":3}".to_vec()));
        journal.close();
        assert_eq!(lines(dir), ["{\"a\":1}", "{\"c\":3}"]);
        assert_eq!((journal.counts().written(), journal.counts().missed()), (1, 0));
    }

    #[test]
    fn what_does_not_fit_in_time_is_counted_and_told() {
        let folder = tempfile::tempdir().unwrap();
        let journal = Journal::open(folder.path(), 1 << 20).unwrap();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let (begin, begun) = std::sync::mpsc::channel::<()>();
        journal.offer(move || {
            begin.send(()).unwrap();
            let _ = wait.recv();
            Some(b"first".to_vec())
        });
        begun.recv().unwrap();
        let taken = (0..2 * WAITING)
            .filter(|_| journal.offer(|| Some(b"x".to_vec())))
            .count();
        assert_eq!(taken, WAITING);
        go.send(()).unwrap();
        journal.close();
        let lines = lines(folder.path());
        let told: u64 = lines.iter().filter_map(|line| missed(line)).sum();
        assert_eq!(told, (2 * WAITING - taken) as u64);
        assert_eq!(journal.counts().missed(), told);
        assert_eq!(lines.iter().filter(|line| missed(line).is_none()).count(), taken + 1);
        assert_eq!(missed("{\"missed\":3,\"a\":1}"), None);
    }
}
