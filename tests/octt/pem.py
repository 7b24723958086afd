"""A root certificate for the cases that install one, and a hash as a charger tells one.

Its private key is lost: nothing can be signed with it.
"""

CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIBnTCCAUOgAwIBAgIUCZSWnh1dZ8ZrkbaodPvo6VUlByMwCgYIKoZIzj0EAwIw
IzENMAsGA1UECgwET0NUVDESMBAGA1UEAwwJVGVzdCBSb290MCAXDTI2MTEyMTIx
NDMzM1oYDzIxMjYxMDI4MjE0MzMzWjAjMQ0wCwYDVQQKDARPQ1RUMRIwEAYDVQQD
DAlUZXN0IFJvb3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAATgq+Uy5rYC7xcY
BTVMat5vHCupO7nud5b3iyXhKz3Nh4b6agjyNSh0YgV2ThJ7XbbkVCCl0G1EqEAr
MVRhpgbZo1MwUTAdBgNVHQ4EFgQUmdqd+OA7kbIgggd0U112nYkRLOkwHwYDVR0j
BBgwFoAUmdqd+OA7kbIgggd0U112nYkRLOkwDwYDVR0TAQH/BAUwAwEB/zAKBggq
hkjOPQQDAgNIADBFAiBJTeyOZ3rDMIzvWp0x79kK5ntxqOy7S4NGmfWRIILcvgIh
AOXOcgzlKp1nIvwIBIr4yVDlfjXJTHWxknUZe1KlKTYD
-----END CERTIFICATE-----
"""

HASH_DATA = {
    "hashAlgorithm": "SHA256",
    "issuerNameHash": "5f4b4dfa5ac7f3bd4b4bd9ca9c3f7a1b8a3f0c1d2e4f5a6b7c8d9e0f1a2b3c4d",
    "issuerKeyHash": "1a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f809",
    "serialNumber": "4d3c2b1a",
}
