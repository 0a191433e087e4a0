"""Release 2.0: the plugin's helpers."""

from aistore.pytorch.utils import (
    MB_TO_B,
    convert_bytes_to_mb,
    convert_mb_to_bytes,
    get_basename,
    get_extension,
    parse_url,
    unparse_url,
)

print(MB_TO_B, convert_mb_to_bytes(1.2345678), convert_bytes_to_mb(2_500_000))
for name in ("a/b/c.tar.gz", "c.jpg", "a.b/c", "c", ".hidden", "a/.b.c", ""):
    print(repr(get_basename(name)), repr(get_extension(name)))
for url in ("ais://bucket/a/b.c", "aws://bucket", "gcp://bucket/", "ais://bucket//a", "name", "ais://b/a b"):
    print(parse_url(url))
for parts in (("ais", "b", "o/p"), ("aws", "b", ""), ("ais", "b", "/o"), ("", "b", "o")):
    print(unparse_url(*parts))
