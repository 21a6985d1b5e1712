//! Whatever is changed in a closed ledger is found, and the place is named.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use ridgeway_ledger::{Corruption, Damage, Ledger, LedgerError, Options, VerifyError, verify_dir, verify_dir_by};
use support::{entry, fill, runtime, unsigned};

/// Every file that an auditor gets.
fn files(dir: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let mut files: Vec<_> = all
        .filter(|path| ![".lock", "signing.key"].contains(&name(path).as_str()))
        .collect();
    files.sort();
    files
}

fn segments(dir: &Path) -> Vec<PathBuf> {
    files(dir)
        .into_iter()
        .filter(|path| path.extension().is_some_and(|suffix| suffix == "segment"))
        .collect()
}

/// Three segments of two entries.
fn small() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    runtime().block_on(fill(
        &dir,
        6,
        Options {
            segment_bytes: 900,
            ..Options::default()
        },
    ));
    assert!(segments(&dir).len() >= 3, "{:?}", files(&dir));
    (folder, dir)
}

#[test]
fn what_is_reserved_behind_the_last_entry_is_proved_too() {
    let folder = tempfile::tempdir().unwrap();
    let (live, dir) = (folder.path().join("live"), folder.path().join("crashed"));
    runtime().block_on(async {
        let ledger = Ledger::open(&live, Options::default()).unwrap();
        ledger.append(&entry(0)).await.unwrap();
        ledger.checkpoint_now().await.unwrap();
        fs::create_dir(&dir).unwrap();
        for file in files(&live).into_iter().chain([live.join("signing.key")]) {
            fs::copy(&file, dir.join(file.file_name().unwrap())).unwrap();
        }
    });
    let segment = segments(&dir).pop().unwrap();
    let whole = fs::read(&segment).unwrap();
    assert!(whole.len() > 1000 && whole.ends_with(&[0; 1000]), "{}", whole.len());
    assert_eq!(verify_dir(&dir).unwrap().size, 1);
    for at in [whole.len() - 1000, whole.len() - 1] {
        let mut changed = whole.clone();
        changed[at] = 1;
        fs::write(&segment, changed).unwrap();
        assert!(matches!(verify_dir(&dir), Err(VerifyError::Corrupt(_))), "byte {at}");
    }
    fs::write(&segment, whole).unwrap();
    runtime().block_on(async {
        let ledger = Ledger::open(&dir, Options::default()).unwrap();
        assert_eq!(ledger.append(&entry(1)).await.unwrap(), 1);
        ledger.close().await.unwrap();
    });
    assert_eq!(verify_dir(&dir).unwrap().size, 2);
    assert!(
        !fs::read(&segment).unwrap().ends_with(&[0; 8]),
        "a closed ledger reserves nothing"
    );
}

#[test]
fn an_untouched_ledger_is_proved() {
    let (_folder, dir) = small();
    let verified = verify_dir(&dir).unwrap();
    assert_eq!((verified.size, verified.after_checkpoint()), (6, 0));
    assert_eq!(verified.root, verified.checkpoint.root);
    assert_eq!(verified.segments, segments(&dir).len());
    verify_dir_by(&dir, &verified.key).unwrap();
    let other = ridgeway_ledger::SigningKey::generate()
        .unwrap()
        .verifier("ridgeway")
        .unwrap();
    assert!(matches!(verify_dir_by(&dir, &other), Err(VerifyError::OtherKey { .. })));
}

#[test]
fn every_flipped_byte_is_found_and_placed() {
    let (_folder, dir) = small();
    let mut flips = 0;
    for path in files(&dir) {
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(&path, &bad).unwrap();
            let error = verify_dir(&dir).expect_err(&format!("byte {at} of {}", path.display()));
            assert!(
                error.to_string().contains(path.to_str().unwrap()),
                "byte {at} of {}: {error}",
                path.display()
            );
            if let VerifyError::Corrupt(Corruption { file, offset, .. }) = &error {
                // The damaged part begins at or before the byte.
                assert_eq!(*file, path, "byte {at}: {error}");
                assert!(*offset <= at as u64, "byte {at}: {error}");
            }
            flips += 1;
        }
        fs::write(&path, &good).unwrap();
    }
    assert!(flips > 2000, "{flips}");
    verify_dir(&dir).unwrap();
}

#[test]
fn every_shortened_or_missing_file_is_found() {
    let (_folder, dir) = small();
    for path in files(&dir) {
        let good = fs::read(&path).unwrap();
        for length in 0..good.len() {
            fs::write(&path, &good[..length]).unwrap();
            let error = verify_dir(&dir).expect_err(&format!("{} cut to {length}", path.display()));
            assert!(
                error.to_string().contains(path.to_str().unwrap()),
                "{} cut to {length}: {error}",
                path.display()
            );
        }
        fs::remove_file(&path).unwrap();
        assert!(verify_dir(&dir).is_err(), "without {}", path.display());
        fs::write(&path, [&good[..], &good[..]].concat()).unwrap();
        assert!(verify_dir(&dir).is_err(), "{} twice as long", path.display());
        fs::write(&path, &good).unwrap();
    }
    verify_dir(&dir).unwrap();
}

/// Entries rewritten by somebody who knows the format but not the key: well-formed, yet not what was signed.
#[test]
fn a_skilful_forgery_fails_at_the_signature_and_the_range_is_named() {
    let (_folder, dir) = small();
    let forged = tempfile::tempdir().unwrap();
    let other = forged.path().join("ledger");
    runtime().block_on(async {
        let ledger = Ledger::open(
            &other,
            Options {
                segment_bytes: 900,
                ..Options::default()
            },
        )
        .unwrap();
        for at in 0..6 {
            let mut entry = entry(at);
            if at == 3 {
                entry.actor.user = "user9".into();
            }
            ledger.append(&entry).await.unwrap();
        }
        ledger.close().await.unwrap();
    });
    // The forger keeps the true heads and puts his frames behind them.
    for (ours, theirs) in segments(&dir).iter().zip(segments(&other)) {
        let (good, bad) = (fs::read(ours).unwrap(), fs::read(theirs).unwrap());
        let head = |bytes: &[u8]| 8 + 4 + u32::from_le_bytes(bytes[8..12].try_into().unwrap()) as usize + 12;
        fs::write(ours, [&good[..head(&good)], &bad[head(&bad)..]].concat()).unwrap();
    }
    let error = verify_dir(&dir).unwrap_err();
    let VerifyError::Corrupt(Corruption {
        damage: Damage::Root { from, to },
        file,
        ..
    }) = &error
    else {
        panic!("{error}");
    };
    assert!((*from..*to).contains(&3) && to - from <= 2, "{error}");
    assert!(
        error.to_string().contains("are not the entries that were signed"),
        "{error}"
    );
    assert!(segments(&dir).contains(file));
}

#[test]
fn a_damaged_ledger_does_not_open() {
    let (_folder, dir) = small();
    for path in files(&dir) {
        let good = fs::read(&path).unwrap();
        for at in [0, good.len() / 2, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 4;
            fs::write(&path, &bad).unwrap();
            let error = Ledger::open(&dir, Options::default()).expect_err(&format!("byte {at} of {}", path.display()));
            assert!(
                matches!(error, LedgerError::Corrupt(_) | LedgerError::Key(_)),
                "{error}"
            );
            assert_eq!(
                fs::read(&path).unwrap(),
                bad,
                "opening must not repair what was acknowledged"
            );
        }
        fs::remove_file(&path).unwrap();
        assert!(
            Ledger::open(&dir, Options::default()).is_err(),
            "without {}",
            path.display()
        );
        fs::write(&path, &good).unwrap();
    }
    Ledger::open(&dir, Options::default()).unwrap();
}

#[test]
fn another_private_key_is_refused() {
    let (folder, dir) = small();
    let private = folder.path().join("other.key");
    ridgeway_ledger::SigningKey::generate().unwrap().save(&private).unwrap();
    let options = Options {
        private_key: Some(private),
        ..Options::default()
    };
    assert!(matches!(Ledger::open(&dir, options), Err(LedgerError::WrongKey { .. })));
}

/// What a crash leaves behind the checkpoint: a torn end goes, an acknowledged entry never does.
#[test]
fn a_torn_end_is_cut_off_but_a_durable_entry_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("ledger");
    let copy = folder.path().join("copy");
    runtime().block_on(async {
        let ledger = Ledger::open(&dir, unsigned()).unwrap();
        for at in 0..4 {
            ledger.append(&entry(at)).await.unwrap();
        }
        // The state of the disk now: four groups, no checkpoint over any of them.
        fs::create_dir(&copy).unwrap();
        for file in files(&dir).into_iter().chain([dir.join("signing.key")]) {
            fs::copy(&file, copy.join(file.file_name().unwrap())).unwrap();
        }
    });
    let verified = verify_dir(&copy).unwrap();
    assert_eq!((verified.size, verified.after_checkpoint()), (4, 4));
    let path = segments(&copy).pop().unwrap();
    let whole = fs::read(&path).unwrap();
    let names = |dir: &Path| {
        let ledger = Ledger::open(dir, unsigned()).unwrap();
        ledger
            .entries(0..9)
            .unwrap()
            .into_iter()
            .map(|record| record.entry.object.name)
            .collect::<Vec<_>>()
    };
    let reset = || {
        fs::write(&path, &whole).unwrap();
        fs::copy(dir.join("checkpoint"), copy.join("checkpoint")).unwrap();
    };
    // The frame of the last entry: the checkpoint of the copy is still the first one (size 0).
    let empty_checkpoint = fs::read_to_string(copy.join("checkpoint")).unwrap();
    assert_eq!(empty_checkpoint.lines().nth(1), Some("0"));
    let last = whole
        .windows(10)
        .rposition(|window| window.starts_with(&3u64.to_le_bytes()))
        .unwrap();
    for length in last + 1..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        fs::write(copy.join("checkpoint"), &empty_checkpoint).unwrap();
        assert!(verify_dir(&copy).is_err(), "cut to {length}");
        assert_eq!(names(&copy), ["pod0", "pod1", "pod2"], "cut to {length}");
        assert_eq!(verify_dir(&copy).unwrap().size, 3);
        if length > last + 40 {
            break;
        }
    }
    // A damaged entry with later groups behind it was durable: no repair, no silent loss.
    reset();
    fs::write(copy.join("checkpoint"), &empty_checkpoint).unwrap();
    let second = whole
        .windows(10)
        .position(|window| window.starts_with(&1u64.to_le_bytes()))
        .unwrap();
    for at in [second, second + 16, second + 40] {
        let mut bad = whole.clone();
        bad[at] ^= 1;
        fs::write(&path, &bad).unwrap();
        let error = Ledger::open(&copy, unsigned()).expect_err("a durable entry is damaged");
        assert!(
            matches!(&error, LedgerError::Corrupt(Corruption { index: 1, .. })),
            "{error}"
        );
        assert_eq!(fs::read(&path).unwrap(), bad);
    }
    // A head that was being written when the machine stopped never held an entry.
    fs::write(&path, &whole).unwrap();
    let torn = copy.join(format!("{:020}.segment", 4));
    for bytes in [&b""[..], &whole[..30]] {
        fs::write(&torn, bytes).unwrap();
        fs::write(copy.join("checkpoint"), &empty_checkpoint).unwrap();
        assert_eq!(names(&copy).len(), 4);
        assert!(!torn.exists());
    }
}
