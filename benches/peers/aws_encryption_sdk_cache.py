"""Nanoseconds per hit of the AWS Encryption SDK for Python's caching materials manager, on standard output.

One process, one thread, `keys` cached entries looked up in turn; all of its limits are checked and counted, as ours
are. Needs `pip install aws-encryption-sdk`. Usage: aws_encryption_sdk_cache.py [KEYS] [LOOKUPS]
"""

import os
import sys
import time

from aws_encryption_sdk import CommitmentPolicy
from aws_encryption_sdk.caches.local import LocalCryptoMaterialsCache
from aws_encryption_sdk.identifiers import EncryptionKeyType, WrappingAlgorithm
from aws_encryption_sdk.internal.crypto.wrapping_keys import WrappingKey
from aws_encryption_sdk.key_providers.raw import RawMasterKeyProvider
from aws_encryption_sdk.materials_managers import EncryptionMaterialsRequest
from aws_encryption_sdk.materials_managers.caching import CachingCryptoMaterialsManager


class Provider(RawMasterKeyProvider):
    """One random wrapping key; stands for KMS on the misses, which are not measured."""

    provider_id = "bench"

    def _get_raw_key(self, key_id):
        return WrappingKey(
            wrapping_algorithm=WrappingAlgorithm.AES_256_GCM_IV12_TAG16_NO_PADDING,
            wrapping_key=os.urandom(32),
            wrapping_key_type=EncryptionKeyType.SYMMETRIC,
        )


def main():
    keys = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    lookups = int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
    provider = Provider()
    provider.add_master_key("key")
    manager = CachingCryptoMaterialsManager(
        cache=LocalCryptoMaterialsCache(capacity=keys), max_age=3600.0, master_key_provider=provider
    )
    requests = [
        EncryptionMaterialsRequest(
            encryption_context={"aws:s3:arn": f"arn:aws:s3:::b{i}"},
            frame_length=4096,
            plaintext_length=1024,
            commitment_policy=CommitmentPolicy.REQUIRE_ENCRYPT_REQUIRE_DECRYPT,
        )
        for i in range(keys)
    ]
    for request in requests:
        manager.get_encryption_materials(request)
    first = manager.get_encryption_materials(requests[0])
    assert first.data_encryption_key == manager.get_encryption_materials(requests[0]).data_encryption_key
    start = time.perf_counter_ns()
    for i in range(lookups):
        manager.get_encryption_materials(requests[i % keys])
    print((time.perf_counter_ns() - start) / lookups)


main()
