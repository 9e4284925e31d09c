//! Sealing and opening under a cached key: in memory, from reader to writer, and what is refused.

use proptest::collection::vec;
use proptest::prelude::*;
use s3seal::client::{OpeningError, SealingError};
use s3seal::envelope::{Identity, OpenError, SealError};

use crate::stub::{Stub, builder, request, request_of};

fn name() -> Identity {
    Identity::text("a file")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn what_is_sealed_from_a_reader_opens_to_a_writer_and_in_memory(
        lengths in vec(0_usize..300_000, 1..3),
        known in any::<bool>(),
        buffer in 1_usize..100_000,
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let plaintext: Vec<u8> = (0..lengths.iter().sum::<usize>()).map(|i| (i % 251) as u8).collect();
        runtime.block_on(async {
            let cache = builder(&Stub::new(1)).build().unwrap();
            let request = request(&cache);
            let length = known.then_some(plaintext.len() as u64);
            let mut envelope = Vec::new();
            let sealed = cache.seal(&request, &name(), length, &plaintext[..], &mut envelope).await.unwrap();
            prop_assert_eq!(sealed, plaintext.len() as u64);
            prop_assert_eq!(&cache.open_bytes(&request, &name(), &envelope).await.unwrap(), &plaintext);
            let mut opened = Vec::new();
            let reader = tokio::io::BufReader::with_capacity(buffer, &envelope[..]);
            prop_assert_eq!(cache.open(&request, &name(), reader, &mut opened).await.unwrap(), sealed);
            prop_assert_eq!(&opened, &plaintext);
            prop_assert_eq!(cache.snapshot().calls(), 2, "one to seal, one to open");
            Ok(())
        })?;
    }
}

#[tokio::test(start_paused = true)]
async fn another_name_context_or_kms_key_opens_nothing_and_strange_ones_cost_no_call() {
    let kms = Stub::new(1);
    let cache = builder(&kms).build().unwrap();
    let (one, two) = (request(&cache), request_of(&cache, "two"));
    let envelope = cache.seal_bytes(&one, &name(), b"plain").await.unwrap();
    let elsewhere = cache.open_bytes(&one, &Identity::text("another file"), &envelope).await;
    assert!(matches!(elsewhere, Err(OpeningError::Open(OpenError::WrongKeyOrHeader))), "{elsewhere:?}");
    let calls = kms.calls();
    let other_context = cache.open_bytes(&two, &name(), &envelope).await;
    assert!(matches!(other_context, Err(OpeningError::NotAllowed { .. })), "{other_context:?}");
    let said = other_context.unwrap_err().to_string();
    assert!(said.contains("an encryption context of 1 pair: expected both as in a request"), "{said}");
    let other_key =
        "arn:aws:kms:eu-west-2:111122223333:key/00000000-12ab-34cd-56ef-1234567890ab".parse().unwrap();
    let other_key = cache.request(other_key, one.context().clone(), one.principal().clone());
    let other_key = cache.open_bytes(&other_key, &name(), &envelope).await;
    assert!(matches!(other_key, Err(OpeningError::NotAllowed { .. })), "{other_key:?}");
    assert_eq!(kms.calls(), calls);
    assert_eq!(cache.open_bytes(&one, &name(), &envelope).await.unwrap(), b"plain");
}

#[tokio::test(start_paused = true)]
async fn a_cut_envelope_lets_out_an_authentic_prefix_and_then_fails() {
    let cache = builder(&Stub::new(1)).build().unwrap();
    let request = request(&cache);
    let plaintext = vec![7; 200_000];
    let envelope = cache.seal_bytes(&request, &name(), &plaintext).await.unwrap();
    let mut opened = Vec::new();
    let cut = &envelope[..envelope.len() - 1];
    let result = cache.open(&request, &name(), cut, &mut opened).await;
    assert!(matches!(result, Err(OpeningError::Open(_))), "{result:?}");
    assert!(!opened.is_empty() && plaintext.starts_with(&opened));
    for length in [0, 10, 100, 200] {
        let header = cache.open(&request, &name(), &envelope[..length], &mut Vec::new()).await;
        assert!(matches!(header, Err(OpeningError::Open(_))), "{length}: {header:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_gives_another_length_than_announced_is_refused() {
    let cache = builder(&Stub::new(1)).build().unwrap();
    let request = request(&cache);
    for announced in [4, 6] {
        let sealed = cache.seal(&request, &name(), Some(announced), &b"plain"[..], Vec::new()).await;
        assert!(matches!(sealed, Err(SealingError::Seal(SealError::Length { .. }))), "{sealed:?}");
    }
}
