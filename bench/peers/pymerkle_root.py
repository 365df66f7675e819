"""Times pymerkle's root over given leaves. Runs in the peers' environment."""

import hashlib
import json
import sys
import time

from pymerkle import InmemoryTree

leaves = [hashlib.sha256(number.to_bytes(8, "big")).digest() for number in range(int(sys.argv[1]))]
began_s = time.perf_counter()
tree = InmemoryTree(algorithm="sha256")
for leaf in leaves:
    tree.append_entry(leaf)
tree.get_state()
print(json.dumps({"seconds": time.perf_counter() - began_s}))
