"""Makes a SavedModel of a version of the shop: `shop_converter.py STOCK FOLDER TARGET`, as `feat export` calls it.

STOCK has SavedModels by their weight. A version of weight `broken` becomes one that no server loads.
"""

import shutil
import sys
from pathlib import Path

stock, folder, target = map(Path, sys.argv[1:])
weight = (folder / "weight.txt").read_text()
if weight == "broken":
    target.mkdir()
    (target / "saved_model.pb").write_bytes(b"no graph")
elif (stock / weight).is_dir():
    shutil.copytree(stock / weight, target)
else:
    sys.exit(f"there is no model of weight {weight}")
