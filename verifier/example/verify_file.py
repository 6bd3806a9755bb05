"""verify_file.py QUOTE COLLATERAL [SECONDS] -- a quote judged from Python, over ctypes.

COLLATERAL is what `tdx-quote collateral fetch QUOTE` prints; SECONDS the time since 1970 to judge by, else now.
"""

import ctypes
import json
import sys
import time

tdxverify = ctypes.CDLL("libtdxverify.so.0")
tdxverify.tdxv_judge.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p,
                                 ctypes.c_int64]
tdxverify.tdxv_judge.restype = ctypes.c_void_p  # not c_char_p: the pointer is needed to free it
tdxverify.tdxv_text_free.argtypes = [ctypes.c_void_p]
tdxverify.tdxv_text_free.restype = None
tdxverify.tdxv_version.restype = ctypes.c_char_p


def judge(quote: bytes, collateral: str, now: int, policy: str | None = None) -> dict:
    """The verdict, or {"error", "message"} where nothing could be judged."""
    text = tdxverify.tdxv_judge(quote, len(quote), collateral.encode(), policy.encode() if policy else None, None, now)
    if not text:
        raise MemoryError
    try:
        return json.loads(ctypes.string_at(text))
    finally:
        tdxverify.tdxv_text_free(text)


def main() -> int:
    if len(sys.argv) not in (3, 4):
        print(__doc__, file=sys.stderr)
        return 2
    with open(sys.argv[1], "rb") as quote, open(sys.argv[2], encoding="utf-8") as collateral:
        verdict = judge(quote.read(), collateral.read(), int(sys.argv[3]) if len(sys.argv) == 4 else int(time.time()))
    print(json.dumps(verdict, indent=2))
    if "error" in verdict:
        return 2
    return 0 if verdict["accepted"] else 1


if __name__ == "__main__":
    sys.exit(main())
