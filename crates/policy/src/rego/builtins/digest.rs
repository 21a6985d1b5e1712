//! Digests and message authentication codes.

use aws_lc_rs::{constant_time, digest, hmac};

use super::super::value::Value;
use super::encoding::hex;
use super::{Answer, Builtin, Env, builtin, text};

pub(super) const BUILTINS: &[Builtin] = &[
    builtin("crypto.md5", 1, |env, a| {
        env.work(text(a, 0)?.len())?;
        Ok(Value::str(hex(&md5(text(a, 0)?.as_bytes()))))
    }),
    builtin("crypto.sha1", 1, |env, a| {
        hashed(env, a, &digest::SHA1_FOR_LEGACY_USE_ONLY)
    }),
    builtin("crypto.sha256", 1, |env, a| hashed(env, a, &digest::SHA256)),
    builtin("crypto.hmac.md5", 2, |env, a| {
        env.work(text(a, 0)?.len())?;
        Ok(Value::str(hex(&hmac_md5(
            text(a, 1)?.as_bytes(),
            text(a, 0)?.as_bytes(),
        ))))
    }),
    builtin("crypto.hmac.sha1", 2, |env, a| {
        coded(env, a, hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY)
    }),
    builtin("crypto.hmac.sha256", 2, |env, a| coded(env, a, hmac::HMAC_SHA256)),
    builtin("crypto.hmac.sha512", 2, |env, a| coded(env, a, hmac::HMAC_SHA512)),
    builtin("crypto.hmac.equal", 2, |_, a| {
        let (x, y) = (text(a, 0)?, text(a, 1)?);
        Ok(Value::Bool(
            constant_time::verify_slices_are_equal(x.as_bytes(), y.as_bytes()).is_ok(),
        ))
    }),
];

fn hashed<'d>(env: &Env<'_>, a: &[Value<'d>], alg: &'static digest::Algorithm) -> Answer<'d> {
    env.work(text(a, 0)?.len())?;
    Ok(Value::str(hex(digest::digest(alg, text(a, 0)?.as_bytes()).as_ref())))
}

fn coded<'d>(env: &Env<'_>, a: &[Value<'d>], alg: hmac::Algorithm) -> Answer<'d> {
    env.work(text(a, 0)?.len())?;
    let key = hmac::Key::new(alg, text(a, 1)?.as_bytes());
    Ok(Value::str(hex(hmac::sign(&key, text(a, 0)?.as_bytes()).as_ref())))
}

pub(super) fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

pub(super) fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message)
        .as_ref()
        .to_vec()
}

/// MD5 (RFC 1321): for old checksums, not for security.
pub(crate) fn md5(message: &[u8]) -> [u8; 16] {
    const SHIFTS: [[u32; 4]; 4] = [[7, 12, 17, 22], [5, 9, 14, 20], [4, 11, 16, 23], [6, 10, 15, 21]];
    let sines: Vec<u32> = (0..64)
        .map(|i| (f64::from(i + 1).sin().abs() * 4_294_967_296.0) as u32)
        .collect();
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend((message.len() as u64).wrapping_mul(8).to_le_bytes());
    let mut state = [0x6745_2301u32, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476];
    for block in padded.chunks_exact(64) {
        let mut words = [0u32; 16];
        for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
            *word = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
        }
        let [mut a, mut b, mut c, mut d] = state;
        for i in 0..64 {
            let (mixed, word) = match i / 16 {
                0 => ((b & c) | (!b & d), i),
                1 => ((d & b) | (!d & c), (5 * i + 1) % 16),
                2 => (b ^ c ^ d, (3 * i + 5) % 16),
                _ => (c ^ (b | !d), (7 * i) % 16),
            };
            let sum = a.wrapping_add(mixed).wrapping_add(sines[i]).wrapping_add(words[word]);
            a = d;
            d = c;
            c = b;
            b = b.wrapping_add(sum.rotate_left(SHIFTS[i / 16][i % 4]));
        }
        for (slot, value) in state.iter_mut().zip([a, b, c, d]) {
            *slot = slot.wrapping_add(value);
        }
    }
    let mut out = [0; 16];
    for (bytes, word) in out.chunks_exact_mut(4).zip(state) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    out
}

fn hmac_md5(key: &[u8], message: &[u8]) -> [u8; 16] {
    let mut block = [0u8; 64];
    if key.len() > 64 {
        block[..16].copy_from_slice(&md5(key));
    } else {
        block[..key.len()].copy_from_slice(key);
    }
    let padded = |pad: u8, rest: &[u8]| {
        let mut bytes: Vec<u8> = block.iter().map(|byte| byte ^ pad).collect();
        bytes.extend(rest);
        md5(&bytes)
    };
    padded(0x5c, &padded(0x36, message))
}
