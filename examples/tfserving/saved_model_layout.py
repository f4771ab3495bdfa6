"""Makes a SavedModel of a published version of the movie ranker, as `feat export --convert` wants it:

feat export --registry dir://demo/registry --to tfs://localhost:8500/ranker --models models \\
  --convert '.venv-tensorflow/bin/python examples/tfserving/saved_model_layout.py'

The graph of `examples/movies/train.py` once more, in TensorFlow, with the parameters that were published. A model that
is trained in TensorFlow writes its SavedModel itself; what matters is the signature: the names, types and shapes of the
model block in the `.feat` file.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import tensorflow as tf
from safetensors.numpy import load_file

EPSILON = 1e-5
"""Of torch's BatchNorm1d."""


class Ranker(tf.Module):  # type: ignore[misc] # without types
    """The layers of `train.py`, in their mode for inference."""

    def __init__(self, parameters: dict[str, Any]) -> None:
        super().__init__()
        self.of = {name: tf.constant(values) for name, values in parameters.items()}

    def score(self, **inputs: Any) -> dict[str, Any]:
        dense = inputs["dense"]
        rows = tf.shape(dense)[0]
        item = self.rows_of("items", inputs["item_ids"])
        recent = self.mean_of("items", inputs["recent_once"])
        user = self.rows_of("users", inputs["user_once"])
        bucket = self.rows_of("bucket", inputs["bucket_once"])
        once = tf.repeat(tf.concat([user, bucket, recent], 1), rows, axis=0)
        parts = [
            self.normed(dense),
            item,
            item * recent,
            self.mean_of("genres", inputs["genres"]),
            self.mean_of("words", inputs["title"]),
            self.mean_of("crosses", inputs["crosses"]),
            once,
        ]
        hidden = tf.nn.relu(self.linear("layers.0", tf.concat(parts, 1)))
        return {"like": tf.squeeze(tf.sigmoid(self.linear("layers.3", hidden)), 1)}

    def rows_of(self, table: str, ids: Any) -> Any:
        return tf.gather(self.of[f"{table}.weight"], ids)

    def mean_of(self, table: str, ids: Any) -> Any:
        """[n, k] ids to [n, width]: the mean over the ids that are not 0."""
        present = tf.cast(ids != 0, tf.float32)[:, :, tf.newaxis]
        count = tf.maximum(tf.reduce_sum(present, 1), 1.0)
        return tf.reduce_sum(self.rows_of(table, ids) * present, 1) / count

    def normed(self, x: Any) -> Any:
        scale = self.of["norm.weight"] / tf.sqrt(self.of["norm.running_var"] + EPSILON)
        return (x - self.of["norm.running_mean"]) * scale + self.of["norm.bias"]

    def linear(self, layer: str, x: Any) -> Any:
        return tf.matmul(x, self.of[f"{layer}.weight"], transpose_b=True) + self.of[f"{layer}.bias"]


def export(published: Path, out: Path) -> None:
    """`published`: what `feat fetch` writes."""
    model = Ranker(load_file(published / "parameters.safetensors"))
    specs = {
        one["name"]: tf.TensorSpec(one["shape"], one["dtype"], one["name"])
        for one in json.loads((published / "model.json").read_text())["inputs"]
    }
    signature = tf.function(model.score).get_concrete_function(**specs)
    tf.saved_model.save(model, str(out), signatures=signature)


def main() -> None:
    parser = argparse.ArgumentParser(description="A published version as a SavedModel.")
    parser.add_argument("folder", type=Path, help="of the version")
    parser.add_argument("target", type=Path, help="the SavedModel to make")
    args = parser.parse_args()
    export(args.folder, args.target)


if __name__ == "__main__":
    main()
